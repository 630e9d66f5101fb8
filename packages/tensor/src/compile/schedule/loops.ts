/**
 * Scheduling a loop: its body is a program, with kernels of its own. A result of the body is
 * written where it belongs, in the next place of a carry or an element of a sequence; if that is
 * not possible, as it is an argument or is returned twice, a kernel copies it there.
 */
import * as k from '@mambagrad/kernel';
import { flatIndex, forEach } from '../../core/lowering.ts';
import { bufferOf, loaderFrom } from '../fusion/buffers.ts';
import { constantsOf, numberIn } from '../fusion/constants.ts';
import { elementsOf } from '../fusion/elements.ts';
import { baseOf, isMaterialized, type Materialization } from '../fusion/materialization.ts';
import type { Pass } from '../passes/simplify.ts';
import type { Loop } from '../trace/loop.ts';
import { type Program, specOf, type Value } from '../trace/trace.ts';
import type { Home, KernelCall, LoopCall, Schedule } from './kernelCall.ts';

/** Schedules a program, as `schedule` does. */
type ScheduleProgram = (
  program: Program, constants: ReadonlyMap<Value, k.Expr>, without: ReadonlySet<Pass>,
) => Schedule;

/** The call of a loop; undefined if its body has ops that need their reference loops. */
export function loopCall(
  loop: Loop, without: ReadonlySet<Pass>, schedule: ScheduleProgram,
): LoopCall | undefined {
  const { body } = loop;
  const constants = constantsOf(body);
  for (const result of body.results) {
    const number = numberIn(body, result);
    if (number) constants.set(result, number);
  }
  const scheduled = schedule(body, constants, without);
  const hasKernels = scheduled.calls.every((call) => call.kernel ?? call.loop);
  const values = [...body.inputs, ...body.results];
  if (!hasKernels || values.some(({ dtype }) => dtype === 'f64')) return undefined;
  const homes = homesOf(loop);
  const { results, copies } = placeResults(loop, scheduled.materialization, homes);
  const calls = [...scheduled.calls, ...copies];
  return { loop, body: { ...scheduled, calls }, results, homes };
}

/** Where the carries of a loop lie: in an output, if that holds the same, as no copy is needed. */
function homesOf({ body: { inputs, results }, shape: { carries } }: Loop): Home[] {
  const outputs = results.slice(carries);
  const taken = new Set<number>();
  return results.slice(0, carries).map((after, i): Home => {
    const [before, same] = [inputs[i], after].map((value) => {
      const found = outputs.findIndex((output, n) => output === value && !taken.has(n));
      return found < 0 ? undefined : carries + found;
    });
    const output = before ?? same;
    if (output === undefined) return { kind: 'swap' };
    taken.add(output - carries);
    return { kind: before === undefined ? 'after' : 'before', output };
  });
}

/** The values that are written to the places of the results, and the copies that this takes. */
function placeResults(
  { body }: Loop, materialization: Materialization, homes: readonly Home[],
): { results: Value[]; copies: KernelCall[] } {
  const copies: KernelCall[] = [];
  const placed = new Set<Value>();
  const results: Value[] = [];
  const isHome = (i: number): boolean =>
    homes.some((home) => home.kind !== 'swap' && home.output === i);
  body.results.forEach((result, i) => {
    // An output in which a carry lies is written as that carry.
    if (isHome(i)) {
      results.push(result);
      return;
    }
    const base = baseOf(materialization, result);
    const isWhole = bufferOf(base).length === bufferOf(result).length;
    const isMade = base.from === 'step' && isMaterialized(materialization, base);
    if (isMade && isWhole && !placed.has(base)) {
      placed.add(base);
      results.push(base);
      return;
    }
    const copy = copyCall(result, materialization);
    copies.push(copy);
    results.push(copy.writes[0]);
  });
  return { results, copies };
}

/** Copies a value to another place. */
function copyCall(value: Value, materialization: Materialization): KernelCall {
  const copy: Value = { ...specOf(value), from: 'step' };
  const read = new Set<Value>();
  const elements = elementsOf(materialization, value, loaderFrom(read));
  const body = forEach(value.shape, (at) => (
    k.store(bufferOf(copy), flatIndex(at, value.shape), elements.at(at))
  ));
  const reads = [...read];
  return {
    name: 'copy', steps: [], reads, writes: [copy],
    kernel: k.kernel('copy', [...reads, copy].map(bufferOf), body),
    canAlias: () => false,
  };
}

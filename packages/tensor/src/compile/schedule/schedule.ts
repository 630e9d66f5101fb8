/**
 * Scheduling: from a program to kernel calls, in order. A materialised value is fused into the last
 * group that can take it in, so that what is computed of the same elements is computed in one
 * kernel; if there is none, it starts a group. A loop is a call whose body is scheduled by itself.
 * An op without a kernel runs its reference loop.
 */
import * as k from '@mambagrad/kernel';
import { type Bound, forEach } from '../../core/lowering.ts';
import { numelOf } from '../../core/shape.ts';
import { bufferOf, loaderFrom } from '../fusion/buffers.ts';
import { elementsOf } from '../fusion/elements.ts';
import { emitWithEpilogue } from '../fusion/epilogue.ts';
import { emitFusedLoops } from '../fusion/fusedLoops.ts';
import {
  canFuse, type FusionGroup, fuse, inputsOf, isNear, isReadInPlace, startGroup,
} from '../fusion/fusionGroup.ts';
import { kernelCache } from '../fusion/kernelCache.ts';
import {
  baseOf, isComputed, type Materialization, materialize, readsOf, stepsFor, withoutMoves,
} from '../fusion/materialization.ts';
import type { Pass } from '../passes/simplify.ts';
import { Loop } from '../trace/loop.ts';
import { rootsOf, type Program, type Step, type Value } from '../trace/trace.ts';
import { type KernelCall, plainCall, type Schedule } from './kernelCall.ts';
import { loopCall } from './loops.ts';

export type { KernelCall, LoopCall, Schedule } from './kernelCall.ts';

/** The most ops of a group, as registers are few. */
const MOST_OPS = 16;

/** Where a check says that it has found something. */
export const flag: k.Buffer = k.buffer('flag', 'i32', 1);

/** Schedules a program; `constants` are numbers that are known, and need no memory. */
export function schedule(
  program: Program,
  constants: ReadonlyMap<Value, k.Expr>,
  without: ReadonlySet<Pass> = new Set(),
): Schedule {
  const materialization = materialize(program, constants, !without.has('inline'));
  const parts = partsOf(program, materialization, without);
  const read = parts.flatMap((part) => (isGroup(part) ? [...inputsOf(part)] : part.reads));
  const needed = new Set(
    [...rootsOf(program), ...read].map((value) => baseOf(materialization, value)),
  );
  const calls = parts.map((part) => (isGroup(part) ? groupCall(part, needed) : part));
  return { calls, materialization };
}

/** A part of the schedule: a group, which becomes a kernel call when it is complete; or a call. */
type ScheduledPart = FusionGroup | KernelCall;

function isGroup(part: ScheduledPart): part is FusionGroup {
  return 'domain' in part;
}

/** The schedule so far. */
interface Draft {
  readonly materialization: Materialization;
  readonly parts: ScheduledPart[];
  /** The number of the part that makes a materialised value; −1 if the value has no elements. */
  readonly producedBy: Map<Value, number>;
}

/** The groups and calls of all steps, in order. */
function partsOf(
  program: Program, materialization: Materialization, without: ReadonlySet<Pass>,
): ScheduledPart[] {
  const draft: Draft = { materialization, parts: [], producedBy: new Map() };
  const oldState = new Map(
    program.writes.map(({ state, value }) => [baseOf(materialization, value), state]),
  );
  const checkFor = indexChecks(materialization);
  for (const step of hoistScalars(materialization.steps)) {
    const check = checkFor(step);
    if (check) draft.parts.push(check);
    if (!isComputed(materialization, step)) continue;
    const number = place(step, draft, without, oldState.get(step.outputs[0]));
    for (const output of step.outputs) draft.producedBy.set(output, number);
  }
  return draft.parts;
}

/**
 * Fuses a step with a group, or adds a part for it; gives the number of that. If the step makes a
 * new value of state, `oldState` is the old one.
 */
function place(
  step: Step, draft: Draft, without: ReadonlySet<Pass>, oldState: Value | undefined,
): number {
  const { materialization, parts } = draft;
  const { outputs, inputs } = step;
  const lowering = materialization.lowerings.get(outputs[0]);
  if (lowering === undefined) {
    const reads = inputs.map((input) => baseOf(materialization, input));
    const call = plainCall(step, reads, undefined);
    const { attributes } = step;
    const loop = attributes instanceof Loop ? loopCall(attributes, without, schedule) : undefined;
    return parts.push(loop ? { ...call, loop } : call) - 1;
  }
  if (outputs.every(({ shape }) => numelOf(shape) === 0)) return -1;
  const isFusible = !without.has('group') && !lowering.kernel;
  const fused = isFusible ? fuseWithLast(step, draft, oldState) : -1;
  return fused >= 0 ? fused : parts.push(startGroup(materialization, step)) - 1;
}

/**
 * Fuses a step with the last group that can take it in and reads some of what it reads; gives the
 * number of that group, or −1. If the step makes a new value of state, no later part may read the
 * old one, nor fail: the new one is written in its place.
 */
function fuseWithLast(
  step: Step, { materialization, parts, producedBy }: Draft, oldState: Value | undefined,
): number {
  const reads = readsOf(materialization, step);
  const earliest = Math.max(0, ...Array.from(reads, (value) => producedBy.get(value) ?? 0));
  for (let i = parts.length - 1; i >= earliest; i--) {
    const part = parts[i];
    if (isGroup(part)) {
      const hasRoom = part.ops.length < MOST_OPS;
      const fusion = hasRoom && isNear(part, reads) ? canFuse(part, step) : undefined;
      if (fusion) {
        parts[i] = fuse(part, fusion);
        return i;
      }
    }
    if (oldState && (!isGroup(part) || inputsOf(part).has(oldState))) break;
  }
  return -1;
}

/** Gives the call that must check a step's index, unless an earlier one checks the same. */
function indexChecks(materialization: Materialization): (step: Step) => KernelCall | undefined {
  /** Which indices are checked, and for which sizes. Another part of them is another. */
  const checked = new Map<Value, Set<number>>();
  return (step) => {
    const bound = materialization.lowerings.get(step.outputs[0])?.bound;
    if (bound === undefined) return undefined;
    const index = step.inputs[bound.input];
    if (numelOf(index.shape) === 0) return undefined;
    const sizes = checked.get(index) ?? new Set();
    const isChecked = sizes.has(bound.size);
    checked.set(index, sizes.add(bound.size));
    return isChecked ? undefined : checkCall(step, materialization, bound);
  };
}

/**
 * Hoists scalars: the steps in an order in which single numbers that are made of such numbers alone
 * come first, such as a learning rate, which all updates of parameters wait for.
 */
function hoistScalars(steps: readonly Step[]): Step[] {
  const early = new Set<Value>();
  for (const { inputs, outputs } of steps) {
    const isEarly = inputs.every((input) =>
      input.from === 'step' ? early.has(input) : numelOf(input.shape) <= 1,
    );
    if (!isEarly || outputs.some(({ shape }) => numelOf(shape) > 1)) continue;
    for (const output of outputs) early.add(output);
  }
  const isEarly = ({ outputs: [output] }: Step): boolean => early.has(output);
  return [...steps.filter(isEarly), ...steps.filter((step) => !isEarly(step))];
}

/**
 * Checks all elements of the tensor that the index was moved from, also those that are not read.
 */
function checkCall(
  step: Step, materialization: Materialization, { input, size }: Bound,
): KernelCall {
  const reads = new Set<Value>();
  const source = withoutMoves(materialization, step.inputs[input]);
  const elements = elementsOf(materialization, source, loaderFrom(reads));
  const body = forEach(source.shape, (at) => {
    const i = elements.at(at);
    const isOut = k.or(k.less(i, 0), k.greaterEqual(i, size));
    return k.when(k.any(isOut), k.store(flag, 0, 1));
  });
  const kernel = k.kernel('check', [...[...reads].map(bufferOf), flag], body);
  return { ...plainCall(step, [...reads], kernel), name: 'check', writes: [], checks: input };
}

/** The call of a group's kernel. */
function groupCall(
  group: FusionGroup, needed: ReadonlySet<Value>,
): KernelCall {
  const { ops, materialization, anchor, byValue } = group;
  const made = kernelCache.get(group, needed, anchor ? emitWithEpilogue : emitFusedLoops);
  const steps = ops.flatMap(({ step }) => [...stepsFor(materialization, step)]);
  // Ops for each row are computed after the elements of their sweep.
  const lastSweep = Math.max(...ops.map(({ form, sweep }) => sweep + (form === 'perRow' ? 1 : 0)));
  return {
    name: made.kernel.name,
    steps: [...new Set(steps)],
    ...made,
    canAlias: (read, written) => (
      byValue.get(written)?.form === 'pointwise' && lastSweep <= 0 && isReadInPlace(group, read)
    ),
  };
}

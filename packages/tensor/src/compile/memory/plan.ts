/**
 * The memory plan of a program, by liveness. A value is alive from the kernel call that makes it to
 * the last that reads it; two that are never alive at the same time can have the same memory. So
 * all of memory is decided ahead: one arena, an offset for each value, and nothing to allocate in a
 * run.
 */
import { alignUp, CACHE_LINE, FreeList } from '@mambagrad/wasm';
import { sizeOf } from '../../core/dtype.ts';
import { describe, numelOf, type Spec } from '../../core/shape.ts';
import { baseOf } from '../fusion/materialization.ts';
import type { Pass } from '../passes/simplify.ts';
import { canFail, type KernelCall, type LoopCall, type Schedule } from '../schedule/kernelCall.ts';
import { rootsOf, type Program, type Value } from '../trace/trace.ts';

/** Where everything is in the arena, and for how long. */
export interface Plan {
  /** The offsets of arguments and of the values that calls make, in bytes. */
  readonly offsets: ReadonlyMap<Value, number>;
  /** The offset of the scratch memory of each call. */
  readonly scratch: ReadonlyMap<KernelCall, number>;
  /** How the scratch memory of each loop is used. */
  readonly bodies: ReadonlyMap<KernelCall, BodyPlan>;
  /** For each new value of state that is made in the memory of the old one, that old one. */
  readonly donated: ReadonlyMap<Value, Value>;
  /**
   * For each value that is written over another which the call reads for the last time, that one.
   */
  readonly inPlace: ReadonlyMap<Value, Value>;
  /** The lifetime of every value in memory, state included. */
  readonly lifetimes: ReadonlyMap<Value, Lifetime>;
  /** The size of the arena. */
  readonly bytes: number;
  /** The size of what each thread has for itself, after the arena. */
  readonly threadLocalBytes: number;
}

/** The layout of a loop's scratch memory. */
export interface BodyPlan {
  /** The plan of an iteration, for values that are neither arguments nor results of the body. */
  readonly plan: Plan;
  /** For each carry that lies in two buffers in turn, the offset of the one in scratch memory. */
  readonly swaps: readonly (number | undefined)[];
  readonly bytes: number;
}

/** From the number of the call that makes a value to that of the last call that reads it. */
export interface Lifetime {
  /** −1 for arguments and state, which are there before the first call. */
  readonly from: number;
  /** How many calls there are, for values that are needed when all are done. */
  readonly to: number;
}

/** The size of a value in bytes. */
export function bytesOf({ shape, dtype }: Spec): number {
  return numelOf(shape) * sizeOf(dtype);
}

/** The scratch memory of a call that threads share. */
export function sharedBytes(call: KernelCall, { bodies }: Pick<Plan, 'bodies'>): number {
  const { kernel } = call;
  return kernel ? kernel.scratchBytes - kernel.threadLocalBytes : bodies.get(call)?.bytes ?? 0;
}

/** The time before the first call, when arguments are copied to the arena. */
const START = -1;

function isArgument({ from }: Value): boolean {
  return typeof from === 'number';
}

/** Liveness: the lifetime of each value in memory. */
function livenessOf(program: Program, { calls, materialization }: Schedule): Map<Value, Lifetime> {
  const lifetimes = new Map<Value, Lifetime>();
  const use = (value: Value, to: number): void => {
    const from = lifetimes.get(value)?.from ?? (value.from === 'step' ? to : START);
    lifetimes.set(value, { from, to });
  };
  calls.forEach((call, i) => {
    for (const value of [...call.reads, ...call.writes]) use(value, i);
  });
  // State that is returned is returned as itself, whatever is in it then.
  const results = program.results.filter(({ from }) => from === 'step');
  for (const value of rootsOf({ ...program, results })) {
    use(baseOf(materialization, value), calls.length);
  }
  return lifetimes;
}

/**
 * Plans memory: gives every value the smallest free range that holds it when it is made, but for
 * those that have a place elsewhere.
 */
export function planMemory(
  program: Program,
  schedule: Schedule,
  without: ReadonlySet<Pass> = new Set(),
  elsewhere: ReadonlySet<Value> = new Set(),
): Plan {
  const { calls } = schedule;
  const bodies = new Map(calls.flatMap((call) => (
    call.loop ? [[call, planBody(call.loop, without)] as const] : []
  )));
  const lifetimes = livenessOf(program, schedule);
  const isInPlace = !without.has('inPlace');
  const donated = isInPlace ? donationsOf(program, schedule, lifetimes) : new Map<Value, Value>();
  const inPlace = new Map<Value, Value>();
  const offsets = new Map<Value, number>();
  const scratch = new Map<KernelCall, number>();
  const free = new FreeList();
  const allocate = (bytes: number): number => free.allocate(bytes) ?? 0;
  const lastUses = new Map<number, Value[]>();
  for (const [value, { to }] of lifetimes) {
    if (isArgument(value) && !elsewhere.has(value)) offsets.set(value, allocate(bytesOf(value)));
    const others = lastUses.get(to);
    if (others) others.push(value);
    else lastUses.set(to, [value]);
  }
  calls.forEach((call, i) => {
    const ending = new Set(lastUses.get(i));
    for (const value of call.writes) {
      if (donated.has(value) || elsewhere.has(value)) continue;
      const replaced = [...ending].find(
        (old) =>
          isInPlace && call.reads.includes(old) && offsets.has(old) &&
          bytesOf(old) === bytesOf(value) && call.canAlias(old, value),
      );
      const offset = replaced && offsets.get(replaced);
      offsets.set(value, offset ?? allocate(bytesOf(value)));
      if (replaced === undefined) continue;
      inPlace.set(value, replaced);
      ending.delete(replaced);
    }
    const scratchBytes = sharedBytes(call, { bodies });
    scratch.set(call, allocate(scratchBytes));
    free.free(scratch.get(call) ?? 0, scratchBytes);
    for (const value of ending) {
      const start = offsets.get(value);
      if (start !== undefined) free.free(start, bytesOf(value));
    }
  });
  const threadLocalBytes = calls.reduce((most, call) => {
    const own = call.kernel?.threadLocalBytes ?? bodies.get(call)?.plan.threadLocalBytes;
    return Math.max(most, own ?? 0);
  }, 0);
  const places = { offsets, scratch, bodies, donated, inPlace };
  return { ...places, lifetimes, bytes: free.end, threadLocalBytes };
}

/** Plans the scratch memory of a loop: a plan for its body, and the second buffers of carries. */
function planBody(
  { loop: { body }, body: schedule, results, homes }: LoopCall, without: ReadonlySet<Pass>,
): BodyPlan {
  const elsewhere = new Set([...body.inputs, ...results]);
  const plan = planMemory({ ...body, results: [] }, schedule, without, elsewhere);
  let bytes = alignUp(plan.bytes);
  const swaps = homes.map(({ kind }, carry) => {
    const size = alignUp(bytesOf(body.results[carry]));
    if (kind !== 'swap' || size === 0) return undefined;
    bytes += size;
    return bytes - size;
  });
  return { plan, swaps, bytes };
}

/**
 * Which new values of state can be made in the memory of the old one: no later call may read the
 * old one (nor this call, but for the element that it is about to write), and no later call may
 * fail, as a run that fails changes nothing.
 */
function donationsOf(
  program: Program,
  { calls, materialization }: Schedule,
  lifetimes: ReadonlyMap<Value, Lifetime>,
): Map<Value, Value> {
  const donated = new Map<Value, Value>();
  const producers = new Map(
    calls.flatMap(({ writes }, i) => writes.map((value) => [value, i] as const)),
  );
  const lastRisk = calls.findLastIndex(canFail);
  for (const { state, value } of program.writes) {
    const base = baseOf(materialization, value);
    const producer = producers.get(base) ?? -1;
    const lastRead = lifetimes.get(state)?.to ?? START;
    if (isArgument(state) || producer <= lastRisk || donated.has(base)) continue;
    const isFree =
      lastRead < producer || (lastRead === producer && calls[producer].canAlias(state, base));
    if (isFree && bytesOf(state) === bytesOf(base)) donated.set(base, state);
  }
  return donated;
}

/**
 * Throws unless the plan is sound: every value is written before it is read, and nothing is written
 * over a value that is still to be read. The check replays the calls and notes what memory holds;
 * it shares nothing with the planner but the calls' `canAlias`.
 */
export function checkPlan(
  program: Program, { calls, materialization }: Schedule, plan: Plan,
  elsewhere: ReadonlySet<Value> = new Set(),
): void {
  const held = new Map<number, { readonly value: Value | KernelCall; readonly end: number }>();
  const overwritten = new Set(plan.donated.values());
  const write = (value: Value | KernelCall, start = -1, bytes = 0, by?: KernelCall): void => {
    if (bytes === 0) return;
    if (start < 0 || start % CACHE_LINE !== 0 || start + bytes > plan.bytes) {
      throw new Error(`plan: ${nameOf(value)} has no place in the arena`);
    }
    for (const [other, { value: old, end }] of held) {
      if (Math.max(other, start) >= Math.min(end, start + bytes)) continue;
      const isRead = by?.reads.includes(old as Value) || by?.writes.includes(old as Value);
      if (isRead && !by?.canAlias(old as Value, value as Value)) {
        throw new Error(`plan: ${by?.name} writes over ${nameOf(old)} while it runs`);
      }
      held.delete(other);
    }
    held.set(start, { value, end: start + bytes });
  };
  const written = new Set<Value>();
  const read = (value: Value, by?: KernelCall): void => {
    if (elsewhere.has(value)) return;
    const isState = value.from !== 'step' && !isArgument(value);
    if (bytesOf(value) === 0 || (isState && !overwritten.has(value))) return;
    const own = [...plan.donated].find(([, state]) => state === value)?.[0];
    if (isState && own) {
      if (written.has(own)) throw new Error(`plan: the old ${describe(value)} is still needed`);
      if (by?.writes.includes(own) && !by.canAlias(value, own)) {
        throw new Error(`plan: ${by.name} writes over ${describe(value)} while it runs`);
      }
      return;
    }
    const isThere = held.get(plan.offsets.get(value) ?? -1)?.value === value;
    if (isThere || (plan.donated.has(value) && written.has(value))) return;
    throw new Error(`plan: ${describe(value)} is read unmade, or overwritten`);
  };
  for (const [value, start] of plan.offsets) {
    if (isArgument(value)) write(value, start, bytesOf(value));
  }
  for (const call of calls) {
    const body = plan.bodies.get(call);
    if (call.loop && body) checkBody(call.loop, body);
    for (const value of call.reads) read(value, call);
    for (const value of call.writes) {
      const isHere = !plan.donated.has(value) && !elsewhere.has(value);
      if (isHere) write(value, plan.offsets.get(value), bytesOf(value), call);
    }
    write(call, plan.scratch.get(call), sharedBytes(call, plan), call);
    for (const value of call.writes) written.add(value);
  }
  for (const { value } of program.writes) read(baseOf(materialization, value));
  for (const value of program.results) {
    if (value.from === 'step') read(baseOf(materialization, value));
  }
}

/** Throws unless the plan of a loop's body is sound, and carries do not overlap it. */
function checkBody({ loop: { body }, body: schedule, results }: LoopCall, plan: BodyPlan): void {
  const elsewhere = new Set([...body.inputs, ...results]);
  checkPlan({ ...body, results: [] }, schedule, plan.plan, elsewhere);
  const starts = plan.swaps.filter((start) => start !== undefined);
  const isApart = starts.every((start) => start >= plan.plan.bytes && start < plan.bytes);
  if (!isApart || new Set(starts).size < starts.length) throw new Error('plan: carries overlap');
}

function nameOf(value: Value | KernelCall): string {
  return 'shape' in value ? describe(value) : `the scratch memory of ${value.name}`;
}

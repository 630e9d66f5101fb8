/**
 * Where every value of a program lives. A value is alive from the job that makes it to the last
 * that reads it; two that are never alive together can have the same place. So all of memory is
 * decided ahead: one arena, an offset for each value, and nothing to allocate when it runs.
 */
import { CACHE_LINE, FreeList } from '@mambagrad/wasm';
import { sizeOf } from '../../core/dtype.ts';
import { describe, numelOf, type Spec } from '../../core/shape.ts';
import type { Job, Pass, Schedule } from '../schedule/schedule.ts';
import { endsOf, type Program, type Value } from '../trace/trace.ts';

export interface Plan {
  /** Where each value starts that is made or passed, in bytes. */
  readonly offsets: ReadonlyMap<Value, number>;
  /** Where the scratch memory of a job starts. */
  readonly scratch: ReadonlyMap<Job, number>;
  /** New values of state that are made where the old one lies: by value, the donor. */
  readonly donated: ReadonlyMap<Value, Value>;
  /** Values that are written where the kernel reads another for the last time: that other. */
  readonly inPlace: ReadonlyMap<Value, Value>;
  /** The lifetime of every value in memory, state included. */
  readonly lifetimes: ReadonlyMap<Value, Lifetime>;
  /** The size of the arena in bytes, and behind it what each thread has for itself. */
  readonly bytes: number;
  readonly threadLocalBytes: number;
}

/** From the number of the job that makes a value to that of the last job that reads it. */
export interface Lifetime {
  /** −1 for arguments and state, which are there before the first job. */
  readonly from: number;
  /** The number of jobs for what is needed when all are done. */
  readonly to: number;
}

export function bytesOf({ shape, dtype }: Spec): number {
  return numelOf(shape) * sizeOf(dtype);
}

/** The scratch memory of a job that threads share. */
export function sharedBytes({ kernel }: Job): number {
  return kernel ? kernel.scratchBytes - kernel.threadLocalBytes : 0;
}

/** Where arguments are put before the first job. */
const START = -1;

function isArgument({ from }: Value): boolean {
  return typeof from === 'number';
}

/** Liveness: the lifetime of each value in memory. */
function livenessOf(program: Program, { jobs, network }: Schedule): Map<Value, Lifetime> {
  const lifetimes = new Map<Value, Lifetime>();
  const use = (value: Value, to: number): void => {
    const from = lifetimes.get(value)?.from ?? (value.from === 'step' ? to : START);
    lifetimes.set(value, { from, to });
  };
  jobs.forEach((job, i) => {
    for (const value of [...job.reads, ...job.writes]) use(value, i);
  });
  // State that is returned is returned as itself, whatever is in it then.
  const results = program.results.filter(({ from }) => from === 'step');
  for (const value of endsOf({ ...program, results })) {
    use(network.storageOf(value), jobs.length);
  }
  return lifetimes;
}

/** Places every value, in the smallest gap that holds it at the time it is made. */
export function planMemory(
  program: Program,
  schedule: Schedule,
  without: ReadonlySet<Pass> = new Set(),
): Plan {
  const { jobs } = schedule;
  const lifetimes = livenessOf(program, schedule);
  const isInPlace = !without.has('inPlace');
  const donated = isInPlace ? donationsOf(program, schedule, lifetimes) : new Map<Value, Value>();
  const inPlace = new Map<Value, Value>();
  const offsets = new Map<Value, number>();
  const scratch = new Map<Job, number>();
  const gaps = new FreeList();
  const take = (bytes: number): number => gaps.allocate(bytes) ?? 0;
  const dying = new Map<number, Value[]>();
  for (const [value, { to }] of lifetimes) {
    if (isArgument(value)) offsets.set(value, take(bytesOf(value)));
    dying.set(to, [...(dying.get(to) ?? []), value]);
  }
  jobs.forEach((job, i) => {
    const ending = new Set(dying.get(i));
    for (const value of job.writes) {
      if (donated.has(value)) continue;
      const replaced = [...ending].find(
        (old) =>
          isInPlace && job.reads.includes(old) && offsets.has(old) &&
          bytesOf(old) === bytesOf(value) && job.mayReplace(old, value),
      );
      const place = replaced && offsets.get(replaced);
      offsets.set(value, place ?? take(bytesOf(value)));
      if (replaced === undefined) continue;
      inPlace.set(value, replaced);
      ending.delete(replaced);
    }
    const scratchBytes = sharedBytes(job);
    scratch.set(job, take(scratchBytes));
    gaps.free(scratch.get(job) ?? 0, scratchBytes);
    for (const value of ending) {
      const start = offsets.get(value);
      if (start !== undefined) gaps.free(start, bytesOf(value));
    }
  });
  const own = jobs.map(({ kernel }) => kernel?.threadLocalBytes ?? 0);
  const threadLocalBytes = own.reduce((most, bytes) => Math.max(most, bytes), 0);
  return { offsets, scratch, donated, inPlace, lifetimes, bytes: gaps.end, threadLocalBytes };
}

/**
 * Which new values of state can be made where the old one lies: nobody may read the old one later
 * (or, in the same job, elsewhere than where the new one is written), nor may a job fail later, as
 * a call that fails changes nothing.
 */
function donationsOf(
  program: Program,
  { jobs, network }: Schedule,
  lifetimes: ReadonlyMap<Value, Lifetime>,
): Map<Value, Value> {
  const placed = new Map<Value, Value>();
  const lastRisk = jobs.findLastIndex((job) => !job.kernel || job.checks !== undefined);
  for (const { state, value } of program.writes) {
    const storage = network.storageOf(value);
    const maker = jobs.findIndex((job) => job.writes.includes(storage));
    const lastRead = lifetimes.get(state)?.to ?? START;
    if (isArgument(state) || maker <= lastRisk || placed.has(storage)) continue;
    const isFree =
      lastRead < maker || (lastRead === maker && jobs[maker].mayReplace(state, storage));
    if (isFree && bytesOf(state) === bytesOf(storage)) placed.set(storage, state);
  }
  return placed;
}

/**
 * Throws unless the plan is sound: every read follows the write, and nothing is written where
 * something lies that is still to be read. It goes through the jobs noting what lies where, and
 * shares nothing with the planner but what a job says that it may replace.
 */
export function checkPlan(program: Program, { jobs, network }: Schedule, plan: Plan): void {
  const held = new Map<number, { readonly value: Value | Job; readonly end: number }>();
  const overwritten = new Set(plan.donated.values());
  const write = (value: Value | Job, start = -1, bytes = 0, by?: Job): void => {
    if (bytes === 0) return;
    if (start < 0 || start % CACHE_LINE !== 0 || start + bytes > plan.bytes) {
      throw new Error(`plan: ${nameOf(value)} has no place in the arena`);
    }
    for (const [other, { value: old, end }] of held) {
      if (Math.max(other, start) >= Math.min(end, start + bytes)) continue;
      const isRead = by?.reads.includes(old as Value) || by?.writes.includes(old as Value);
      if (isRead && !by?.mayReplace(old as Value, value as Value)) {
        throw new Error(`plan: ${by?.name} writes over ${nameOf(old)} while it runs`);
      }
      held.delete(other);
    }
    held.set(start, { value, end: start + bytes });
  };
  const written = new Set<Value>();
  const read = (value: Value, by?: Job): void => {
    const isState = value.from !== 'step' && !isArgument(value);
    if (bytesOf(value) === 0 || (isState && !overwritten.has(value))) return;
    const own = [...plan.donated].find(([, state]) => state === value)?.[0];
    if (isState && own) {
      if (written.has(own)) throw new Error(`plan: the old ${describe(value)} is still needed`);
      if (by?.writes.includes(own) && !by.mayReplace(value, own)) {
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
  for (const job of jobs) {
    for (const value of job.reads) read(value, job);
    for (const value of job.writes) {
      if (!plan.donated.has(value)) write(value, plan.offsets.get(value), bytesOf(value), job);
    }
    write(job, plan.scratch.get(job), sharedBytes(job), job);
    for (const value of job.writes) written.add(value);
  }
  for (const { value } of program.writes) read(network.storageOf(value));
  for (const value of program.results) {
    if (value.from === 'step') read(network.storageOf(value));
  }
}

function nameOf(value: Value | Job): string {
  return 'shape' in value ? describe(value) : `the scratch memory of ${value.name}`;
}

/**
 * Where the values of a bound program lie in memory. A tensor of state has one place, the same for
 * all programs that use it; everything else lies in the arena of the call.
 */
import { sizeOf, type TypedArray } from '../../core/dtype.ts';
import type { Home } from '../../core/memory.ts';
import { numelOf } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import type { Network } from '../fusion/materialization.ts';
import type { Job, Schedule } from '../schedule/schedule.ts';
import type { Place } from '../schedule/stages.ts';
import type { Program, Value } from '../trace/trace.ts';
import type { Heap } from './heap.ts';
import type { Plan } from './plan.ts';

/** Where tensors live that programs read: one place for each, whichever program asked first. */
const homeOf = new WeakMap<Tensor, Home>();

/** Where the elements of a value are. */
interface Spot {
  /** The value whose memory they are a part of */
  readonly storage: Value;
  /** The number of the first of them there */
  readonly first: number;
  /** The address of that one, from the start of the arena if it lies there */
  readonly start: number;
  readonly isInArena: boolean;
  readonly numel: number;
}

export class Places {
  /** The places of state, and of constants that are more than a number. */
  readonly homes: ReadonlyMap<Value, Home>;
  readonly #network: Network;
  readonly #plan: Plan;
  readonly #heap: Heap;
  /** Those that were asked for: each call asks for the same. */
  readonly #spots = new Map<Value, Spot>();
  /** Where the arena of the running call starts. */
  #arena = 0;

  constructor(program: Program, { jobs, network }: Schedule, plan: Plan, heap: Heap) {
    [this.#network, this.#plan, this.#heap] = [network, plan, heap];
    const homes = new Map<Value, Home>();
    const read = jobs.flatMap(({ reads }) => reads);
    for (const value of [...read, ...program.writes.map(({ state }) => state)]) {
      const { from } = value;
      if (!(from instanceof Tensor) || homes.has(value)) continue;
      const home = homeOf.get(from) ?? heap.house(from.data);
      homeOf.set(from, home);
      homes.set(value, home);
    }
    this.homes = homes;
  }

  /** Where a value lies: at the place of a tensor of state, or at an offset in the arena. */
  of(value: Value): Place {
    const state = this.#plan.donated.get(value) ?? value;
    const home = this.homes.get(state);
    if (home) return { isInArena: false, offset: home.start };
    return { isInArena: true, offset: this.#plan.offsets.get(state) ?? 0 };
  }

  /** What a job's kernel takes: its values, the flag of checks, and scratch memory. */
  ofJob(job: Job): Place[] {
    const scratch = { isInArena: true, offset: this.#plan.scratch.get(job) ?? 0 };
    return [
      ...[...job.reads, ...job.writes].map((value) => this.of(value)),
      ...(job.checks === undefined ? [] : [{ isInArena: false, offset: this.#heap.flag }]),
      ...(job.kernel?.scratchBytes ? [scratch] : []),
    ];
  }

  /** Does something with the arena at an address: a call, which may be in another one. */
  within<T>(arena: number, body: () => T): T {
    const before = this.#arena;
    this.#arena = arena;
    try {
      return body();
    } finally {
      this.#arena = before;
    }
  }

  /** The elements of a value in memory, as they are now. */
  arrayOf(value: Value): TypedArray {
    const { isInArena, start, numel } = this.#spotOf(value);
    return this.#heap.view(value.dtype, start + (isInArena ? this.#arena : 0), numel);
  }

  /** The same, of a call with these tensors: what is a part of one of them is read there. */
  valuesOf(value: Value, tensors: readonly Tensor[]): TypedArray {
    const { storage, first, numel } = this.#spotOf(value);
    return tensorFor(storage, tensors)?.data.subarray(first, first + numel) ?? this.arrayOf(value);
  }

  #spotOf(value: Value): Spot {
    const known = this.#spots.get(value);
    if (known) return known;
    const storage = this.#network.storageOf(value);
    const first = this.#network.offsetOf(value);
    const { isInArena, offset } = this.of(storage);
    const start = offset + sizeOf(value.dtype) * first;
    const spot = { storage, first, start, isInArena, numel: numelOf(value.shape) };
    this.#spots.set(value, spot);
    return spot;
  }

  /** Moves state in: when it is first used, and when somebody has given it another array. */
  moveIn(): void {
    for (const [{ from }, home] of this.homes) {
      if (!(from instanceof Tensor) || from.data === home.array) continue;
      home.array.set(from.data);
      from.moveTo(home);
    }
  }
}

/** The tensor that a value is at a call with these arguments, if it is one from outside. */
export function tensorFor({ from }: Value, tensors: readonly Tensor[]): Tensor | undefined {
  if (from === 'step') return undefined;
  return typeof from === 'number' ? tensors[from] : from;
}

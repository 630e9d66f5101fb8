/**
 * The addresses of a program's values. A tensor of state has one allocation, which all programs
 * that use it share. Constants are copied to a block of memory that goes with the program.
 * Everything else is in the arena of the call.
 */
import { alignUp } from '@mambagrad/wasm';
import { changes } from '../../core/changes.ts';
import { sizeOf, type TypedArray } from '../../core/dtype.ts';
import type { Allocation } from '../../core/memory.ts';
import { numelOf } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';
import { baseOf, type Materialization, offsetOf } from '../fusion/materialization.ts';
import { type Address, shifted } from '../schedule/address.ts';
import type { KernelCall, Schedule } from '../schedule/kernelCall.ts';
import type { AddressedLoop } from '../schedule/stages.ts';
import type { Program, Value } from '../trace/trace.ts';
import { addressesInBody, parametersOf } from './bodyAddresses.ts';
import type { Block, Heap } from './heap.ts';
import { bytesOf, type Plan } from './plan.ts';

/** The allocations of tensors that programs read: one for each, whichever program asked first. */
const allocationOf = new WeakMap<Tensor, Allocation>();

/** Where the elements of a value are. */
interface Location {
  /** The value whose memory they are a part of. */
  readonly base: Value;
  /** The number of the first of them there. */
  readonly first: number;
  /** The address of that one; if it is in the arena, from the start of that. */
  readonly start: number;
  readonly isInArena: boolean;
  readonly numel: number;
  /** The elements as they were asked for last; mostly the arena is where it was. */
  view: TypedArray | undefined;
}

/** Finds the address of every value of a program. */
export class AddressMap {
  /** The allocations of state. */
  readonly allocations: ReadonlyMap<Value, Allocation>;
  /** The addresses of constants, those that are in memory. */
  readonly #constants = new Map<Value, number>();
  /** The memory of constants, if there are any. */
  readonly #block: Block | undefined;
  readonly #materialization: Materialization;
  readonly #plan: Plan;
  readonly #heap: Heap;
  /** Those that were asked for: each call asks for the same. */
  readonly #locations = new Map<Value, Location>();
  /** Where the arena of the running call starts. */
  #arena = 0;
  /** The count of changes up to which all state was seen to be in its allocation. */
  #isInAt = -1;

  constructor(program: Program, { calls, materialization }: Schedule, plan: Plan, heap: Heap) {
    [this.#materialization, this.#plan, this.#heap] = [materialization, plan, heap];
    const read = new Set(calls.flatMap(({ reads }) => reads));
    const isConstant = ({ from }: Value): boolean =>
      from instanceof Tensor && program.constants.has(from);
    // The body of a loop captures nothing but numbers.
    const inBodies = readInBodies(calls).filter(({ from }) => from instanceof Tensor);
    this.#block = this.#placeConstants([...[...read].filter(isConstant), ...new Set(inBodies)]);
    const allocations = new Map<Value, Allocation>();
    for (const value of [...read, ...program.writes.map(({ state }) => state)]) {
      const { from } = value;
      if (!(from instanceof Tensor) || this.#constants.has(value)) continue;
      const allocation = allocationOf.get(from) ?? heap.adopt(from.data);
      allocationOf.set(from, allocation);
      allocations.set(value, allocation);
    }
    this.allocations = allocations;
  }

  /** Copies constants to one block of memory. */
  #placeConstants(constants: readonly Value[]): Block | undefined {
    if (constants.length === 0) return undefined;
    const sizes = constants.map((value) => alignUp(bytesOf(value)));
    const block = this.#heap.allocate(sizes.reduce((sum, size) => sum + size, 0));
    let { start } = block;
    constants.forEach((value, i) => {
      this.#constants.set(value, start);
      const { from, dtype, shape } = value;
      if (from instanceof Tensor) this.#heap.view(dtype, start, numelOf(shape)).set(from.data);
      start += sizes[i];
    });
    return block;
  }

  /** Frees the memory of constants: the program is run no more. */
  release(): void {
    this.#block?.free();
  }

  /** The address of a value: of a constant, in the allocation of state, or in the arena. */
  of(value: Value): Address {
    const constant = this.#constants.get(value);
    if (constant !== undefined) return { isInArena: false, offset: constant };
    const state = this.#plan.donated.get(value) ?? value;
    const allocation = this.allocations.get(state);
    if (allocation) return { isInArena: false, offset: allocation.start };
    return { isInArena: true, offset: this.#plan.offsets.get(state) ?? 0 };
  }

  /** The addresses that a call's kernel takes: values, the flag of checks, scratch memory. */
  ofCall(call: KernelCall): Address[] {
    const scratch = { isInArena: true, offset: this.#plan.scratch.get(call) ?? 0 };
    return parametersOf(call, (value) => this.of(value), this.#heap.flag, scratch);
  }

  /** The addresses in the body of a call that is a loop. */
  ofBody(call: KernelCall): AddressedLoop {
    const plan = this.#plan.bodies.get(call);
    if (plan === undefined) throw new Error(`addresses: ${call.name} is no loop`);
    const scratch = { isInArena: true, offset: this.#plan.scratch.get(call) ?? 0 };
    const outer = (value: Value): Address => {
      const bytes = sizeOf(value.dtype) * offsetOf(this.#materialization, value);
      return shifted(this.of(baseOf(this.#materialization, value)), bytes);
    };
    const constant = (value: Value): Address => this.of(value);
    const { flag } = this.#heap;
    return addressesInBody({ call, plan, outer, constant, scratch, flag, depth: 0 });
  }

  /** Runs `body` with the arena at an address. Calls may be nested, each with another arena. */
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
    const location = this.#locationOf(value);
    const { isInArena, numel, view } = location;
    const start = location.start + (isInArena ? this.#arena : 0);
    // When memory that is not shared grows, its old views have no elements.
    if (view?.byteOffset === start && view.length === numel) return view;
    return (location.view = this.#heap.view(value.dtype, start, numel));
  }

  /** The same, in a call with these tensors; a part of one of them is read from that tensor. */
  valuesOf(value: Value, tensors: readonly Tensor[]): TypedArray {
    const { base, first, numel } = this.#locationOf(value);
    return tensorFor(base, tensors)?.data.subarray(first, first + numel) ?? this.arrayOf(value);
  }

  #locationOf(value: Value): Location {
    const known = this.#locations.get(value);
    if (known) return known;
    const base = baseOf(this.#materialization, value);
    const first = offsetOf(this.#materialization, value);
    const { isInArena, offset } = this.of(base);
    const start = offset + sizeOf(value.dtype) * first;
    const numel = numelOf(value.shape);
    const location: Location = { base, first, start, isInArena, numel, view: undefined };
    this.#locations.set(value, location);
    return location;
  }

  /** Moves state to its allocation: when it is first used, or was given another array since. */
  moveIn(): void {
    if (this.#isInAt === changes.arrays) return;
    for (const [{ from }, allocation] of this.allocations) {
      if (!(from instanceof Tensor) || from.data === allocation.array) continue;
      allocation.array.set(from.data);
      from.moveTo(allocation);
    }
    this.#isInAt = changes.arrays;
  }
}

/** The values that calls in the bodies of loops read. */
function readInBodies(calls: readonly KernelCall[]): Value[] {
  return calls.flatMap(({ loop }) => {
    const inner = loop?.body.calls ?? [];
    return [...inner.flatMap(({ reads }) => reads), ...readInBodies(inner)];
  });
}

/** The tensor that a value stands for in a call with these arguments; undefined if a step's. */
export function tensorFor({ from }: Value, tensors: readonly Tensor[]): Tensor | undefined {
  if (from === 'step') return undefined;
  return typeof from === 'number' ? tensors[from] : from;
}

/**
 * Strength reduction: addresses are updated in each iteration, and not computed again. Every affine
 * index has an induction variable in each loop, a pointer, which starts from the pointer of the
 * loop outside and advances by a constant at the end of each iteration:
 *
 *     for i in 0..8
 *       for j in 0..100        x[100 * i + j]: xAt = base + 400·i, once for each i; then xAt += 4
 *
 * So the inner loop has no multiplication. Indices that differ by a constant share a pointer, as a
 * load or a store adds a constant for free.
 */
import { CodeWriter, type Local, type ValueType, type WasmFunction } from '@mambagrad/wasm';
import type { Buffer, Index, Load } from '../language/expression.ts';
import type { Loop } from '../language/statement.ts';

/** A function for a region of a kernel: parameters by name, and no result. */
export type KernelFunction = WasmFunction<Record<string, ValueType>, 'none'>;

/** An address: so many bytes after that in a local, or after 0. */
export interface Address {
  readonly local: Local | undefined;
  readonly bytes: number;
}

/** The place of a load or a store. */
export interface Place {
  /** The part of its address that is known when the body of the innermost loop begins. */
  readonly address: Address;
  /** What is to be added to that, in elements: values that are no counters. */
  readonly others: Index['terms'];
  /** The constant that the access adds, in bytes. */
  readonly offset: number;
}

/** A loop that is being emitted. */
interface Frame {
  readonly loop: Loop;
  readonly from: Local | number;
  readonly pointers: Map<string, Local>;
  /** The code that sets the pointers before the loop, and advances them after each iteration. */
  readonly before: CodeWriter;
  readonly after: CodeWriter;
}

type Terms = Index['terms'];

/** Writes the code that pushes an address. */
export function pushAddress(code: CodeWriter, { local, bytes }: Address): void {
  if (local === undefined) code.i32(bytes);
  else if (bytes === 0) code.get(local);
  else code.get(local).i32(bytes).op('i32.add');
}

/** The pointers of a function while it is emitted. */
export class Pointers {
  readonly #self: KernelFunction;
  /** The address of a byte of a buffer, given its offset. */
  readonly #start: (buffer: Buffer, bytes: number) => Address;
  readonly #frames: Frame[] = [];
  readonly #numbers = new Map<object, number>();
  /** By buffer and terms, the offset of an access that certainly happens where this one does. */
  #anchors = new Map<string, number>();

  constructor(self: KernelFunction, start: (buffer: Buffer, bytes: number) => Address) {
    this.#self = self;
    this.#start = start;
  }

  /** Emits the body of a loop, and gives the code for its pointers. */
  within(loop: Loop, from: Local | number, inside: () => void): Frame {
    const code = { before: new CodeWriter(), after: new CodeWriter() };
    const frame: Frame = { loop, from, pointers: new Map(), ...code };
    this.#frames.push(frame);
    this.apart(inside);
    this.#frames.pop();
    return frame;
  }

  /** Emits code that may not run, so that its accesses cannot be anchors of accesses elsewhere. */
  apart(inside: () => void): void {
    const before = this.#anchors;
    this.#anchors = new Map(before);
    inside();
    this.#anchors = before;
  }

  /** The place of an element, or of one of the lanes: a pointer, and what is added to it. */
  place({ buffer, index: { terms, constant, step } }: Load, lane: number): Place {
    const offset = 4 * (constant + lane * step);
    const counted: Terms[number][] = [];
    for (const { loop: { counter } } of this.#frames) {
      for (const term of terms) if (term.of === counter) counted.push(term);
    }
    const others = counted.length === terms.length
      ? none
      : terms.filter((term) => !counted.includes(term));
    // Neither the constant of an access nor the pointer may be negative, as addresses do not wrap.
    // Where they might be, the constant is added to the pointer, which then points to an element
    // that is accessed. Accesses with the same terms and a larger constant can share it.
    const isSafe = offset >= 0 && others.length === 0 && counted.every(({ times }) => times > 0);
    const anchor = isSafe ? 0 : this.#anchor(this.#keyOf(buffer, terms), offset);
    return { address: this.#pointer(buffer, counted, anchor), others, offset: offset - anchor };
  }

  /** The offset of an earlier access if it is not larger than this one, or this one. */
  #anchor(key: string, offset: number): number {
    const anchor = Math.min(this.#anchors.get(key) ?? Infinity, offset);
    this.#anchors.set(key, anchor);
    return anchor;
  }

  #keyOf(buffer: Buffer, terms: Terms): string {
    let key = `${this.#numberOf(buffer)}`;
    for (let i = 0; i < terms.length; i++) {
      key += ` ${this.#numberOf(terms[i].of)} ${terms[i].times}`;
    }
    return key;
  }

  #numberOf(thing: object): number {
    const known = this.#numbers.get(thing);
    if (known !== undefined) return known;
    this.#numbers.set(thing, this.#numbers.size);
    return this.#numbers.size - 1;
  }

  /** The pointer start + extra + Σ 4 · times · counter, which the innermost of the loops keeps. */
  #pointer(buffer: Buffer, terms: Terms, extra: number): Address {
    const last = terms.at(-1);
    const frame = this.#frames.find(({ loop }) => loop.counter === last?.of);
    if (last === undefined || frame === undefined) return this.#start(buffer, extra);
    const key = `${extra} ${this.#keyOf(buffer, terms)}`;
    const known = frame.pointers.get(key);
    if (known !== undefined) return { local: known, bytes: 0 };
    const pointer = this.#self.local(`${buffer.name}At`, 'i32');
    frame.pointers.set(key, pointer);
    const { from, before, after, loop: { step } } = frame;
    const scale = 4 * last.times;
    pushAddress(before, this.#pointer(buffer, terms.slice(0, -1), extra));
    if (typeof from !== 'number') before.get(from).i32(scale).op('i32.mul').op('i32.add');
    else if (from !== 0) before.i32((from * scale) | 0).op('i32.add');
    before.set(pointer);
    after.get(pointer).i32(scale * step).op('i32.add').set(pointer);
    return { local: pointer, bytes: 0 };
  }
}

const none: Terms = [];

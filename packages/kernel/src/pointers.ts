/**
 * Addresses, kept rather than computed. For every affine index each loop has a pointer: it starts
 * from that of the loop outside, and moves on by a constant at the end of each round. So in
 *
 *     for i in 0..8
 *       for j in 0..100        x[100 * i + j]: xAt = base + 400·i, once for each i; then xAt += 4
 *
 * nothing is multiplied inside. Indices that differ by a constant share a pointer, as a load or a
 * store adds a constant for free.
 */
import {
  at, type Expression, i32, type Local, set, type Statement as Code, type ValueType,
  type WasmFunction,
} from '@mambagrad/wasm';
import type { Kernel } from './kernel.ts';
import type { Loop } from './statement.ts';
import type { Buffer, Index, Value } from './value.ts';

/** A function that computes a kernel: parameters by name, and no result. */
export type KernelFunction = WasmFunction<Record<string, ValueType>, 'none'>;

/** Where to load or store. */
export type Place = ReturnType<typeof at>;

/** A loop that is being emitted. */
interface Frame {
  readonly loop: Loop;
  readonly from: Expression<'i32'>;
  readonly pointers: Map<string, Local<'i32'>>;
  /** What comes before the loop, and at the end of each round. */
  readonly before: Code[];
  readonly after: Code[];
}

type Terms = Index['terms'];

export class Pointers {
  readonly #kernel: Kernel;
  readonly #self: KernelFunction;
  /** Where each buffer starts that is passed, and where scratch memory does. */
  readonly #starts: ReadonlyMap<object, Local>;
  readonly #scratch: Local | undefined;
  readonly #frames: Frame[] = [];
  readonly #numbers = new Map<object, number>();
  /** By buffer and terms, the constant of an access that is sure to happen where this one does. */
  #anchors = new Map<string, number>();

  constructor(
    kernel: Kernel,
    self: KernelFunction,
    starts: ReadonlyMap<object, Local>,
    scratch: Local | undefined,
  ) {
    this.#kernel = kernel;
    this.#self = self;
    this.#starts = starts;
    this.#scratch = scratch;
  }

  /** Emits what is inside a loop, and gives it with what the pointers need. */
  within(loop: Loop, from: Expression<'i32'>, inside: () => Code[]): Frame & { body: Code[] } {
    const frame: Frame = { loop, from, pointers: new Map(), before: [], after: [] };
    this.#frames.push(frame);
    const body = this.apart(inside);
    this.#frames.pop();
    return { ...frame, body };
  }

  /** Emits what may never run: what it accesses says nothing about addresses elsewhere. */
  apart(inside: () => Code[]): Code[] {
    const before = this.#anchors;
    this.#anchors = new Map(before);
    const code = inside();
    this.#anchors = before;
    return code;
  }

  /** Where an element is: an address, and a constant that the access adds. */
  place(
    buffer: Buffer,
    index: Index,
    lane: number,
    numberOf: (of: Value) => Expression<'i32'>,
  ): Place {
    const offset = 4 * (index.constant + lane * index.step);
    const depth = ({ of }: Terms[number]): number =>
      this.#frames.findIndex(({ loop }) => loop.counter === of);
    const counted = index.terms.filter((term) => depth(term) >= 0);
    const others = index.terms.filter((term) => depth(term) < 0);
    counted.sort((a, b) => depth(a) - depth(b));
    // The constant of an access must not be negative, nor what it is added to: addresses do not
    // wrap. Where they might be, the constant is added to the pointer, which other accesses with
    // the same terms and a larger constant can share: where it points to is accessed, too.
    const isSafe = offset >= 0 && others.length === 0 && counted.every(({ times }) => times > 0);
    const anchor = isSafe ? 0 : this.#anchor(buffer, index.terms, offset);
    let address = this.#pointer(buffer, counted, anchor);
    for (const { of, times } of others) {
      address = i32.add(address, i32.mul(numberOf(of), 4 * times));
    }
    return at(address, offset - anchor, 4);
  }

  /** The constant of an access seen before that is not above this one, or this one. */
  #anchor(buffer: Buffer, terms: Terms, offset: number): number {
    const parts = terms.map(({ of, times }) => `${this.#numberOf(of)} ${times}`);
    const key = [this.#numberOf(buffer), ...parts].join();
    const anchor = this.#anchors.get(key) ?? Infinity;
    if (anchor <= offset) return anchor;
    this.#anchors.set(key, offset);
    return offset;
  }

  #numberOf(thing: object): number {
    const number = this.#numbers.get(thing) ?? this.#numbers.size;
    this.#numbers.set(thing, number);
    return number;
  }

  /** The address base + extra + Σ 4 · times · counter, kept by the innermost of these loops. */
  #pointer(buffer: Buffer, terms: Terms, extra: number): Expression<'i32'> {
    const last = terms.at(-1);
    const frame = this.#frames.find(({ loop }) => loop.counter === last?.of);
    if (last === undefined || frame === undefined) return this.#base(buffer, extra);
    const number = this.#numberOf(buffer);
    const factors = this.#frames.map(({ loop }) => (
      terms.find(({ of }) => of === loop.counter)?.times ?? 0
    ));
    const key = [number, extra, ...factors].join(' ');
    const known = frame.pointers.get(key);
    if (known !== undefined) return known;
    const pointer = this.#self.local(`${buffer.name}At`, 'i32');
    frame.pointers.set(key, pointer);
    const outer = this.#pointer(buffer, terms.slice(0, -1), extra);
    const scale = 4 * last.times;
    frame.before.push(set(pointer, i32.add(outer, i32.mul(frame.from, scale))));
    frame.after.push(set(pointer, i32.add(pointer, scale * frame.loop.step)));
    return pointer;
  }

  #base(buffer: Buffer, extra: number): Expression<'i32'> {
    if (buffer.at !== undefined) return i32.const(buffer.at + extra);
    const offset = extra + (this.#kernel.scratch.get(buffer) ?? 0);
    const start = (this.#starts.get(buffer) ?? this.#scratch) as Local<'i32'>;
    return offset === 0 ? start : i32.add(start, offset);
  }
}

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
import type { Loop } from './statement.ts';
import type { Buffer, Load, Value } from './value.ts';

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

export class Pointers {
  readonly #self: KernelFunction;
  /** The address so many bytes behind the start of a buffer. */
  readonly #start: (buffer: Buffer, bytes: number) => Expression<'i32'>;
  readonly #frames: Frame[] = [];
  readonly #numbers = new Map<Buffer, number>();

  constructor(self: KernelFunction, start: (buffer: Buffer, bytes: number) => Expression<'i32'>) {
    this.#self = self;
    this.#start = start;
  }

  /** Emits what is inside a loop, and gives it with what the pointers need. */
  within(loop: Loop, from: Expression<'i32'>, inside: () => Code[]): Frame & { body: Code[] } {
    const frame: Frame = { loop, from, pointers: new Map(), before: [], after: [] };
    this.#frames.push(frame);
    const body = inside();
    this.#frames.pop();
    return { ...frame, body };
  }

  /** Where an element is: an address, and a constant that the access adds. */
  place(
    { buffer, index: { terms, constant, step } }: Load,
    lane: number,
    numberOf: (of: Value) => Expression<'i32'>,
  ): Place {
    const offset = 4 * (constant + lane * step);
    const factors = this.#frames.map(({ loop }) => (
      terms.find(({ of }) => of === loop.counter)?.times ?? 0
    ));
    const others = terms.filter(({ of }) => !this.#frames.some(({ loop }) => loop.counter === of));
    // The constant of an access must not be negative, nor what it is added to: addresses do not
    // wrap. Where they might be, the constant is added to the pointer.
    const isSafe = offset >= 0 && others.length === 0 && factors.every((times) => times >= 0);
    const address = others.reduce<Expression<'i32'>>(
      (sum, { of, times }) => i32.add(sum, i32.mul(numberOf(of), 4 * times)),
      this.#pointer(buffer, factors, isSafe ? 0 : offset),
    );
    return at(address, isSafe ? offset : 0, 4);
  }

  /** The address start + extra + Σ 4 · factor · counter, kept by the innermost of these loops. */
  #pointer(buffer: Buffer, factors: readonly number[], extra: number): Expression<'i32'> {
    const depth = factors.findLastIndex((factor) => factor !== 0);
    if (depth < 0) return this.#start(buffer, extra);
    const { loop, from, pointers, before, after } = this.#frames[depth];
    const number = this.#numbers.get(buffer) ?? this.#numbers.size;
    this.#numbers.set(buffer, number);
    const key = [number, extra, ...factors.slice(0, depth + 1)].join(' ');
    const known = pointers.get(key);
    if (known !== undefined) return known;
    const pointer = this.#self.local(`${buffer.name}At`, 'i32');
    pointers.set(key, pointer);
    const outer = this.#pointer(buffer, factors.slice(0, depth), extra);
    const scale = 4 * factors[depth];
    before.push(set(pointer, i32.add(outer, i32.mul(from, scale))));
    after.push(set(pointer, i32.add(pointer, scale * loop.step)));
    return pointer;
  }
}

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
import {
  at, type Expression, i32, type Local, type Operand, set, type Statement as Code, type ValueType,
  type WasmFunction,
} from '@mambagrad/wasm';
import type { Buffer, Expr, Index, Load } from '../language/expression.ts';
import type { Loop } from '../language/statement.ts';

/** A function for a region of a kernel: parameters by name, and no result. */
export type KernelFunction = WasmFunction<Record<string, ValueType>, 'none'>;

/** The place of a load or a store: an address and a constant offset. */
export type Place = ReturnType<typeof at>;

/** A loop that is being emitted. */
interface Frame {
  readonly loop: Loop;
  readonly from: Operand<'i32'>;
  readonly pointers: Map<string, Local<'i32'>>;
  /** The code that sets the pointers before the loop, and advances them after each iteration. */
  readonly before: Code[];
  readonly after: Code[];
}

type Terms = Index['terms'];

/** The pointers of a function while it is emitted. */
export class Pointers {
  readonly #self: KernelFunction;
  /** The address of a byte of a buffer, given its offset. */
  readonly #start: (buffer: Buffer, bytes: number) => Expression<'i32'>;
  readonly #frames: Frame[] = [];
  readonly #numbers = new Map<object, number>();
  /** By buffer and terms, the offset of an access that certainly happens where this one does. */
  #anchors = new Map<string, number>();

  constructor(self: KernelFunction, start: (buffer: Buffer, bytes: number) => Expression<'i32'>) {
    this.#self = self;
    this.#start = start;
  }

  /** Emits the body of a loop, and gives it with the code for its pointers. */
  within(loop: Loop, from: Operand<'i32'>, inside: () => Code[]): Frame & { body: Code[] } {
    const frame: Frame = { loop, from, pointers: new Map(), before: [], after: [] };
    this.#frames.push(frame);
    const body = this.apart(inside);
    this.#frames.pop();
    return { ...frame, body };
  }

  /** Emits code that may not run, so that its accesses cannot be anchors of accesses elsewhere. */
  apart(inside: () => Code[]): Code[] {
    const before = this.#anchors;
    this.#anchors = new Map(before);
    const code = inside();
    this.#anchors = before;
    return code;
  }

  /** The place of an element: a pointer, and a constant that the access adds. */
  place(
    { buffer, index: { terms, constant, step } }: Load,
    lane: number,
    numberOf: (of: Expr) => Expression<'i32'>,
  ): Place {
    const offset = 4 * (constant + lane * step);
    const counted: Terms[number][] = [];
    this.#frames.forEach(({ loop: { counter } }) => {
      terms.forEach((term) => term.of === counter && counted.push(term));
    });
    const others = terms.filter((term) => !counted.includes(term));
    // Neither the constant of an access nor the pointer may be negative, as addresses do not wrap.
    // Where they might be, the constant is added to the pointer, which then points to an element
    // that is accessed. Accesses with the same terms and a larger constant can share it.
    const isSafe = offset >= 0 && others.length === 0 && counted.every(({ times }) => times > 0);
    const anchor = isSafe ? 0 : this.#anchor(this.#keyOf(buffer, terms), offset);
    const address = others.reduce<Expression<'i32'>>(
      (sum, { of, times }) => i32.add(sum, i32.mul(numberOf(of), 4 * times)),
      this.#pointer(buffer, counted, anchor),
    );
    return at(address, offset - anchor, 4);
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
  #pointer(buffer: Buffer, terms: Terms, extra: number): Expression<'i32'> {
    const last = terms.at(-1);
    const frame = this.#frames.find(({ loop }) => loop.counter === last?.of);
    if (last === undefined || frame === undefined) return this.#start(buffer, extra);
    const key = `${extra} ${this.#keyOf(buffer, terms)}`;
    const known = frame.pointers.get(key);
    if (known !== undefined) return known;
    const pointer = this.#self.local(`${buffer.name}At`, 'i32');
    frame.pointers.set(key, pointer);
    const outer = this.#pointer(buffer, terms.slice(0, -1), extra);
    const scale = 4 * last.times;
    const { from } = frame;
    const start = typeof from === 'number' ? (from * scale) | 0 : i32.mul(from, scale);
    frame.before.push(set(pointer, start === 0 ? outer : i32.add(outer, start)));
    frame.after.push(set(pointer, i32.add(pointer, scale * frame.loop.step)));
    return pointer;
  }
}

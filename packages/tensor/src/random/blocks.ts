/**
 * Random numbers, a block at a time. Of the first word x that Threefry gives for a counter we take
 * as many bits as a significand of float32 holds, so that no uniform number rounds up to 1:
 *
 *     u = (x >>> 8) / 2²⁴
 *
 * A normal number is made of two, u and the v of the next draw: see boxMuller.ts. Loops do this, or
 * kernels, which are many times faster but take some milliseconds to make. So loops make the first
 * numbers of a process, and kernels all others. Both give the same bits, since each operation is
 * exact or rounded once, and the logarithm and the cosine are made of the same operations.
 */
import * as k from '@mambagrad/kernel';
import { features, type Host, webAssembly } from '@mambagrad/wasm';
import { cosOf, logOfBits } from './boxMuller.ts';
import { type NormalFunction, normalVectors } from './boxMullerVectors.ts';
import { forWords, threefry2x32 } from './threefry.ts';

const { fround, sqrt } = Math;

/** The most numbers in a block. */
export const BLOCK = 1024;

/** 2π in float32. */
const TURN = fround(2 * Math.PI);

/** Numbers of a draw: their words are those of the counters [from, draw], [from + 1, draw], … */
export interface Block {
  readonly key: readonly [number, number];
  readonly from: number;
  readonly draw: number;
  /** How many they are, at most `BLOCK`. */
  readonly count: number;
}

/** The memory for a block; what follows its numbers there has no meaning. */
interface Arrays {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly a: Float32Array;
  /** The bits of `a`. */
  readonly bits: Int32Array;
  readonly b: Float32Array;
}

/** The work on a block, by loops or by kernels. */
export interface Work {
  readonly arrays: Arrays;
  /** Puts the words into `first` and `second`. */
  words(block: Block): void;
  /** Puts offset + scale · u into `a` or `b`. */
  uniform(to: 'a' | 'b', block: Block, offset: number, scale: number): void;
  /** Makes normal numbers in `b`, of the numbers 1 − u in `a` and the angles 2πv in `b`. */
  normal(block: Block, mean: number, std: number): void;
}

/** Makes blocks of random numbers. What it returns is valid up to its next call. */
export class Blocks {
  readonly #work: Work;

  constructor(work: Work) {
    this.#work = work;
  }

  /** Both words of each number. */
  words(block: Block): Pick<Arrays, 'first' | 'second'> {
    this.#work.words(block);
    return this.#work.arrays;
  }

  /** offset + scale · u, in float32 */
  uniform(block: Block, offset: number, scale: number): Float32Array {
    this.#work.uniform('a', block, offset, scale);
    return firstOf(this.#work.arrays.a, block.count);
  }

  /** Normal numbers, in float32, of this draw and the next. */
  normal(block: Block, mean: number, std: number): Float32Array {
    this.#work.uniform('a', block, 1, -1);
    this.#work.uniform('b', { ...block, draw: block.draw + 1 }, 0, TURN);
    this.#work.normal(block, mean, std);
    return firstOf(this.#work.arrays.b, block.count);
  }
}

function firstOf(numbers: Float32Array, count: number): Float32Array {
  return count === BLOCK ? numbers : numbers.subarray(0, count);
}

/** How many numbers loops make: that takes about as long as to make the kernels. */
let left = 2 ** 15;
let byLoops: Blocks | undefined;
let byKernels: Blocks | undefined;

/** What makes the blocks of `count` numbers. */
export function blocksFor(count: number): Blocks {
  left -= count;
  if (left < 0) byKernels ??= new Blocks(kernelsOrLoops());
  return byKernels ?? (byLoops ??= new Blocks(loops()));
}

/** Kernels if they can be made: there may be no room, or a policy that forbids to compile code. */
function kernelsOrLoops(): Work {
  for (const host of [features().simd ? webAssembly() : undefined, undefined]) {
    try {
      return kernels(host);
    } catch {
      // The next way is slower, but gives the same bits.
    }
  }
  return loops();
}

/** Where each array starts in its memory, in bytes. */
const [FIRST, SECOND, A, B, END] = [0, 1, 2, 3, 4].map((i) => i * BLOCK * 4);

function arraysIn(memory: ArrayBuffer | SharedArrayBuffer): Arrays {
  return {
    first: new Int32Array(memory, FIRST, BLOCK),
    second: new Int32Array(memory, SECOND, BLOCK),
    a: new Float32Array(memory, A, BLOCK),
    bits: new Int32Array(memory, A, BLOCK),
    b: new Float32Array(memory, B, BLOCK),
  };
}

// Loops

/** The work by loops in JavaScript, which define what the kernels do. */
export function loops(): Work {
  const arrays = arraysIn(new ArrayBuffer(END));
  const { first, second } = arrays;
  const unitAt = (i: number, { key, from, draw }: Block): number =>
    (threefry2x32(key, [from + i, draw])[0] >>> 8) / 2 ** 24;
  return {
    arrays,
    words: ({ key, from, draw, count }) => {
      for (let i = 0; i < count; i++) {
        [first[i], second[i]] = threefry2x32(key, [from + i, draw]);
      }
    },
    uniform: (to, block, offset, scale) => {
      const numbers = arrays[to];
      for (let i = 0; i < block.count; i++) {
        numbers[i] = fround(unitAt(i, block) * fround(scale)) + fround(offset);
      }
    },
    normal: ({ count }, ...how) => normalLoop(arrays, count, ...how),
  };
}

function normalLoop({ bits, b }: Arrays, count: number, mean: number, std: number): void {
  for (let i = 0; i < count; i++) {
    const log = fround(logOfBits(bits[i]));
    const cosine = fround(cosOf(b[i]));
    const number = fround(fround(sqrt(-2 * log)) * cosine);
    b[i] = fround(number * fround(std)) + fround(mean);
  }
}

// Kernels

/** u, of the first word, in the loop language. */
export function unitOf(word: k.Expr): k.Expr {
  return k.mul(k.toFloat(k.shiftRightUnsigned(word, 8)), 2 ** -24);
}

/** offset + scale · x */
export function scaled(x: k.Expr, offset: k.Operand, scale: k.Operand): k.Expr {
  return k.addProduct(k.mul(x, scale), offset);
}

/** A normal number, from the logarithm of 1 − u and the cosine of 2πv. */
export function normalOf(log: k.Expr, cosine: k.Expr): k.Expr {
  return k.mul(k.sqrt(k.mul(log, -2)), cosine);
}

const buffer = (name: string, kind: 'f32' | 'i32'): k.Buffer => k.buffer(name, kind, BLOCK);

/** The kernel that makes words, or uniform numbers of them. */
function kernelOf(name: 'words' | 'uniform'): k.Kernel {
  const counter = ['key0', 'key1', 'from', 'draw'].map((part) => k.variable(part, 'i32'));
  if (name === 'words') {
    const [first, second] = [buffer('first', 'i32'), buffer('second', 'i32')];
    return k.kernel(name, [first, second, ...counter], forWords(BLOCK, counter, (i, words) => [
      k.store(first, i, words[0]),
      k.store(second, i, words[1]),
    ]));
  }
  const numbers = buffer('numbers', 'f32');
  const [offset, scale] = [k.variable('offset', 'f32'), k.variable('scale', 'f32')];
  return k.kernel(name, [numbers, ...counter, offset, scale],
    forWords(BLOCK, counter, (i, [x]) => k.store(numbers, i, scaled(unitOf(x), offset, scale))),
  );
}

/**
 * The work by kernels: in WebAssembly, or without a host for that in JavaScript. That of `uniform`
 * is made at once, so that an engine that makes none throws here; the others when they are needed.
 */
export function kernels(host: Host | undefined): Work {
  const memory = host && new host.Memory({ initial: 1, maximum: 1 });
  const array = memory?.buffer ?? new ArrayBuffer(END);
  const compiled = (name: 'words' | 'uniform'): k.CompiledKernel =>
    memory ? k.compileWebAssembly(kernelOf(name), memory)
      : k.compileJavaScript(kernelOf(name), array);
  const arrays = arraysIn(array);
  const places = { a: A, b: B, scratch: FIRST, end: END };
  const uniform = compiled('uniform');
  let words: k.CompiledKernel | undefined;
  let normal: NormalFunction | undefined;
  return {
    arrays,
    words: ({ key, from, draw }) => {
      words ??= compiled('words');
      words(FIRST, SECOND, key[0], key[1], from, draw);
    },
    uniform: (to, { key, from, draw }, offset, scale) =>
      uniform(to === 'a' ? A : B, key[0], key[1], from, draw, offset, scale),
    normal: ({ count }, mean, std) => {
      if (memory === undefined) return normalLoop(arrays, count, mean, std);
      normal ??= normalVectors(memory, BLOCK, places);
      normal(mean, std);
    },
  };
}

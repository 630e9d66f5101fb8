/**
 * Random numbers, a block at a time. Of the first word x that Threefry gives for a counter we take
 * as many bits as a significand of float32 holds, so that no uniform number rounds up to 1:
 *
 *     u = (x >>> 8) / 2²⁴
 *
 * A normal number is made of two, u and the v of the next draw: see boxMuller.ts. Loops do this, or
 * kernels, which are many times faster but take some milliseconds to make. So loops make the first
 * numbers of a process, and kernels all others. Both give the same bits, since each operation is
 * exact or rounded once, and the logarithm and the cosine are the same code.
 */
import * as k from '@mambagrad/kernel';
import { features, type Host, webAssembly } from '@mambagrad/wasm';
import { cosOf, logOfBits, STEPS } from './boxMuller.ts';
import { forWords, threefry2x32 } from './threefry.ts';

const { fround, sqrt } = Math;

/** The most numbers in a block. */
export const BLOCK = 1024;

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
  /** Puts offset + scale · u into `a`. */
  uniform(block: Block, offset: number, scale: number): void;
  /** Puts the steps of the angles 2πu into `first`, and their rests into `b`. */
  angles(block: Block): void;
  /** Makes cosines in `b` into normal numbers, with the logarithms in `a`. */
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
    this.#work.uniform(block, offset, scale);
    return firstOf(this.#work.arrays.a, block.count);
  }

  /** Normal numbers, in float32, of this draw and the next. */
  normal(block: Block, mean: number, std: number): Float32Array {
    const { count, draw } = block;
    const { first, a, bits, b } = this.#work.arrays;
    this.#work.uniform(block, 1, -1);
    for (let i = 0; i < count; i++) a[i] = logOfBits(bits[i]);
    this.#work.angles({ ...block, draw: draw + 1 });
    for (let i = 0; i < count; i++) b[i] = cosOf(first[i], b[i]);
    this.#work.normal(block, mean, std);
    return firstOf(b, count);
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

/** 2π in float32. */
const TURN = fround(2 * Math.PI);

/** The work by loops in JavaScript, which define what the kernels do. */
export function loops(): Work {
  const arrays = arraysIn(new ArrayBuffer(END));
  const { first, second, a, b } = arrays;
  const unitAt = (i: number, { key, from, draw }: Block): number =>
    (threefry2x32(key, [from + i, draw])[0] >>> 8) / 2 ** 24;
  return {
    arrays,
    words: ({ key, from, draw, count }) => {
      for (let i = 0; i < count; i++) {
        [first[i], second[i]] = threefry2x32(key, [from + i, draw]);
      }
    },
    uniform: (block, offset, scale) => {
      for (let i = 0; i < block.count; i++) {
        a[i] = fround(unitAt(i, block) * fround(scale)) + fround(offset);
      }
    },
    angles: (block) => {
      for (let i = 0; i < block.count; i++) {
        const angle = fround(unitAt(i, block) * TURN);
        first[i] = fround(angle * STEPS + 0.5);
        b[i] = angle - first[i] / STEPS;
      }
    },
    normal: ({ count }, mean, std) => {
      for (let i = 0; i < count; i++) {
        const number = fround(fround(sqrt(-2 * a[i])) * b[i]);
        b[i] = fround(number * fround(std)) + fround(mean);
      }
    },
  };
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

/** The kernels of the work, by their names. */
function kernelsOfWork(): Record<Exclude<keyof Work, 'arrays'>, k.Kernel> {
  const [first, second] = [buffer('first', 'i32'), buffer('second', 'i32')];
  const [a, b] = [buffer('a', 'f32'), buffer('b', 'f32')];
  const counter = ['key0', 'key1', 'from', 'draw'].map((name) => k.variable(name, 'i32'));
  const [offset, scale] = [k.variable('offset', 'f32'), k.variable('scale', 'f32')];
  return {
    words: k.kernel('words', [first, second, ...counter], forWords(BLOCK, counter, (i, words) => [
      k.store(first, i, words[0]),
      k.store(second, i, words[1]),
    ])),
    uniform: k.kernel('uniform', [a, ...counter, offset, scale],
      forWords(BLOCK, counter, (i, [x]) => k.store(a, i, scaled(unitOf(x), offset, scale))),
    ),
    angles: k.kernel('angles', [first, b, ...counter], forWords(BLOCK, counter, (i, [x]) => {
      const angle = k.mul(unitOf(x), TURN);
      const step = k.toInteger(k.add(k.mul(angle, STEPS), 0.5));
      const rest = k.sub(angle, k.mul(k.toFloat(step), 1 / STEPS));
      return [k.store(first, i, step), k.store(b, i, rest)];
    })),
    normal: k.kernel('normal', [a, b, offset, scale], k.vectorized('i', BLOCK, (i) =>
      k.store(b, i, scaled(normalOf(k.load(a, i), k.load(b, i)), offset, scale)),
    )),
  };
}

/** The work by kernels: in WebAssembly, or without a host for that in JavaScript. */
export function kernels(host: Host | undefined): Work {
  const memory = host && new host.Memory({ initial: 1, maximum: 1 });
  const array = memory?.buffer ?? new ArrayBuffer(END);
  const compile = (kernel: k.Kernel): k.CompiledKernel =>
    memory ? k.compileWebAssembly(kernel, memory) : k.compileJavaScript(kernel, array);
  const { words, uniform, angles, normal } = kernelsOfWork();
  const run = {
    words: compile(words), uniform: compile(uniform), angles: compile(angles),
    normal: compile(normal),
  };
  return {
    arrays: arraysIn(array),
    words: ({ key, from, draw }) => run.words(FIRST, SECOND, ...key, from, draw),
    uniform: ({ key, from, draw }, ...how) => run.uniform(A, ...key, from, draw, ...how),
    angles: ({ key, from, draw }) => run.angles(FIRST, B, ...key, from, draw),
    normal: (_block, ...how) => run.normal(A, B, ...how),
  };
}

/**
 * Counter-based random numbers: Threefry encrypts a counter with a key, so the n-th number of a
 * stream is a function of n. Numbers can be computed in any order and on any number of threads, and
 * equal seeds give equal bits. The state of a generator is a tensor, [key, key, draws]; a draw
 * returns numbers and the next state, in which `draws` is one larger.
 *
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011), Threefry-2×32 with
 * 20 rounds.
 */
import * as k from '@mambagrad/kernel';
import type { DType } from '../core/dtype.ts';
import { flatIndex, truth } from '../core/lowering.ts';
import {
  checkArgument, instanceOf, number, oneOf, readOptions, show, type Table,
} from '../core/options.ts';
import { defineMultiPrimitive } from '../core/primitive.ts';
import { check, checkShape, type Shape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { requireCount } from './define.ts';

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];

/** Two random words from a key of two words and a counter of two words, all unsigned 32-bit. */
export function threefry2x32(
  key: readonly [number, number], counter: readonly [number, number],
): [number, number] {
  const [x, y] = scramble(numbers, key, counter);
  return [x >>> 0, y >>> 0];
}

/** The operations of Threefry on words of 32 bits: numbers, or expressions of the loop language. */
interface Words<Word> {
  add(x: Word, y: Word | number): Word;
  xor(x: Word, y: Word | number): Word;
  /** The bits rotated to the left. */
  rotate(x: Word, by: number): Word;
}

const numbers: Words<number> = {
  add: (x, y) => (x + y) | 0,
  xor: (x, y) => x ^ y,
  rotate: (x, by) => (x << by) | (x >>> (32 - by)),
};

const values: Words<k.Expr> = {
  add: k.add,
  xor: k.xor,
  rotate: (x, by) => k.or(k.shiftLeft(x, by), k.shiftRightUnsigned(x, 32 - by)),
};

function scramble<Word>(
  { add, xor, rotate }: Words<Word>, key: readonly [Word, Word], counter: readonly [Word, Word],
): readonly [Word, Word] {
  const keys = [...key, xor(xor(key[0], key[1]), 0x1bd11bda)];
  let x = add(counter[0], keys[0]);
  let y = add(counter[1], keys[1]);
  for (let round = 0; round < 20; round++) {
    x = add(x, y);
    y = xor(rotate(y, ROTATIONS[round % 8]), x);
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x = add(x, keys[injection % 3]);
      y = add(add(y, keys[(injection + 1) % 3]), injection);
    }
  }
  return [x, y];
}

interface UniformAttributes {
  readonly shape: Shape;
  readonly dtype: DType;
  /** For i32: numbers are drawn from 0 to below this, at most 2³². */
  readonly range: number;
}

const uniformPrimitive = defineMultiPrimitive<UniformAttributes>({
  name: 'uniform',
  infer: ([state], { shape, dtype }) => [{ shape, dtype }, state],
  compute: ([state], [{ data }, next], { dtype, range }) => {
    const [key0, key1, draw] = state.data;
    next.data.set([key0, key1, draw + 1]);
    for (let i = 0; i < data.length; i++) {
      const [high, low] = threefry2x32([key0, key1], [i, draw]);
      // As many bits as the significand holds, so that no value rounds up to 1.
      const unit = (high + (low >>> 11) / 2 ** 21) / 2 ** 32;
      if (dtype === 'f32') data[i] = (high >>> 8) / 2 ** 24;
      else data[i] = dtype === 'f64' ? unit : Math.floor(unit * range);
    }
  },
  lower: (_inputs, { shape, dtype }) => {
    if (dtype !== 'f32') return undefined;
    const toValue = (i: k.Operand): k.Expr => (typeof i === 'number' ? k.constant('i32', i) : i);
    return [
      {
        element: (index, state) => {
          const [key0, key1, draw] = [0, 1, 2].map((i) => state.at([i]));
          const counter = toValue(flatIndex(index, shape));
          const [word] = scramble(values, [key0, key1], [counter, draw]);
          return k.mul(k.toFloat(k.shiftRightUnsigned(word, 8)), 2 ** -24);
        },
      },
      { element: ([i], state) => k.add(state.at([i]), truth(k.equal(toValue(i), 2))) },
    ];
  },
});

/** Draws numbers from a generator, and advances its state. */
function drawFrom(generator: Generator, attributes: UniformAttributes): Tensor {
  const [drawn, next] = uniformPrimitive([generator.state], attributes);
  generator.state.assign(next);
  return drawn;
}

function stateOf(...words: readonly [number, number, number]): Tensor {
  return new Tensor({ shape: [3], dtype: 'i32' }, Int32Array.from(words));
}

/** A stream of random numbers, the same for the same seed. */
export class Generator {
  /** i32[3]: the key's two words and the number of draws so far. Save it to save the stream. */
  readonly state: Tensor;

  /** `seed` is a whole number from 0 to 2⁵³ − 1. */
  constructor(seed = 0) {
    this.state = stateOf(0, 0, 0);
    this.manualSeed(seed);
  }

  /** Restarts the stream of a seed. Returns this generator. */
  manualSeed(seed: number): this {
    const isSeed = Number.isSafeInteger(seed) && seed >= 0;
    check(isSeed)`manualSeed: seed is ${show(seed)}, expected a whole number from 0`;
    this.state.assign(stateOf(seed, Math.floor(seed / 2 ** 32), 0));
    return this;
  }

  /**
   * `count` generators whose streams are independent of each other and of this one. Their keys are
   * one draw of this one.
   */
  split(count: number): Generator[] {
    requireCount('split', 'count', count, 0);
    const keys = integers([count, 2], -(2 ** 31), 2 ** 31, this).data;
    return Array.from({ length: count }, (_, i) => {
      const child = new Generator();
      child.state.assign(stateOf(keys[2 * i], keys[2 * i + 1], 0));
      return child;
    });
  }
}

/** The default generator. */
export const defaultGenerator: Generator = new Generator();

/** Seeds the default generator, as `torch.manual_seed` does. */
export function manualSeed(seed: number): void {
  defaultGenerator.manualSeed(seed);
}

/** Options of `uniform`, `normal` and `bernoulli`, which draw floating-point numbers. */
export interface RandomOptions {
  /** Default 'f32'. */
  readonly dtype?: 'f32' | 'f64' | undefined;
  /** Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

const generators = instanceOf(Generator);

const randomOptions = {
  dtype: oneOf('f32', 'f64').orElse('f32'),
  generator: generators.orElse(defaultGenerator),
} satisfies Table<RandomOptions>;

const finite = number();

/**
 * Independent numbers, uniformly distributed over [low, high), by default [0, 1). With other
 * bounds, rounding may give `high`.
 */
export function uniform(
  shape: Shape, low = 0, high = 1, options: RandomOptions = {},
): Tensor {
  checkArgument('uniform', 'low', low, finite);
  checkArgument('uniform', 'high', high, finite);
  check(low <= high)`uniform: low ${low} is above high ${high}`;
  const unit = unitFor('uniform', shape, options);
  return low === 0 && high === 1 ? unit : unit.mul(high - low).add(low);
}

/** Uniform numbers from [0, 1); errors name `op`. */
function unitFor(op: string, shape: Shape, options: RandomOptions): Tensor {
  const { dtype, generator } = readOptions(op, options, randomOptions);
  checkShape(op, shape);
  return drawFrom(generator, { shape: [...shape], dtype, range: 1 });
}

const deviations = number({ from: 0 });

/**
 * Independent, normally distributed numbers: two uniform ones give a radius and the cosine of an
 * angle (Box and Muller, 1958).
 */
export function normal(shape: Shape, mean = 0, std = 1, options: RandomOptions = {}): Tensor {
  checkArgument('normal', 'mean', mean, finite);
  checkArgument('normal', 'std', std, deviations);
  // 1 − u is in (0, 1], whose logarithm is finite.
  const radius = unitFor('normal', shape, options).neg().log1p().mul(-2).sqrt();
  const angle = unitFor('normal', shape, options).mul(2 * Math.PI);
  return radius.mul(angle.cos()).mul(std).add(mean);
}

/** Independent i32 numbers, uniformly distributed over low, …, high − 1. */
export function integers(
  shape: Shape, low: number, high: number, generator: Generator = defaultGenerator,
): Tensor {
  return integersFor('integers', shape, low, high, generator);
}

function integersFor(
  op: string, shape: Shape, low: number, high: number, generator: Generator,
): Tensor {
  checkShape(op, shape);
  checkArgument(op, 'generator', generator, generators);
  checkArgument(op, 'low', low, finite);
  checkArgument(op, 'high', high, finite);
  const isWithin = low >= -(2 ** 31) && high <= 2 ** 31 && low < high;
  const isRight = isWithin && Number.isInteger(low) && Number.isInteger(high);
  check(isRight)`${op}: there is no i32 from ${low} up to, not including, ${high}`;
  return drawFrom(generator, { shape: [...shape], dtype: 'i32', range: high - low }).add(low);
}

const probabilities = number({ from: 0, to: 1 });

/** Independent numbers that are 1 with the given probability, else 0. */
export function bernoulli(shape: Shape, probability: number, options: RandomOptions = {}): Tensor {
  checkArgument('bernoulli', 'probability', probability, probabilities);
  const unit = unitFor('bernoulli', shape, options);
  return unit.less(probability).cast(unit.dtype);
}

/** The numbers from 0 to count − 1 in random order, i32. */
export function permutation(count: number, generator: Generator = defaultGenerator): Tensor {
  requireCount('permutation', 'count', count, 0);
  return integersFor('permutation', [count], -(2 ** 31), 2 ** 31, generator).argsort();
}

/**
 * Counter-based random numbers: Threefry encrypts a counter with a key, so the n-th number of a
 * stream is a function of n. Numbers can be computed in any order and on any number of threads, and
 * equal seeds give equal bits. The state of a generator is a tensor, [key, key, draws]; an op that
 * draws returns numbers and the next state, in which `draws` is larger.
 *
 * A uniform number, the n-th of a draw, is made of the words that Threefry gives for the counter
 * [n, draw]; a normal number takes a second draw, and the words for [n, draw + 1].
 */
import * as k from '@mambagrad/kernel';
import type { DType } from '../core/dtype.ts';
import { flatIndex, truth } from '../core/lowering.ts';
import {
  checkArgument, instanceOf, number, oneOf, readOptions, show, type Table,
} from '../core/options.ts';
import { type ApplyMulti, defineMultiPrimitive } from '../core/primitive.ts';
import { check, checkShape, type Shape } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import {
  BLOCK, type Block, type Blocks, blocksFor, normalOf, scaled, unitOf,
} from '../random/blocks.ts';
import { wordsOf } from '../random/threefry.ts';
import { requireCount } from './define.ts';

export { threefry2x32 } from '../random/threefry.ts';

const { cos, floor, log1p, sqrt } = Math;

interface DrawAttributes {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Is added to each number. */
  readonly offset: number;
  /** Each number is multiplied by this before. */
  readonly scale: number;
}

/** An op whose results are random numbers and the next state of the generator. */
interface Draw {
  readonly name: string;
  /** How many draws the op counts as. */
  readonly draws: number;
  /** The numbers of a block, for the reference loop. */
  block(block: Block, blocks: Blocks, attributes: DrawAttributes): ArrayLike<number>;
  /** A number in the loop language; `unit` gives that of a draw, uniform in [0, 1). */
  lower(unit: (draw: number) => k.Expr, attributes: DrawAttributes): k.Expr;
}

function defineDraw({ name, draws, block, lower }: Draw): ApplyMulti<DrawAttributes> {
  const toValue = (i: k.Operand): k.Expr => (typeof i === 'number' ? k.constant('i32', i) : i);
  return defineMultiPrimitive<DrawAttributes>({
    name,
    infer: ([state], { shape, dtype }) => [{ shape, dtype }, state],
    compute: ([state], [{ data }, next], attributes) => {
      const [key0, key1, draw] = state.data;
      next.data.set([key0, key1, draw + draws]);
      const blocks = blocksFor(data.length);
      for (let from = 0; from < data.length; from += BLOCK) {
        const count = Math.min(BLOCK, data.length - from);
        data.set(block({ key: [key0, key1], from, draw, count }, blocks, attributes), from);
      }
    },
    lower: (_inputs, attributes) => {
      if (attributes.dtype !== 'f32') return undefined;
      return [
        {
          element: (index, state) => {
            const [key0, key1, draw] = [0, 1, 2].map((i) => state.at([i]));
            const place = toValue(flatIndex(index, attributes.shape));
            const unit = (more: number): k.Expr => {
              const counter = [place, more === 0 ? draw : k.add(draw, more)] as const;
              return unitOf(wordsOf([key0, key1], counter)[0]);
            };
            return lower(unit, attributes);
          },
        },
        {
          element: ([i], state) =>
            k.add(state.at([i]), k.mul(truth(k.equal(toValue(i), 2)), draws)),
        },
      ];
    },
  });
}

/** The number in [0, 1) of two words: as many bits as the significand of a float64 holds. */
function unitOfWords(first: number, second: number): number {
  return ((first >>> 0) + (second >>> 11) / 2 ** 21) / 2 ** 32;
}

const drawUniform = defineDraw({
  name: 'uniform',
  draws: 1,
  block: (block, blocks, { dtype, offset, scale }) => {
    if (dtype === 'f32') return blocks.uniform(block, offset, scale);
    const { first, second } = blocks.words(block);
    const isWhole = dtype === 'i32';
    const numbers = new Float64Array(block.count);
    for (let i = 0; i < numbers.length; i++) {
      const number = unitOfWords(first[i], second[i]) * scale;
      numbers[i] = (isWhole ? floor(number) : number) + offset;
    }
    return numbers;
  },
  lower: (unit, { offset, scale }) =>
    offset === 0 && scale === 1 ? unit(0) : scaled(unit(0), offset, scale),
});

const drawNormal = defineDraw({
  name: 'normal',
  draws: 2,
  block: (block, blocks, { dtype, offset, scale }) => {
    if (dtype === 'f32') return blocks.normal(block, offset, scale);
    const numbers = new Float64Array(block.count);
    const u = blocks.words(block);
    for (let i = 0; i < numbers.length; i++) {
      numbers[i] = sqrt(-2 * log1p(-unitOfWords(u.first[i], u.second[i])));
    }
    const v = blocks.words({ ...block, draw: block.draw + 1 });
    for (let i = 0; i < numbers.length; i++) {
      const cosine = cos(unitOfWords(v.first[i], v.second[i]) * (2 * Math.PI));
      numbers[i] = numbers[i] * cosine * scale + offset;
    }
    return numbers;
  },
  lower: (unit, { offset, scale }) => {
    const cosine = k.cos(k.mul(unit(1), 2 * Math.PI));
    return scaled(normalOf(k.log1p(k.neg(unit(0))), cosine), offset, scale);
  },
});

/** Numbers from a generator, whose state is advanced. */
function drawFrom(
  generator: Generator, draw: ApplyMulti<DrawAttributes>, attributes: DrawAttributes,
): Tensor {
  const [drawn, next] = draw([generator.state], attributes);
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
 * bounds, rounding may give `high`. Throws if the dtype does not hold their distance.
 */
export function uniform(
  shape: Shape, low = 0, high = 1, options: RandomOptions = {},
): Tensor {
  checkArgument('uniform', 'low', low, finite);
  checkArgument('uniform', 'high', high, finite);
  check(low <= high)`uniform: low ${low} is above high ${high}`;
  return floatsFor('uniform', drawUniform, shape, options, low, high - low);
}

/** offset + scale · x for numbers x that `draw` gives; errors name `op`. */
function floatsFor(
  op: string, draw: ApplyMulti<DrawAttributes>, shape: Shape, options: RandomOptions, offset = 0,
  scale = 1,
): Tensor {
  const { dtype, generator } = readOptions(op, options, randomOptions);
  checkShape(op, shape);
  const isHeld = dtype === 'f64' || [offset, scale].every((x) => Number.isFinite(Math.fround(x)));
  check(isHeld && Number.isFinite(scale))`${op}: the numbers, ${offset} + ${scale} · x, are out of
    the range of ${dtype}`;
  return drawFrom(generator, draw, { shape: [...shape], dtype, offset, scale });
}

const deviations = number({ from: 0 });

/** Independent, normally distributed numbers, by the method of Box and Muller (1958). */
export function normal(shape: Shape, mean = 0, std = 1, options: RandomOptions = {}): Tensor {
  checkArgument('normal', 'mean', mean, finite);
  checkArgument('normal', 'std', std, deviations);
  return floatsFor('normal', drawNormal, shape, options, mean, std);
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
  const attributes = { shape: [...shape], offset: low, scale: high - low } as const;
  return drawFrom(generator, drawUniform, { ...attributes, dtype: 'i32' });
}

const probabilities = number({ from: 0, to: 1 });

/** Independent numbers that are 1 with the given probability, else 0. */
export function bernoulli(shape: Shape, probability: number, options: RandomOptions = {}): Tensor {
  checkArgument('bernoulli', 'probability', probability, probabilities);
  const unit = floatsFor('bernoulli', drawUniform, shape, options);
  return unit.less(probability).cast(unit.dtype);
}

/** The numbers from 0 to count − 1 in random order, i32. */
export function permutation(count: number, generator: Generator = defaultGenerator): Tensor {
  requireCount('permutation', 'count', count, 0);
  return integersFor('permutation', [count], -(2 ** 31), 2 ** 31, generator).argsort();
}

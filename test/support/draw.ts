/**
 * Random shapes and tensors for properties. A property draws from `g`, fast-check's generator, and
 * numbers come from a seed that it draws, so that a failure shrinks to a small shape.
 */
import { Tensor, tensor, type Shape } from '@mambagrad/tensor';
import fc from 'fast-check';

export type Draw = fc.GeneratorValue;

/** Sizes of 0 and 1, where loops go wrong, come up more often than others. */
const size = () =>
  fc.oneof(
    { weight: 1, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: fc.constant(1) },
    { weight: 6, arbitrary: fc.integer({ min: 2, max: 5 }) },
  );

const sizeFromOne = () =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(1) },
    { weight: 6, arbitrary: fc.integer({ min: 2, max: 5 }) },
  );

export interface ShapeOptions {
  readonly minRank?: number;
  readonly maxRank?: number;
  /** Whether sizes of 0 may come. Default true. */
  readonly empty?: boolean;
}

// What `g` is given stands here once: it knows by identity what it has drawn before.
const anyShape = (minLength: number, maxLength: number) =>
  fc.array(size(), { minLength, maxLength });
const filledShape = (minLength: number, maxLength: number) =>
  fc.array(sizeFromOne(), { minLength, maxLength });
const integerFrom = (min: number, max: number) => fc.integer({ min, max });
// A smaller seed is no simpler, so only the shapes shrink.
const anySeed = () => fc.noShrink(fc.integer());

/** For draws made by `withLast`: the size of the last axis. */
const lastSizes = new WeakMap<Draw, number>();

/** Draws as `g` does, but where shapes have a last axis it is of this size, 0 only where it may. */
export function withLast(g: Draw, size: number): Draw {
  const draw = Object.assign(((...given) => g(...given)) as Draw, { values: () => g.values() });
  lastSizes.set(draw, size);
  return draw;
}

export function drawShape(g: Draw, options: ShapeOptions = {}): number[] {
  const { minRank = 0, maxRank = 3, empty = true } = options;
  const shape = g(empty ? anyShape : filledShape, minRank, maxRank);
  const last = lastSizes.get(g) ?? shape.at(-1);
  const isFitting = shape.length > 0 && last !== undefined && (empty || last > 0);
  return isFitting ? shape.with(-1, last) : shape;
}

export function drawInteger(g: Draw, min: number, max: number): number {
  return g(integerFrom, min, max);
}

/** Sizes, each from 1 to its most. */
export function drawSizes(g: Draw, ...most: readonly number[]): number[] {
  return most.map((max) => drawInteger(g, 1, max));
}

/** A shape that broadcasts to the given one. */
export function drawBroadcastable(g: Draw, shape: Shape): number[] {
  const from = drawInteger(g, 0, shape.length);
  return shape.slice(from).map((full) => (g(fc.boolean) ? full : 1));
}

/** An axis of a shape, counted from either end. */
export function drawAxis(g: Draw, shape: Shape): number {
  return drawInteger(g, -shape.length, shape.length - 1);
}

/** Some of the axes of a shape, or undefined for all. */
export function drawAxes(g: Draw, shape: Shape): number[] | undefined {
  if (g(fc.boolean)) return undefined;
  return shape.map((_, axis) => axis).filter(() => g(fc.boolean));
}

/** All numbers from 0 to count − 1 in some order. */
export function drawOrder(g: Draw, count: number): number[] {
  const keys = randomNumbers(g, count, 0, 1);
  return Array.from(keys, (_, i) => i).sort((a, b) => keys[a] - keys[b]);
}

/** Numbers in [low, high) by a small generator of its own (mulberry32), from a seed drawn. */
export function randomNumbers(g: Draw, count: number, low: number, high: number): Float64Array {
  let state = g(anySeed);
  return Float64Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return low + ((high - low) * ((mixed ^ (mixed >>> 14)) >>> 0)) / 2 ** 32;
  });
}

const countOf = (shape: Shape) => shape.reduce((product, n) => product * n, 1);

/** An f64 tensor with elements in [low, high). */
export function drawTensor(g: Draw, shape: Shape, low = -2, high = 2): Tensor {
  return tensor(randomNumbers(g, countOf(shape), low, high), { shape });
}

/**
 * f64 tensors whose elements, all together, keep a distance from each other and from the given
 * points: for ops that have kinks there, which finite differences must not straddle.
 */
export function drawApart(
  g: Draw,
  shapes: readonly Shape[],
  kinks: readonly number[] = [],
): Tensor[] {
  const counts = shapes.map(countOf);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const order = drawOrder(g, total);
  const jitter = randomNumbers(g, total, 0.3, 0.7);
  const spread = 4;
  let next = 0;
  return shapes.map((shape, k) => {
    const data = Float64Array.from({ length: counts[k] }, () => {
      const i = next++;
      const value = ((order[i] + jitter[i]) / total - 0.5) * spread;
      const near = kinks.find((kink) => Math.abs(value - kink) < 1e-3);
      return near === undefined ? value : near + 2e-3;
    });
    return tensor(data, { shape });
  });
}

/** An i32 tensor with elements from 0 to limit − 1. */
export function drawIndices(g: Draw, shape: Shape, limit: number): Tensor {
  const numbers = randomNumbers(g, countOf(shape), 0, limit);
  return tensor(Int32Array.from(numbers), { shape });
}

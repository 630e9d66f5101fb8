/**
 * How near two results must be to each other. Where both are computed in the same order they are
 * the same bits. Float32 is as near to float64 as a tolerance says, relative to the largest number
 * (accuracy.ts asks for more where it can).
 * Compiled programs compute in another order than eager ops, and are held to how well the result
 * can be known in float32 at all: eager ops are run on inputs that are moved to neighbouring
 * float32 numbers, and what that changes is the measure.
 */
import { tensor } from '../core/create.ts';
import { check, describe, failure, type TensorError } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';

/** Results of a function; undefined stands for a gradient that there is none of. */
export type Results = readonly (Tensor | undefined)[];

/** Half of the distance from 1 to the next float32. */
const ROUNDING = 2 ** -24;

/** The largest of some numbers, 0 if there are none; of any count, which arguments may not be. */
function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => Math.max(most, number), 0);
}

/** The largest size of an element that is finite, 0 if there is none. */
export function magnitude(x: Tensor | undefined): number {
  return largest(Array.from(x?.data ?? [], Math.abs).filter(Number.isFinite));
}

/** An error that says in which element two tensors differ. */
export function difference(
  what: string, [i, element]: readonly number[], found: Tensor, expected: Tensor, source = '',
): TensorError {
  return failure`element ${element} of result ${i}, ${describe(found)}, is ${found.data[element]}
    ${what}, expected ${expected.data[element]}${source}`;
}

/** Throws unless both have the same results, of the same shapes. */
function requireShapes(what: string, found: Results, expected: Results): void {
  const text = (results: Results): string =>
    results.map((one) => (one ? `[${one.shape.join(', ')}]` : 'nothing')).join(', ');
  if (text(found) === text(expected)) return;
  throw failure`the shapes are ${text(found)} ${what}, expected ${text(expected)}`;
}

/** Throws unless both hold the same bits, NaNs being equal. */
export function requireSame(
  what: string, found: Results, expected: Results, source?: string,
): void {
  requireShapes(what, found, expected);
  found.forEach((x, i) => {
    const y = expected[i];
    if (!x || !y) return;
    check(x.dtype === y.dtype)`result ${i} is ${describe(x)} ${what}, expected ${describe(y)}`;
    const wrong = x.data.findIndex((value: number, j: number) => !Object.is(value, y.data[j]));
    if (wrong >= 0) throw difference(what, [i, wrong], x, y, source);
  });
}

/** Throws unless values are within `tolerance` of the larger of 1 and the largest magnitude. */
export function requireClose(
  what: string, found: Results, expected: Results, tolerance: number,
): void {
  requireShapes(what, found, expected);
  expected.forEach((y, i) => {
    const x = found[i];
    if (!x || !y) return;
    const allowed = tolerance * (magnitude(y) + 1);
    const wrong = x.data.findIndex((value: number, j: number) =>
      !Object.is(value, y.data[j]) && !(Math.abs(value - y.data[j]) <= allowed),
    );
    if (wrong >= 0) throw difference(what, [i, wrong], x, y);
  });
}

/** A tensor whose elements are moved to the next float32 up or down, or stay, as a seed says. */
export function nudged(x: Tensor, seed: number): Tensor {
  if (x.dtype === 'i32') return x;
  const moved = Float32Array.from(x.data, (value, i) => {
    const way = Math.floor(3 * Math.abs(Math.sin(12.9898 * (i + 1) + 78.233 * seed))) - 1;
    return value + way * 2 ** -23 * Math.abs(value);
  });
  return tensor(moved, { shape: x.shape, requiresGrad: x.requiresGrad });
}

/** How far each element is from what it should be: infinitely where only one is a number. */
function errorsOf(x: Tensor | undefined, exact: Tensor | undefined): number[] {
  return Array.from(x?.data ?? [], (value, j) => {
    const error = Math.abs(value - (exact?.data[j] ?? NaN));
    return Object.is(value, exact?.data[j]) ? 0 : Number.isNaN(error) ? Infinity : error;
  });
}

/**
 * Throws unless float32 results are no farther from those of float64 (`exact`) than four times what
 * eager float32 is, on the same inputs and on some that are nudged, of which as many are asked for
 * as it takes. A few roundings are allowed besides: four of a result's largest number, unless
 * another count is given, and two of the largest of all, whose rounding a difference keeps.
 */
export function requireNear(
  what: string, found: Results, eager: Iterable<Results>, exact: Results,
  inputs: readonly Tensor[], roundings = 4,
): void {
  requireShapes(what, found, exact);
  const scale = largest([...inputs, ...exact].map(magnitude));
  const errors = exact.map((wanted, i) => errorsOf(found[i], wanted));
  const farthest = errors.map(largest);
  const least = exact.map((wanted) => ROUNDING * (roundings * magnitude(wanted) + 2 * scale));
  const worst = exact.map(() => 0);
  const isNear = (i: number): boolean => farthest[i] <= 4 * worst[i] + least[i];
  for (const near of eager) {
    requireShapes('in float32', near, exact);
    exact.forEach((wanted, i) => {
      worst[i] = Math.max(worst[i], largest(errorsOf(near[i], wanted)));
    });
    if (errors.every((_, i) => isNear(i))) return;
  }
  const i = errors.findIndex((_, result) => !isNear(result));
  const [x, y] = [found[i], exact[i]];
  if (x && y) throw difference(what, [i, errors[i].indexOf(farthest[i])], x, y);
}

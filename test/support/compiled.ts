/**
 * Holds compiled functions to what the functions do: the same bits in WebAssembly and JavaScript,
 * and no farther from float64 than four times what eager float32 is.
 *
 * Eager float32 can be near by luck, and it adds up in float64. So it is asked several times, for
 * inputs that are moved to neighbouring float32 numbers: what comes out then, beside what should for
 * the inputs as they are, shows how well the results can be known in float32 at all.
 */
import { compile, grad, type Tensor, tensor } from '@mambagrad/tensor';
import { expect } from 'vitest';
import { expectSame, leaf, requireShape, unevenCotangent } from './compare.ts';
import { asTwins } from './sharing.ts';

/** A function of tensors; undefined stands for a gradient that there is none of. */
export type Body<Args extends unknown[] = Tensor[]> = (...args: Args) => (Tensor | undefined)[];

/** Compiled for both backends: expects the same bits of both at each call, and gives them. */
export function twins<Args extends unknown[]>(body: Body<Args>): Body<Args> {
  const wasm = compile(body, { deterministic: true });
  const js = compile(body, { deterministic: true, backend: 'js' });
  let isFirst = true;
  return (...args) => {
    const [found, twin] = asTwins([wasm, js].map((compiled) => () => compiled(...args)));
    if (isFirst) expect(wasm.explain()).toMatch(/^\d+ kernels?, /m);
    isFirst = false;
    expectAllSame(found, twin);
    return found;
  };
}

/** Throws unless both lists hold the same bits, NaNs being equal. */
export function expectAllSame(
  found: readonly (Tensor | undefined)[],
  expected: readonly (Tensor | undefined)[],
): void {
  const isThere = (one: Tensor | undefined) => one !== undefined;
  const areThere = found.length === expected.length &&
    found.every((output, i) => isThere(output) === isThere(expected[i]));
  if (!areThere) expect(found.map(isThere)).toEqual(expected.map(isThere));
  found.forEach((output, i) => {
    const other = expected[i];
    if (output && other) expectSame(output, other);
  });
}

/** The largest of some numbers, 0 if there are none; of any count, which arguments may not be. */
function largest(numbers: readonly number[]): number {
  return numbers.reduce((most, one) => Math.max(most, one), 0);
}

const magnitude = (x: Tensor | undefined) =>
  largest(Array.from(x?.data ?? [], Math.abs).filter(Number.isFinite));

/** A tensor whose elements are moved to the next float32 up or down, or stay, as a seed says. */
export function nudged(x: Tensor, seed: number): Tensor {
  if (x.dtype === 'i32') return x;
  const moved = Float32Array.from(x.data, (value, i) => {
    const way = Math.floor(3 * Math.abs(Math.sin(12.9898 * (i + 1) + 78.233 * seed))) - 1;
    return value + way * 2 ** -23 * Math.abs(value);
  });
  return tensor(moved, { shape: x.shape });
}

/** Half of the distance from 1 to the next float32. */
const ROUNDING = 2 ** -24;

/** How far a float32 result is from that of float64 at most; infinite where only one is a number. */
function errorOf(x: Tensor | undefined, exact: Tensor | undefined): number {
  requireShape(x, exact);
  return largest(Array.from(x?.data ?? [], (value, j) => {
    const error = Math.abs(value - (exact?.data[j] ?? NaN));
    return Object.is(value, exact?.data[j]) ? 0 : Number.isNaN(error) ? Infinity : error;
  }));
}

type Results = readonly (Tensor | undefined)[];

/**
 * Throws unless float32 results are as near to those of float64 as said above, given those of eager
 * float32, for the same inputs and for some that are nudged, of which as many are asked for as it
 * takes. A few roundings are allowed besides: four of a result's largest number, unless another
 * count is given, and two of the largest of all, whose rounding a difference keeps.
 */
export function expectNear(
  found: Results, eager: Iterable<Results>, exact: Results, inputs: readonly Tensor[],
  roundings = 4,
): void {
  const scale = largest([...inputs, ...exact].map(magnitude));
  const errors = exact.map((wanted, i) => errorOf(found[i], wanted));
  const least = exact.map((wanted) => ROUNDING * (roundings * magnitude(wanted) + 2 * scale));
  const worst = exact.map(() => 0);
  const allowed = (i: number): number => 4 * worst[i] + least[i];
  for (const near of eager) {
    exact.forEach((wanted, i) => (worst[i] = Math.max(worst[i], errorOf(near[i], wanted))));
    if (errors.every((error, i) => error <= allowed(i))) return;
  }
  errors.forEach((error, i) => {
    expect(error, `result ${i}, of scale ${scale}`).toBeLessThanOrEqual(allowed(i));
  });
}

/** The results of a function, and the gradients of its inputs under uneven weights. */
export function withGradients(run: (...args: Tensor[]) => readonly Tensor[]): Body {
  return (...args) => {
    const outputs = run(...args);
    const floats = outputs.filter(({ dtype }) => dtype !== 'i32');
    const losses = floats.map((output) => output.mul(unevenCotangent(output)).sum());
    const loss = losses.reduce((sum, part) => sum.add(part));
    const wanted = args.filter(({ requiresGrad }) => requiresGrad);
    return [...outputs, ...grad(loss, wanted, { allowUnused: true })];
  };
}

/** Calls a twin and its original on float32 leaves of these numbers: near, or the same bits. */
export function expectCompiled(
  compiled: Body,
  body: Body,
  inputs: readonly Tensor[],
  isExact = false,
  roundings = 4,
): readonly (Tensor | undefined)[] {
  const leaves = inputs.map((input) => leaf(input, 'f32'));
  const found = compiled(...leaves);
  if (isExact) {
    expectAllSame(found, body(...leaves));
  } else {
    const exact = body(...leaves.map((input) => leaf(input)));
    expectNear(found, eagerly(body, leaves), exact, leaves, roundings);
  }
  return found;
}

/** What a function gives for its inputs, and then for inputs that are nudged. */
function* eagerly(body: Body, inputs: readonly Tensor[]): Iterable<Results> {
  yield body(...inputs);
  for (const seed of [1, 2, 3]) {
    yield body(...inputs.map((input) => leaf(nudged(input, seed), 'f32')));
  }
}

/**
 * Holds compiled functions to what the functions do: the same bits in WebAssembly and JavaScript,
 * and no farther from float64 than four times what eager float32 is.
 *
 * Eager float32 can be near by luck, and it adds up in float64. So it is asked several times, for
 * inputs that are moved to neighbouring float32 numbers: what comes out then, beside what should
 * for the inputs as they are, shows how well the results can be known in float32 at all.
 */
import { compile, type Tensor } from '@mambagrad/tensor';
import { expect } from 'vitest';
import { nudged, requireNear } from '../../packages/tensor/src/testing/compare.ts';
import { expectSame, leaf } from './compare.ts';
import { asTwins } from './sharing.ts';

export { nudged };
export { withGradients } from '../../packages/tensor/src/testing/derivatives.ts';

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

type Results = readonly (Tensor | undefined)[];

/** Throws unless float32 results are near those of float64, as `requireNear` says. */
export function expectNear(
  found: Results, eager: Iterable<Results>, exact: Results, inputs: readonly Tensor[],
  roundings = 4,
): void {
  requireNear('compiled', found, eager, exact, inputs, roundings);
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

/**
 * Holds compiled functions to what the functions do: the same bits in WebAssembly and JavaScript,
 * and no farther from float64 than four times what eager float32 is, and a millionth.
 */
import { compile, grad, type Tensor } from '@mambagrad/tensor';
import { expect } from 'vitest';
import { expectSame, leaf, unevenCotangent } from './compare.ts';

/** A function of tensors; undefined stands for a gradient that there is none of. */
export type Body<Args extends unknown[] = Tensor[]> = (...args: Args) => (Tensor | undefined)[];

/** Compiled for both backends: expects the same bits of both at each call, and gives them. */
export function twins<Args extends unknown[]>(body: Body<Args>): Body<Args> {
  const wasm = compile(body, { deterministic: true });
  const js = compile(body, { deterministic: true, backend: 'js' });
  let isFirst = true;
  return (...args) => {
    const [found, twin] = [wasm(...args), js(...args)];
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
  expect(found.map((output) => output !== undefined)).toEqual(expected.map(Boolean));
  found.forEach((output, i) => {
    const other = expected[i];
    if (output && other) expectSame(output, other);
  });
}

const magnitude = (x: Tensor | undefined) =>
  Math.max(0, ...Array.from(x?.data ?? [], Math.abs).filter(Number.isFinite));

/**
 * Throws unless float32 results are as near to those of float64 as said above, given those of eager
 * float32, and the inputs. A sum may be far smaller than its terms, whose rounding it keeps, so
 * there is one scale for all.
 */
export function expectNear(
  found: readonly (Tensor | undefined)[],
  eager: readonly (Tensor | undefined)[],
  exact: readonly (Tensor | undefined)[],
  inputs: readonly Tensor[],
): void {
  const scale = Math.max(...[...inputs, ...exact].map(magnitude));
  exact.forEach((wanted, i) => {
    const [output, near] = [found[i], eager[i]];
    expect([output?.shape, near?.shape]).toEqual([wanted?.shape, wanted?.shape]);
    const errorOf = (x: Tensor | undefined) =>
      Math.max(
        0,
        ...Array.from(x?.data ?? [], (value, j) => {
          const error = Math.abs(value - (wanted?.data[j] ?? NaN));
          return Object.is(value, wanted?.data[j]) ? 0 : Number.isNaN(error) ? Infinity : error;
        }),
      );
    const allowed = 4 * errorOf(near) + 1e-6 * scale;
    expect(errorOf(output), `result ${i}, of scale ${scale}`).toBeLessThanOrEqual(allowed);
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
): readonly (Tensor | undefined)[] {
  const leaves = inputs.map((input) => leaf(input, 'f32'));
  const [found, eager] = [compiled(...leaves), body(...leaves)];
  if (isExact) expectAllSame(found, eager);
  else expectNear(found, eager, body(...leaves.map((input) => leaf(input))), leaves);
  return found;
}

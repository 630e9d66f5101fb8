/**
 * Cases whose results are compared bit by bit: a name, and a function that computes something from
 * fixed numbers. A case gives a tree of tensors and numbers, which is hashed.
 */
import { compile, grad, type Shape, Tensor, tensor } from '@mambagrad/tensor';
import { createHash, type Hash } from 'node:crypto';

/** A name that no other case has, and what computes the results. */
export type Case = readonly [name: string, compute: () => unknown];

/**
 * Fixed numbers from `low` up to `high`, other ones for each seed: a small generator (mulberry32)
 * that depends on nothing in the packages.
 */
export function numbers(count: number, low: number, high: number, seed = 1): Float64Array {
  let state = Math.imul(seed, 0x9e3779b9);
  return Float64Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return low + ((high - low) * ((mixed ^ (mixed >>> 14)) >>> 0)) / 2 ** 32;
  });
}

const sizeOf = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

/** A tensor f32 of fixed numbers. */
export function floats(shape: Shape, low = -2, high = 2, seed = 1): Tensor {
  return tensor(Float32Array.from(numbers(sizeOf(shape), low, high, seed)), { shape });
}

/** A tensor i32 of fixed numbers from 0 to limit − 1. */
export function indices(shape: Shape, limit: number, seed = 2): Tensor {
  return tensor(Int32Array.from(numbers(sizeOf(shape), 0, limit, seed)), { shape });
}

/** The tensors of a result: itself, or those in its arrays and objects. */
function tensorsIn(tree: unknown): Tensor[] {
  if (tree instanceof Tensor) return [tree];
  return typeof tree === 'object' && tree !== null ? Object.values(tree).flatMap(tensorsIn) : [];
}

/** A function of tensors, and the gradients of its inputs under uneven weights. */
function withGradients(f: (...inputs: Tensor[]) => unknown, createGraph = false) {
  return (...inputs: Tensor[]): { value: unknown; gradients: Tensor[] } => {
    const value = f(...inputs);
    const wanted = inputs.filter(({ requiresGrad }) => requiresGrad);
    const weighted = tensorsIn(value)
      .filter(({ requiresGrad }) => requiresGrad)
      .map((y, i) => y.mul(floats(y.shape, -1, 1, i + 3).cast(y.dtype)).sum());
    if (weighted.length === 0 || wanted.length === 0) return { value, gradients: [] };
    const loss = weighted.reduce((sum, part) => sum.add(part));
    return { value, gradients: grad(loss, wanted, { allowUnused: true, createGraph }) };
  };
}

/** The gradients of a function's gradients. */
function secondGradients(f: (...inputs: Tensor[]) => unknown, inputs: readonly Tensor[]): Tensor[] {
  const gradients = (...given: Tensor[]) => withGradients(f, true)(...given).gradients;
  return withGradients(gradients)(...inputs).gradients;
}

/** The same numbers as leaves of a dtype, which require gradients. */
function leaves(inputs: readonly Tensor[], dtype: 'f32' | 'f64'): Tensor[] {
  return inputs.map((x) =>
    x.dtype === 'i32' ? x : tensor(x.data, { shape: x.shape, dtype, requiresGrad: true }),
  );
}

/**
 * Cases for a function of tensors: its value and gradients eagerly in float32 and in float64,
 * compiled to WebAssembly and to JavaScript (or to those `backends` that are named), and its second
 * gradients.
 */
export function* inAllWays(
  name: string, f: (...inputs: Tensor[]) => unknown, inputs: readonly Tensor[],
  backends: readonly ('wasm' | 'js')[] = ['wasm', 'js'],
): Iterable<Case> {
  const [single, double] = [leaves(inputs, 'f32'), leaves(inputs, 'f64')];
  const both = withGradients(f);
  yield [`${name} eager`, () => both(...single)];
  yield [`${name} f64`, () => both(...double)];
  yield [`${name} second`, () => secondGradients(f, double)];
  for (const backend of backends) {
    yield [`${name} ${backend}`, () => compile(both, { deterministic: true, backend })(...single)];
  }
}

/** A hash of all numbers of a tree, with shapes, dtypes and names. */
export function hashOf(tree: unknown): string {
  const hash = createHash('sha256');
  addTo(hash, tree);
  return hash.digest('hex').slice(0, 16);
}

function addTo(hash: Hash, tree: unknown): void {
  if (tree instanceof Tensor) {
    const { dtype, shape, data } = tree;
    hash.update(`${dtype} [${shape}]`);
    // The bits of a NaN mean nothing, and engines do not say which they are.
    const plain = dtype === 'i32' ? data : data.map((x) => (Number.isNaN(x) ? NaN : x));
    hash.update(new Uint8Array(plain.buffer, plain.byteOffset, plain.byteLength));
  } else if (typeof tree === 'object' && tree !== null) {
    const entries = tree instanceof Map ? [...tree] : Object.entries(tree);
    for (const [name, value] of entries) {
      hash.update(`${name}:`);
      addTo(hash, value);
    }
  } else {
    hash.update(Object.is(tree, -0) ? '-0' : String(tree));
  }
}

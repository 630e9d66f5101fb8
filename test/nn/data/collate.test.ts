/**
 * Plain arrays are written straight into the batch. That is held to the general way, which makes a
 * tensor of each sample, pads and stacks them: the same batch, or the same error.
 */
import { collate } from '@mambagrad/nn';
import { type DType, type Tensor, tensor, type TensorData, TensorError } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../../support/soak.ts';

const dtypes = fc.constantFrom<DType | undefined>(undefined, 'f32', 'f64', 'i32');
const paddings = fc.constantFrom(0, -0, 1, -7, 0.1, NaN, -Infinity, 2 ** 31);
const numbers = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -9, max: 9 }) },
  fc.constantFrom(-0, 0.1, NaN, Infinity, 2 ** 31, -(2 ** 31)),
);

/** An array of numbers, nested as deep as there are sizes. */
function nested(sizes: readonly number[], pick: () => unknown): unknown {
  const [size, ...inner] = sizes;
  if (size === undefined) return pick();
  return Array.from({ length: size }, () => nested(inner, pick));
}

const wrong = fc.constantFrom<unknown>('1', null, undefined, [], [1], true, new Float32Array(2));

/** Samples of one depth, of which some may have a mistake. */
const arrays = fc.gen().map((g) => {
  const rank = g(fc.integer, { min: 1, max: 3 });
  const isWrong = g(fc.integer, { min: 0, max: 3 }) === 0;
  const pick = (): unknown =>
    isWrong && g(fc.integer, { min: 0, max: 9 }) === 0 ? g(() => wrong) : g(() => numbers);
  return Array.from({ length: g(fc.integer, { min: 0, max: 4 }) }, () => {
    const isDeeper = isWrong && g(fc.integer, { min: 0, max: 9 }) === 0;
    const depth = rank + (isDeeper ? 1 : 0);
    return nested(Array.from({ length: depth }, () => g(fc.integer, { min: 0, max: 3 })), pick);
  });
});

const kinds = [Float32Array, Float64Array, Int32Array, Uint8Array, Int16Array, Uint32Array];
const typed = fc.array(
  fc.tuple(fc.constantFrom(...kinds), fc.array(numbers, { maxLength: 5 })),
  { minLength: 1, maxLength: 3 },
).map((all) => {
  const [[first]] = all;
  // Mostly of one kind.
  const isOther = (values: readonly number[], i: number): boolean => i > 0 && values.length > 3;
  return all.map(([Kind, values], i) => (isOther(values, i) ? Kind : first).from(values));
});

/** The tensor of a sample; an error says which sample it is, as that of `collate` does. */
function tensorOf(sample: unknown, i: number, dtype: DType | undefined): Tensor {
  try {
    return tensor(sample as TensorData, dtype ? { dtype } : {});
  } catch (error) {
    throw new TensorError(`collate: sample ${i}: ${(error as Error).message}`);
  }
}

type Result = { readonly batch: Tensor } | { readonly error: string };

function resultOf(make: () => Tensor): Result {
  try {
    return { batch: make() };
  } catch (error) {
    return { error: String(error) };
  }
}

/** Everything about a result that can differ: bits, too. */
function shown(result: Result): unknown {
  if ('error' in result) return result;
  const { shape, dtype, requiresGrad, node, data } = result.batch;
  const bits = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { shape, dtype, requiresGrad, node, bits };
}

describe('collate of plain arrays', () => {
  it('gives what it gives for a tensor of each sample, or the same error', () => {
    const multiples = fc.integer({ min: 1, max: 4 });
    let batches = 0;
    let errors = 0;
    fc.assert(
      fc.property(fc.oneof(arrays, typed), dtypes, paddings, multiples,
        (samples, dtype, padding, padToMultipleOf) => {
          const options = { padding, padToMultipleOf, ...(dtype && { dtype }) };
          const found = resultOf(() => collate<unknown>(samples, options) as Tensor);
          const expected = resultOf(() => {
            const each = samples.map((sample, i) => tensorOf(sample, i, dtype));
            return collate(each, options) as Tensor;
          });
          if ('batch' in found) batches++;
          else errors++;
          expect(shown(found)).toEqual(shown(expected));
        }),
      { numRuns: runs(300) },
    );
    expect(Math.min(batches, errors)).toBeGreaterThan(20);
  });

  it('copies what it is given', () => {
    const samples = [Float32Array.of(1, 2), Float32Array.of(3, 4)];
    const batch = collate(samples) as Tensor;
    samples[0][0] = 9;
    expect(batch.toArray()).toEqual([[1, 2], [3, 4]]);
  });

  it('refuses an array that contains itself', () => {
    const own: unknown[] = [];
    own.push(own);
    expect(() => collate([own])).toThrow('contain themselves');
  });
});

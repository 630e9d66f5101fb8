/**
 * What an op says when it is given what it cannot take. Generated from the table: each row's call
 * is repeated with one of its tensors of another dtype, or with an axis too many. Either the op has
 * a meaning for that, or it throws a TensorError that begins with a name; the messages are kept in
 * a snapshot, so that a change of wording is seen.
 */
import { arange, Tensor, TensorError } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Call } from './families.ts';
import { rows } from './rows.ts';

/** The same call for a row in every run. */
function sampleCall(draw: (g: fc.GeneratorValue) => Call): Call {
  const [call] = fc.sample(fc.gen().map(draw), { numRuns: 1, seed: 1 });
  return call;
}

/** What happens: `f64[2, 3]`, or the message of the error. */
function outcome(apply: () => Tensor): string {
  try {
    const { dtype, shape, data } = apply();
    if (data.some(Number.isNaN)) return 'NaN';
    return `${dtype}[${shape.join(', ')}]`;
  } catch (error) {
    if (error instanceof TensorError) return error.message;
    throw error;
  }
}

const spoiled: Record<string, (x: Tensor) => Tensor> = {
  'another dtype': (x) => (x.dtype === 'i32' ? x.cast('f64') : x.round().cast('i32')),
  'f32 beside f64': (x) => (x.dtype === 'i32' ? x.add(1000) : x.cast('f32')),
  'an axis too many': (x) => x.unsqueeze(-1).broadcastTo([...x.shape, 7]),
  'another size': (x) => arange(0, x.numel + 1, 1, { dtype: x.dtype }),
};

describe.each(Object.entries(rows))('%s', (name, { draw }) => {
  it('takes it, or says what is wrong', () => {
    const { inputs, apply } = sampleCall(draw);
    const results = Object.entries(spoiled).flatMap(([what, spoil]) =>
      inputs.map((_, i) => {
        const changed = inputs.map((input, k) => (k === i ? spoil(input) : input));
        return `${what}, tensor ${i}: ${outcome(() => apply(...changed))}`;
      }),
    );
    for (const result of results) {
      const [, text] = result.split(/: (.*)/s);
      // Either a result, or a message that names this op.
      expect(text).toMatch(new RegExp(`^(f32|f64|i32)\\[|^${name}: \\S`));
    }
    expect(results).toMatchSnapshot();
  });
});

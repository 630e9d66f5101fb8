/**
 * The loop over time: random steps through `scan` give what the loop that defines it gives, in
 * values, gradients and second gradients, eagerly and compiled, in both backends.
 */
import { compile, grad, scan, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, leaf, unevenCotangent } from '../../support/compare.ts';
import { type Body, expectCompiled, twins, withGradients } from '../../support/compiled.ts';
import { loop, recurrences } from '../../support/recurrence.ts';

/** The results of a function, the gradients of its inputs, and the gradients of those. */
function withSecondGradients(run: (...inputs: Tensor[]) => Tensor[]): (...inputs: Tensor[]) => Tensor[] {
  return (...inputs) => {
    const wanted = inputs.filter(({ requiresGrad }) => requiresGrad);
    const derive = (results: readonly Tensor[], createGraph: boolean): Tensor[] => {
      const terms = results
        .filter(({ requiresGrad }) => requiresGrad)
        .map((x) => x.mul(unevenCotangent(x)).sum());
      if (terms.length === 0) return [];
      const loss = terms.reduce((sum, term) => sum.add(term));
      return grad(loss, wanted, { allowUnused: true, createGraph });
    };
    const results = run(...inputs);
    const first = derive(results, true);
    return [...results, ...first, ...derive(first, false)];
  };
}

/** To 1e-12 of the largest number of a result, or of all of the same kind, which may cancel. */
function expectEqual(found: readonly Tensor[], expected: readonly Tensor[]): void {
  const largest = Math.max(1, ...expected.map((x) => (x.numel > 0 ? x.abs().max().item() : 0)));
  expect(found).toHaveLength(expected.length);
  found.forEach((x, i) => expectClose(x, expected[i], 1e-12, 1e-13 * largest));
}

describe('scan', () => {
  it('is the loop, with its gradients and theirs', () => {
    fc.assert(
      fc.property(recurrences(), ({ tensors, run }) => {
        const inputs = tensors.map((x) => leaf(x));
        const expected = withSecondGradients(run(loop))(...inputs);
        expectEqual(withSecondGradients(run(scan))(...inputs), expected);
      }),
      { numRuns: 60 },
    );
  });

  it('is the loop in a compiled function, in float64', () => {
    fc.assert(
      fc.property(recurrences(), ({ tensors, run }) => {
        const inputs = tensors.map((x) => leaf(x));
        const expected = withSecondGradients(run(loop))(...inputs);
        expectEqual(compile(withSecondGradients(run(scan)))(...inputs), expected);
      }),
      { numRuns: 20 },
    );
  });

  it.each([true, false])('is one program in WebAssembly and JavaScript (smooth: %s)', (smooth) => {
    fc.assert(
      fc.property(recurrences(smooth), ({ tensors, run }) => {
        const body = withGradients(run(scan)) as Body;
        if (smooth) expectCompiled(twins(body), withGradients(run(loop)) as Body, tensors);
        else twins(body)(...tensors.map((x) => leaf(x, 'f32')));
      }),
      { numRuns: 20 },
    );
  });
});

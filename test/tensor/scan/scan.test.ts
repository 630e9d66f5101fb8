/**
 * The loop over time: random steps through `scan` give what the loop that defines it gives, in
 * values, gradients and second gradients, eagerly and compiled, in both backends.
 */
import { compile, grad, scan, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, leaf, unevenCotangent } from '../../support/compare.ts';
import { expectCompiled, twins } from '../../support/compiled.ts';
import { loop, recurrences } from '../../support/recurrence.ts';
import { runs } from '../../support/soak.ts';

/**
 * The results of a function, the gradients of its inputs, and those of gradients up to an order. An
 * input on which nothing depends has a gradient of zeros.
 */
function withGradients(run: (...inputs: Tensor[]) => Tensor[], order = 1) {
  return (...inputs: Tensor[]): Tensor[] => {
    const wanted = inputs.filter(({ requiresGrad }) => requiresGrad);
    const results = run(...inputs);
    let last = results;
    for (let i = 1; i <= order; i++) {
      const terms = last
        .filter(({ requiresGrad }) => requiresGrad)
        .map((x) => x.mul(unevenCotangent(x)).sum());
      last = terms.length === 0
        ? wanted.map((x) => x.detach().mul(0))
        : grad(terms.reduce((sum, term) => sum.add(term)), wanted, {
          allowUnused: true, createGraph: i < order,
        });
      results.push(...last);
    }
    return results;
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
        const expected = withGradients(run(loop), 2)(...inputs);
        expectEqual(withGradients(run(scan), 2)(...inputs), expected);
      }),
      { numRuns: runs(25) },
    );
  });

  it('is the loop in a compiled function, in float64', () => {
    fc.assert(
      fc.property(recurrences(), ({ tensors, run }) => {
        const inputs = tensors.map((x) => leaf(x));
        const expected = withGradients(run(loop), 2)(...inputs);
        expectEqual(compile(withGradients(run(scan), 2))(...inputs), expected);
      }),
      { numRuns: runs(15) },
    );
  });

  it.each([true, false])('is one program in WebAssembly and JavaScript (smooth: %s)', (smooth) => {
    fc.assert(
      fc.property(recurrences(smooth), ({ tensors, run }) => {
        const body = withGradients(run(scan));
        const compiled = twins(body);
        if (smooth) expectCompiled(compiled, withGradients(run(loop)), tensors);
        // Again, with other numbers in the memory of the call before.
        compiled(...tensors.map((x) => leaf(x.dtype === 'i32' ? x : x.mul(0.9), 'f32')));
      }),
      { numRuns: runs(15) },
    );
  });
});

/**
 * What the gradient rules of the fused scans have in common. A backward pass is itself a primitive
 * with a result for each input's gradient; gradients of these are those of the scan composed of
 * tensor ops, which has derivatives of all orders.
 */
import { enableGrad, grad, type Spec, type Tensor, zeros } from '@mambagrad/tensor';

/** Functions for each of so many tensors, which are computed together when one is asked for. */
export function together(count: number, compute: () => readonly Tensor[]): (() => Tensor)[] {
  let all: readonly Tensor[] | undefined;
  return Array.from({ length: count }, (_, i) => () => (all ??= compute())[i]);
}

/** A cotangent; or zeros, one number repeated, for a result on which nothing depends. */
export function orZeros(cotangent: Tensor | undefined, { shape, dtype }: Spec): Tensor {
  return cotangent ?? zeros([], { dtype }).broadcastTo(shape);
}

/** The results of a scan on which others can depend. */
export interface ScanResults {
  readonly y: Tensor;
  readonly lastState: Tensor;
}

/** The same with the states at the starts of chunks, which are results as well. */
export interface ChunkedResults extends ScanResults {
  readonly starts: Tensor;
}

/**
 * The gradients of a backward pass with respect to its inputs: the cotangents of the scan's first
 * `count` results, and what the scan is of. Given are the cotangents of the gradients that the pass
 * gives, and the results of the scan composed of ops.
 */
export function secondGradients(
  cotangents: readonly (Tensor | undefined)[],
  inputs: readonly Tensor[],
  count: number,
  compose: (scanned: readonly Tensor[]) => ChunkedResults,
): readonly Tensor[] {
  return enableGrad(() => {
    // Each input becomes a separate tensor, as the same tensor may be given for several inputs.
    const tracked = inputs.map((tensor) => {
      if (tensor.requiresGrad) return tensor.unsqueeze(0).squeeze(0);
      const leaf = tensor.detach();
      leaf.requiresGrad = true;
      return leaf;
    });
    const [ofResults, scanned] = [tracked.slice(0, count), tracked.slice(count)];
    const { y, lastState, starts } = compose(scanned);
    const options = { createGraph: true, allowUnused: true };
    const first = grad(inner([y, lastState, starts], ofResults), scanned, options);
    return grad(inner(first, cotangents), tracked, options);
  });
}

/** Σ a · b over all elements of all pairs of tensors; those that lack one count as 0. */
function inner(a: readonly Tensor[], b: readonly (Tensor | undefined)[]): Tensor {
  const terms = a.flatMap((x, i) => b[i]?.mul(x).sum() ?? []);
  return terms.reduce((sum, term) => sum.add(term));
}

/**
 * The losses of a batch, and their mean over several batches. The loss of a batch is itself a mean
 * over its samples, so a batch of 64 must weigh 64 times as much as a batch of 1. With nᵢ the
 * number of samples in batch i, or the count that the loss function gives instead,
 *
 *     L = Σ nᵢ Lᵢ / Σ nᵢ
 *
 * which is the loss of all the samples as one batch.
 */
import { describe, Tensor, TensorError } from '@mambagrad/tensor';
import { show } from '@mambagrad/tensor/options';
import { warn } from '@mambagrad/tensor/host';

/**
 * The loss of a batch under the name `loss`, and any other numbers to log, each a mean. `count` is
 * the weight of the batch among others, such as the number of its tokens.
 */
export type Losses<T> = Readonly<Record<string, T>> & { readonly loss: T; readonly count?: T };

/** The result of a loss function by name, if it is right; throws if it is not. */
export function checkLosses(found: unknown): Losses<Tensor> {
  if (found instanceof Promise) {
    throw new TensorError('the loss function is async; it must return its losses at once');
  }
  if (found instanceof Tensor && found.numel === 1) return { loss: found };
  const isObject = typeof found === 'object' && found !== null && !(found instanceof Tensor);
  if (!isObject || !('loss' in found)) {
    throw new TensorError(
      `the loss function gives ${show(found)}, expected { loss }, or a tensor of one number`,
    );
  }
  for (const [name, value] of Object.entries(found)) {
    if (value instanceof Tensor && value.numel === 1) continue;
    throw new TensorError(
      `the loss function gives ${show(value)} as '${name}', expected a tensor of one number`,
    );
  }
  return found as Losses<Tensor>;
}

/**
 * A function that gives the number of samples in a batch: the length of the first axis of its first
 * tensor, or 1 if it holds none. It warns, once, of a batch whose tensors begin with different
 * lengths.
 */
export function createSampleCounter(): (batch: unknown) => number {
  let isWarned = false;
  return (batch) => {
    const tensors = tensorsIn(batch).filter(({ ndim }) => ndim > 0);
    const sizes = new Set(tensors.map(({ shape }) => shape[0]));
    if (sizes.size > 1 && !isWarned) {
      isWarned = true;
      warn(
        `Trainer: a batch holds ${tensors.slice(0, 4).map(describe).join(', ')}; the first axis ` +
          'of the first is taken as its number of samples; if it is another number, let the loss ' +
          'function return { loss, count }',
      );
    }
    const [first = 1] = sizes;
    return first;
  };
}

function tensorsIn(tree: unknown): Tensor[] {
  if (tree instanceof Tensor) return [tree];
  if (typeof tree !== 'object' || tree === null || ArrayBuffer.isView(tree)) return [];
  return Object.values(tree).flatMap(tensorsIn);
}

/** Throws unless all losses have the same names, so that all have a count or none has. */
export function requireSameNames(all: readonly Losses<unknown>[]): void {
  const names = all.map((losses) => Object.keys(losses).sort().join(', '));
  const other = names.find((name) => name !== names[0]);
  if (other === undefined) return;
  throw new TensorError(
    `the loss function gives { ${names[0]} } for one batch, { ${other} } for another`,
  );
}

/**
 * The weighted mean of each of the losses, and the sum of the weights. The weight of a batch is its
 * `count`, else the number of its samples.
 */
export function meanLosses(
  op: string, all: readonly Losses<Tensor>[], samples: readonly number[],
): { means: Losses<number>; total: number } {
  if (all.length === 0) throw new TensorError(`${op}: the data has no batch`);
  requireSameNames(all);
  const counts = all.map(({ count }, i) => count?.item() ?? samples[i]);
  const wrong = counts.find((count) => !(count >= 0 && count < Infinity));
  if (wrong !== undefined) {
    throw new TensorError(`${op}: the count of a batch is ${wrong}, expected a number from 0`);
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  // Batches that are all empty have equal weights; a single batch is its own mean.
  const weights = total === 0 || all.length === 1 ? counts.map(() => 1) : counts;
  const sumOfWeights = weights.reduce((sum, weight) => sum + weight, 0);
  // The loss of an empty batch may be NaN, the mean of no numbers.
  const term = (x: Tensor, weight: number): number => (weight === 0 ? 0 : weight * x.item());
  const mean = (name: string): number =>
    all.reduce((sum, losses, i) => sum + term(losses[name], weights[i]), 0) / sumOfWeights;
  const names = Object.keys(all[0]).filter((name) => name !== 'count');
  const means = Object.fromEntries(names.map((name) => [name, mean(name)]));
  return { means: means as Losses<number>, total };
}

/**
 * Whether `meanLosses` of these would give a finite loss, as a tensor (i32, 0-d): 1 if the counts
 * are numbers from 0, and the loss of each batch that weighs something is finite.
 */
export function isMeanFinite(all: readonly Losses<Tensor>[], samples: readonly number[]): Tensor {
  const both = (a: Tensor, b: Tensor): Tensor => a.where(b, 0);
  const isFinite = all.map(({ loss }) => loss.detach().isFinite().reshape([]));
  const counts = all.flatMap(({ count }) => (count ? count.detach().reshape([]) : []));
  if (counts.length === 0) {
    const isEmpty = samples.every((count) => count === 0) || samples.length === 1;
    return isFinite.filter((_, i) => isEmpty || samples[i] > 0).reduce(both);
  }
  const areCounts = counts.map((count) => both(count.isFinite(), count.greaterEqual(0)));
  const isEmpty = counts.map((count) => count.equal(0));
  // Batches that are all empty weigh the same, and so does a single one.
  const isLeftOut = all.length === 1 ? isEmpty[0].mul(0) : isEmpty.reduce(both).equal(0);
  const areRight = isFinite.map((is, i) => both(isLeftOut, isEmpty[i]).where(1, is));
  return [...areCounts, ...areRight].reduce(both);
}

/**
 * What a loss function gives, and its mean over several batches. The loss of a batch is a mean over
 * what is in it, so a batch of 64 must count 64 times as much as a batch of 1. With nᵢ what batch i
 * holds, its samples unless the loss function says otherwise,
 *
 *     L = Σ nᵢ Lᵢ / Σ nᵢ
 *
 * which is what all of it would give as one batch.
 */
import { describe, Tensor, TensorError } from '@mambagrad/tensor';
import { show } from '@mambagrad/tensor/options';

/**
 * The loss of a batch, by that name, and whatever else there is to be told of it, each a mean. The
 * name `count` is that of the number by which the batch counts among others, such as its tokens.
 */
export type Losses<T> = Readonly<Record<string, T>> & { readonly loss: T; readonly count?: T };

/** What a loss function has given, if it is right. */
export function checkLosses(found: unknown): Losses<Tensor> {
  if (found instanceof Promise) {
    throw new TensorError('the loss function is async; it must give its losses at once');
  }
  const isObject = typeof found === 'object' && found !== null && !(found instanceof Tensor);
  if (!isObject || !('loss' in found)) {
    throw new TensorError(`the loss function gives ${show(found)}, expected { loss }`);
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
 * How many samples a batch holds: the length of the first axis of its first tensor, or 1 if it has
 * none. Calls `onDoubt` if other tensors begin with another length.
 */
export function samplesIn(batch: unknown, onDoubt: (shapes: string) => void): number {
  const tensors = tensorsIn(batch).filter(({ ndim }) => ndim > 0);
  const sizes = new Set(tensors.map(({ shape }) => shape[0]));
  if (sizes.size > 1) onDoubt(tensors.slice(0, 4).map(describe).join(', '));
  const [first = 1] = sizes;
  return first;
}

function tensorsIn(tree: unknown): Tensor[] {
  if (tree instanceof Tensor) return [tree];
  if (typeof tree !== 'object' || tree === null || ArrayBuffer.isView(tree)) return [];
  return Object.values(tree).flatMap(tensorsIn);
}

/** Throws unless all losses have the same names; so either all have a count, or none. */
export function requireSameNames(all: readonly Losses<unknown>[]): void {
  const names = all.map((losses) => Object.keys(losses).sort().join(', '));
  const other = names.find((name) => name !== names[0]);
  if (other === undefined) return;
  throw new TensorError(
    `the loss function gives { ${names[0]} } for one batch, { ${other} } for another`,
  );
}

/** The mean of each of the losses, where a batch counts by its `count`, else by its samples. */
export function meansOf(
  op: string, all: readonly Losses<Tensor>[], samples: readonly number[],
): { means: Losses<number>; total: number } {
  if (all.length === 0) throw new TensorError(`${op}: the data has no batch`);
  requireSameNames(all);
  const counts = all.map(({ count }, i) => count?.item() ?? samples[i]);
  const wrong = counts.find((count) => !(count >= 0 && count < Infinity));
  if (wrong !== undefined) {
    throw new TensorError(`${op}: a batch counts ${wrong}, expected a number from 0`);
  }
  const total = counts.reduce((sum, count) => sum + count, 0);
  // Of batches that all hold nothing, each counts alike; and so does one alone.
  const weights = total === 0 || all.length === 1 ? counts.map(() => 1) : counts;
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  // What counts for nothing may be NaN, a mean of nothing.
  const term = (x: Tensor, weight: number): number => (weight === 0 ? 0 : weight * x.item());
  const mean = (name: string): number =>
    all.reduce((sum, losses, i) => sum + term(losses[name], weights[i]), 0) / whole;
  const names = Object.keys(all[0]).filter((name) => name !== 'count');
  const means = Object.fromEntries(names.map((name) => [name, mean(name)]));
  return { means: means as Losses<number>, total };
}

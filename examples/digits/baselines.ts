/** Two answers that need no training: the share of digits that each reads correctly. */
import type { Tensor } from '@mambagrad/tensor';

/** Images [count, ...] with their classes, i32 [count]. */
export interface Images {
  readonly image: Tensor;
  readonly label: Tensor;
}

/** Always says the class that most of the known images have. */
export function mostCommon(known: Images, unknown: Images, classes: number): number {
  const counts = Array.from({ length: classes }, (_, c) => known.label.equal(c).sum().item());
  return unknown.label.equal(counts.indexOf(Math.max(...counts))).cast('f32').mean().item();
}

/** Says the class of the known image that is nearest, by |a − b|² = |a|² − 2ab + |b|². */
export function nearest(known: Images, unknown: Images): number {
  const [a, b] = [unknown, known].map(({ image, label }) => image.reshape([label.numel, -1]));
  // |a|² is the same for all known images, so it makes no difference.
  const distances = b.square().sum(1).sub(a.matmul(b.transpose(0, 1)).mul(2));
  const predicted = known.label.indexSelect(0, distances.argmin(1));
  return predicted.equal(unknown.label).cast('f32').mean().item();
}

/**
 * How weights start. A sum of n products keeps the size of its terms if the weights have a variance
 * of 1/n. With n the inputs of a unit (fanIn) signals keep their size on the way forward, with n
 * its outputs (fanOut) gradients keep theirs on the way back:
 *
 *     Xavier: std = gain · √(2 / (fanIn + fanOut))        Kaiming: std = gain / √fanIn
 *
 * Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks"
 * (2010), equations 12 and 16; He et al., "Delving deep into rectifiers" (2015), equation 10.
 */
import { type Generator, normal, ones, type Shape, type Tensor } from '@mambagrad/tensor';
import { uniform, zeros } from '@mambagrad/tensor';

/** The initialisers, by PyTorch's names. */
export type Initializer =
  'zeros' | 'ones' | 'normal' | `${'xavier' | 'kaiming'}${'Uniform' | 'Normal'}`;

export interface InitializeOptions {
  /**
   * What the standard deviation is multiplied by. Default 1, and √2 for Kaiming's, which makes up
   * for the half of the signal that a relu takes away.
   */
  readonly gain?: number;
  /** The source of random values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/**
 * First values (f32) for a weight [out, in, ...kernel], with a fanIn of in · kernel and a fanOut of
 * out · kernel. Uniform ones spread over ±√3 · std.
 */
export function initialize(
  shape: Shape, initializer: Initializer, { gain, generator }: InitializeOptions = {},
): Tensor {
  if (initializer === 'zeros') return zeros(shape);
  if (initializer === 'ones') return ones(shape);
  if (initializer === 'normal') return normal(shape, 0, gain ?? 1, { generator });
  const [fanIn, fanOut] = [fanInOf(shape), fanInOf([1, ...shape.toSpliced(1, 1)])];
  const std = initializer.startsWith('xavier')
    ? (gain ?? 1) * Math.sqrt(2 / (fanIn + fanOut))
    : (gain ?? Math.SQRT2) / Math.sqrt(fanIn);
  if (initializer.endsWith('Normal')) return normal(shape, 0, std, { generator });
  return uniform(shape, -Math.sqrt(3) * std, Math.sqrt(3) * std, { generator });
}

/** The inputs of each unit of a weight [out, in, ...kernel]. */
export function fanInOf(shape: Shape): number {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}

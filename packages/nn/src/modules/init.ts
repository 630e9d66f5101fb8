/**
 * Initial values of weights. A sum of n products has the variance of its terms if the weights have
 * a variance of 1/n. With n the number of inputs of a unit (fanIn) activations keep their variance
 * from layer to layer in the forward pass; with n the number of its outputs (fanOut) gradients keep
 * theirs in the backward pass:
 *
 *     Xavier: std = gain · √(2 / (fanIn + fanOut))        Kaiming: std = gain / √fanIn
 *
 * Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks"
 * (2010), equations 12 and 16; He et al., "Delving deep into rectifiers" (2015), equation 10.
 */
import {
  Generator, normal, ones, type Shape, type Tensor, TensorError, uniform, zeros,
} from '@mambagrad/tensor';
import {
  checkArgument, instanceOf, type Kind, number, oneOf, readOptions, shapes, type Table,
} from '@mambagrad/tensor/options';

/** The initialisers, by PyTorch's names. */
export type Initializer =
  'zeros' | 'ones' | 'normal' | `${'xavier' | 'kaiming'}${'Uniform' | 'Normal'}`;

export const initializers: Kind<Initializer> = oneOf(
  'zeros', 'ones', 'normal', 'xavierUniform', 'xavierNormal', 'kaimingUniform', 'kaimingNormal',
);

/** Options of `initialize`: the scale of the values, and the source of random numbers. */
export interface InitializeOptions {
  /**
   * A factor of the standard deviation, from 0. Default 1, and √2 for Kaiming's, which makes up for
   * the half of the variance that a relu removes.
   */
  readonly gain?: number | undefined;
  /** The source of random numbers. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

const initializeOptions = {
  gain: number({ from: 0 }).optional(),
  generator: instanceOf(Generator).optional(),
} satisfies Table<InitializeOptions>;

/**
 * Initial values (f32) of a weight [out, in, ...kernel], with a fanIn of in · kernel and a fanOut
 * of out · kernel. Uniform values range over ±√3 · std. Throws if Xavier's or Kaiming's initialiser
 * is given a shape of fewer than two axes.
 */
export function initialize(
  shape: Shape, initializer: Initializer, options: InitializeOptions = {},
): Tensor {
  checkArgument('initialize', 'shape', shape, shapes);
  checkArgument('initialize', 'initializer', initializer, initializers);
  const { gain, generator } = readOptions('initialize', options, initializeOptions);
  if (initializer === 'zeros') return zeros(shape);
  if (initializer === 'ones') return ones(shape);
  if (initializer === 'normal') return normal(shape, 0, gain ?? 1, { generator });
  if (shape.length < 2) {
    throw new TensorError(
      `initialize: ${initializer} takes a weight [out, in, ...kernel], the shape is ` +
        `[${shape.join(', ')}]`,
    );
  }
  const [fanIn, fanOut] = [fanInOf(shape), fanInOf([1, ...shape.toSpliced(1, 1)])];
  const std = initializer.startsWith('xavier')
    ? (gain ?? 1) * Math.sqrt(2 / (fanIn + fanOut))
    : (gain ?? Math.SQRT2) / Math.sqrt(fanIn);
  if (initializer.endsWith('Normal')) return normal(shape, 0, std, { generator });
  return uniform(shape, -Math.sqrt(3) * std, Math.sqrt(3) * std, { generator });
}

/** fanIn, the number of inputs of each unit of a weight [out, in, ...kernel]. */
export function fanInOf(shape: Shape): number {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}

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

/** Options of `initialize`: the scale of its values, and where they come from. */
export interface InitializeOptions {
  /**
   * What the standard deviation is multiplied by, from 0. Default 1, and √2 for Kaiming's, which
   * makes up for the half of the signal that a relu takes away.
   */
  readonly gain?: number | undefined;
  /** The source of random values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

const initializeOptions = {
  gain: number({ from: 0 }).optional(),
  generator: instanceOf(Generator).optional(),
} satisfies Table<InitializeOptions>;

/**
 * First values (f32) for a weight [out, in, ...kernel], with a fanIn of in · kernel and a fanOut of
 * out · kernel. Uniform ones spread over ±√3 · std.
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

/** The inputs of each unit of a weight [out, in, ...kernel]. */
export function fanInOf(shape: Shape): number {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}

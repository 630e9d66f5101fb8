/**
 * The causal depthwise convolution: each channel is a weighted sum of its own last K values,
 *
 *     y[t, d] = Σₖ weight[d, k] · x[t − (K − 1) + k, d] + bias[d]
 *
 * with zeros before the start. The last tap meets the current step, no tap meets a later one.
 */
import { type Tensor, TensorError, uniform } from '@mambagrad/tensor';
import type { LayerOptions } from './linear.ts';
import { Module, Parameter } from './module.ts';

/**
 * x [batch, length, channels], weight [channels, kernel], bias [channels]; result as x. Given the
 * number of each step's segment, [batch, length], taps that reach into another one count as 0.
 */
export function causalConv1d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  segments?: Tensor,
): Tensor {
  if (x.ndim !== 3 || weight.ndim !== 2 || weight.shape[0] !== x.shape[2]) {
    throw new TensorError(
      `causalConv1d: x has the shape [${x.shape.join(', ')}] and weight ` +
        `[${weight.shape.join(', ')}]; expected [batch, length, channels] and [channels, kernel]`,
    );
  }
  const length = x.shape[1];
  const kernel = weight.shape[1];
  const padded = x.pad([0, kernel - 1, 0], [0, 0, 0]);
  const own = segments?.unsqueeze(-1);
  const others = own?.pad([0, kernel - 1, 0], [0, 0, 0]);
  const taps = Array.from({ length: kernel }, (_, k) => {
    const tap = padded.narrow(1, k, length).mul(weight.narrow(1, k, 1).squeeze(1));
    return own && others ? others.narrow(1, k, length).equal(own).where(tap, 0) : tap;
  });
  const sum = taps.reduce((total, tap) => total.add(tap));
  return bias ? sum.add(bias) : sum;
}

/** `causalConv1d` with weights that start uniform within ±1/√kernelSize, as PyTorch's do. */
export class CausalConv1d extends Module {
  /** [channels, kernelSize] */
  readonly weight: Parameter;
  /** [channels], if there is one */
  readonly bias: Parameter | undefined;

  constructor(channels: number, kernelSize: number, options: LayerOptions = {}) {
    super();
    const bound = 1 / Math.sqrt(kernelSize);
    const { bias = true, generator } = options;
    const draw = (shape: number[]) => new Parameter(uniform(shape, -bound, bound, { generator }));
    this.weight = draw([channels, kernelSize]);
    this.bias = bias ? draw([channels]) : undefined;
  }

  /** [batch, length, channels] to the same shape */
  forward(x: Tensor): Tensor {
    return causalConv1d(x, this.weight, this.bias);
  }
}

/**
 * Convolution along time: each step of the result is a weighted sum of K steps of the input,
 *
 *     y[t, o] = bias[o] + Σₖ Σᵢ weight[o, i, k] · x[t + k − before, i]
 *
 * with zeros beyond the ends (padding). A causal convolution has before = K − 1: the last tap reads
 * the current step, and no tap reads a later one. With groups, the channels are split into that
 * many parts, which are convolved separately; with one channel in a group it is called depthwise.
 */
import { concat, describe, type Tensor, TensorError } from '@mambagrad/tensor';
import {
  checkArgument, oneOf, pickOptions, readOptions, type Table, tensors, whole,
} from '@mambagrad/tensor/options';
import {
  type LayerOptions, layerOptions, linear, requireSizes, WeightedLayer,
} from './linear.ts';

/** Options of `conv1d` and, with those of a layer, of `Conv1d`. The stride is always 1. */
export interface ConvOptions {
  /** Zeros on both sides; or 'causal', K − 1 zeros in front, which keeps the length. Default 0. */
  readonly padding?: number | 'causal' | undefined;
  /** The number of groups that the channels are split into. Default 1. */
  readonly groups?: number | undefined;
  /**
   * The segment of each step as a number, [batch, length]: a tap that reads another segment than
   * the last tap counts as 0. Default: all steps are in one segment.
   */
  readonly segments?: Tensor | undefined;
}

const convOptions = {
  padding: whole().or(oneOf('causal')).orElse(0),
  groups: whole(1).orElse(1),
  segments: tensors.optional(),
} satisfies Table<ConvOptions>;

/**
 * Convolves x [batch, length, in] with a weight [out, in / groups, K] and adds a bias [out], if
 * given: the result is [batch, length + zeros − K + 1, out]. Like PyTorch's `conv1d`, but with
 * channels as the last axis of x. Throws if the shapes do not fit.
 */
export function conv1d(
  x: Tensor, weight: Tensor, bias?: Tensor, options: ConvOptions = {},
): Tensor {
  const { padding, groups, segments } = readOptions('conv1d', options, convOptions);
  checkArgument('conv1d', 'x', x, tensors);
  checkArgument('conv1d', 'weight', weight, tensors);
  if (bias !== undefined) checkArgument('conv1d', 'bias', bias, tensors);
  const [out, inner, kernel] = weight.shape;
  const [before, after] = padding === 'causal' ? [kernel - 1, 0] : [padding, padding];
  const length = x.shape[1] + before + after - kernel + 1;
  const fits = x.ndim === 3 && weight.ndim === 3 && x.shape[2] === inner * groups && kernel > 0;
  if (!fits || out % groups !== 0 || length < 0) {
    throw new TensorError(
      `conv1d: x is ${describe(x)}, weight ${describe(weight)}, groups ${groups}, padding ` +
        `${padding}; expected [batch, length, in] and [out, in / groups, kernel] that fit`,
    );
  }
  if (bias && bias.shape.join() !== String(out)) {
    throw new TensorError(
      `conv1d: bias is ${describe(bias)}, expected one number for each of the ${out} channels, ` +
        `[${out}]`,
    );
  }
  if (segments && segments.shape.join() !== x.shape.slice(0, 2).join()) {
    throw new TensorError(
      `conv1d: segments are ${describe(segments)}, x is ${describe(x)}; expected [batch, length]`,
    );
  }
  const isDepthwise = inner === 1 && out === groups;
  if (groups > 1 && !isDepthwise) {
    const [weights, biases] = [weight.chunk(groups), bias?.chunk(groups)];
    const convolveGroup = (part: Tensor, i: number): Tensor =>
      conv1d(part, weights[i], biases?.[i], { padding, segments });
    return concat(x.chunk(groups, -1).map(convolveGroup), -1);
  }
  const padded = (rows: Tensor): Tensor => rows.pad([0, before, 0], [0, after, 0]);
  const [values, segmentOf] = [padded(x), segments && padded(segments.unsqueeze(-1))];
  const current = segmentOf?.narrow(1, kernel - 1, length);
  // The sum over an axis of size 1 is materialised, so that the weights of a tap are contiguous.
  const columns = isDepthwise ? weight.transpose(0, 2).sum(1) : weight;
  const taps = Array.from({ length: kernel }, (_, k) => {
    const all = values.narrow(1, k, length);
    // Selected before the product: the steps left out may be NaN, which would reach the gradient of
    // the weight, a sum over all steps.
    const part = current && segmentOf
      ? segmentOf.narrow(1, k, length).equal(current).where(all, 0)
      : all;
    return isDepthwise
      ? part.mul(columns.narrow(0, k, 1).squeeze(0))
      : linear(part, weight.narrow(2, k, 1).squeeze(2));
  });
  const sum = taps.reduce((total, tap) => total.add(tap));
  return bias ? sum.add(bias) : sum;
}

/** `conv1d` as a layer, with a weight [outChannels, inChannels / groups, kernelSize]. */
export class Conv1d extends WeightedLayer {
  readonly #options: ConvOptions;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: ConvOptions & LayerOptions = {},
  ) {
    const op = new.target.name;
    requireSizes(op, { inChannels, outChannels, kernelSize });
    const { groups } = readOptions(op, options, { ...convOptions, ...layerOptions });
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new TensorError(
        `${op}: ${inChannels} and ${outChannels} channels are not multiples of groups, ${groups}`,
      );
    }
    super([outChannels, inChannels / groups, kernelSize], pickOptions(options, layerOptions));
    this.#options = pickOptions(options, convOptions);
  }

  /** [batch, length, inChannels] to [batch, length + zeros − kernelSize + 1, outChannels] */
  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, this.bias, this.#options);
  }
}

/**
 * The causal depthwise convolution: x [batch, length, channels], weight [channels, K], bias
 * [channels]; the result has the shape of x.
 */
export function causalConv1d(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  checkArgument('causalConv1d', 'weight', weight, tensors);
  return conv1d(x, weight.unsqueeze(1), bias, { padding: 'causal', groups: weight.shape[0] });
}

/** `causalConv1d` as a layer, with a weight [channels, kernelSize]. */
export class CausalConv1d extends WeightedLayer {
  constructor(channels: number, kernelSize: number, options: LayerOptions = {}) {
    requireSizes(new.target.name, { channels, kernelSize });
    super([channels, kernelSize], options);
  }

  /** [batch, length, channels] to the same shape */
  forward(x: Tensor): Tensor {
    return causalConv1d(x, this.weight, this.bias);
  }
}

/**
 * The depthwise convolution of a block, which can process a sequence in pieces. Its state is the
 * last K − 1 inputs, the only past inputs that the next results depend on:
 *
 *     y[t, d] = Σₖ weight[d, 0, k] · x[t − (K − 1) + k, d] + bias[d]
 *
 * Taps that read another document count as 0. Steps that are padding are skipped: taps read the
 * steps before them instead.
 */
import { Conv1d, conv1d, type LayerOptions, layerOptions } from '@mambagrad/nn';
import { arange, type Tensor, zeros } from '@mambagrad/tensor';
import { readOptions } from '@mambagrad/tensor/options';
import { requireStatesAt } from '../sequence/documents.ts';
import {
  clearPadding, flagOptions, readFlags, requireShapes, requireSteps, type Scanned,
  type SequenceFlags, type SequenceOptions, sequenceOptions, takeSteps,
} from '../sequence/sequence.ts';

/** A causal convolution of each channel separately; weight [channels, 1, kernelSize]. */
export class DepthwiseConv1d extends Conv1d {
  /** With a bias, unless `bias` is false. */
  constructor(channels: number, kernelSize: number, options: LayerOptions = {}) {
    const given = readOptions(new.target.name, options, layerOptions);
    super(channels, channels, kernelSize, { ...given, padding: 'causal', groups: channels });
  }

  /** The state before the first step: zeros [batch, kernelSize − 1, channels]. */
  initialState(batch: number): Tensor {
    const [channels, , kernel] = this.weight.shape;
    return zeros([batch, kernel - 1, channels], { dtype: this.weight.dtype });
  }

  /** Maps x [batch, length, channels] to the same shape. */
  override forward(x: Tensor, flags: SequenceFlags = {}): Tensor {
    return this.scan(x, readOptions('DepthwiseConv1d', flags, flagOptions)).y;
  }

  /** x and y [batch, length, channels], state as `initialState`. */
  scan(x: Tensor, options: SequenceOptions<Tensor> = {}): Scanned<Tensor> {
    const op = 'DepthwiseConv1d';
    const { state, statesAt, ...flags } = readOptions(op, options, sequenceOptions<Tensor>());
    const { shape: [groups, , kernel], dtype } = this.weight;
    const past = kernel - 1;
    requireSteps(op, x, dtype, ['batch', 'length', groups]);
    const [batch] = x.shape;
    requireShapes(op, dtype, { state: [state, [batch, past, groups]] });
    requireStatesAt(op, statesAt, x.shape);
    const { reset, mask } = readFlags(op, flags, x.shape);
    // A stable sort moves padding to the end of each row; afterwards the order is restored.
    const order = mask?.equal(0).argsort();
    const sorted = (steps: Tensor) => (order ? takeSteps(steps, order) : steps);
    const rows = (state ?? this.initialState(batch)).concat([sorted(clearPadding(x, mask))], 1);
    const segments = reset && sorted(reset.cast(x.dtype).cumsum(1)).pad([0, past], [0, 0]);

    const y = conv1d(rows, this.weight, this.bias, { groups, segments });
    // With n steps that are not padding, the last `past` inputs begin at row n of the sorted rows.
    const indices = mask && arange(0, past, 1, { dtype: 'i32' }).add(mask.sum(1, true));
    const last = (steps: Tensor) =>
      indices ? takeSteps(steps, indices) : steps.narrow(1, steps.shape[1] - past, past);
    const current = reset?.sum(1, true).cast(x.dtype);
    const isCurrent = segments && current && last(segments).equal(current).unsqueeze(-1);
    return {
      y: order ? takeSteps(y, order.argsort()) : y,
      state: isCurrent ? isCurrent.where(last(rows), 0) : last(rows),
      ...(statesAt && { statesAt: inputsBefore(statesAt, past, { rows, segments, reset, mask }) }),
    };
  }
}

/** Inputs in rows, past ones first and padding last, and the documents that they belong to. */
interface Rows {
  readonly rows: Tensor;
  readonly segments: Tensor | undefined;
  readonly reset: Tensor | undefined;
  readonly mask: Tensor | undefined;
}

/** The last `past` inputs up to each of the steps [batch, count]: [batch · count, past, ...]. */
function inputsBefore(
  steps: Tensor, past: number, { rows, segments, reset, mask }: Rows,
): Tensor {
  const [batch, count] = steps.shape;
  const all = arange(0, rows.shape[1] - past, 1, { dtype: 'i32' });
  const isBefore = all.lessEqual(steps.unsqueeze(-1));
  /** How many steps are flagged up to each of `steps`. */
  const flagged = (flags: Tensor): Tensor => isBefore.mul(flags.unsqueeze(1)).sum(-1);
  const done = mask ? flagged(mask) : steps.add(1);
  const index = done.unsqueeze(-1).add(arange(0, past, 1, { dtype: 'i32' }));
  const take = (x: Tensor): Tensor =>
    takeSteps(x, index.reshape([batch, count * past]))
      .reshape([batch * count, past, ...x.shape.slice(2)]);
  const inputs = take(rows);
  if (!segments || !reset) return inputs;
  const current = flagged(reset).cast(segments.dtype).reshape([batch * count, 1]);
  return take(segments).equal(current).unsqueeze(-1).where(inputs, 0);
}

/**
 * A stack whose layers are recurrent blocks is recurrent itself: its state is the list of the
 * states of its layers, and it processes sequences whole, in pieces, or step by step.
 */
import { compileInEval, type Embedding, type Linear, type RMSNorm } from '@mambagrad/nn';
import type { Tensor } from '@mambagrad/tensor';
import {
  anything, boolean, checkArgument, type FullTable, type Kind, listOf, pickOptions, readOptions,
  tensors, whole,
} from '@mambagrad/tensor/options';
import type { BlockState, Mixer } from '../layers/block.ts';
import {
  flagOptions, pooled, type Recurrent, requireState, type Scanned, type SequenceFlags,
  type SequenceOptions, sequenceOptions,
} from '../sequence/sequence.ts';
import { Stack } from './stack.ts';
import {
  type BodyOptions, bodyOptions, createMixers, type StackOptions, stackOptions, type WithoutDefault,
} from './stackOptions.ts';

/** The state of every layer. */
export type StackState = readonly BlockState[];

/** The options of a stack of blocks, with those of its result. */
export type RecurrentStackOptions = StackOptions & Pick<BodyOptions, 'pool' | 'windowSize'>;

export const recurrentStackOptions: FullTable<RecurrentStackOptions, WithoutDefault> = {
  ...stackOptions, pool: bodyOptions.pool, windowSize: bodyOptions.windowSize,
};

/**
 * A `Stack` of Mamba, Mamba-2 or Mamba-3 blocks. `scan` is differentiable; `advance` and `step` are
 * compiled for inference.
 */
export abstract class RecurrentStack extends Stack<Mixer> implements Recurrent<StackState> {
  /** The structure of a state; shapes depend on the batch and are checked by the layers. */
  readonly #states: Kind<StackState>;

  constructor(options: RecurrentStackOptions, embedding?: Linear | Embedding, normF?: RMSNorm) {
    const op = new.target.name;
    readOptions(op, options, recurrentStackOptions);
    const mixers = createMixers(op, pickOptions(options, stackOptions));
    super(pickOptions(options, bodyOptions), mixers, embedding, normF);
    this.#states = listOf(mixers.at(0)?.states ?? anything(), mixers.length);
  }

  initialState(batch: number): StackState {
    checkArgument(`${this.constructor.name}.initialState`, 'batch', batch, whole());
    return this.layers.map(({ mixer }) => mixer.initialState(batch));
  }

  override forward(x: Tensor, flags: SequenceFlags = {}): Tensor {
    if (this.pool !== 'last') return super.forward(x, flags);
    return this.scan(x, readOptions(this.constructor.name, flags, flagOptions), true).y;
  }

  /** No step depends on padding after it, so no mask is needed until steps are pooled. */
  protected override forwardPadded(x: Tensor, flags: SequenceFlags, mask: Tensor): Tensor {
    if (this.pool === 'last' && !flags.mask && this.layers.length > 0) {
      return this.#scan(x, flags, mask.sum(1, true).sub(1)).y;
    }
    return pooled(this.constructor.name, this.forwardSequence(x, flags), this.pool, mask);
  }

  /** With `lastOnly`, y is the result of the last step that is not padding, [batch, ...]. */
  scan(
    x: Tensor, options: SequenceOptions<StackState> = {}, lastOnly = false,
  ): Scanned<StackState> {
    checkArgument(this.constructor.name, 'lastOnly', lastOnly, boolean);
    return this.#scan(x, options, lastOnly);
  }

  /** `lastOnly` may be the last step, i32 [batch, 1], if there are layers and no mask. */
  #scan(
    x: Tensor, options: SequenceOptions<StackState>, lastOnly: boolean | Tensor,
  ): Scanned<StackState> {
    const op = this.constructor.name;
    const { state, ...flags } = this.#readOptions(op, options);
    let h = this.readInput(op, x, flags);
    if (state !== undefined) this.requireState(op, state, x.shape[0]);
    // Of an empty sequence there is no last step: `pooled` throws that error.
    const mayCut = lastOnly && !flags.mask && x.shape[1] > 0;
    const scans = this.layers.map((layer, i) => {
      // Only the last step of the last layer is needed.
      const cut = mayCut && i === this.layers.length - 1 && lastOnly;
      const scanned = layer.scan(h, { ...flags, state: state?.[i] }, cut);
      h = scanned.y;
      return scanned;
    });
    return {
      y: this.head(lastOnly ? pooled(op, h, 'last', flags.mask) : h),
      state: scans.map((scan) => scan.state),
      ...(flags.statesAt && {
        statesAt: scans.flatMap(({ statesAt }): StackState => (statesAt ? [statesAt] : [])),
      }),
    };
  }

  /** `scan` with `lastOnly` for inference: compiled for each shape of x, without gradients. */
  readonly advance: (x: Tensor, options?: SequenceOptions<StackState>) => Scanned<StackState> =
    (x, options = {}) => this.#run(`${this.constructor.name}.advance`, x, options);

  /** A single step for inference, compiled, without gradients, in constant time and memory. */
  step(x: Tensor, state: StackState): Scanned<StackState> {
    const op = `${this.constructor.name}.step`;
    requireState(op, state);
    checkArgument(op, 'x', x, tensors);
    return this.#run(op, x.unsqueeze(1), { state });
  }

  #run(op: string, x: Tensor, options: SequenceOptions<StackState>): Scanned<StackState> {
    const given = this.#readOptions(op, options);
    this.requireInput(op, x, given);
    if (given.state !== undefined) this.requireState(op, given.state, x.shape[0]);
    return this.#advance(x, given);
  }

  readonly #advance: (x: Tensor, options: SequenceOptions<StackState>) => Scanned<StackState> =
    compileInEval(this, (x, options) => this.scan(x, options, true));

  #readOptions(op: string, options: SequenceOptions<StackState>): SequenceOptions<StackState> {
    return readOptions(op, options, sequenceOptions<StackState>());
  }

  /** Throws in the name of `op` unless `state` is a state of this model for `batch` rows. */
  protected requireState(op: string, state: StackState, batch: number): void {
    checkArgument(op, 'state', state, this.#states);
    this.layers.forEach(({ mixer }, i) => {
      mixer.requireState(op, `state[${i}]`, state[i], batch);
    });
  }
}

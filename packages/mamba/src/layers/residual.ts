/**
 * A residual connection: a mixer is applied to the normalised input, and its result is added to the
 * input.
 *
 *     y = x + dropout(mixer(norm(x)))
 */
import { Dropout, Module, RMSNorm } from '@mambagrad/nn';
import type { Tensor } from '@mambagrad/tensor';
import {
  checkArgument, instanceOf, type Kind, objectWith, readOptions,
} from '@mambagrad/tensor/options';
import {
  clearPadding, flagOptions, requireFlags, requireSteps, type Scanned, type SequenceFlags,
  type SequenceLayer, type SequenceOptions, sequenceOptions, takeSteps,
} from '../sequence/sequence.ts';
import type { BlockState, Mixer } from './block.ts';

/** A layer that maps sequences to sequences of the same shape. */
export const sequenceLayers: Kind<SequenceLayer> = objectWith(
  'a layer with a forward method', 'forward',
);

/** A layer that mixes along time, with norm, dropout and residual connection. */
export class Residual<Inner extends SequenceLayer = SequenceLayer> extends Module {
  /** Over the width, before the mixer */
  readonly norm: RMSNorm;
  /** The layer whose result is added to x */
  readonly mixer: Inner;
  readonly #dropout: Dropout;

  /** `width` is the size of the last axis of x; `eps` is the ε of the norm. */
  constructor(width: number, mixer: Inner, dropout: Dropout = new Dropout(0), eps = 1e-5) {
    super();
    checkArgument('Residual', 'mixer', mixer, sequenceLayers);
    checkArgument('Residual', 'dropout', dropout, instanceOf(Dropout));
    this.norm = new RMSNorm(width, { eps });
    this.mixer = mixer;
    this.#dropout = dropout;
  }

  /** x and the result [batch, length, width] */
  forward(x: Tensor, flags: SequenceFlags = {}): Tensor {
    const input = this.#readSteps(x, readOptions('Residual', flags, flagOptions));
    return input.add(this.#dropout.forward(this.mixer.forward(this.norm.forward(input), flags)));
  }

  /**
   * Processes a piece; with `lastOnly`, y is the result of the last step, [batch, 1, width], or of
   * the steps i32 [batch, count].
   */
  scan(
    this: Residual<Mixer>, x: Tensor, options: SequenceOptions<BlockState> = {},
    lastOnly: boolean | Tensor = false,
  ): Scanned<BlockState> {
    const given = readOptions('Residual', options, sequenceOptions<BlockState>());
    const input = this.#readSteps(x, given);
    const { y, ...states } = this.mixer.mix(this.norm.forward(input), options);
    const last = (all: Tensor) => {
      if (typeof lastOnly === 'object') return takeSteps(all, lastOnly);
      return lastOnly ? all.narrow(1, all.shape[1] - 1, 1) : all;
    };
    const added = this.#dropout.forward(this.mixer.outProj.forward(last(y)));
    return { y: last(input).add(added), ...states };
  }

  #readSteps(x: Tensor, flags: SequenceFlags): Tensor {
    const { shape: [width], dtype } = this.norm.weight;
    requireSteps('Residual', x, dtype, ['batch', 'length', width]);
    requireFlags('Residual', flags, x.shape);
    return clearPadding(x, flags.mask);
  }
}

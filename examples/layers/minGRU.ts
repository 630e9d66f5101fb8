/**
 * minGRU: a GRU without a loop. In a GRU (chapter 27) the gate z and the proposed value h̃ read
 * h_{t−1} through tanh and σ, so step t has to wait for step t − 1. Let them read x_t alone:
 *
 *     z_t = σ(W_z x_t),     h̃_t = W_h x_t,     h_t = (1 − z_t) ⊙ h_{t−1} + z_t ⊙ h̃_t
 *
 * Feng et al., "Were RNNs all we needed?" (2024), section 3.1. Now h_t is linear in h_{t−1}: a
 * linear scan with the decay 1 − z_t and the input z_t ⊙ h̃_t, both known for all steps at once.
 *
 * The paper scans the logarithms (appendix B), and for that needs h̃ to be positive. The scan here
 * multiplies decays between 0 and 1 and divides by none, so it needs no logarithms.
 */
import type { Scanned } from '@mambagrad/mamba';
import { Linear } from '@mambagrad/nn';
import { linearScan, type Tensor } from '@mambagrad/tensor';
import { readOptions } from '@mambagrad/tensor/options';
import {
  lastOf, LinearRNN, linearRNNOptions, type LinearRNNOptions, whereCounts,
} from './linearRNN.ts';

/** The state of a `MinGRU`. */
export type MinGRUState = {
  /** [batch, N] */
  readonly h: Tensor;
};

/** minGRU, with a projection of its N channels back to the width of the layer. */
export class MinGRU extends LinearRNN<MinGRUState> {
  /** To the logits of the gate z and the proposed values h̃; weight [2N, hidden] */
  readonly inProj: Linear;
  readonly outProj: Linear;
  readonly #stateSize: number;

  constructor(options: LinearRNNOptions) {
    super();
    const { hiddenSize, generator, ...given } = readOptions('MinGRU', options, linearRNNOptions);
    this.#stateSize = given.stateSize ?? hiddenSize;
    this.inProj = new Linear(hiddenSize, 2 * this.#stateSize, { generator });
    this.outProj = new Linear(this.#stateSize, hiddenSize, { generator });
  }

  stateShapes(batch: number) {
    return { h: [batch, this.#stateSize] };
  }

  protected read(x: Tensor, { h }: MinGRUState, mask: Tensor | undefined): Scanned<MinGRUState> {
    const [gate, proposed] = this.inProj.forwardInParts(x, [this.#stateSize, this.#stateSize]);
    // 1 − σ(p) = σ(−p), without the rounding of a subtraction where σ(p) is near 1.
    const decay = whereCounts(mask, gate.neg().sigmoid(), 1);
    const input = whereCounts(mask, gate.sigmoid().mul(proposed), 0);
    const states = linearScan(decay, input, { axis: 1, initialState: h });
    return { y: this.outProj.forward(states), state: { h: lastOf(states) } };
  }
}

/**
 * A state space model with a diagonal, complex decay λ that is the same in each step:
 *
 *     h_t = λ ⊙ h_{t−1} + γ ⊙ (B u_t),     y_t = Re(C h_t) + D ⊙ u_t
 *
 * B and C are complex matrices, and everything runs on pairs of reals: B gives 2N numbers, the real
 * parts and the imaginary ones; and Re(C h) = Re C · Re h − Im C · Im h is a real matrix of the 2N
 * numbers of h, [Re C, −Im C]. So B and C are ordinary `Linear` layers.
 *
 * `LRU` and `S5` are two ways to choose λ and γ. A matrix A in the place of λ would be no more
 * general: almost every matrix is diagonal in a basis of complex eigenvectors, and B and C can
 * change the basis.
 */
import type { Scanned } from '@mambagrad/mamba';
import { Linear, Parameter } from '@mambagrad/nn';
import { concat, normal, type Tensor } from '@mambagrad/tensor';
import { type Complex, complexScan, times } from './complex.ts';
import { lastOf, LinearRNN, type LinearRNNOptions, whereCounts } from './linearRNN.ts';

/** The state of an `LRU` or `S5`: N complex numbers. */
export type ComplexState = {
  /** The real parts, [batch, N] */
  readonly re: Tensor;
  /** The imaginary parts, [batch, N] */
  readonly im: Tensor;
};

/** A parameter without weight decay, which would move decays and angles. */
export const undecayed = (value: Tensor): Parameter =>
  new Parameter(value, { noWeightDecay: true });

/** The base of `LRU` and `S5`. */
export abstract class DiagonalSSM extends LinearRNN<ComplexState> {
  /** B; weight [2N, hidden], first the real parts */
  readonly inProj: Linear;
  /** [Re C, −Im C]; weight [hidden, 2N] */
  readonly outProj: Linear;
  /** The skip connection D, [hidden] */
  readonly D: Parameter;
  /** N, the number of complex numbers of state. */
  readonly stateSize: number;

  constructor({ hiddenSize, stateSize = hiddenSize, generator }: LinearRNNOptions) {
    super();
    const options = { bias: false, generator };
    this.inProj = new Linear(hiddenSize, 2 * stateSize, options);
    this.outProj = new Linear(2 * stateSize, hiddenSize, options);
    this.D = undecayed(normal([hiddenSize], 0, 1, { generator }));
    this.stateSize = stateSize;
  }

  /** λ and γ, complex [N]. */
  abstract factors(): { readonly decay: Complex; readonly scale: Complex };

  stateShapes(batch: number) {
    return { re: [batch, this.stateSize], im: [batch, this.stateSize] };
  }

  protected read(
    x: Tensor, { re, im }: ComplexState, mask: Tensor | undefined,
  ): Scanned<ComplexState> {
    const { decay, scale } = this.factors();
    const size = [...x.shape.slice(0, 2), this.stateSize];
    // At padding the input is 0, and the decay 1.
    const decays = mask
      ? decay.map((part, i) => whereCounts(mask, part.broadcastTo(size), 1 - i)) as [Tensor, Tensor]
      : decay;
    const [real, imaginary] = this.inProj.forwardInParts(x, [this.stateSize, this.stateSize]);
    const h = complexScan(decays, times(scale, [real, imaginary]), [re, im]);
    return {
      y: this.outProj.forward(concat(h, -1)).add(x.mul(this.D)),
      state: { re: lastOf(h[0]), im: lastOf(h[1]) },
    };
  }
}

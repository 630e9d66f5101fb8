/**
 * The linear recurrent unit: an RNN without its tanh, with a diagonal, complex decay
 *
 *     λ = exp(−exp(ν) + i exp(θ)),     γ = √(1 − |λ|²)
 *
 * Orvieto et al., "Resurrecting recurrent neural networks for long sequences" (2023). Whatever ν
 * is, |λ| = exp(−exp(ν)) is below 1, so the state cannot explode. γ keeps the size of the state: of
 * white noise u, |h|² is about |γ B u|² / (1 − |λ|²). It is trained, from this value on.
 *
 * At first λ lies in a ring of the complex plane: with |λ| near 1 the state remembers for about
 * 1 / (1 − |λ|) steps.
 */
import type { Parameter } from '@mambagrad/nn';
import { uniform } from '@mambagrad/tensor';
import { readOptions } from '@mambagrad/tensor/options';
import type { Complex } from './complex.ts';
import { DiagonalSSM, undecayed } from './diagonalSSM.ts';
import { linearRNNOptions, type LinearRNNOptions } from './linearRNN.ts';

/** The ring in which λ starts, and the largest angle. */
const [MIN_RADIUS, MAX_RADIUS, MAX_ANGLE] = [0.5, 0.99, Math.PI];

/** A linear recurrent unit of N complex numbers. */
export class LRU extends DiagonalSSM {
  /** log(−log |λ|), [N] */
  readonly nuLog: Parameter;
  /** The logarithm of the angle by which λ turns, [N] */
  readonly thetaLog: Parameter;
  /** log γ, [N] */
  readonly gammaLog: Parameter;

  constructor(options: LinearRNNOptions) {
    const given = readOptions('LRU', options, linearRNNOptions);
    super(given);
    const { generator } = given;
    const size = [this.stateSize];
    // Uniform in the area of the ring: |λ|² is uniform between the squares of the radii.
    const square = uniform(size, MIN_RADIUS ** 2, MAX_RADIUS ** 2, { generator });
    this.nuLog = undecayed(square.log().mul(-0.5).log());
    this.thetaLog = undecayed(uniform(size, 0, MAX_ANGLE, { generator }).add(1e-6).log());
    this.gammaLog = undecayed(square.neg().add(1).log().mul(0.5));
  }

  factors() {
    const [radius, angle] = [this.nuLog.exp().neg().exp(), this.thetaLog.exp()];
    const decay: Complex = [radius.mul(angle.cos()), radius.mul(angle.sin())];
    const gamma = this.gammaLog.exp();
    return { decay, scale: [gamma, gamma.mul(0)] as const };
  }
}

/**
 * S5: a state space model in continuous time, h′(t) = Λ h(t) + B u(t), with a diagonal, complex Λ.
 * Between two steps u is held for a time Δ (zero-order hold), and the solution at the next is
 *
 *     λ = exp(ΔΛ),     γ = (exp(ΔΛ) − 1) / Λ,     h_t = λ ⊙ h_{t−1} + γ ⊙ (B u_t)
 *
 * Smith, Warrington and Linderman, "Simplified state space layers for sequence modeling" (2023),
 * section 3.2; its appendix has the parallel scan. A step size Δ of its own for each number of the
 * state sets how long it remembers; Mamba later lets the input choose Δ.
 *
 * Λ starts as in S4D-Lin, Λ_n = −½ + πi n (Gu et al., "On the parameterization and initialization
 * of diagonal state space models", 2022), which needs no eigenvalues of the HiPPO matrix: wave n
 * turns n times in the memory of the state, as in a Fourier series.
 */
import type { Parameter } from '@mambagrad/nn';
import { arange, full, uniform } from '@mambagrad/tensor';
import { readOptions } from '@mambagrad/tensor/options';
import { type Complex, exp, expm1, over } from './complex.ts';
import { DiagonalSSM, undecayed } from './diagonalSSM.ts';
import { linearRNNOptions, type LinearRNNOptions } from './linearRNN.ts';

/** The step sizes Δ with which S5 starts, log-uniform. */
const [MIN_STEP, MAX_STEP] = [1e-3, 1e-1];

/** An S5 layer of N complex numbers. */
export class S5 extends DiagonalSSM {
  /** log(−Re Λ), [N], so that Re Λ is always negative */
  readonly decayLog: Parameter;
  /** Im Λ, [N] */
  readonly frequency: Parameter;
  /** log Δ, [N] */
  readonly stepLog: Parameter;

  constructor(options: LinearRNNOptions) {
    const given = readOptions('S5', options, linearRNNOptions);
    super(given);
    const range = [Math.log(MIN_STEP), Math.log(MAX_STEP)] as const;
    this.decayLog = undecayed(full([this.stateSize], Math.log(0.5)));
    this.frequency = undecayed(arange(0, this.stateSize).mul(Math.PI));
    this.stepLog = undecayed(uniform([this.stateSize], ...range, { generator: given.generator }));
  }

  factors() {
    const rate: Complex = [this.decayLog.exp().neg(), this.frequency];
    const step = this.stepLog.exp();
    const scaled: Complex = [rate[0].mul(step), rate[1].mul(step)];
    return { decay: exp(scaled), scale: over(expm1(scaled), rate) };
  }
}

/**
 * AdamW: each parameter moves against the running mean of its gradient, measured in the running
 * root mean square, and shrinks a little by itself. Loshchilov and Hutter, "Decoupled weight decay
 * regularization" (2019), algorithm 2; with g the gradient at step t:
 *
 *     m ← β₁m + (1 − β₁)g          v ← β₂v + (1 − β₂)g²
 *     θ ← (1 − lr·λ)θ − lr · m/(1 − β₁ᵗ) / (√(v/(1 − β₂ᵗ)) + ε)
 */
import { full, grad, noGrad, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import { Parameter } from './module.ts';

export interface AdamWOptions {
  /** The learning rate. Default 1e-3. */
  readonly lr?: number;
  /** β₁ and β₂, the memory of the two running means. Default 0.9 and 0.999. */
  readonly betas?: readonly [number, number];
  /** ε, which keeps the division finite. Default 1e-8. */
  readonly eps?: number;
  /** λ, for parameters that do not ask to be left out. Default 0.01. */
  readonly weightDecay?: number;
}

export interface MinimizeOptions {
  /** Scale the gradients down so that their norm, over all parameters, is at most this. */
  readonly maxNorm?: number;
  /** Leave parameters alone that the loss does not depend on, rather than throw. Default false. */
  readonly allowUnused?: boolean;
}

/** A parameter with its state. */
interface Slot {
  readonly parameter: Tensor;
  readonly decay: number;
  readonly mean: Tensor;
  readonly meanSquare: Tensor;
}

export class AdamW {
  readonly #slots: readonly Slot[];
  readonly #betas: readonly [number, number];
  readonly #eps: number;
  /** The learning rate and the number of steps are tensors: state, like the moments. */
  readonly #lr: Tensor;
  readonly #steps: Tensor;

  /** The moments and the step count are made here, as zeros. */
  constructor(parameters: readonly Tensor[], options: AdamWOptions = {}) {
    const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01 } = options;
    if (parameters.length === 0) throw new TensorError('AdamW: there are no parameters to train');
    const { dtype } = parameters[0];
    this.#slots = parameters.map((parameter) => ({
      parameter,
      decay: parameter instanceof Parameter && parameter.noWeightDecay ? 0 : weightDecay,
      mean: zeros(parameter.shape, { dtype }),
      meanSquare: zeros(parameter.shape, { dtype }),
    }));
    this.#betas = betas;
    this.#eps = eps;
    this.#lr = full([], lr, { dtype });
    this.#steps = zeros([], { dtype });
  }

  /** The learning rate; may be set between steps. */
  get lr(): number {
    return this.#lr.item();
  }

  set lr(value: number) {
    this.#lr.assign(full([], value, { dtype: this.#lr.dtype }));
  }

  /** Computes the gradients of `loss` and takes a step. Touches no `grad` field. */
  minimize(loss: Tensor, { maxNorm, allowUnused = false }: MinimizeOptions = {}): void {
    const parameters = this.#slots.map(({ parameter }) => parameter);
    const gradients = grad(loss, parameters, { allowUnused });
    this.#update(maxNorm === undefined ? gradients : clipNorm(gradients, maxNorm).clipped);
  }

  /** Takes a step by the `grad` fields that `backward()` filled. */
  step(): void {
    this.#update(this.#slots.map(({ parameter }) => parameter.grad));
  }

  /** Clears the `grad` fields, which `backward()` would otherwise add to. */
  zeroGrad(): void {
    for (const { parameter } of this.#slots) parameter.grad = undefined;
  }

  #update(gradients: readonly (Tensor | undefined)[]): void {
    const [beta1, beta2] = this.#betas;
    noGrad(() => {
      const lr = this.#lr;
      const steps = this.#steps.assign(this.#steps.add(1));
      const base = (beta: number): Tensor => full([], beta, { dtype: lr.dtype });
      const meanScale = base(beta1).pow(steps).neg().add(1);
      const squareScale = base(beta2).pow(steps).neg().add(1);
      this.#slots.forEach(({ parameter, decay, mean, meanSquare }, i) => {
        const g = gradients[i];
        if (g === undefined) return;
        mean.assign(mean.mul(beta1).add(g.mul(1 - beta1)));
        meanSquare.assign(meanSquare.mul(beta2).add(g.square().mul(1 - beta2)));
        const size = meanSquare.div(squareScale).sqrt().add(this.#eps);
        const move = mean.div(meanScale).div(size).mul(lr);
        const kept = decay === 0 ? parameter : parameter.mul(lr.mul(-decay).add(1));
        parameter.assign(kept.sub(move));
      });
    });
  }
}

/**
 * Gradients scaled by one factor so that their common norm, √Σg², is at most `maxNorm`, as
 * PyTorch's `clip_grad_norm_` does; and the norm that they had (0-d).
 */
export function clipNorm(
  gradients: readonly Tensor[],
  maxNorm: number,
): { clipped: Tensor[]; norm: Tensor } {
  return noGrad(() => {
    const squares = gradients.map((g) => g.square().sum());
    const norm = squares.reduce((total, square) => total.add(square)).sqrt();
    const factor = norm.add(1e-6).reciprocal().mul(maxNorm).minimum(1);
    return { clipped: gradients.map((g) => g.mul(factor)), norm };
  });
}

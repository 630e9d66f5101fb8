/**
 * What all optimizers share. With g the gradient of the loss for a parameter θ, a step is
 *
 *     θ ← θ − lr · move(g)
 *
 * and optimizers differ in the move. Weight decay λ pulls parameters towards 0: as part of the
 * gradient, g + λθ, or, decoupled, beside it: θ ← (1 − lr·λ)θ first.
 */
import { full, grad, noGrad, Tensor, TensorError, zeros } from '@mambagrad/tensor';
import { Parameter } from './module.ts';
import { loadState, saveState, type StateDict } from './state.ts';

/** Parameters that are treated alike; what is left out is as in the optimizer's options. */
export interface ParameterGroup {
  readonly params: readonly Tensor[];
  /** The group's learning rate at first; it stays in proportion to the optimizer's. */
  readonly lr?: number;
  /** λ. Parameters that carry `noWeightDecay` have none all the same. */
  readonly weightDecay?: number;
}

/** What an optimizer trains: parameters, groups of them, or both. */
export type Trained = readonly (Tensor | ParameterGroup)[];

export interface OptimizerOptions {
  /** The learning rate. Default 1e-3. */
  readonly lr?: number;
  /** λ, for parameters that do not ask to be left out. Default 0, for `AdamW` 0.01. */
  readonly weightDecay?: number;
}

export interface StepOptions {
  /** Scale the gradients down so that their norm, over all parameters, is at most this. */
  readonly maxNorm?: number;
}

export interface MinimizeOptions extends StepOptions {
  /** Take the gradient of parameters that the loss does not depend on as 0. Default false. */
  readonly allowUnused?: boolean;
}

/** What an optimizer remembers of one parameter, by name. */
export type Moments = Readonly<Record<string, Tensor>>;

/** A parameter, its λ, its rate in multiples of `lr`, and what is remembered of it. */
interface Slot {
  readonly parameter: Tensor;
  readonly decay: number;
  readonly rate: number;
  readonly moments: Moments;
}

/** The base of all optimizers. */
export abstract class Optimizer {
  readonly #slots: readonly Slot[];
  /** The learning rate and the number of steps are tensors: state, like the moments. */
  readonly #lr: Tensor;
  readonly #steps: Tensor;

  /** Makes the moments, of the given names, as zeros. Throws if a parameter comes twice. */
  constructor(trained: Trained, options: OptimizerOptions, names: readonly string[]) {
    const { lr = 1e-3, weightDecay = 0 } = options;
    const groups = trained.map((entry) => (entry instanceof Tensor ? { params: [entry] } : entry));
    this.#slots = groups.flatMap(({ params, ...group }: ParameterGroup) =>
      params.map((parameter) => {
        const { shape, dtype } = parameter;
        const isFree = parameter instanceof Parameter && parameter.noWeightDecay;
        const decay = isFree ? 0 : (group.weightDecay ?? weightDecay);
        const rate = group.lr === undefined ? 1 : group.lr / lr;
        const moments = names.map((name) => [name, zeros(shape, { dtype })]);
        return { parameter, decay, rate, moments: Object.fromEntries(moments) as Moments };
      }),
    );
    const count = new Set(this.parameters).size;
    const fail = (problem: string): never => {
      throw new TensorError(`${this.constructor.name}: ${problem}`);
    };
    if (count === 0) fail('there are no parameters to train');
    if (count < this.#slots.length) fail('a parameter is given twice');
    if (!this.#slots.every(({ rate }) => rate < Infinity)) fail('lr is 0, but not for all groups');
    const { dtype } = this.#slots[0].parameter;
    this.#lr = full([], lr, { dtype });
    this.#steps = zeros([], { dtype });
  }

  /** What it trains, in the order in which it was given. */
  get parameters(): Tensor[] {
    return this.#slots.map(({ parameter }) => parameter);
  }

  /** The learning rate; may be set between steps. */
  get lr(): number {
    return this.#lr.item();
  }

  set lr(value: number) {
    this.#lr.assign(full([], value, { dtype: this.#lr.dtype }));
  }

  /** Computes the gradients of `loss` and takes a step. Touches no `grad` field. */
  minimize(loss: Tensor, { allowUnused = false, ...options }: MinimizeOptions = {}): void {
    this.#update(grad(loss, this.parameters, { allowUnused }), options);
  }

  /**
   * Takes a step by the `grad` fields that `backward()` filled; parameters without one stay as they
   * are.
   */
  step(options: StepOptions = {}): void {
    this.#update(this.parameters.map((parameter) => parameter.grad), options);
  }

  /** Clears the `grad` fields, which `backward()` would otherwise add to. */
  zeroGrad(): void {
    for (const parameter of this.parameters) parameter.grad = undefined;
  }

  /** The learning rate, the number of steps and all moments, copied, by name: `3.mean`. */
  stateDict(): StateDict {
    return saveState(this.namedState());
  }

  /** Takes them back, for the same parameters in the same order; throws as a module's does. */
  loadStateDict(values: StateDict): void {
    loadState(`${this.constructor.name}.loadStateDict`, this.namedState(), values);
  }

  /** The same by name, not copied. */
  namedState(): [string, Tensor][] {
    const named = ({ moments }: Slot, i: number): [string, Tensor][] =>
      Object.entries(moments).map(([name, value]) => [`${i}.${name}`, value]);
    return [['lr', this.#lr], ['steps', this.#steps], ...this.#slots.flatMap(named)];
  }

  #update(gradients: readonly (Tensor | undefined)[], { maxNorm }: StepOptions): void {
    const slots = this.#slots.filter((_, i) => gradients[i]);
    const found = gradients.filter((g) => g !== undefined);
    if (found.length === 0) return;
    noGrad(() => {
      const move = this.moveAt(this.#steps.assign(this.#steps.add(1)));
      const clipped = maxNorm === undefined ? found : clipNorm(found, maxNorm).clipped;
      slots.forEach(({ parameter, decay, rate, moments }, i) => {
        const lr = rate === 1 ? this.#lr : this.#lr.mul(rate);
        const [inside, beside] = this.decoupled ? [0, decay] : [decay, 0];
        const g = inside === 0 ? clipped[i] : clipped[i].add(parameter.mul(inside));
        const start = beside === 0 ? parameter : parameter.mul(lr.mul(-beside).add(1));
        parameter.assign(start.sub(move(g, moments).mul(lr)));
      });
    });
  }

  /** Whether weight decay acts beside the gradient rather than as part of it. */
  protected get decoupled(): boolean {
    return false;
  }

  /** The move of a step, the first of which is 1: a function that also assigns the moments. */
  protected abstract moveAt(step: Tensor): (g: Tensor, moments: Moments) => Tensor;
}

/** The common norm of some tensors, √Σx² (0-d). */
export function globalNorm(tensors: readonly Tensor[]): Tensor {
  const squares = tensors.map((x) => x.square().sum());
  return squares.reduce((total, square) => total.add(square)).sqrt();
}

/**
 * Gradients scaled by one factor so that their common norm is at most `maxNorm`, as PyTorch's
 * `clip_grad_norm_` does; and the norm that they had (0-d).
 */
export function clipNorm(
  gradients: readonly Tensor[], maxNorm: number,
): { clipped: Tensor[]; norm: Tensor } {
  return noGrad(() => {
    const norm = globalNorm(gradients);
    const factor = norm.add(1e-6).reciprocal().mul(maxNorm).minimum(1);
    return { clipped: gradients.map((g) => g.mul(factor)), norm };
  });
}

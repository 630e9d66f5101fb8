/**
 * Gradient descent, and what all optimizers share. With g the gradient of the loss for a parameter
 * θ, a step is
 *
 *     θ ← θ − lr · u(g)
 *
 * and optimizers differ in the update u. Weight decay λ pulls parameters towards 0: as part of the
 * gradient, g + λθ in place of g, or decoupled from it: first θ ← (1 − lr·λ)θ.
 */
import { describe, grad, guard, noGrad, type Tensor, TensorError } from '@mambagrad/tensor';
import { checkArgument, readOptions, tensors } from '@mambagrad/tensor/options';
import { loadState, requireState, saveState, type StateDict } from '../modules/state.ts';
import { clipNorm } from './clipping.ts';
import { LearningRate } from './learningRate.ts';
import {
  type MinimizeOptions, minimizeOptions, type OptimizerOptions, optimizerOptions, type StepOptions,
  stepOptions, type Trained,
} from './optimizerOptions.ts';
import { leavesOf, requireUnfrozen, warnOfReach } from './reach.ts';
import { createSlots, type Moments, type Slot } from './slots.ts';
import { StepCounts } from './stepCounts.ts';

/**
 * Computes the update of one parameter from its gradient and its moments, which it also assigns.
 * `entryOf` gives the parameter's entry (0-d) of a value that was computed from the steps of all.
 */
export type UpdateRule =
  (g: Tensor, moments: Moments, entryOf: (values: Tensor) => Tensor) => Tensor;

/** The base of all optimizers. */
export abstract class Optimizer {
  readonly #slots: readonly Slot[];
  readonly #lr: LearningRate;
  readonly #counts: StepCounts;
  #isFirst = true;

  /** Makes the moments, of the given names, as zeros. Throws if a parameter is given twice. */
  constructor(trained: Trained, options: OptimizerOptions, names: readonly string[]) {
    const op = this.constructor.name;
    const read = readOptions(op, options, optimizerOptions);
    this.#slots = createSlots(op, trained, read, names);
    const { dtype } = this.#slots[0].parameter;
    this.#lr = new LearningRate(op, read.lr, dtype);
    this.#counts = new StepCounts(this.#slots.length, dtype);
  }

  /** The parameters, in the order in which they were given. */
  get parameters(): Tensor[] {
    return this.#slots.map(({ parameter }) => parameter);
  }

  /** The learning rate; may be set between steps, to a number from 0. */
  get lr(): number {
    return this.#lr.value;
  }

  set lr(value: number) {
    this.#lr.value = value;
  }

  /** The rate that the factors of schedules refer to: the one that was given, or set since. */
  get baseLr(): number {
    return this.#lr.base;
  }

  /** Sets `lr` to `baseLr` times the factor of a schedule; `baseLr` stays as it is. */
  scheduleLr(factor: number): void {
    this.#lr.schedule(factor);
  }

  /** Sets `lr` back to `baseLr`, if a schedule was the last to set it. */
  resetLr(): void {
    this.#lr.reset();
  }

  /**
   * Computes the gradients of `loss` and takes a step. Reads and writes no `grad` field. Frozen
   * parameters stay as they are. Throws if all are frozen, or if the loss does not depend on one of
   * the others (see `allowUnused`).
   */
  minimize(loss: Tensor, options: MinimizeOptions = {}): void {
    const op = `${this.constructor.name}.minimize`;
    const { allowUnused, maxNorm } = readOptions(op, options, minimizeOptions);
    checkArgument(op, 'loss', loss, tensors);
    const isTrained = this.#readTrained(op);
    if (this.#isFirst) warnOfReach(op, [loss], this.parameters);
    const found = this.#gradientsOf(op, loss, isTrained, allowUnused).values();
    this.#update(isTrained.map((is) => (is ? found.next().value : undefined)), maxNorm);
  }

  #gradientsOf(
    op: string, loss: Tensor, isTrained: readonly boolean[], allowUnused: boolean,
  ): Tensor[] {
    const { parameters } = this;
    try {
      return grad(loss, parameters.filter((_, i) => isTrained[i]), { allowUnused });
    } catch (error) {
      const reached = leavesOf(loss);
      const unused = parameters.findIndex((x, i) => isTrained[i] && !reached.has(x));
      if (!loss.requiresGrad || loss.numel !== 1 || unused < 0) throw error;
      const parameter = `parameter ${unused}, ${describe(parameters[unused])}`;
      throw new TensorError(
        `${op}: the loss does not depend on ${parameter}; if that is meant, pass ` +
          'allowUnused: true, or set its requiresGrad to false',
      );
    }
  }

  /**
   * Takes a step by the `grad` fields that `backward()` filled. Parameters without one, and frozen
   * ones, stay as they are, and so do their moments. Throws if all are frozen.
   */
  step(options: StepOptions = {}): void {
    const op = `${this.constructor.name}.step`;
    const { maxNorm } = readOptions(op, options, stepOptions);
    const isTrained = this.#readTrained(op);
    this.#update(this.parameters.map(({ grad }, i) => (isTrained[i] ? grad : undefined)), maxNorm);
  }

  /**
   * Which parameters are not frozen; throws if all are. A compiled step is traced again when that
   * changes.
   */
  #readTrained(op: string): boolean[] {
    requireUnfrozen(op, this.parameters);
    guard(() => this.#slots.map(({ parameter }) => Number(parameter.requiresGrad)).join(''));
    return this.#slots.map(({ parameter }) => parameter.requiresGrad);
  }

  /** Clears the `grad` fields, which `backward()` would otherwise add to. */
  zeroGrad(): void {
    for (const parameter of this.parameters) parameter.grad = undefined;
  }

  /**
   * The learning rate, the number of steps, the steps that each parameter has missed (if any has),
   * and all moments, as copies by name: `3.mean`.
   */
  stateDict(): StateDict {
    return saveState(this.namedState());
  }

  /** Loads state of the same parameters in the same order; throws as a module's does. */
  loadStateDict(values: StateDict): void {
    const op = `${this.constructor.name}.loadStateDict`;
    requireState(op, values);
    const matched = this.matchState(values);
    loadState(op, this.namedState(), matched);
  }

  /**
   * Prepares for loading state whose names begin with `prefix`, and gives the values to load: both
   * sides then have `missed`, or neither.
   */
  matchState(values: StateDict, prefix = ''): StateDict {
    return this.#counts.matchState(values, prefix);
  }

  /** All tensors that a step or a schedule may change, besides the parameters. */
  get stateTensors(): Tensor[] {
    const moments = this.#slots.flatMap((slot) => Object.values(slot.moments));
    return [this.lrTensor, ...this.#counts.tensors, ...moments];
  }

  /** The tensor (0-d) from which a compiled step reads `lr`. */
  get lrTensor(): Tensor {
    return this.#lr.tensor;
  }

  /** The tensors of `stateDict` by name, not copied. */
  namedState(): [string, Tensor][] {
    const moments = this.#slots.flatMap(({ moments }, i) =>
      Object.entries(moments).map(([name, value]): [string, Tensor] => [`${i}.${name}`, value]),
    );
    return [['lr', this.#lr.tensor], ...this.#counts.namedState(), ...moments];
  }

  /** Updates the parameters that have a gradient. */
  #update(gradients: readonly (Tensor | undefined)[], maxNorm: number | undefined): void {
    const found = gradients.filter((g) => g !== undefined);
    if (found.length === 0) return;
    this.#isFirst = false;
    noGrad(() => {
      const rule = this.updateRule(this.#counts.count(gradients.map((g) => g !== undefined)));
      const clipped = (maxNorm === undefined ? found : clipNorm(found, maxNorm).clipped).values();
      gradients.forEach((g, i) => {
        if (g) this.#updateParameter(i, clipped.next().value ?? g, rule);
      });
    });
  }

  #updateParameter(i: number, gradient: Tensor, rule: UpdateRule): void {
    const { parameter, weightDecay, lrFactor, moments } = this.#slots[i];
    const entryOf = (values: Tensor): Tensor =>
      values.ndim === 0 ? values : values.narrow(0, i, 1).reshape([]);
    const lr = lrFactor === 1 ? this.#lr.tensor : this.#lr.tensor.mul(lrFactor);
    const [coupled, decoupled] = this.decoupled ? [0, weightDecay] : [weightDecay, 0];
    const g = coupled === 0 ? gradient : gradient.add(parameter.mul(coupled));
    const decayed = decoupled === 0 ? parameter : parameter.mul(lr.mul(-decoupled).add(1));
    parameter.assign(decayed.sub(rule(g, moments, entryOf).mul(lr)));
  }

  /** Whether weight decay is decoupled from the gradient. */
  protected get decoupled(): boolean {
    return false;
  }

  /**
   * The rule for one step. `steps` is how many steps have been taken with this one, so 1 at first:
   * 0-d if all parameters have taken equally many, else [parameters].
   */
  protected abstract updateRule(steps: Tensor): UpdateRule;
}

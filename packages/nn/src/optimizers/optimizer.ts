/**
 * What all optimizers share. With g the gradient of the loss for a parameter θ, a step is
 *
 *     θ ← θ − lr · move(g)
 *
 * and optimizers differ in the move. Weight decay λ pulls parameters towards 0: as part of the
 * gradient, g + λθ, or, decoupled, beside it: θ ← (1 − lr·λ)θ first.
 */
import {
  describe, full, grad, guard, noGrad, Tensor, tensor, TensorError, zeros, zerosLike,
} from '@mambagrad/tensor';
import {
  boolean, checkArgument, listOf, number, type Option, readOptions, show, type Table,
  tensors,
} from '@mambagrad/tensor/options';
import { Parameter } from '../modules/module.ts';
import { loadState, requireState, saveState, type StateDict } from '../modules/state.ts';
import { clipNorm, norms } from './clipping.ts';
import { leavesOf, warnOfReach } from './reach.ts';

/** Parameters that are treated alike; what is left out is as in the optimizer's options. */
export interface ParameterGroup {
  /** The parameters of the group. */
  readonly params: readonly Tensor[];
  /** The group's learning rate at first; it stays in proportion to the optimizer's. */
  readonly lr?: number | undefined;
  /** λ. Parameters that carry `noWeightDecay` have none all the same. */
  readonly weightDecay?: number | undefined;
}

/** What an optimizer trains: parameters, groups of them, or both. */
export type Trained = readonly (Tensor | ParameterGroup)[];

/** Options of every optimizer; a `ParameterGroup` may have its own. */
export interface OptimizerOptions {
  /** The learning rate, from 0. Default 1e-3. */
  readonly lr?: number | undefined;
  /** λ, from 0, for parameters that do not ask to be left out. Default 0; of `AdamW` 0.01. */
  readonly weightDecay?: number | undefined;
}

/** Options of an optimizer's `step`, and of `Trainer`, which takes the steps. */
export interface StepOptions {
  /**
   * Scale the gradients down so that their norm, over all parameters, is at most this, a number
   * above 0. Default: they stay as they are.
   */
  readonly maxNorm?: number | undefined;
}

/** Options of `minimize`, which computes the gradients and then takes a step. */
export interface MinimizeOptions extends StepOptions {
  /** Take the gradient of parameters that the loss does not depend on as 0. Default false. */
  readonly allowUnused?: boolean | undefined;
}

const rates = number({ from: 0 });

const groupOptions = {
  params: listOf(tensors).required(),
  lr: rates.optional(),
  weightDecay: rates.optional(),
} satisfies Table<ParameterGroup>;

export const optimizerOptions: {
  readonly [Name in keyof OptimizerOptions]-?: Option<number>;
} = { lr: rates.orElse(1e-3), weightDecay: rates.orElse(0) };

export const stepOptions: Table<StepOptions> = { maxNorm: norms.optional() };

const minimizeOptions = {
  ...stepOptions,
  allowUnused: boolean.orElse(false),
} satisfies Table<MinimizeOptions>;

/** What an optimizer remembers of one parameter, by name. */
export type Moments = Readonly<Record<string, Tensor>>;

/**
 * The move of a parameter, from its gradient and its moments, which it also assigns. `own` gives
 * the parameter's number (0-d) of what was computed from the steps of all.
 */
export type Move = (g: Tensor, moments: Moments, own: (values: Tensor) => Tensor) => Tensor;

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
  /** The learning rate and the number of steps (0-d) are state, like the moments. */
  readonly #lr: Tensor;
  readonly #steps: Tensor;
  #baseLr: number;
  /** What a schedule has set `lr` to, if any has. */
  #scheduledLr: number | undefined;
  /**
   * How many of the steps each parameter has missed, [parameters], as it was frozen or had no
   * gradient: its moments are younger than those of others. It is state once any has missed one;
   * until then a single number does for all.
   */
  readonly #missed: Tensor;
  #isUneven = false;
  #isFirst = true;

  /** Makes the moments, of the given names, as zeros. Throws if a parameter comes twice. */
  constructor(trained: Trained, options: OptimizerOptions, names: readonly string[]) {
    const op = this.constructor.name;
    const { lr, weightDecay } = readOptions(op, options, optimizerOptions);
    this.#slots = readGroups(op, trained).flatMap(({ params, ...group }) =>
      params.map((parameter) => {
        const { shape, dtype } = parameter;
        const isFree = parameter instanceof Parameter && parameter.noWeightDecay;
        const decay = isFree ? 0 : (group.weightDecay ?? weightDecay);
        const { lr: own = lr } = group;
        const rate = own === lr ? 1 : own / lr;
        const moments = names.map((name) => [name, zeros(shape, { dtype })]);
        return { parameter, decay, rate, moments: Object.fromEntries(moments) as Moments };
      }),
    );
    checkParameters(op, this.parameters);
    if (!this.#slots.every(({ rate }) => rate < Infinity)) {
      throw new TensorError(`${op}: lr is 0, but not for all groups`);
    }
    const { dtype } = this.#slots[0].parameter;
    this.#baseLr = lr;
    this.#lr = full([], lr, { dtype });
    this.#steps = zeros([], { dtype });
    this.#missed = zeros([this.#slots.length], { dtype });
  }

  /** What it trains, in the order in which it was given. */
  get parameters(): Tensor[] {
    return this.#slots.map(({ parameter }) => parameter);
  }

  /** The learning rate; may be set between steps, to a number from 0. */
  get lr(): number {
    return this.#lr.item();
  }

  set lr(value: number) {
    checkArgument(this.constructor.name, 'lr', value, rates);
    this.#baseLr = value;
    this.#lr.assign(full([], value, { dtype: this.#lr.dtype }));
  }

  /** The rate that the factors of schedules refer to: the one that was given, or set since. */
  get baseLr(): number {
    return this.#baseLr;
  }

  /** Sets `lr` to `baseLr` times the factor of a schedule; `baseLr` stays what it is. */
  scheduleLr(factor: number): void {
    const base = this.#baseLr;
    this.lr = base * factor;
    this.#baseLr = base;
    this.#scheduledLr = this.lr;
  }

  /** Sets `lr` back to `baseLr`, if it is what a schedule has made of it. */
  resetLr(): void {
    if (this.lr === this.#scheduledLr) this.lr = this.#baseLr;
  }

  /**
   * Computes the gradients of `loss` and takes a step. Touches no `grad` field. Parameters whose
   * `requiresGrad` is false stay as they are. Throws if the loss does not depend on one of the
   * others (see `allowUnused`).
   */
  minimize(loss: Tensor, options: MinimizeOptions = {}): void {
    const op = `${this.constructor.name}.minimize`;
    const { allowUnused, maxNorm } = readOptions(op, options, minimizeOptions);
    checkArgument(op, 'loss', loss, tensors);
    if (this.#isFirst) warnOfReach(op, [loss], this.parameters);
    const trained = this.#trained();
    const found = this.#gradientsOf(op, loss, trained, allowUnused).values();
    this.#update(trained.map((isTrained) => (isTrained ? found.next().value : undefined)), maxNorm);
  }

  #gradientsOf(
    op: string, loss: Tensor, trained: readonly boolean[], allowUnused: boolean,
  ): Tensor[] {
    const { parameters } = this;
    try {
      return grad(loss, parameters.filter((_, i) => trained[i]), { allowUnused });
    } catch (error) {
      const reached = leavesOf(loss);
      const unused = parameters.findIndex((x, i) => trained[i] && !reached.has(x));
      if (!loss.requiresGrad || loss.numel !== 1 || unused < 0) throw error;
      const parameter = `parameter ${unused}, ${describe(parameters[unused])}`;
      throw new TensorError(
        `${op}: the loss does not depend on ${parameter}; if that is meant, pass ` +
          'allowUnused: true, or set its requiresGrad to false',
      );
    }
  }

  /**
   * Takes a step by the `grad` fields that `backward()` filled. Parameters without one, or whose
   * `requiresGrad` is false, stay as they are, and so do their moments.
   */
  step(options: StepOptions = {}): void {
    const { maxNorm } = readOptions(`${this.constructor.name}.step`, options, stepOptions);
    const trained = this.#trained();
    this.#update(this.parameters.map(({ grad }, i) => (trained[i] ? grad : undefined)), maxNorm);
  }

  /** Which parameters are not frozen. A program that was compiled is for those alone. */
  #trained(): boolean[] {
    guard(() => this.#slots.map(({ parameter }) => Number(parameter.requiresGrad)).join(''));
    return this.#slots.map(({ parameter }) => parameter.requiresGrad);
  }

  /** Clears the `grad` fields, which `backward()` would otherwise add to. */
  zeroGrad(): void {
    for (const parameter of this.parameters) parameter.grad = undefined;
  }

  /**
   * The learning rate, the number of steps, those that each parameter has missed (if any has), and
   * all moments, copied, by name: `3.mean`.
   */
  stateDict(): StateDict {
    return saveState(this.namedState());
  }

  /** Takes them back, for the same parameters in the same order; throws as a module's does. */
  loadStateDict(values: StateDict): void {
    const op = `${this.constructor.name}.loadStateDict`;
    requireState(op, values);
    const fitting = this.matchState(values);
    loadState(op, this.namedState(), fitting);
  }

  /**
   * Makes state and optimizer have the same names, which have `prefix` before them: either tells
   * how many steps parameters have missed only if any has.
   */
  matchState(values: StateDict, prefix = ''): StateDict {
    const name = `${prefix}missed`;
    if (values.has(name)) this.#isUneven = true;
    else if (this.#isUneven) return new Map(values).set(name, zerosLike(this.#missed));
    return values;
  }

  /** The same by name, not copied. */
  namedState(): [string, Tensor][] {
    const named = ({ moments }: Slot, i: number): [string, Tensor][] =>
      Object.entries(moments).map(([name, value]) => [`${i}.${name}`, value]);
    const missed: [string, Tensor][] = this.#isUneven ? [['missed', this.#missed]] : [];
    return [['lr', this.#lr], ['steps', this.#steps], ...missed, ...this.#slots.flatMap(named)];
  }

  #update(gradients: readonly (Tensor | undefined)[], maxNorm: number | undefined): void {
    const found = gradients.filter((g) => g !== undefined);
    if (found.length === 0) return;
    this.#isFirst = false;
    noGrad(() => {
      const move = this.moveAt(this.#count(gradients.map((g) => g !== undefined)));
      const clipped = (maxNorm === undefined ? found : clipNorm(found, maxNorm).clipped).values();
      for (const [i, slot] of this.#slots.entries()) {
        if (gradients[i] === undefined) continue;
        const { parameter, decay, rate, moments } = slot;
        const own = (values: Tensor): Tensor =>
          values.ndim === 0 ? values : values.narrow(0, i, 1).reshape([]);
        const lr = rate === 1 ? this.#lr : this.#lr.mul(rate);
        const [inside, beside] = this.decoupled ? [0, decay] : [decay, 0];
        const g = clipped.next().value ?? gradients[i];
        const whole = inside === 0 ? g : g.add(parameter.mul(inside));
        const start = beside === 0 ? parameter : parameter.mul(lr.mul(-beside).add(1));
        parameter.assign(start.sub(move(whole, moments, own).mul(lr)));
      }
    });
  }

  /** Counts a step, and gives how many the parameters have taken: one number, or one for each. */
  #count(isMoved: readonly boolean[]): Tensor {
    const steps = this.#steps.assign(this.#steps.add(1));
    if (isMoved.includes(false)) this.#isUneven = true;
    if (!guard(() => this.#isUneven)) return steps;
    const missed = tensor(isMoved.map((moves) => Number(!moves)), { dtype: steps.dtype });
    return steps.sub(this.#missed.assign(this.#missed.add(missed)));
  }

  /** Whether weight decay acts beside the gradient rather than as part of it. */
  protected get decoupled(): boolean {
    return false;
  }

  /**
   * The moves of a step, from how many were taken with it, the first being 1: 0-d if all parameters
   * have taken as many, else [parameters].
   */
  protected abstract moveAt(steps: Tensor): Move;
}

/** The parameters to train as groups. Throws if they are neither parameters nor groups. */
function readGroups(op: string, trained: Trained): ParameterGroup[] {
  if (!Array.isArray(trained)) {
    throw new TensorError(
      `${op}: parameters are ${show(trained)}, expected an array of parameters, or of groups ` +
        '{ params, lr, weightDecay }: model.parameters()',
    );
  }
  return trained.map((entry: Tensor | ParameterGroup, i) =>
    entry instanceof Tensor
      ? { params: [entry] }
      : readOptions(`${op}: parameters[${i}]`, entry, groupOptions),
  );
}

/** Throws unless these are leaves that can be trained together, each given once. */
function checkParameters(op: string, parameters: readonly Tensor[]): void {
  const fail = (problem: string): never => {
    throw new TensorError(`${op}: ${problem}`);
  };
  if (parameters.length === 0) fail('there are no parameters to train');
  if (new Set(parameters).size < parameters.length) fail('a parameter is given twice');
  const { dtype } = parameters[0];
  for (const [i, parameter] of parameters.entries()) {
    const name = `parameter ${i}, ${describe(parameter)},`;
    if (parameter.node) fail(`${name} is the result of an op; expected a leaf`);
    if (parameter.dtype === 'i32') fail(`${name} has no gradient; expected f32 or f64`);
    if (parameter.dtype !== dtype) fail(`${name} is not ${dtype} as parameter 0 is`);
  }
}

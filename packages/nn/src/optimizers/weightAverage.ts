/**
 * Averages of weights over time. Near the end of training the weights circle around a minimum, and
 * their average is nearer to it than most of them are, so it often predicts better than the last
 * ones do. After each step of the optimizer the exponential moving average θ̄ of the parameters θ
 * follows them:
 *
 *     θ̄ ← θ̄ + (1 − d)(θ − θ̄)          d = min(decay, (1 + n) / (10 + n)) at update n = 1, 2, …
 *
 * which looks back over about 1/(1 − decay) steps. Update 0 copies the weights, as PyTorch's
 * `AveragedModel` does, so no bias has to be corrected. The decay d then rises from 2/11, as in
 * TensorFlow's `ExponentialMovingAverage`: the first weights know little, and are soon forgotten.
 * A parameter that does not change has itself as its average, bit for bit.
 *
 * Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992).
 */
import { guard, noGrad, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import {
  boolean, callable, checkArgument, instanceOf, number, readOptions, type Table,
} from '@mambagrad/tensor/options';
import { Module, type Parameter } from '../modules/module.ts';
import { loadState, saveState, type StateDict } from '../modules/state.ts';
import { isThenable } from '../modules/thenable.ts';

/** Options of `WeightAverage`. */
export interface WeightAverageOptions {
  /** The part of the average that an update keeps, from 0 to below 1. Default 0.999. */
  readonly decay?: number | undefined;
  /**
   * Whether the decay rises to its value, as (1 + n) / (10 + n) at the update n = 1, 2, …; if not,
   * each update keeps the same part. Default true.
   */
  readonly warmUp?: boolean | undefined;
}

const weightAverageOptions = {
  decay: number({ from: 0, below: 1 }).orElse(0.999),
  warmUp: boolean.orElse(true),
} satisfies Table<WeightAverageOptions>;

/** A parameter and its average, under the parameter's path in the model. */
interface Averaged {
  readonly name: string;
  readonly parameter: Parameter;
  readonly average: Tensor;
}

/**
 * The exponential moving average of the parameters of a model; buffers are not averaged. The
 * average of a frozen parameter is the parameter itself.
 *
 *     const average = new WeightAverage(model, { decay: 0.999 });
 *     optimizer.minimize(loss);
 *     average.update();                       // after each step, in a compiled function or not
 *     average.use(() => model.forward(x));    // predicts with the averages
 */
export class WeightAverage {
  /** The model whose parameters are averaged. */
  readonly model: Module;
  readonly #all: readonly Averaged[];
  /** n, the number of updates so far, 0-d. */
  readonly #updates: Tensor;
  readonly #decay: number;
  readonly #warmUp: boolean;
  #isInUse = false;

  /** Throws if the model has no parameters, or if an option is out of its range. */
  constructor(model: Module, options: WeightAverageOptions = {}) {
    checkArgument('WeightAverage', 'model', model, instanceOf(Module));
    const { decay, warmUp } = readOptions('WeightAverage', options, weightAverageOptions);
    const named = model.namedParameters();
    if (named.length === 0) throw new TensorError('WeightAverage: the model has no parameters');
    this.#all = named.map(([name, parameter]) => (
      { name, parameter, average: parameter.detach() }
    ));
    this.model = model;
    this.#updates = zeros([], { dtype: named[0][1].dtype });
    this.#decay = decay;
    this.#warmUp = warmUp;
  }

  /** Whether the model has the averages at present, within `use`. */
  get isInUse(): boolean {
    return guard(() => this.#isInUse);
  }

  /**
   * Takes the current weights into the averages; to be called after each step of the optimizer.
   * Throws while the averages are in use.
   */
  update(): void {
    this.#requireFree('update');
    noGrad(() => {
      const n = this.#updates;
      // 1 − d, which keeps its digits where d is near 1.
      const least = 1 - this.#decay;
      const rate = this.#warmUp ? n.add(10).reciprocal().mul(9).maximum(least) : least;
      const isFirst = n.equal(0);
      for (const { parameter, average } of this.#all) {
        const moved = (): Tensor => average.add(parameter.sub(average).mul(rate));
        average.assign(parameter.isFrozen ? parameter : isFirst.where(parameter, moved()));
      }
      n.assign(n.add(1));
    });
  }

  /**
   * Begins anew from the present weights, as if it had just been made. Throws while the averages
   * are in use.
   */
  restart(): void {
    this.#requireFree('restart');
    for (const { parameter, average } of this.#all) average.assign(parameter.detach());
    this.#updates.assign(zeros([], { dtype: this.#updates.dtype }));
  }

  /**
   * Calls `f` while the model's parameters are the averages, puts the weights back, and returns the
   * result of `f`. If that is a promise, they are put back when it settles. Before the first update
   * the averages are the weights that the model had when they were made.
   */
  use<Result>(f: () => Result): Result {
    checkArgument('WeightAverage.use', 'f', f, callable());
    this.#requireFree('use');
    const weights = this.#all.map(({ parameter }) => parameter.detach());
    const putBack = (): void => {
      this.#all.forEach(({ parameter }, i) => parameter.assign(weights[i]));
      this.#isInUse = false;
    };
    let isPending = false;
    this.apply();
    this.#isInUse = true;
    try {
      const result = f();
      if (!isThenable(result)) return result;
      isPending = true;
      return Promise.resolve(result).finally(putBack) as Result;
    } finally {
      if (!isPending) putBack();
    }
  }

  /** Gives the averages to the model's parameters for good, such as when training is over. */
  apply(): void {
    this.#requireFree('apply');
    for (const { parameter, average } of this.#all) parameter.assign(average.detach());
  }

  /** The number of updates and all averages, as copies by name: `updates`, `weights.NAME`. */
  stateDict(): StateDict {
    return saveState(this.namedState());
  }

  /** Loads the averages of a model like this one; throws as a module's does. */
  loadStateDict(values: StateDict): void {
    loadState('WeightAverage.loadStateDict', this.namedState(), values);
  }

  /** The tensors of `stateDict` by name, not copied. */
  namedState(): [string, Tensor][] {
    const averages = this.#all.map(({ name, average }): [string, Tensor] => (
      [`weights.${name}`, average]
    ));
    return [['updates', this.#updates], ...averages];
  }

  #requireFree(method: string): void {
    if (!this.isInUse) return;
    throw new TensorError(
      `WeightAverage.${method}: the model has the averages already, in \`use\``,
    );
  }
}

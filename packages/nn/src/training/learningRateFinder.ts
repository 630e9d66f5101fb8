/**
 * The learning rate range test: train a little, with a rate that grows at every step, and look at
 * the loss. Where the rate is too small nothing happens, then the loss falls, and where the rate is
 * too large it rises again. With k steps from the rate a to the rate b, step i has the rate
 *
 *     lrᵢ = a · (b/a)^(i/(k − 1))
 *
 * and its loss Lᵢ is smoothed, as batches differ: sᵢ = Σⱼ βⁱ⁻ʲ Lⱼ / Σⱼ βⁱ⁻ʲ over j ≤ i. The test
 * ends early where sᵢ is several times the lowest before it.
 *
 * Two rules are in use, and the larger of the rates that they give is suggested: a tenth of the
 * rate at which s was lowest, which leaves a margin to where it rises; and the rate at which s fell
 * most steeply. Both are below the rate at which s was lowest, so the loss still falls there.
 *
 * Smith, "Cyclical learning rates for training neural networks" (2017), section 3.3.
 */
import { TensorError } from '@mambagrad/tensor';
import { number, readOptions, type Table, whole } from '@mambagrad/tensor/options';
import { createSampleCounter, meanLosses } from './batchLosses.ts';
import { sparkline } from './progress.ts';
import { createSteps } from './steps.ts';
import {
  type PredictOptions, readTrainerOptions, type TrainerOptions, type TrainerSettings,
} from './trainerOptions.ts';
import { rememberTensors, TrainingState } from './trainingState.ts';

/** Options of `findLearningRate`: the rates that are tried, and how the losses are judged. */
export interface LearningRateFinderOptions {
  /** The rate of the first step, above 0. Default 1e-6. */
  readonly from?: number | undefined;
  /** The rate of the last step, above `from`. Default 10. */
  readonly to?: number | undefined;
  /** The number of steps, from 2. Default 100. */
  readonly steps?: number | undefined;
  /** β, the weight of the loss before in the smoothed loss, from 0 to below 1. Default 0.8. */
  readonly smoothing?: number | undefined;
  /**
   * End where the smoothed loss is above the lowest by this many times its size, or its fall until
   * then if that is larger; above 0. Default 3.
   */
  readonly divergence?: number | undefined;
}

const finderOptions = {
  from: number({ above: 0 }).orElse(1e-6),
  to: number({ above: 0 }).orElse(10),
  steps: whole(2).orElse(100),
  smoothing: number({ from: 0, below: 1 }).orElse(0.8),
  divergence: number({ above: 0 }).orElse(3),
} satisfies Table<LearningRateFinderOptions>;

/** The rates of a range test, and the losses that were found with them. */
export class LearningRateCurve {
  /** The rate of each step, rising. */
  readonly rates: readonly number[];
  /** The loss of each step, before its update. */
  readonly losses: readonly number[];
  /** The losses, smoothed. */
  readonly smoothed: readonly number[];
  /** Whether the test ended early, because the loss rose or was not finite. */
  readonly diverged: boolean;

  /** The curve of some losses that were found with as many rates. */
  constructor(
    rates: readonly number[], losses: readonly number[], smoothed: readonly number[],
    diverged: boolean,
  ) {
    this.rates = rates;
    this.losses = losses;
    this.smoothed = smoothed;
    this.diverged = diverged;
  }

  /** The rate at which the smoothed loss was lowest. */
  get lowest(): number {
    return this.rates[this.#lowestStep];
  }

  /**
   * The rate in the middle of that tenth of the steps in which the smoothed loss fell most, on its
   * way to the lowest.
   */
  get steepest(): number {
    const { smoothed, rates } = this;
    const width = Math.ceil(rates.length / 10);
    const falls = smoothed.slice(width, this.#lowestStep + 1).map((loss, i) => smoothed[i] - loss);
    const start = falls.indexOf(Math.max(...falls));
    return start < 0 ? rates[0] : rates[start + Math.floor(width / 2)];
  }

  /**
   * A tenth of `lowest`, or `steepest` if that is larger; undefined if the loss was lowest at once,
   * so that no rate was of use.
   */
  get suggestion(): number | undefined {
    return this.#lowestStep === 0 ? undefined : Math.max(this.lowest / 10, this.steepest);
  }

  get #lowestStep(): number {
    return this.smoothed.indexOf(Math.min(...this.smoothed));
  }

  /** The smoothed curve in one line, from the lowest rate to the highest, and the suggestion. */
  toString(): string {
    const show = (rate: number | undefined): string =>
      rate === undefined ? 'none' : rate < 1e-3 ? rate.toExponential(1) : rate.toPrecision(2);
    const [first, last] = [this.rates[0], this.rates.at(-1)].map(show);
    return `loss ${sparkline(this.smoothed, 40)}  rates ${first} to ${last}, ` +
      `lowest at ${show(this.lowest)}, suggested ${show(this.suggestion)}`;
  }
}

/**
 * Finds out which learning rates suit a model, its data and its optimizer, in a few steps of
 * training, and undoes them: weights, buffers, the optimizer with its rate, random generators and
 * the position of the data are as before. Takes the options of a `Trainer`, of which it uses those
 * that a step depends on. Throws if the loss of the first step is not finite.
 *
 *     const run = { model, optimizer, data, loss };
 *     const curve = findLearningRate(run);
 *     console.log(String(curve));
 *     optimizer.lr = curve.suggestion ?? optimizer.lr;
 *     await new Trainer(run).fit(1000);
 */
export function findLearningRate<Batch, Scores>(
  run: TrainerOptions<Batch, Scores>, options?: LearningRateFinderOptions,
): LearningRateCurve;
/** The same, for the options of a trainer that has `predict`. */
export function findLearningRate<Batch, Scores>(
  run: PredictOptions<Batch, Scores>, options?: LearningRateFinderOptions,
): LearningRateCurve;
export function findLearningRate<Batch, Scores>(
  run: TrainerOptions<Batch, Scores> | PredictOptions<Batch, Scores>,
  options: LearningRateFinderOptions = {},
): LearningRateCurve {
  const op = 'findLearningRate';
  const { from, to, steps, smoothing, divergence } = readOptions(op, options, finderOptions);
  if (from >= to) throw new TensorError(`${op}: from is ${from}, to is ${to}; expected to > from`);
  const settings = readTrainerOptions(run, op);
  const ratio = (to / from) ** (1 / (steps - 1));
  const all = Array.from({ length: steps }, (_, i) => from * ratio ** i);
  const [losses, smoothed]: [number[], number[]] = [[], []];
  const smooth = createSmoother(smoothing);
  let hasDiverged = false;
  undone(settings, (lossAt) => {
    for (const rate of all) {
      const loss = lossAt(rate);
      const next = smooth(loss);
      const lowest = Math.min(next, ...smoothed);
      const size = Math.max(Math.abs(lowest), (smoothed[0] ?? next) - lowest);
      hasDiverged = !Number.isFinite(loss) || next - lowest > divergence * size;
      if (hasDiverged) break;
      losses.push(loss);
      smoothed.push(next);
    }
  });
  if (losses.length === 0) throw new TensorError(`${op}: the loss of the first step is not finite`);
  return new LearningRateCurve(all.slice(0, losses.length), losses, smoothed, hasDiverged);
}

/** A function that takes one loss after the other, and gives their weighted mean so far. */
function createSmoother(beta: number): (loss: number) => number {
  let [sum, weights] = [0, 0];
  return (loss) => {
    [sum, weights] = [beta * sum + loss, beta * weights + 1];
    return sum / weights;
  };
}

/** Calls `f` with a function that trains a step at a rate and gives its loss; undoes all steps. */
function undone<Batch>(
  settings: TrainerSettings<Batch>, f: (lossAt: (rate: number) => number) => void,
): void {
  const { optimizer, accumulate } = settings;
  const countSamples = createSampleCounter();
  const state = new TrainingState(settings);
  const { trainStep } = createSteps(settings, countSamples, () => state.tensors());
  const putBack = [rememberTensors(state.tensors()), state.rememberPosition()];
  const { baseLr } = optimizer;
  const gradients = optimizer.parameters.map(({ grad }) => grad);
  try {
    f((rate) => {
      optimizer.lr = rate;
      const batches = state.nextBatches(accumulate, false);
      const { losses } = trainStep(batches);
      return meanLosses('loss', losses, batches.map(countSamples)).means.loss;
    });
  } finally {
    // The base rate first: the rate that a schedule made of it is part of the state.
    optimizer.lr = baseLr;
    for (const goBack of putBack) goBack();
    optimizer.parameters.forEach((parameter, i) => (parameter.grad = gradients[i]));
  }
}

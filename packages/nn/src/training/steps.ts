/**
 * The two functions that a trainer runs over and over, and therefore compiles. With Lᵢ the loss of
 * the parameters θ on a batch of nᵢ samples, a train step takes k batches, usually one, and does
 *
 *     g = ∇ (n₁L₁(θ) + … + nₖLₖ(θ)) / (n₁ + … + nₖ)        θ ← optimizer(θ, g)
 *
 * An eval step only computes the losses of a batch, and the sums of metrics.
 */
import { compile, noGrad, type Tensor, TensorError } from '@mambagrad/tensor';
import type { Sums } from '../metrics/metric.ts';
import { clipNorm, globalNorm } from '../optimizers/clipping.ts';
import { requireUnfrozen, warnOfReach } from '../optimizers/reach.ts';
import { accumulateGradients } from './gradients.ts';
import { isMeanFinite, type Losses } from './batchLosses.ts';
import { checkAnswers } from './forward.ts';
import { requireJudge } from './judging.ts';
import type { TrainerSettings } from './trainerOptions.ts';

/** The results of a train step. */
export interface TrainStepResult {
  /**
   * Whether the loss and the gradient are finite (i32, 0-d). If not, a compiled step has changed
   * nothing; one that runs line by line has.
   */
  readonly isFinite: Tensor;
  /** The results of the loss function, for each batch. */
  readonly losses: Losses<Tensor>[];
  /** The norm of the gradient of all parameters, before it was clipped (0-d). */
  readonly gradientNorm: Tensor;
}

/** The results of an eval step. */
export interface EvalStepResult {
  /** The results of the loss function. */
  readonly losses: Losses<Tensor>;
  /** The sums of each metric, by its name. */
  readonly sums: Readonly<Record<string, Sums>>;
}

/** Both steps, compiled unless the options say otherwise. */
export interface Steps<Batch> {
  /** Computes the gradients of some batches, clips them, and updates the parameters. */
  readonly trainStep: (batches: readonly Batch[]) => TrainStepResult;
  /** The losses and metrics of a batch, without gradients. */
  readonly evalStep: (batch: Batch) => EvalStepResult;
}

/**
 * The steps of a trainer. `countSamples` gives the number of samples in a batch, `state` all
 * tensors that a train step may change.
 */
export function createSteps<Batch>(
  options: TrainerSettings<Batch>, countSamples: (batch: Batch) => number,
  state: () => readonly Tensor[],
): Steps<Batch> {
  const { compile: compileOptions } = options;
  const trainStep = createTrainStep(options, countSamples);
  const evalStep = createEvalStep(options);
  if (compileOptions === false) return { trainStep, evalStep };
  const allOrNothing = (batches: readonly Batch[]): TrainStepResult =>
    keepIf(state(), () => trainStep(batches));
  return {
    trainStep: compile(allOrNothing, compileOptions), evalStep: compile(evalStep, compileOptions),
  };
}

/**
 * Takes a step that leaves the state as it was if it is not finite. Each tensor that the step has
 * assigned to gets its new value or the old one, element by element; compiled, this choice is part
 * of the loop that computes the new value, so there is no copy of the old ones.
 */
function keepIf(state: readonly Tensor[], step: () => TrainStepResult): TrainStepResult {
  const before = state.map((x) => ({ x, value: x.detach(), assignedAt: x.assignedAt }));
  const result = step();
  noGrad(() => {
    for (const { x, value, assignedAt } of before) {
      if (x.assignedAt !== assignedAt) x.assign(result.isFinite.where(x, value));
    }
  });
  return result;
}

function createEvalStep<Batch>(
  { forward, validation }: TrainerSettings<Batch>,
): Steps<Batch>['evalStep'] {
  const { predict, metrics = {} } = validation ?? {};
  const all = Object.entries(metrics);
  return (batch) => noGrad(() => {
    const { losses, answers } = forward(batch);
    const repeated = all.find(([name]) => name in losses);
    if (repeated) {
      throw new TensorError(
        `'${repeated[0]}' is a metric and among the losses; give one of them another name`,
      );
    }
    const predictions = predict ? checkAnswers(predict(batch)) : answers;
    if (predictions === undefined) return { losses, sums: {} };
    const sums = all.map(([name, metric]) => [name, metric.sums(predictions)]);
    return { losses, sums: Object.fromEntries(sums) as EvalStepResult['sums'] };
  });
}

function createTrainStep<Batch>(
  { model, optimizer, forward, maxNorm, validation, average }: TrainerSettings<Batch>,
  countSamples: (batch: Batch) => number,
): Steps<Batch>['trainStep'] {
  const { parameters } = optimizer;
  let isFirst = true;
  return (batches) => {
    requireUnfrozen('the optimizer', parameters);
    optimizer.zeroGrad();
    const samples = batches.map(countSamples);
    const lossesOf = (batch: Batch): Losses<Tensor> => forward(batch).losses;
    const losses = accumulateGradients(batches, lossesOf, samples, parameters);
    if (isFirst) {
      const { best, metrics } = validation ?? {};
      if (best) requireJudge(best.metric, Object.keys({ ...losses[0], ...metrics }));
      const names = new Map(model.namedParameters().map(([name, x]) => [x as Tensor, name]));
      warnOfReach('Trainer', losses.map(({ loss }) => loss), parameters, names, true);
      isFirst = false;
    }
    const gradientNorm = clipGradients(parameters, maxNorm);
    optimizer.step();
    average?.update();
    const isFinite = isMeanFinite(losses, samples).where(gradientNorm.isFinite(), 0);
    return { losses, gradientNorm, isFinite };
  };
}

/** Clips the `grad` fields of parameters to `maxNorm`, if there is one; gives the norm before. */
function clipGradients(parameters: readonly Tensor[], maxNorm: number | undefined): Tensor {
  const withGradient = parameters.filter(({ grad }) => grad !== undefined);
  const gradients = withGradient.flatMap(({ grad }) => grad ?? []);
  if (gradients.length === 0) {
    throw new TensorError('the loss depends on no parameter that the optimizer trains');
  }
  if (maxNorm === undefined) return globalNorm(gradients);
  const { clipped, norm } = clipNorm(gradients, maxNorm);
  withGradient.forEach((parameter, i) => (parameter.grad = clipped[i]));
  return norm;
}

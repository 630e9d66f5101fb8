/**
 * The two functions that a trainer runs over and over, and therefore compiles. With Lᵢ the loss of
 * the parameters θ on a batch of nᵢ samples, a train step takes k batches, usually one, and does
 *
 *     g = ∇ (n₁L₁(θ) + … + nₖLₖ(θ)) / (n₁ + … + nₖ)        θ ← optimizer(θ, g)
 *
 * An eval step only computes the losses of a batch, and the sums of metrics.
 */
import { compile, noGrad, type Tensor, TensorError } from '@mambagrad/tensor';
import { checkArgument } from '@mambagrad/tensor/options';
import type { Sums } from '../metrics/metric.ts';
import { clipNorm, globalNorm } from '../optimizers/clipping.ts';
import { requireUnfrozen, warnOfReach } from '../optimizers/reach.ts';
import { accumulateGradients } from './gradients.ts';
import { checkLosses, type Losses } from './batchLosses.ts';
import { objects } from './kinds.ts';
import type { TrainerSettings } from './trainerOptions.ts';

/** The results of a train step. */
export interface TrainStepResult {
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

/** The steps of a trainer. `countSamples` gives the number of samples in a batch. */
export function createSteps<Batch>(
  options: TrainerSettings<Batch>, countSamples: (batch: Batch) => number,
): Steps<Batch> {
  const { compile: compileOptions } = options;
  const trainStep = createTrainStep(options, countSamples);
  const evalStep = createEvalStep(options);
  if (compileOptions === false) return { trainStep, evalStep };
  return {
    trainStep: compile(trainStep, compileOptions), evalStep: compile(evalStep, compileOptions),
  };
}

function createEvalStep<Batch>(
  { loss, validation }: TrainerSettings<Batch>,
): Steps<Batch>['evalStep'] {
  const { predict, metrics = {} } = validation ?? {};
  const all = Object.entries(metrics);
  return (batch) => noGrad(() => {
    const losses = checkLosses(loss(batch));
    const repeated = all.find(([name]) => name in losses);
    if (repeated) {
      throw new TensorError(
        `'${repeated[0]}' is a metric and among the losses; give one of them another name`,
      );
    }
    const predictions = predict?.(batch);
    if (predictions === undefined) return { losses, sums: {} };
    checkArgument('predict', 'its result', predictions, objects('{ outputs, targets }'));
    const sums = all.map(([name, metric]) => [name, metric.sums(predictions)]);
    return { losses, sums: Object.fromEntries(sums) as EvalStepResult['sums'] };
  });
}

function createTrainStep<Batch>(
  { model, optimizer, loss, maxNorm }: TrainerSettings<Batch>,
  countSamples: (batch: Batch) => number,
): Steps<Batch>['trainStep'] {
  const { parameters } = optimizer;
  let isFirst = true;
  return (batches) => {
    requireUnfrozen('the optimizer', parameters);
    optimizer.zeroGrad();
    const losses = accumulateGradients(batches, loss, batches.map(countSamples), parameters);
    if (isFirst) {
      const names = new Map(model.namedParameters().map(([name, x]) => [x as Tensor, name]));
      warnOfReach('Trainer', losses.map(({ loss }) => loss), parameters, names, true);
      isFirst = false;
    }
    const gradientNorm = clipGradients(parameters, maxNorm);
    optimizer.step();
    return { losses, gradientNorm };
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

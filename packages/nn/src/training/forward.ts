/**
 * The forward pass of a batch: from its tensors to the losses, and to what metrics are made of. It
 * is written in one of two forms. In the shorter one the model's answers are given once, with the
 * right ones, and the loss is a function of both, as the metrics are:
 *
 *     predict: ({ x, y }) => ({ outputs: model.forward(x), targets: y }),  loss: crossEntropy
 *
 * In the other one the loss is a function of the batch, and free to do whatever it wants:
 *
 *     loss: ({ x, y }) => ({ loss: crossEntropy(model.forward(x), y) })
 */
import { Tensor, TensorError } from '@mambagrad/tensor';
import { checkArgument, show } from '@mambagrad/tensor/options';
import { warn } from '@mambagrad/tensor/host';
import { Counting, type LossOptions } from '../losses/counting.ts';
import type { Predictions } from '../metrics/metric.ts';
import { checkLosses, type Losses } from './batchLosses.ts';
import { objects } from './kinds.ts';

/** Which losses count, and how much: the options of a loss that belong to the batch. */
export type LossWeights = Pick<LossOptions, 'mask' | 'sampleWeight'>;

/** What a model answers for a batch, what would have been right, and how much of it counts. */
export interface Answers extends Predictions {
  /** The weight of each loss, see `LossOptions`; metrics do not weigh. */
  readonly sampleWeight?: Tensor | undefined;
}

/** A loss of a model's answers: one of this package, or a function that uses one. */
export type AnswerLoss = (
  outputs: Tensor, targets: Tensor, options: LossWeights,
) => Tensor | Losses<Tensor>;

/** What a forward pass gives. */
export interface ForwardResult {
  /** The results of the loss function. */
  readonly losses: Losses<Tensor>;
  /** The model's answers, if they are known apart from the losses. */
  readonly answers?: Answers;
}

/** The forward pass of batches. */
export type Forward<Batch> = (batch: Batch) => ForwardResult;

/** The options that say what the forward pass is, in either form. */
export type ForwardOptions<Batch> =
  | { readonly predict?: undefined; readonly loss: (batch: Batch) => Tensor | Losses<Tensor> }
  | { readonly predict: (batch: Batch) => Answers; readonly loss: AnswerLoss };

/** The forward pass that the options describe; `op` is whose options they are. */
export function createForward<Batch>(op: string, options: ForwardOptions<Batch>): Forward<Batch> {
  if (options.predict === undefined) {
    const { loss } = options;
    return (batch) => ({ losses: checkLosses(loss(batch)) });
  }
  const { predict, loss } = options;
  let isFirst = true;
  return (batch) => {
    const answers = checkAnswers(predict(batch));
    const { outputs, targets, mask, sampleWeight } = answers;
    const { options, unread } = watched({ mask, sampleWeight });
    const losses = checkLosses(loss(outputs, targets, options));
    if (isFirst) warnOfUnread(op, unread);
    isFirst = false;
    const given = { mask, sampleWeight, reduction: 'sum' } as const;
    const count = new Counting('predict', targets.shape, outputs.dtype, given).total();
    return { losses: count ? { count, ...losses } : losses, answers };
  };
}

/** What `predict` gives, if it is right; throws if it is not. */
export function checkAnswers(found: Answers): Answers {
  if (found instanceof Promise) {
    throw new TensorError('predict: it is async; it must return { outputs, targets } at once');
  }
  checkArgument('predict', 'its result', found, objects('{ outputs, targets }'));
  const { outputs, targets } = found;
  for (const [name, value] of Object.entries({ outputs, targets })) {
    if (value instanceof Tensor) continue;
    throw new TensorError(`predict: ${name} is ${show(value)}, expected a tensor`);
  }
  return found;
}

/** The options that are given, and the names of those that nobody has read so far. */
function watched(given: LossWeights): { options: LossWeights; unread: Set<string> } {
  const unread = new Set<string>();
  const options = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    unread.add(name);
    const get = (): Tensor => {
      unread.delete(name);
      return value;
    };
    Object.defineProperty(options, name, { get, enumerable: true });
  }
  return { options, unread };
}

/** Warns of a loss that counts what it was told to leave out. */
function warnOfUnread(op: string, unread: ReadonlySet<string>): void {
  if (unread.size === 0) return;
  const names = [...unread].join(' and ');
  warn(
    `${op}: predict gives ${names}, which the loss function does not read; hand its third ` +
      'argument on: loss: (outputs, targets, options) => mseLoss(outputs, targets, options)',
  );
}

/** What the examples have in common: how they learn to tell classes apart. */
import {
  AdamW, cosineDecay, crossEntropy, joinSchedules, linearDecay, type Losses, type Module,
  multiplySchedules, type Schedule, Trainer, warmUp,
} from '@mambagrad/nn';
import { noGrad, type Tensor } from '@mambagrad/tensor';

/** From inputs [batch, ...] to the logits of each class, [batch, classes]. */
export interface Classifier extends Module {
  forward(inputs: Tensor): Tensor;
}

export interface Batch {
  readonly inputs: Tensor;
  /** i32 [batch] */
  readonly labels: Tensor;
}

export interface TrainingOptions {
  readonly steps: number;
  readonly batch: number;
  /** The highest learning rate. */
  readonly lr: number;
}

/** Up to the highest rate over the first steps, then down to 0 along a cosine, when a run ends. */
export const upAndDown = (stepsUp: number): Schedule =>
  multiplySchedules(warmUp(stepsUp), cosineDecay());

/** Up over the first hundred steps, constant, then from the share `fall` of all on down to 0. */
export function holdThenFall(steps: number, fall: number): Schedule {
  const from = Math.ceil(fall * steps);
  return joinSchedules(warmUp(Math.min(100, steps)), [from, linearDecay(steps - from || 1)]);
}

export const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/** Trains on fresh batches, compiled, until `steps` are done or somebody asks to stop. */
export async function trainClassifier(
  model: Classifier,
  draw: (count: number) => Batch,
  { steps, batch, lr }: TrainingOptions,
): Promise<void> {
  const trainer = new Trainer({
    model,
    optimizer: new AdamW(model.parameters(), { lr }),
    data: () => draw(batch),
    loss: ({ inputs, labels }) => judge(model.forward(inputs), labels),
    schedule: upAndDown(50),
    maxNorm: 1,
    host: process,
  });
  await trainer.fit(steps);
}

/** The cross-entropy of logits [..., classes] and the share of them that are right. */
export function judge(logits: Tensor, labels: Tensor): Losses<Tensor> {
  const accuracy = logits.argmax(-1).equal(labels).cast('f32').mean();
  return { loss: crossEntropy(logits, labels), accuracy };
}

/** The class that the model thinks most likely for each row, i32 [batch]. */
export function predict(model: Classifier, inputs: Tensor): Tensor {
  return noGrad(() => model.forward(inputs)).argmax(-1);
}

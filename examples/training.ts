/** The training loop that the examples of classification share, with a line of progress. */
import { AdamW, crossEntropy, type Module, Progress } from '@mambagrad/nn';
import { compile, noGrad, type Tensor } from '@mambagrad/tensor';
import { setImmediate } from 'node:timers/promises';

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

export const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/** Trains on fresh batches, compiled, until `steps` are done or somebody asks to stop. */
export async function trainClassifier(
  model: Classifier,
  draw: (count: number) => Batch,
  { steps, batch, lr }: TrainingOptions,
): Promise<void> {
  const optimizer = new AdamW(model.parameters());
  const step = compile((inputs: Tensor, labels: Tensor) => {
    const logits = model.forward(inputs);
    const loss = crossEntropy(logits, labels);
    optimizer.minimize(loss, { maxNorm: 1 });
    return { loss, accuracy: accuracyOf(logits, labels) };
  });
  let isStopped = false;
  process.once('SIGINT', () => {
    isStopped = true;
  });
  const progress = new Progress({ total: steps, output: process.stdout });
  let smooth: number[] | undefined;
  for (let done = 1; done <= steps && !isStopped; done++) {
    // Up to the highest rate over the first steps, then down to 0 along a cosine.
    const warmUp = Math.min(1, done / 50);
    optimizer.lr = lr * warmUp * 0.5 * (1 + Math.cos((Math.PI * done) / steps));
    const { inputs, labels } = draw(batch);
    const { loss, accuracy } = step(inputs, labels);
    const now = [loss.item(), accuracy.item()];
    smooth = smooth?.map((before, i) => 0.95 * before + 0.05 * now[i]) ?? now;
    progress.update(done, { loss: smooth[0].toFixed(3), accuracy: percent(smooth[1]) });
    // Without this pause, signals would not be heard.
    await setImmediate();
  }
  progress.end();
}

/** The class that the model thinks most likely for each row, i32 [batch]. */
export function predict(model: Classifier, inputs: Tensor): Tensor {
  return noGrad(() => model.forward(inputs)).argmax(-1);
}

function accuracyOf(logits: Tensor, labels: Tensor): Tensor {
  return logits.argmax(-1).equal(labels).cast('f32').mean();
}

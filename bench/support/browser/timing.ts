/**
 * Times training steps where it is told to: as a module worker of a page, or as a child process of
 * Node. Each message is a task and gets one answer:
 *
 *     { threads, sizes }    makes a model and compiles its step     → the number of threads
 *     { steps }             runs this many steps                    → the milliseconds of each
 */
import { compile, startThreads } from '@mambagrad/tensor';
import { type StepSizes, trainingStep } from '../models.ts';

/** A message to the worker: make a model, or run steps of it. */
export type Task =
  | { readonly threads: number; readonly sizes: StepSizes }
  | { readonly steps: number };

let step: () => number = () => NaN;

async function perform(task: Task): Promise<number | number[]> {
  if ('threads' in task) {
    const { step: train, tokens, targets } = trainingStep(task.sizes);
    const compiled = compile(train, { threads: task.threads });
    step = () => compiled(tokens, targets).item();
    return task.threads > 1 ? startThreads(task.threads) : 1;
  }
  return Array.from({ length: task.steps }, () => {
    const start = performance.now();
    step();
    return performance.now() - start;
  });
}

/** Where it is: a worker of a page, or a process that was started by another one. */
interface Place {
  readonly process?: {
    send?(answer: unknown): void;
    on(event: 'message', listener: (task: Task) => void): void;
  };
  postMessage?(answer: unknown): void;
  addEventListener?(event: 'message', listener: (event: { readonly data: Task }) => void): void;
}

const place = globalThis as unknown as Place;

async function answer(task: Task): Promise<void> {
  const message = await perform(task).then(
    (result) => ({ result }), (error: unknown) => ({ error: String(error) }),
  );
  if (place.process?.send) place.process.send(message);
  else place.postMessage?.(message);
}

if (place.process?.send) place.process.on('message', (task) => void answer(task));
else place.addEventListener?.('message', ({ data }) => void answer(data));

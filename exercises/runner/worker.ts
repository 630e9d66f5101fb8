/**
 * Checks one exercise in a thread of its own, so that an endless loop in the reader's code can be
 * stopped. Before each input it tells which one it is: if it hangs, that is the input on which.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { check, type Progress, type Report } from '../checks/check.ts';
import { exercises } from '../checks/exercises.ts';

/** What the worker is given: the exercise, and the address of the reader's module. */
export interface Task {
  readonly name: string;
  readonly url: string;
}

/**
 * What it sends: that it is ready for the reader's code, each input that it tries, and in the end
 * the report, or why there is none.
 */
export type Message =
  | { readonly isReady: true }
  | { readonly progress: Progress }
  | { readonly report: Report }
  | { readonly problem: string };

const { name, url } = workerData as Task;
const send = (message: Message): void => parentPort?.postMessage(message);

send({ isReady: true });
try {
  const module = await import(url) as object;
  const exercise = exercises.find((each) => each.name === name);
  if (exercise === undefined) throw new Error(`there is no exercise ${name}`);
  send({ report: check(exercise, module, (progress) => send({ progress })) });
} catch (error) {
  send({ problem: `the file throws an error when it is loaded:\n\n  ${String(error)}` });
}

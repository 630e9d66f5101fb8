/** Runs the check of an exercise in a worker, with a limit of time and memory. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Progress, Report } from '../checks/check.ts';
import type { Message, Task } from './worker.ts';

/** The result of running a check: a report, or why there is none. */
export type Outcome =
  | { readonly report: Report }
  | { readonly problem: string };

/** Memory that a check may take, in MB: an endless loop that makes a list ends there. */
const MOST_MEMORY = 256;

/** Checks the compiled file of an exercise; each input may take this many seconds. */
export function runCheck(folder: string, name: string, seconds: number): Promise<Outcome> {
  const file = join(folder, 'dist', `${name}.js`);
  if (!existsSync(file)) return Promise.resolve({ problem: `there is no file ${name}.ts` });
  const task: Task = { name, url: pathToFileURL(file).href };
  // Beside this file, with the same ending: .js where it is compiled.
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: task, resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY },
    // Flags of this process, such as those of a debugger, are not for the reader's code.
    execArgv: [],
  });
  return new Promise((resolve) => {
    let latest: Progress | undefined;
    const end = (outcome: Outcome): void => {
      clearTimeout(timer);
      resolve(outcome);
      void worker.terminate();
    };
    const stop = (): void => end({ problem: hanging(latest, `took more than ${seconds} s`) });
    // Until the worker is ready, it loads the packages, whatever time that takes.
    let timer: NodeJS.Timeout | undefined;
    worker.on('message', (message: Message) => {
      if ('report' in message || 'problem' in message) return end(message);
      if ('progress' in message) latest = message.progress;
      clearTimeout(timer);
      timer = setTimeout(stop, 1000 * seconds);
    });
    worker.on('error', (error: Error & { readonly code?: string }) => {
      const isFull = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
      end({ problem: hanging(latest, isFull ? 'ran out of memory' : `threw ${String(error)}`) });
    });
    worker.on('exit', () => end({ problem: hanging(latest, 'ended the process') }));
  });
}

/** What is said of code that never gave a result. */
function hanging(latest: Progress | undefined, what: string): string {
  if (latest === undefined) return `the file ${what} when it was loaded. Does a loop never end?`;
  return [
    `Your code ${what}. Does a loop never end, or a function call itself without end?`,
    '', `It was trying: ${latest.property}`, 'on',
    ...latest.input.split('\n').map((line) => `  ${line}`),
  ].join('\n');
}

/** Those whose training steps are compared: processes of Node, and workers of pages in Chromium. */
import type { Browser, Page, Server } from '#chromium';
import { fork } from 'node:child_process';
import type { StepSizes } from '../models.ts';
import type { Task } from './timing.ts';

/** Somebody who trains when told to. */
export interface Contestant {
  readonly name: string;
  /** The number of threads that it has. */
  readonly threads: number;
  /** Runs this many steps, and gives the milliseconds of each. */
  run(steps: number): Promise<readonly number[]>;
  close(): Promise<void>;
}

interface Answer {
  readonly result?: number | readonly number[];
  readonly error?: string;
}

function resultOf({ result, error }: Answer): number | readonly number[] {
  if (result === undefined) throw new Error(error);
  return result;
}

type Ask = (task: Task) => Promise<Answer>;

async function contestant(
  name: string, sizes: StepSizes, threads: number, ask: Ask, close: () => Promise<void>,
): Promise<Contestant> {
  const started = resultOf(await ask({ threads, sizes })) as number;
  const run = async (steps: number) => resultOf(await ask({ steps })) as readonly number[];
  return { name, threads: started, run, close };
}

/** A process of a Node that is given by its path. */
export async function inNode(
  path: string, name: string, sizes: StepSizes,
): Promise<Contestant> {
  const child = fork(new URL('timing.js', import.meta.url), { execPath: path });
  const gone = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${path} has ended with exit code ${code}`)));
  });
  gone.catch(() => undefined); // whoever waits for an answer hears of it
  const ask: Ask = (task) => Promise.race([gone, new Promise<Answer>((resolve) => {
    child.once('message', (message) => resolve(message as Answer));
    child.send(task);
  })]);
  return contestant(name, sizes, 1, ask, async () => { child.kill(); });
}

/** A page with a worker that trains; the page itself does nothing. */
export async function openWorker(browser: Browser, server: Server): Promise<Page> {
  const page = await browser.open(server.url);
  await page.evaluate(`
    const worker = new Worker('/bench/support/browser/timing.js', { type: 'module' });
    window.ask = (task) => new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(task);
    })`);
  return page;
}

/** A module worker in Chromium. */
export async function inChromium(
  browser: Browser, server: Server, name: string, sizes: StepSizes, threads: number,
): Promise<Contestant> {
  const page = await openWorker(browser, server);
  const ask: Ask = (task) => page.evaluate<Answer>(`ask(${JSON.stringify(task)})`);
  return contestant(name, sizes, threads, ask, () => page.close());
}

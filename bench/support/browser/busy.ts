/** How long the main thread of a page cannot answer while a worker of it trains. */
import type { Browser, Server } from '#chromium';
import type { StepSizes } from '../models.ts';
import { openWorker } from './contestants.ts';

export interface Busy {
  /** The threads on which the worker trained; 0 if nothing ran. */
  readonly threads: number;
  /** The steps that were done meanwhile. */
  readonly steps: number;
  /** The milliseconds of the longest task of the main thread; 0 if none took 50 or more. */
  readonly longestTask: number;
  /**
   * The most milliseconds between two ticks of a timer: tasks of the page, and what the operating
   * system took for others.
   */
  readonly longestGap: number;
}

/** How long to look at least, in milliseconds, and for how many steps. */
const DURATION = 3000;
const STEPS = 20;

/** What a page sees while nothing runs, while a worker trains on one thread, and on two. */
export async function busyTimes(
  browser: Browser, server: Server, sizes: StepSizes,
): Promise<Busy[]> {
  const found: Busy[] = [];
  for (const threads of [0, 1, 2]) {
    const page = await openWorker(browser, server);
    const prepare = threads > 0 ? `await ask(${JSON.stringify({ threads, sizes })});` : '';
    found.push(await page.evaluate<Busy>(`(async () => {
      // The step is compiled before and while we look: both are the work of the worker.
      let [longestTask, longestGap, steps, last] = [0, 0, 0, performance.now()];
      const end = last + ${DURATION};
      const observer = new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) longestTask = Math.max(longestTask, duration);
      });
      observer.observe({ type: 'longtask' });
      const timer = setInterval(() => {
        const now = performance.now();
        longestGap = Math.max(longestGap, now - last);
        last = now;
      }, 4);
      ${prepare}
      while (performance.now() < end || (${threads} > 0 && steps < ${STEPS})) {
        if (${threads} === 0) await new Promise((resolve) => setTimeout(resolve, 100));
        else { await ask({ steps: 1 }); steps += 1; }
      }
      clearInterval(timer);
      return { threads: ${threads}, steps, longestTask, longestGap };
    })()`));
    await page.close();
  }
  return found;
}

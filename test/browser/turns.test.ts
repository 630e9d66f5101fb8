/** Long loops in a browser: others have their turn, and the loop does not wait for a timer. */
import { expect, test } from 'vitest';
import { describeInChromium } from '../support/chromium.ts';
import { serve } from '../support/server.ts';

const worker = `
  import { yieldEvery } from '@mambagrad/tensor/host';
  const count = async (pause) => {
    let [rounds, timers, isOver] = [0, 0, false];
    const tick = () => { timers++; if (!isOver) setTimeout(tick, 0); };
    tick();
    for (const end = performance.now() + 150; performance.now() < end; rounds++) await pause();
    isOver = true;
    return { rounds, timers };
  };
  onmessage = async () => {
    const own = await count(yieldEvery(0));
    const byTimers = await count(() => new Promise((resolve) => { setTimeout(resolve, 0); }));
    postMessage([own, byTimers]);
  };`;

describeInChromium('a long loop in a worker', (browser) => {
  test('lets timers run, and does not wait for them', async () => {
    const server = await serve({ pages: { '/': '<!doctype html>', '/worker.js': worker } });
    const page = await browser().open(server.url);
    try {
      interface Turns { readonly rounds: number; readonly timers: number }
      const [own, byTimers] = await page.evaluate<Turns[]>(`new Promise((resolve) => {
        const worker = new Worker('/worker.js', { type: 'module' });
        worker.onmessage = ({ data }) => resolve(data);
        worker.postMessage(0);
      })`);
      expect(own.timers).toBeGreaterThan(5);
      // A browser holds timers that follow each other back, by four milliseconds.
      expect(own.rounds).toBeGreaterThan(3 * byTimers.rounds);
    } finally {
      await page.close();
      await server.close();
    }
  });
});

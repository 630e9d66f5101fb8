/**
 * Pages that are not looked at: in a tab behind another one, and frozen, as a browser does with
 * tabs that were left for long. Training goes on, or stands still and goes on, with the same bits.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundledPages } from '../support/bundled.ts';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { type Call, runOn } from '../support/engines.ts';
import { serve, type Server } from '../support/server.ts';
import { oneOf } from '../support/soak.ts';

const trainings = [1, 2].map((threads): Call => ['train', { threads, steps: 40, yields: true }]);

const html = `<!doctype html><title>tests</title><script type="module">
  import { yieldEvery } from '/bundled.js';
  Object.assign(window, { yieldEvery, heard: [] });
  for (const event of ['visibilitychange', 'freeze', 'resume']) {
    document.addEventListener(event, () => heard.push(event));
  }
  const worker = new Worker('/worker.js', { type: 'module' });
  window.inWorker = (call) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => data.error ? reject(data.error) : resolve(data.result);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(call);
  });
</script>`;

describeInChromium('a page that is not looked at', (browser) => {
  let server: Server;
  let expected: Promise<readonly unknown[]>;
  let [page, other]: Page[] = [];

  beforeAll(async () => {
    expected = runOn('Node', trainings.slice(0, 1));
    expected.catch(() => undefined);
    server = await serve({ isolated: true, pages: { '/': html, ...bundledPages() } });
    page = await browser().open(server.url);
    // The worker has loaded its modules before anything is hidden or frozen.
    await page.evaluate("inWorker(['train', { steps: 1 }])");
    other = await browser().open('about:blank');
    await other.send('Page.bringToFront');
    await page.waitFor("document.visibilityState === 'hidden'");
  });
  afterAll(async () => {
    expect(page.messages).toEqual([]);
    await Promise.all([page.close(), other.close(), server.close()]);
  });

  test('is not held back by timers, which come once a second', async () => {
    const milliseconds = await page.evaluate<number>(`(async () => {
      const start = performance.now();
      const pause = yieldEvery(0);
      for (let count = 0; count < 60; count++) await pause();
      return performance.now() - start;
    })()`);
    expect(milliseconds).toBeLessThan(20_000);
  });

  describe.each(oneOf(trainings))('with a worker: %s %o', (...training) => {
    test('trains on', async () => {
      const result = await page.evaluate(`inWorker(${JSON.stringify(training)})`);
      expect(result).toEqual((await expected)[0]);
    });

    test('stands still while it is frozen, and goes on', async () => {
      await page.evaluate(
        `heard.length = 0, window.result = inWorker(${JSON.stringify(training)}), 0`,
      );
      await page.send('Page.setWebLifecycleState', { state: 'frozen' });
      await sleep(500);
      await page.send('Page.setWebLifecycleState', { state: 'active' });
      expect(await page.evaluate('result')).toEqual((await expected)[0]);
      expect(await page.evaluate('heard')).toEqual(['freeze', 'resume']);
    });
  });
});

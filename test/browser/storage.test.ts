/**
 * Runs in the storage of a real browser: what is left of a page that dies while it saves, of tabs
 * that save at once, of a full disk and of damaged files. The rules of the store itself are tested
 * on a database in memory, in test/nn/checkpoints/browser.test.ts.
 */
import { browserModule } from '#bundle';
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { serve, type Server } from '../support/server.ts';
import { runs } from '../support/soak.ts';

/**
 * For pages and workers. A state is large enough to lie in a file, even if it is compressed. The
 * whole part of all its numbers is the same.
 */
const shared = `
  import {
    browserCheckpoints, browserRun, listRuns, loadLog, removeRun, uniform,
  } from '/mambagrad.js';
  const noise = uniform([100_000], 0, 0.5);
  const stateOf = (value) => new Map(['a', 'b', 'c'].map((name) => [name, noise.add(value)]));
  const line = (step) => JSON.stringify({ step, metrics: { loss: 1 / step } }) + '\\n';
  async function look(name) {
    const state = await browserCheckpoints(name).load();
    if (state === undefined) return { value: 0, isWhole: true, logged: 0 };
    const numbers = [...state.values()].flatMap(({ data }) => [...new Set(data.map(Math.floor))]);
    const { steps } = await loadLog(name).catch(() => ({ steps: [] }));
    return {
      value: numbers[0], isWhole: state.size === 3 && new Set(numbers).size === 1,
      logged: steps.at(-1)?.step ?? 0,
    };
  }`;

/** Saves without end, from where it is, and says what it has saved. */
const saver = `${shared}
  const { log, checkpoints } = browserRun('run', { keep: 2 });
  const { value } = await look('run');
  for (let step = value + 1; ; step++) {
    log.write(line(step));
    await checkpoints.save(step, stateOf(step));
    console.log('saved', step);
  }`;

const html = `<!doctype html><html lang="en"><title>Storage</title><script type="module">${shared}
  window.api = { browserCheckpoints, listRuns, loadLog, look, removeRun, stateOf };
</script>`;

describeInChromium('the storage of a browser', (browser) => {
  const module = { '/mambagrad.js': browserModule() };
  let server: Server;
  let page: Page;

  const open = async (): Promise<Page> => {
    const opened = await browser().open(server.url);
    await opened.waitFor('window.api');
    return opened;
  };
  beforeAll(async () => {
    server = await serve({ pages: { ...module, '/': html, '/saver.js': saver } });
    page = await open();
  });
  afterAll(async () => {
    await page?.close();
    await server?.close();
  });

  /** The steps that a page says it has saved. */
  const savedBy = ({ messages }: Page): number[] =>
    messages.flatMap(({ text }) => /^saved (\d+)$/.exec(text)?.[1] ?? []).map(Number);

  const look = (at: Page) =>
    at.evaluate<{ value: number; isWhole: boolean; logged: number }>(`api.look('run')`);

  /** The ways in which a page ends; each gives the page that is opened after it. */
  const ends: readonly ((saving: Page) => Promise<Page>)[] = [
    async (saving) => {
      await saving.reload();
      await saving.waitFor('window.api');
      return saving;
    },
    async (saving) => {
      await saving.close();
      return open();
    },
    async (saving) => {
      // Its process is killed.
      await Promise.race([saving.send('Page.crash').catch(() => undefined), sleep(100)]);
      await saving.close();
      return open();
    },
    async (saving) => {
      await saving.evaluate('worker.terminate()');
      return saving;
    },
  ];

  test('keeps the last checkpoint that was saved, or the next, however the page ends', async () => {
    let saving = await open();
    let last = 0;
    for (let round = 0; round < runs(16); round++) {
      await saving.evaluate(`void (window.worker = new Worker('/saver.js', { type: 'module' }))`);
      await expect.poll(() => Math.max(0, ...savedBy(saving)), { timeout: 20_000 })
        .toBeGreaterThan(last);
      await sleep(60 * Math.random());
      const ended = saving;
      saving = await ends[round % ends.length](saving);
      const saved = Math.max(...savedBy(ended));
      const { value, isWhole, logged } = await look(saving);
      expect(isWhole).toBe(true);
      // It may have saved once more than it could say.
      expect(value).toBeGreaterThanOrEqual(saved);
      expect(logged).toBe(value);
      last = value;
    }
    await saving.close();
  });

  test('lets tabs save to one run at once', async () => {
    const tabs = [await open(), await open(), page];
    await Promise.all(tabs.map((tab, i) => tab.evaluate(`(async () => {
      const store = api.browserCheckpoints('tabs', 2);
      for (let step = 1; step <= 8; step++) await store.save(${100 * i} + step, api.stateOf(step));
    })()`)));
    const { value, isWhole } =
      await page.evaluate<{ value: number; isWhole: boolean }>(`api.look('tabs')`);
    expect([value, isWhole]).toEqual([8, true]);
    expect(await page.evaluate('api.listRuns()')).toContain('tabs');
    await page.evaluate(`api.removeRun('tabs')`);
    expect(await page.evaluate('api.listRuns()')).not.toContain('tabs');
    for (const tab of tabs.slice(0, 2)) await tab.close();
  });

  test('goes on from an earlier checkpoint if the file of the latest is damaged', async () => {
    await page.evaluate(`(async () => {
      await api.removeRun('run');
      for (const step of [1, 2]) {
        await api.browserCheckpoints('damaged').save(step, api.stateOf(step));
      }
    })()`);
    const host = new URL(server.url).host.replace(':', '_');
    const folder = join(browser().profile, `Default/IndexedDB/http_${host}.indexeddb.blob`);
    const files = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)))
      .filter((path) => statSync(path).isFile()).sort((a, b) =>
        statSync(b).mtimeMs - statSync(a).mtimeMs,
      );
    truncateSync(files[0], 1000);
    expect(await page.evaluate(`api.look('damaged')`)).toMatchObject({ value: 1, isWhole: true });
    expect(page.messages.map(({ text }) => text).join()).toMatch(
      /left out: step 2 of the run 'damaged': /,
    );
  });

  test('says that there is no more room, and loses nothing', async () => {
    // Another site: Chromium looks at the quota now and then only.
    const small = await serve({ pages: { ...module, '/': html } });
    const tab = await browser().open(small.url);
    await tab.waitFor('window.api');
    const origin = new URL(small.url).origin;
    await tab.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 3_000_000 });
    await tab.evaluate(`api.browserCheckpoints('full').save(1, api.stateOf(1))`);
    await tab.evaluate(`api.browserCheckpoints('full').save(2, api.stateOf(2))`);
    await expect(
      tab.evaluate(`api.browserCheckpoints('full').save(3, api.stateOf(3))`),
    ).rejects.toThrow(
      'browserCheckpoints: the browser gives this site no more room (it uses 2.4 MB); ' +
        'all that was saved',
    );
    expect(await tab.evaluate(`api.look('full')`)).toMatchObject({ value: 2, isWhole: true });
    await tab.close();
    await small.close();
  });
});

/**
 * The pages of examples/browser in Chromium: a model that Node has saved writes in a worker, and
 * one is trained in a page that is reloaded meanwhile.
 */
import {
  characterTokenizer, generateTexts, MambaLM, type MambaLMOptions,
} from '@mambagrad/mamba';
import { loadModel, openSafetensors } from '@mambagrad/nn/node';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { describeInChromium, type Page } from '../support/chromium.ts';

const file = fileURLToPath(new URL('../../examples/browser/names.safetensors', import.meta.url));

/** Starts the server of the example; gives its address. It ends with this process. */
async function serveExample(...options: string[]): Promise<string> {
  const { argv } = process;
  const printed = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    process.argv = [argv[0], 'browser', '--port', '0', ...options];
    await import(new URL(`../../examples/browser.ts?${options.join()}`, import.meta.url).href);
    await vi.waitFor(() => expect(printed).toHaveBeenCalled());
    return /http:\S+/.exec(String(printed.mock.calls[0]))?.[0] ?? 'no address';
  } finally {
    process.argv = argv;
    printed.mockRestore();
  }
}

/** What the saved model writes in Node, always choosing the likeliest letter. */
async function likeliest(start: string): Promise<string> {
  let letters: readonly string[] = [];
  const model = loadModel(file, (
    { characters, ...options }: MambaLMOptions & { characters: string[] },
  ) => {
    letters = characters;
    return new MambaLM(options);
  });
  const tokenizer = characterTokenizer(letters);
  const options = { temperature: 0, stopTokens: tokenizer.encode('\n'), maxTokens: 20 };
  const [rest] = await generateTexts(model, tokenizer, [`\n${start}`], options);
  return start + rest;
}

const text = (page: Page, id: string) =>
  page.evaluate<string>(`document.querySelector('#${id}').textContent`);
const untilEnabled = (page: Page, id: string, timeout = 60_000) =>
  page.waitFor(`!document.querySelector('#${id}').disabled`, timeout);

describeInChromium('the pages of examples/browser', (browser) => {
  const folder = mkdtempSync(join(tmpdir(), 'mambagrad-pages-'));
  let url = '';
  beforeAll(async () => { url = await serveExample(); });
  afterAll(() => rmSync(folder, { recursive: true }));

  const open = async (address: string): Promise<Page> => {
    const page = await browser().open(address);
    onTestFinished(() => page.close());
    return page;
  };

  test('write names as Node does, until they are stopped, by keyboard alone', async () => {
    const page = await open(url);
    await untilEnabled(page, 'write');
    const threads = availableParallelism();
    expect(await text(page, 'status')).toBe('A model of 61,056 parameters is loaded. ' +
      (threads === 1 ? 'One thread computes: the machine has one processor.'
        : `${threads} threads compute; the page is cross-origin isolated.`));
    for (let i = 0; i < 2; i++) await page.press('Tab'); // the link, the beginning
    await page.type('ka');
    await page.press('Tab'); // the temperature
    await page.press('Home');
    await page.press('Tab');
    await page.press(' '); // not slowly
    await page.press('Tab');
    await page.press('Enter'); // Write
    await page.waitFor(
      `document.querySelector('#names').textContent.split('\\n').length > 8`, 60_000,
    );
    await page.press('Tab'); // Write is disabled now; Stop
    await page.press('Enter');
    await untilEnabled(page, 'write');
    const written = (await text(page, 'names')).split('\n').slice(1, -2);
    expect(new Set(written)).toEqual(new Set([await likeliest('ka')]));
    expect(await text(page, 'status')).toMatch(/^Stopped\. It wrote [\d,]+ letters a second\.$/);
    await sleep(100);
    expect((await text(page, 'names')).split('\n').slice(1, -2)).toEqual(written);
    expect(page.errors).toEqual([]);
    expect(page.requests.filter((address) => !address.startsWith(url))).toEqual([]);
  });

  test('say that there is one thread where the host sends no headers', async () => {
    const page = await open(await serveExample('--alone'));
    await untilEnabled(page, 'write');
    expect(await text(page, 'status')).toMatch(new RegExp(
      '^A model of 61,056 parameters is loaded\\. ' +
        'One thread computes: the page is not cross-origin isolated',
    ));
    expect(page.errors).toEqual([]);
  });

  /** Chooses a file in the input of a page. */
  async function choose(page: Page, path: string): Promise<void> {
    const { root } = await page.send<{ root: { nodeId: number } }>('DOM.getDocument');
    const { nodeId } = await page.send<{ nodeId: number }>(
      'DOM.querySelector', { nodeId: root.nodeId, selector: '#file' },
    );
    await page.send('DOM.setFileInputFiles', { nodeId, files: [path] });
  }

  test('train, go on after a reload, show the run, and save a model that can be loaded', async () => {
    const page = await open(`${url}train.html`);
    await untilEnabled(page, 'train');
    await page.click('#train');
    const step = (least: number) => page.waitFor<number>(`(() => {
      const shown = document.querySelector('#progress').textContent;
      const [, step = '0'] = /^Step (\\d+) /.exec(shown) ?? [];
      return Number(step) >= ${least} ? Number(step) : 0;
    })()`, 120_000);
    await step(30);
    const threads = availableParallelism();
    expect(await text(page, 'status')).toMatch(
      threads === 1 ? /^One thread trains: / : `${threads} threads train; the page is`,
    );
    await page.waitFor(
      `document.querySelector('#report').contentDocument?.querySelector('main details')`, 60_000,
    );
    await page.evaluate(
      `document.querySelector('#report').contentDocument.querySelector('details').open = true`,
    );
    const steps =
      `document.querySelector('#report').contentDocument.querySelector('dd').textContent`;
    const before = await page.evaluate<string>(steps);
    await page.waitFor(`${steps} !== ${JSON.stringify(before)}`, 60_000);
    expect(await page.evaluate(
      `document.querySelector('#report').contentDocument.querySelector('details').open`,
    )).toBe(true);

    // In the middle of whatever it does.
    await page.reload();
    const resumedAt = await step(1);
    expect(resumedAt).toBeGreaterThan(25);
    await page.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder });
    await page.click('#save');
    const path = join(folder, 'names.safetensors');
    await vi.waitFor(() => expect(existsSync(path)).toBe(true), 30_000);
    await page.click('#stop');
    await untilEnabled(page, 'train');
    expect(await text(page, 'status')).toMatch(/^Stopped: \d+ of 1104 steps are taken\.$/);
    const report = await page.evaluate<string>(
      `document.querySelector('#report').contentDocument.body.innerText`,
    );
    expect(report).toContain("resumed from the run 'names' in this browser");
    expect(page.errors).toEqual([]);
    expect(openSafetensors(path).readAll().size).toBe(openSafetensors(file).readAll().size);

    await page.click('#remove');
    await page.waitFor(
      `document.querySelector('#status')?.textContent === 'Nothing is stored yet.'`,
    );
    const reader = await open(url);
    await untilEnabled(reader, 'write');
    writeFileSync(join(folder, 'wrong.safetensors'), 'PK\x03\x04 an archive');
    await choose(reader, join(folder, 'wrong.safetensors'));
    await reader.waitFor(
      `/a zip archive.*wrong\\.safetensors/.test(document.querySelector('#status').textContent)`,
    );
    await choose(reader, path);
    await reader.waitFor(
      `/^A model of 61,056/.test(document.querySelector('#status').textContent)`,
    );
  });
});

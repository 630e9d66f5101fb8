/**
 * Code that readers change: it runs, is stopped and put back; a link that brings code does not run
 * it; and no code reaches the page, what the site keeps, or a server.
 */
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPrograms } from '../../scripts/book/src/playground.ts';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { serve, type Server } from '../support/server.ts';
import { oneOf } from '../support/soak.ts';
import { writtenSite } from '../support/site.ts';

const MOST_MS = 120_000;
const own = '#playground';

describeInChromium('code in the site', (browser) => {
  let folder: string;
  let server: Server;
  /** Pages that several tests use, by address. */
  const pages = new Map<string, Page>();
  beforeAll(async () => {
    folder = writtenSite();
    server = await serve({ isolated: true, folders: { book: folder } });
  });
  afterAll(async () => {
    for (const page of pages.values()) await page.close();
    await server.close();
  });

  const urlOf = (address: string) =>
    address.startsWith('file:') ? address : `${server.url}book/${address}`;

  /** Uses a page as the tests before have left it. */
  async function on(address: string, use: (page: Page) => Promise<void>): Promise<void> {
    const page = pages.get(address) ?? await browser().open(urlOf(address));
    pages.set(address, page);
    await use(page);
    expect(await page.evaluate('document.querySelectorAll("iframe").length')).toBe(0);
  }

  const click = (page: Page, within: string, label: string) => page.evaluate(
    `[...document.querySelectorAll('${within} .action:not([hidden])')]
      .find((each) => each.textContent === '${label}').click()`,
  );
  const textOf = (page: Page, selector: string) => page.evaluate<string>(
    `document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`);
  const setCode = (page: Page, within: string, code: string) => page.evaluate(`{
    const area = document.querySelector('${within} textarea');
    area.value = ${JSON.stringify(code)};
    area.dispatchEvent(new Event('input'));
  }`);
  const ended = (page: Page, within: string) => page.waitFor(
    `/done|stopped/.test(document.querySelector('${within} .status').textContent)`, MOST_MS);

  /** What a program prints in the playground. */
  async function printed(page: Page, code: string): Promise<string> {
    await setCode(page, own, code);
    await click(page, own, 'Run');
    await ended(page, own);
    return textOf(page, '.console');
  }

  test('is changed in place, run, and put back', () => on('02-tensors.html', async (page) => {
    const block = 'figure[data-block="0"]';
    const before = await textOf(page, `${block} pre`);
    await click(page, block, 'Edit');
    expect(await page.evaluate('document.activeElement.tagName')).toBe('TEXTAREA');
    expect(await textOf(page, `${block} .hint`)).toContain('types were erased');
    await setCode(
      page, block,
      "import { tensor } from '@mambagrad/tensor';\nconsole.log(tensor([6]).mul(7).item());",
    );
    await page.press('Control+Enter');
    await ended(page, block);
    expect(await textOf(page, `${block} .printed`)).toBe('42');
    await setCode(page, block, 'const a = 1;\n\nnone.at(all);');
    await click(page, block, 'Run');
    await ended(page, block);
    expect(await textOf(page, `${block} .failed`)).toMatch(
      /^Line 3: none\.at\(all\);\s+ReferenceError: none/,
    );
    await setCode(page, block, 'const a = 1;\nconst b = (;\n');
    await click(page, block, 'Run');
    await ended(page, block);
    expect(await textOf(page, `${block} .failed`)).toMatch(/^Line 2: const b = \(;\s+SyntaxError/);
    await click(page, block, 'Reset');
    expect(await textOf(page, `${block} pre`)).toBe(before);
    await click(page, block, 'Run');
    await ended(page, block);
    expect(await page.evaluate(`document.querySelector('${block}').dataset.state`)).toBe('same');
  }));

  test('shows what is printed otherwise than the page says', () => on('02-tensors.html', async (page) => {
    const [first, second] = [0, 4].map((i) => `figure[data-block="${i}"]`);
    await click(page, first, 'Edit');
    const code = await page.evaluate<string>(`document.querySelector('${first} textarea').value`);
    await setCode(page, first, code.replace('[4, 5, 6]', '[5, 5, 6]'));
    await click(page, second, 'Run');
    await ended(page, second);
    expect(await page.evaluate(`document.querySelector('${second}').dataset.state`)).toBe(
      'different',
    );
    expect(await textOf(page, `${second} .different`)).toMatch(new RegExp(
      '^\\[ \\[ 11, 22, 33 \\], \\[ 15, 25, 36 \\] \\]\\s+expected' +
        '\\s+\\[ \\[ 11, 22, 33 \\], \\[ 14, 25, 36 \\] \\]$',
    ));
    expect(await textOf(page, `${second} .status`)).toContain('2 blocks print something else');
  }));

  test('in a loop without end is stopped, and the page goes on', () => on('playground.html', async (page) => {
    await setCode(page, own, 'for (let i = 0; ; i++) console.log(i);');
    await click(page, own, 'Run');
    await page.waitFor("document.querySelectorAll('.console .row').length > 100", MOST_MS);
    expect(await textOf(page, `${own} .status`)).toBe('running …');
    expect(await page.evaluate('1 + 1')).toBe(2);
    await click(page, own, 'Stop');
    expect(await textOf(page, `${own} .status`)).toBe('stopped');
    expect(await page.evaluate('document.querySelectorAll("iframe").length')).toBe(0);
    const rows = await page.evaluate<number>("document.querySelectorAll('.console .row').length");
    expect(rows).toBeLessThan(600);
    expect(await printed(page, 'console.log(1)')).toBe('1');
  }));

  test('draws curves as their numbers come', () => on('playground.html', async (page) => {
    const code =
      "import { draw } from 'playground';\nfor (let i = 0; i < 1000; i++) draw('x²', i * i);";
    expect(await printed(page, code)).toContain('x²: 1000 points, from 0.00 to 9.98e+5');
    await page.waitFor(
      "document.querySelector('.curve').getAttribute('points').split(' ').length > 500",
    );
    expect(await printed(page, "import { draw } from 'playground';\ndraw(1);")).toContain(
      'draw: expected a name',
    );
  }));

  test('shows the first and the last of many lines, and curves of any length', () =>
    on('playground.html', async (page) => {
      const many = `import { draw } from 'playground';
        for (let i = 1; i <= 1500; i++) console.log('line ' + i);
        for (let i = 0; i < 300_000; i++) draw('many', i % 1000);`;
      const rows = (await printed(page, many)).split('\n');
      const lines = rows.filter((row) => row.startsWith('line'));
      expect(lines).toHaveLength(500);
      expect([lines[0], lines[249], lines[250], lines[499]]).toEqual(
        ['line 1', 'line 250', 'line 1251', 'line 1500'],
      );
      expect(rows).toContain('1,000 texts are not shown here, or not whole.');
      // Curves are drawn once for each frame of the screen.
      await page.waitFor(
        "document.querySelector('.chart figcaption').textContent.startsWith('many: 300000 points')",
      );
      expect(await textOf(page, '.chart figcaption'))
        .toBe('many: 300000 points, from 0.00 to 999, between 0.00 and 999');
      const points = await page.evaluate<string>(
        "document.querySelector('.chart polyline').getAttribute('points')",
      );
      expect(points.split(' ').length).toBeLessThanOrEqual(2400);
      expect(page.errors).toEqual([]);
    }));

  test('says what it cannot import', () => on('playground.html', async (page) => {
    expect(await printed(page, "import 'lodash';")).toMatch(
      /no module 'lodash' here, but these: .*mambagrad/,
    );
    expect(await printed(page, "import { nothing } from 'mambagrad';")).toContain(
      "'mambagrad' exports no nothing",
    );
  }));

  test('reaches nothing of the page, of what the site keeps, or of a server', () => on('playground.html', async (page) => {
    await page.evaluate("localStorage.setItem('secret', '1'); document.cookie = 'secret=1'");
    const attempts = {
      document: 'document.title', window: 'window.location', storage: 'localStorage.secret',
      parent: 'parent.document', database: "indexedDB.open('x')",
      caches: "await caches.open('x')", files: 'await navigator.storage.getDirectory()',
      fetch: `await fetch('${server.url}fetched')`,
      script: `importScripts('${server.url}imported.js')`,
      module: `await (0, eval)("import('${server.url}module.js')")`,
      data: "await (0, eval)('import(\"data:text/javascript,1\")')",
      socket: `await new Promise((resolve, reject) => {
        const socket = new WebSocket('${server.url.replace('http', 'ws')}socket');
        socket.onopen = resolve; socket.onerror = () => reject(new Error('refused'));
      })`,
      origin: "if (self.origin !== 'null') 1; else throw new Error('no origin')",
      worker: `await new Promise((resolve, reject) => {
        const opens = "indexedDB.open('x'); postMessage('reached')";
        const code = "try { " + opens + " } catch { postMessage('') }";
        const inner = new Worker(URL.createObjectURL(new Blob([code])));
        inner.onmessage = ({ data }) => (data ? resolve() : reject(new Error('nothing')));
      })`,
    };
    const code = Object.entries(attempts).map(([name, attempt]) =>
      `try { ${attempt}; console.log('${name} reached'); } catch { console.log('kept out'); }`);
    const outcomes = (await printed(page, code.join('\n'))).split(/\n+/);
    expect(outcomes).toEqual(Object.keys(attempts).map(() => 'kept out'));
    const asked = server.requests.filter((path) => /fetched|imported|module|socket/.test(path));
    expect(asked).toEqual([]);
    const html = '<img src=x onerror="document.title = 1"><script>document.title = 2</script>';
    expect(await printed(page, `console.log(${JSON.stringify(html)})`)).toBe(html);
    expect(await page.evaluate('document.title')).toContain('Playground');
  }));

  describe('a link that brings code', () => {
    const hostile =
      "document.title = 'taken'; // </script><script>document.title = 'taken'</script>";
    const plain = Buffer.from(hostile).toString('base64url');

    test('shows it, and does not run it', () => on(`playground.html#code=t:${plain}`, async (page) => {
      await page.waitFor(`document.querySelector('${own} textarea').value !== ''`);
      expect(await page.evaluate(`document.querySelector('${own} textarea').value`)).toBe(hostile);
      expect(await textOf(page, `${own} .status`)).toContain('Read it before you run it');
      await page.evaluate('new Promise((resolve) => setTimeout(resolve, 200))');
      expect(await page.evaluate('document.querySelectorAll("iframe").length')).toBe(0);
      expect(await textOf(page, '.console')).toBe('');
      await click(page, own, 'Run');
      await ended(page, own);
      expect(await page.evaluate('document.title')).not.toBe('taken');
    }));

    test('is made by Share, and brings the same', () => on('playground.html', async (page) => {
      const code = `// ${'é→😀 '.repeat(50)}\nconsole.log('shared');`;
      await setCode(page, own, code);
      await click(page, own, 'Share');
      await page.waitFor("location.hash.startsWith('#code=z:')");
      expect(await page.evaluate<number>('location.hash.length')).toBeLessThan(200);
      await page.reload();
      await page.waitFor(`document.querySelector('${own} textarea').value !== ''`);
      expect(await page.evaluate(`document.querySelector('${own} textarea').value`)).toBe(code);
    }));

    test('is refused if it cannot be read, from the start and later', () =>
      on('playground.html#code=z:AAAA', async (page) => {
        for (const hash of ['#code=z:AAAA', '#code=t:%%%', '#code=x:AA', '#code=z:']) {
          if (hash !== '#code=z:AAAA') {
            await click(page, own, 'Reset');
            expect(await textOf(page, `${own} .status`)).toBe('');
            await page.goto(urlOf(`playground.html${hash}`));
          }
          await page.waitFor(`document.querySelector('${own} .status').textContent !== ''`);
          expect(await textOf(page, `${own} .status`)).toContain(
            'The code of the link cannot be read',
          );
          expect(await page.evaluate(`document.querySelector('${own} textarea').value`)).not.toBe(
            '',
          );
        }
      }));
  });

  test.each(oneOf(startPrograms()))('the playground program $title runs to its end', ({ name }) =>
    on('playground.html', async (page) => {
      page.messages.length = 0;
      await page.evaluate(`{
        const choice = document.querySelector('${own} select');
        choice.value = '${name}';
        choice.dispatchEvent(new Event('change'));
      }`);
      await click(page, own, 'Run');
      await ended(page, own);
      expect(await textOf(page, `${own} .status`)).toMatch(/^done in/);
      expect((await textOf(page, '.console')).length).toBeGreaterThan(20);
      expect(page.errors).toEqual([]);
    }));

  test('runs from a file, too, with one thread', () =>
    on(`${pathToFileURL(folder).href}/playground.html`, async (page) => {
      expect(await textOf(page, own)).toContain('Threads: one, as this page was opened as a file');
      const code = "import { compile, ones } from 'mambagrad';\nconsole.log(compile((x) => " +
        "x.sum())(ones([9])).item());";
      expect(await printed(page, code)).toBe('9');
    }));

  test('has threads where the page is isolated', () => on('playground.html', async (page) => {
    expect(await textOf(page, own)).toContain('Threads: up to');
    const code = "console.log(typeof SharedArrayBuffer, self.crossOriginIsolated);";
    expect(await printed(page, code)).toBe('function true');
  }));
});

/**
 * The harness itself: what tests see of a page, that nothing waits forever, and that nothing is
 * left behind, however it ends.
 */
import { spawn } from 'node:child_process';
import {
  existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  type Browser, describeInChromium, findChromium, type Page, startChromium,
} from '../support/chromium.ts';
import { serve, type Server, withAddresses } from '../support/server.ts';
import { oneOf } from '../support/soak.ts';

describe('Chromium is found', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('where the variable CHROMIUM says', async () => {
    vi.stubEnv('CHROMIUM', process.execPath);
    expect(findChromium()).toBe(process.execPath);
    // Node is no browser: it ends at once.
    await expect(startChromium()).rejects.toThrow('does not start; CHROMIUM names another one');
    vi.stubEnv('CHROMIUM', 'none');
    expect(findChromium()).toBeUndefined();
    expect(await startChromium()).toBeUndefined();
    vi.stubEnv('CHROMIUM', '/no/such/chromium');
    expect(() => findChromium()).toThrow('CHROMIUM=/no/such/chromium: there is no such program');
  });

  test.skipIf(process.platform === 'win32')('else on the path, if it can be run', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mambagrad-path-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const stub = join(folder, 'chromium-browser');
    writeFileSync(stub, '#!/bin/sh\necho "install the snap"\nexit 1\n', { mode: 0o755 });
    vi.stubEnv('CHROMIUM', '');
    vi.stubEnv('PATH', folder);
    expect(findChromium()).not.toBe(stub);
    const program = join(folder, 'google-chrome');
    writeFileSync(program, '#!/bin/sh\necho 1.2.3\n', { mode: 0o755 });
    vi.stubEnv('PATH', `/no/such/folder:${folder}`);
    expect(findChromium()).toBe(program);
  });
});

describe('names of packages become addresses', () => {
  test.each([
    ["import { x } from '@mambagrad/tensor';", '/packages/tensor/dist/index.js'],
    ['export * from "@mambagrad/nn/node";', '/packages/nn/dist/index.node.js'],
    ["import 'mambagrad';", '/packages/mambagrad/dist/index.js'],
    ["await import('@mambagrad/tensor/extend')", '/packages/tensor/dist/extend.js'],
  ])('%s', (code, address) => {
    expect(withAddresses(code)).toBe(code.replace(/@?mambagrad[\w/]*/, address));
  });

  test('but no others', () => {
    const code = "import a from 'node:fs'; import b from './mambagrad'; const c = 'mambagrad';";
    expect(withAddresses(code)).toBe(code);
    expect(withAddresses("import x from '@mambagrad/other';")).toContain('@mambagrad/other');
  });
});

/**
 * Whether a process of a group is left. Those that have ended may wait to be reaped for a while;
 * where there is a /proc, it tells them from others.
 */
function isAlive(group: number): boolean {
  if (existsSync('/proc/self/stat')) {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).some((pid) => {
      const [state = 'Z', , ofGroup] = statOf(pid);
      return Number(ofGroup) === group && state !== 'Z';
    });
  }
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

/** State, parent and group of a process, as Linux has them; none if it has ended meanwhile. */
function statOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  } catch {
    return [];
  }
}

const isGone = ({ pid, profile }: Pick<Browser, 'pid' | 'profile'>): Promise<void> =>
  vi.waitFor(() => {
    expect(existsSync(profile)).toBe(false);
    expect(isAlive(pid)).toBe(false);
  }, 20_000);

const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Ein Café</title>
<style>body { background: white } @media (prefers-color-scheme: dark) { body { background: black } }
</style><body><input id="first"><button onclick="this.textContent = 'clicked'">no</button>
<p hidden>hidden</p><a href="#end">end</a>`;

const worker = `
  console.warn('from the worker', { a: 1 });
  const code = "console.log('from its worker'); throw new Error('in')";
  const url = URL.createObjectURL(new Blob([code]));
  new Worker(url);
  postMessage('done');`;

describeInChromium('a page', (browser) => {
  const folder = mkdtempSync(join(tmpdir(), 'mambagrad-browser-'));
  let server: Server;
  let page: Page;

  beforeAll(async () => {
    const pages = { '/': html, '/worker.js': worker, '/entry.html': "import 'mambagrad'" };
    server = await serve({ isolated: true, pages });
    page = await browser().open(server.url);
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await page?.close();
    await server?.close();
  });

  const open = async (url = server.url): Promise<Page> => {
    const opened = await browser().open(url);
    onTestFinished(() => opened.close());
    return opened;
  };

  test('gives values of all kinds, and waits for promises', async () => {
    expect(await page.evaluate('document.title')).toBe('Ein Café');
    expect(await page.evaluate('Promise.resolve({ a: [1, null, "ä"] })')).toEqual(
      { a: [1, null, 'ä'] },
    );
    expect(await page.evaluate('undefined')).toBeUndefined();
    expect(await page.evaluate('[0 / 0].at(0)')).toBeNaN();
    expect(Object.is(await page.evaluate('-0'), -0)).toBe(true);
    expect(await page.evaluate('12n')).toBe(12n);
    const long = 'é'.repeat(300_000);
    expect(await page.evaluate("'é'.repeat(300_000)")).toBe(long);
  });

  test('throws what was thrown in it', async () => {
    await expect(page.evaluate('nothing.at.all')).rejects.toThrow('nothing is not defined');
    await expect(page.evaluate('Promise.reject(new RangeError("far"))')).rejects.toThrow(
      'RangeError: far',
    );
    await expect(page.evaluate('1 +')).rejects.toThrow('SyntaxError');
    await expect(page.evaluate('throw "text"')).rejects.toThrow('text');
  });

  test('that does not answer does not hold anybody up, and can be closed', async () => {
    const hung = await browser().open(server.url);
    await expect(hung.evaluate('while (true);', 100)).rejects.toThrow('has not answered for 0.1 s');
    await hung.close();
    expect(await page.evaluate('1 + 1')).toBe(2);
  });

  test('says that it was closed to those who wait', async () => {
    const closed = await browser().open(server.url);
    const waiting = expect(closed.evaluate('new Promise(() => {})')).rejects.toThrow(/closed/);
    await closed.close();
    await waiting;
  });

  test('shows its console, that of workers and of theirs, and errors nobody caught', async () => {
    const own = await open();
    await own.evaluate('console.log("one", 2, [3], new Error("four").message)');
    await own.evaluate('void Promise.reject(new Error("rejected"))');
    await own.evaluate('void setTimeout(() => { throw new TypeError("thrown") })');
    await own.evaluate(
      'new Promise((resolve) => { new Worker("/worker.js").onmessage = resolve; })',
    );
    await own.evaluate('fetch("/missing.txt").then(({ status }) => status)');
    await vi.waitFor(() => {
      const texts = own.messages.map(({ kind, text }) => `${kind}: ${text.split('\n')[0]}`)
        .map((text) => text.replace(/blob:.*/, 'blob:…'));
      expect(texts.toSorted()).toEqual([
        'error: Error: in',
        `error: Failed to load resource: the server responded with a status of 404 (Not Found) ${
          server.url}missing.txt`,
        'error: Error: rejected', 'error: TypeError: thrown', 'log: from its worker',
        'log: one 2 Array(1) four', 'warning: from the worker Object',
        // It goes on from the worker in which it was thrown to the one that has started that.
        'error: Uncaught (blob:…',
      ].toSorted());
    }, 10_000);
    expect(own.requests.map((url) => url.slice(server.url.length - 1)))
      .toEqual(['/', '/worker.js', '/missing.txt']);
  });

  test('is typed into, clicked at, and walked through by keyboard', async () => {
    await page.press('Tab');
    await page.type('abc');
    for (const keys of ['d', 'Shift+E', 'ArrowLeft', 'Backspace', '1', '+']) await page.press(keys);
    expect(await page.evaluate('document.activeElement.value')).toBe('abc1+E');
    await page.press('Control+a');
    await page.press('Delete');
    expect(await page.evaluate('document.querySelector("#first").value')).toBe('');
    await page.press('Tab');
    await page.press('Enter');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('clicked');
    await page.press('Shift+Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('first');
    await page.evaluate('document.querySelector("button").textContent = "no"');
    await page.click('button');
    await page.waitFor('document.querySelector("button").textContent === "clicked"');
    await expect(page.click('p')).rejects.toThrow('there is no p that can be seen');
    await expect(page.press('Tap')).rejects.toThrow("'Tap' is no key");
    await expect(page.press('Ctrl+a')).rejects.toThrow(
      "'Ctrl' in 'Ctrl+a' is none of Alt, Control",
    );
    await expect(page.waitFor('false', 100)).rejects.toThrow('0.1 s have not made true: false');
  });

  test('is looked at in any size, dark or light', async () => {
    const path = join(folder, 'page.png');
    await page.screenshot(path, { width: 390, height: 500, dark: true });
    const png = readFileSync(path);
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([390, 500]);
    const color = 'getComputedStyle(document.body).backgroundColor';
    expect(await page.evaluate(`[innerWidth, ${color}]`)).toEqual([390, 'rgb(0, 0, 0)']);
    await page.emulate({ dark: false, print: true });
    expect(await page.evaluate(color)).toBe('rgb(255, 255, 255)');
    expect(await page.evaluate('matchMedia("print").matches')).toBe(true);
    await page.evaluate('document.body.style.height = "2000px"');
    await page.screenshot(path, { full: true });
    expect(readFileSync(path).readUInt32BE(20)).toBeGreaterThanOrEqual(2000);
  });

  test('is reloaded, and goes elsewhere', async () => {
    const own = await open();
    await own.evaluate('window.mark = 1');
    await own.goto(`${server.url}#end`);
    expect(await own.evaluate('[window.mark, location.hash]')).toEqual([1, '#end']);
    await own.reload();
    expect(await own.evaluate('window.mark')).toBeUndefined();
    await expect(own.goto('http://127.0.0.1:1/')).rejects.toThrow('cannot be opened: net::');
    await expect(own.goto('http://example.com/')).rejects.toThrow('cannot be opened: net::');
  });

  test('is isolated if it should be, and has the policy that was asked for', async () => {
    expect(await page.evaluate('crossOriginIsolated')).toBe(true);
    const other = await serve({ pages: { '/': html }, policy: "script-src 'none'" });
    onTestFinished(() => other.close());
    const own = await open(other.url);
    expect(await own.evaluate('crossOriginIsolated')).toBe(false);
    await own.evaluate('void ' +
    'document.body.append(Object.assign(document.createElement("script"), ' +
      '{ textContent: "window.ran = true" }))');
    expect(await own.evaluate('window.ran')).toBeUndefined();
    expect(own.errors.join()).toContain("script-src 'none'");
  });

  test('gets files of folders that are served, and no others', async () => {
    const url = new URL('../support/', import.meta.url).pathname;
    const other = await serve({ folders: { plain: url }, modules: { named: url } });
    onTestFinished(() => other.close());
    const statusOf = async (path: string): Promise<number> =>
      (await fetch(other.url + path)).status;
    expect(await statusOf('plain/server.ts')).toBe(200);
    expect(await statusOf('named/server.ts')).toBe(200);
    expect(await statusOf('packages/tensor/dist/index.js')).toBe(200);
    for (const path of ['plain/none.ts', 'plain', 'plain/', 'plain/%2e%2e/setup.ts',
      'plain/..%2fsetup.ts', 'other/x', '', '%', 'packages/..%2f..%2f..%2fetc/passwd']) {
      expect(await statusOf(path), path).toBe(404);
    }
  });
});

describeInChromium('the browser', () => {
  // What costs time is starting a browser for each.
  const ends: readonly (readonly [how: string, test: () => Promise<void>])[] = [
    ['ends when it is told to, and removes its profile', async () => {
      const browser = await startChromium();
      const page = await browser?.open('data:text/html,x');
      const rejected = expect(page?.evaluate('new Promise(() => 0)')).rejects.toThrow();
      await browser?.close();
      await rejected;
      expect(browser?.isRunning).toBe(false);
      if (browser !== undefined) await isGone(browser);
      await expect(browser?.open('data:text/html,x')).rejects.toThrow('Chromium has ended');
    }],
    ['that is killed rejects what is pending', async () => {
      const browser = await startChromium();
      const page = await browser?.open('data:text/html,x');
      const rejected =
        expect(page?.evaluate('new Promise(() => 0)')).rejects.toThrow('Chromium has ended');
      process.kill(-(browser?.pid ?? NaN), 'SIGKILL');
      await rejected;
      await browser?.close();
      if (browser !== undefined) await isGone(browser);
    }],
  ];
  test.each(oneOf(ends))('%s', (_, body) => body());

  test.each(oneOf(['SIGKILL', undefined] as const))(
    'ends with the process that has started it (%s)', async (signal) => {
      const index = new URL('../../dist/chromium/src/index.js', import.meta.url);
      const code = `
        const { startChromium } = await import(${JSON.stringify(index.href)});
        const { pid, profile } = await startChromium();
        console.log(JSON.stringify({ pid, profile }));
        ${signal === undefined ? 'process.exit()' : 'setInterval(() => {}, 1000)'}`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
      const started = await new Promise<string>((resolve) => {
        child.stdout.setEncoding('utf8').once('data', resolve);
      });
      const found = JSON.parse(started) as { pid: number; profile: string };
      if (signal !== undefined) {
        expect(existsSync(found.profile)).toBe(true);
        child.kill(signal);
      }
      await isGone(found);
    },
  );
});

/**
 * Chromium without a window, for tests and benchmarks, with Node alone. It is found on the path, or
 * named by the variable CHROMIUM, and has a profile of its own that is removed in the end.
 *
 *     const browser = await startChromium();
 *     const page = await browser?.open('http://127.0.0.1:8000/');
 *     await page?.evaluate('document.title');
 *     await browser?.close();
 *
 * It leaves nothing behind: it runs in a process group that is killed on `close` and when this
 * process ends; if this process is killed, the pipe breaks, at which Chromium ends by itself.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { DevTools } from './devtools.ts';
import { openPage, type Page, type View } from './page.ts';

export type { Message, Page, Screenshot, View } from './page.ts';

/** The sentence for those whose tests are left out. */
export const NO_CHROMIUM =
  'no Chromium was found: install one (on Debian and Ubuntu `apt-get install chromium`), ' +
  'or name it by the variable CHROMIUM';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const places = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];

let found: { readonly path: string; readonly program: string | undefined } | undefined;

/**
 * The path of Chromium: the variable CHROMIUM, or one of its names on the path; undefined if there
 * is none, as on Windows, where its pipe is another one. CHROMIUM=none does without.
 */
export function findChromium(): string | undefined {
  const { CHROMIUM: given = '', PATH: path = '' } = process.env;
  if (process.platform === 'win32' || given === 'none') return undefined;
  if (given !== '') {
    if (isProgram(given)) return given;
    throw new Error(`CHROMIUM=${given}: there is no such program`);
  }
  if (found?.path !== path) found = { path, program: searchChromium(path.split(delimiter)) };
  return found.program;
}

function searchChromium(folders: readonly string[]): string | undefined {
  return names
    .flatMap((name) => folders.map((folder) => join(folder || '.', name)))
    .concat(places)
    // On Ubuntu there may be a script of that name, which only says how to install it.
    .find((path) => isProgram(path) && spawnSync(path, ['--version']).status === 0);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

const flags = [
  '--headless', '--remote-debugging-pipe', '--disable-gpu', '--hide-scrollbars', '--mute-audio',
  // It shows only what we serve. As root, and in most containers, its sandbox does not start.
  '--no-sandbox',
  // Without a window it draws tabs and a toolbar all the same. A kiosk has neither.
  '--kiosk',
  // /dev/shm may be small in a container.
  '--disable-dev-shm-usage',
  // Nothing is asked of the network, and no other host is found.
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--disable-default-apps', '--disable-extensions', '--disable-breakpad', '--no-first-run',
  '--no-default-browser-check', '--no-proxy-server', '--metrics-recording-only',
  '--password-store=basic', '--disable-features=Translate,MediaRouter,OptimizationHints',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
  '--force-color-profile=srgb',
];

/** How long Chromium may take to start: a busy machine must not make tests fail. */
const START_MS = 60_000;
/** How long it has to end by itself. */
const END_MS = 5_000;

export interface ChromiumOptions {
  /** Flags beside those that it always gets. Default none. */
  readonly flags?: readonly string[];
}

/** Starts Chromium; undefined if there is none. Throws if there is one that does not start. */
export async function startChromium(options: ChromiumOptions = {}): Promise<Browser | undefined> {
  const program = findChromium();
  if (program === undefined) return undefined;
  const browser = new Browser(program, options.flags ?? []);
  try {
    await browser.devtools.send('Browser.getVersion', {}, undefined, START_MS);
  } catch (error) {
    await browser.close();
    const hint =
      `${program} does not start; CHROMIUM names another one, CHROMIUM=none does without`;
    throw new Error(hint, { cause: error });
  }
  return browser;
}

/** A running Chromium. */
export class Browser {
  readonly devtools: DevTools;
  readonly #process: ChildProcess;
  readonly #profile = mkdtempSync(join(tmpdir(), 'mambagrad-chromium-'));
  readonly #ended: Promise<void>;
  #lastWords = '';

  constructor(program: string, more: readonly string[]) {
    const args = [...flags, ...more, `--user-data-dir=${this.#profile}`, 'about:blank'];
    // The shell removes the profile if this process is no longer there to do so.
    const command = '"$@"; status=$?; rm -rf "$PROFILE"; exit $status';
    this.#process = spawn('/bin/sh', ['-c', command, 'sh', program, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, PROFILE: this.#profile },
    });
    const [, , errors, commands, answers] = this.#process.stdio as [
      null, null, Socket, Socket, Socket,
    ];
    this.devtools = new DevTools(commands, answers);
    errors.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-2000);
    });
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        process.off('exit', this.#kill);
        this.devtools.fail(new Error(`Chromium has ended ${how}\n${this.#lastWords}`.trim()));
        resolve();
      };
      this.#process.on('error', (error) => end(`: ${error.message}`));
      this.#process.on('exit', (code, signal) => end(`with ${signal ?? `exit code ${code}`}`));
    });
    process.on('exit', this.#kill);
    // An idle browser keeps no process alive: commands that are pending do, by their timers.
    this.#process.unref();
    for (const stream of [errors, commands, answers]) stream.unref();
  }

  /** The number of its process group. */
  get pid(): number {
    return this.#process.pid ?? NaN;
  }

  /** Whether it has not ended, by `close` or by itself. */
  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The folder of its profile, which is removed when it ends. */
  get profile(): string {
    return this.#profile;
  }

  /** Opens a page in a new tab, and waits until it has loaded. */
  async open(url: string, view: View = {}): Promise<Page> {
    return openPage(this.devtools, url, view);
  }

  /** The version, such as `156.0.8078.108`, and that of its V8. */
  async version(): Promise<{ readonly chromium: string; readonly v8: string }> {
    const found = await this.devtools.send<{ product: string; jsVersion: string }>(
      'Browser.getVersion',
    );
    return { chromium: found.product.replace(/^.*\//, ''), v8: found.jsVersion };
  }

  /** Ends the browser with all its pages, and removes its profile. Pending calls are rejected. */
  async close(): Promise<void> {
    this.devtools.send('Browser.close').catch(() => undefined);
    const timer = setTimeout(this.#kill, END_MS);
    await this.#ended;
    clearTimeout(timer);
    this.#kill();
  }

  /** Kills the process group at once, and removes the profile. */
  readonly #kill = (): void => {
    try {
      if (this.#process.pid !== undefined) process.kill(-this.#process.pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  };
}

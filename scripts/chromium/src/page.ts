/**
 * A page in Chromium, as a test sees and uses it: it evaluates, listens to the console of the page
 * and of its workers, takes pictures, presses keys and clicks.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DevTools, DevToolsEvent, Parameters } from './devtools.ts';
import { keyEvents } from './keys.ts';
import { type Message, messageOf, valueOf } from './messages.ts';

export type { Message } from './messages.ts';

/** How a page is looked at. Where something is left out, it stays as it was. */
export interface View {
  /** In CSS pixels. Default 1280. */
  readonly width?: number;
  /** In CSS pixels. Default 800. */
  readonly height?: number;
  /** Whether the reader prefers dark colours. Default false. */
  readonly dark?: boolean;
  /** Whether the page is shown as it would be printed. Default false. */
  readonly print?: boolean;
  /** Whether the reader prefers that nothing moves. Default false. */
  readonly still?: boolean;
}

export interface Screenshot extends View {
  /** Whether to show the whole page, and not only the part in the window. Default false. */
  readonly full?: boolean;
}

/** How long an expression may take, and a page to load. */
const TIMEOUT_MS = 60_000;

/** Opens a page in a new tab, and waits until it has loaded. */
export async function openPage(devtools: DevTools, url: string, view: View): Promise<Page> {
  const blank = { url: 'about:blank' };
  const { targetId } = await devtools.send<{ targetId: string }>('Target.createTarget', blank);
  const how = { targetId, flatten: true };
  const { sessionId } = await devtools.send<{ sessionId: string }>('Target.attachToTarget', how);
  const page = new Page(devtools, targetId, sessionId);
  try {
    await page.prepare(view);
    await page.goto(url);
  } catch (error) {
    await page.close().catch(() => undefined);
    throw error;
  }
  return page;
}

/** A tab. */
export class Page {
  /** What the page and its workers wrote to the console, and errors that nobody caught. */
  readonly messages: Message[] = [];
  /**
   * The addresses that the page and its workers have asked for. Those of `data:` and `blob:` are
   * left out, and the icon that the browser looks for by itself.
   */
  readonly requests: string[] = [];
  readonly #devtools: DevTools;
  readonly #targetId: string;
  readonly #sessionId: string;
  /** The sessions of the page and of its workers. */
  readonly #sessions = new Set<string>();
  readonly #stopListening: () => void;
  #view: Required<View> = { width: 1280, height: 800, dark: false, print: false, still: false };
  /** Called when the page has loaded. */
  #loaded: () => void = () => undefined;

  constructor(devtools: DevTools, targetId: string, sessionId: string) {
    this.#devtools = devtools;
    this.#targetId = targetId;
    this.#sessionId = sessionId;
    this.#sessions.add(sessionId);
    this.#stopListening = devtools.listen((event) => this.#handle(event));
  }

  /** The texts of errors: of the console, of the browser, and those that nobody caught. */
  get errors(): string[] {
    return this.messages.filter(({ kind }) => kind === 'error').map(({ text }) => text);
  }

  /** A command of the DevTools protocol, to this page. */
  send<Result = unknown>(
    method: string, params: Parameters = {}, timeout?: number,
  ): Promise<Result> {
    return this.#devtools.send<Result>(method, params, this.#sessionId, timeout);
  }

  /** Listens to the page, and looks at it in a certain way: once, before anything is loaded. */
  async prepare(view: View): Promise<void> {
    await Promise.all([this.send('Page.enable'), this.#enable(this.#sessionId)]);
    await this.emulate(view);
  }

  async #enable(sessionId: string): Promise<void> {
    const attach = { autoAttach: true, waitForDebuggerOnStart: true, flatten: true };
    const commands: readonly (readonly [string, Parameters])[] = [
      ['Runtime.enable', {}], ['Log.enable', {}], ['Network.enable', {}],
      ['Target.setAutoAttach', attach], ['Runtime.runIfWaitingForDebugger', {}],
    ];
    // A worker may be over before all of this is, and has not all of it.
    const isPage = sessionId === this.#sessionId;
    await Promise.all(commands.map(([method, params]) =>
      this.#devtools.send(method, params, sessionId).catch((error: unknown) => {
        if (isPage) throw error;
      }),
    ));
  }

  #handle({ method, params, sessionId }: DevToolsEvent): void {
    if (sessionId === undefined || !this.#sessions.has(sessionId)) return;
    const message = messageOf(method, params);
    if (message !== undefined) this.messages.push(message);
    const target = params as { sessionId: string };
    if (method === 'Target.attachedToTarget') {
      this.#sessions.add(target.sessionId);
      void this.#enable(target.sessionId);
    } else if (method === 'Target.detachedFromTarget') {
      this.#sessions.delete(target.sessionId);
      this.#devtools.failSession(target.sessionId, new Error('the worker has ended'));
    } else if (method === 'Inspector.targetCrashed') {
      this.#devtools.failSession(sessionId, new Error('the page has crashed'));
    } else if (method === 'Page.loadEventFired') {
      this.#loaded();
    } else if (method === 'Network.requestWillBeSent') {
      const { url } = (params as { request: { url: string } }).request;
      if (!/^(?:data|blob):|\/favicon\.ico$/.test(url)) this.requests.push(url);
    }
  }

  /** Goes to another address, and waits until the page there has loaded. */
  async goto(url: string): Promise<void> {
    await this.#load(url, async () => {
      type Result = { readonly errorText?: string; readonly loaderId?: string };
      const { errorText, loaderId } = await this.send<Result>('Page.navigate', { url });
      if (errorText !== undefined) throw new Error(`${url} cannot be opened: ${errorText}`);
      // Another fragment of the same page loads nothing.
      return loaderId !== undefined;
    });
  }

  /** Loads the page anew. */
  async reload(): Promise<void> {
    await this.#load('the page', async () => {
      await this.send('Page.reload');
      return true;
    });
  }

  async #load(what: string, start: () => Promise<boolean>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const loaded = new Promise<void>((resolve, reject) => {
      this.#loaded = resolve;
      const error = new Error(`${what} has not loaded within ${TIMEOUT_MS / 1000} s`);
      timer = setTimeout(() => reject(error), TIMEOUT_MS);
    });
    loaded.catch(() => undefined); // it is awaited below, unless it has failed before
    try {
      if (await start()) await loaded;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Evaluates an expression in the page, waits for it if it is a promise, and gives its value,
   * which must be JSON. Throws what the page throws. It may take `timeout` milliseconds. Default
   * 60 000.
   */
  async evaluate<T = unknown>(expression: string, timeout: number = TIMEOUT_MS): Promise<T> {
    const params = { expression, awaitPromise: true, returnByValue: true, userGesture: true };
    const result = await this.send<Parameters>('Runtime.evaluate', params, timeout);
    return valueOf(result) as T;
  }

  /**
   * Waits until an expression is truthy, and gives its value. Throws if it is not so within
   * `timeout` milliseconds. Default 10 000.
   */
  async waitFor<T = unknown>(expression: string, timeout = 10_000): Promise<T> {
    for (const end = performance.now() + timeout; ;) {
      const value = await this.evaluate<T>(expression);
      if (value) return value;
      if (performance.now() > end) {
        const said = this.messages.slice(-5).map(({ kind, text }) => `${kind}: ${text}`);
        throw new Error(
          `${timeout / 1000} s have not made true: ${expression}\n${said.join('\n')}`,
        );
      }
      await sleep(20);
    }
  }

  /** Changes how the page is looked at. */
  async emulate(view: View): Promise<void> {
    this.#view = { ...this.#view, ...view };
    const { width, height, dark, print, still } = this.#view;
    const size = { width, height, deviceScaleFactor: 1, mobile: false };
    await this.send('Emulation.setDeviceMetricsOverride', size);
    const features = [
      { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
      { name: 'prefers-reduced-motion', value: still ? 'reduce' : 'no-preference' },
    ];
    await this.send('Emulation.setEmulatedMedia', { media: print ? 'print' : '', features });
  }

  /** Writes a picture of the page as a PNG file. The page is looked at in that way from then on. */
  async screenshot(path: string, { full = false, ...view }: Screenshot = {}): Promise<void> {
    await this.emulate(view);
    const options = { format: 'png', captureBeyondViewport: full };
    const size = full && await this.evaluate<{ width: number; height: number }>(
      '({ width: innerWidth, height: document.documentElement.scrollHeight })',
    );
    const params = size ? { ...options, clip: { x: 0, y: 0, ...size, scale: 1 } } : options;
    const { data } = await this.send<{ data: string }>('Page.captureScreenshot', params);
    writeFileSync(path, Buffer.from(data, 'base64'));
  }

  /** Presses a key, with others held down: `Tab`, `Shift+Tab`, `Control+Enter`, `a`. */
  async press(keys: string): Promise<void> {
    for (const event of keyEvents(keys)) await this.send('Input.dispatchKeyEvent', event);
  }

  /** Types a text where the focus is, as if it came from an input method, all at once. */
  async type(text: string): Promise<void> {
    await this.send('Input.insertText', { text });
  }

  /** Clicks at the middle of the first element of a selector; throws if it cannot be seen. */
  async click(selector: string): Promise<void> {
    const point = await this.evaluate<{ x: number; y: number } | null>(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      element?.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
      const { x = 0, y = 0, width = 0, height = 0 } = element?.getBoundingClientRect() ?? {};
      return width * height > 0 ? { x: x + width / 2, y: y + height / 2 } : null;
    })()`);
    if (point === null) throw new Error(`click: there is no ${selector} that can be seen`);
    const button = { ...point, button: 'left', clickCount: 1 };
    await this.send('Input.dispatchMouseEvent', { type: 'mouseMoved', ...point });
    await this.send('Input.dispatchMouseEvent', { type: 'mousePressed', buttons: 1, ...button });
    await this.send('Input.dispatchMouseEvent', { type: 'mouseReleased', ...button });
  }

  /** Closes the tab. */
  async close(): Promise<void> {
    await this.#devtools.send('Target.closeTarget', { targetId: this.#targetId });
    this.#stopListening();
    this.#devtools.failSession(this.#sessionId, new Error('the page was closed'));
  }
}

/**
 * The platform: Node or a browser. The packages are compiled against the language alone, so the few
 * parts of either that we use are declared here.
 */

/** What Node and browsers both have. */
interface Platform {
  readonly console?: { warn(message: string): void };
  readonly performance: { now(): number };
  setTimeout(run: () => void, milliseconds: number): unknown;
}

const platform = globalThis as unknown as Platform;

/** Shows a warning, if there is a console: for what is probably a mistake, but not an error. */
export function warn(message: string): void {
  platform.console?.warn(message);
}

/**
 * Milliseconds by a monotonic clock. (The time of day may be set back while a job runs; a wait for
 * a moment of it could then take hours.)
 */
export const now = (): number => platform.performance.now();

/** Waits for some milliseconds, in which the event loop handles other events. */
export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => platform.setTimeout(resolve, milliseconds));

// Node

/** A worker of Node. */
export interface NodeWorker {
  /** Lets the process end although the worker runs. */
  unref(): void;
  /** Calls a listener at an event. */
  on(event: 'exit' | 'error', listener: (what: unknown) => void): void;
  /** Ends the worker. */
  terminate(): Promise<unknown>;
}

/** The modules of Node that we use. */
export interface NodeModules {
  /** Threads. */
  readonly worker_threads: {
    readonly Worker: new (code: string, options: object) => NodeWorker;
  };
  /** The machine. */
  readonly os: { availableParallelism(): number };
  /** Files. */
  readonly fs: { readFileSync(path: string, encoding: 'utf8'): string };
}

/** A module of Node, if this is Node (or Bun or Deno, which have its modules). */
export function builtin<Name extends keyof NodeModules>(
  name: Name,
): NodeModules[Name] | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): NodeModules[Name] | undefined };
  };
  return process?.getBuiltinModule?.(`node:${name}`);
}

// Browsers

/** A worker of a browser. */
export interface WebWorker {
  /** Called when its script was not loaded, or has thrown. */
  onerror: ((event: { readonly message?: string }) => void) | null;
  /** Sends it a message. */
  postMessage(message: unknown): void;
  /** Ends the worker. */
  terminate(): void;
}

/** An end of a channel of messages. */
export interface MessageEnd {
  /** Called with each message from the other end. */
  onmessage: (() => void) | null;
  /** Sends a message to the other end. */
  postMessage(message: unknown): void;
  /** Ends the channel. */
  close(): void;
}

/** The parts of a browser that we use, of a page or of a worker in it. */
export interface Browser {
  /** Workers; in a worker of Safari before 16.4 there are none. */
  readonly Worker?: new (url: string, options?: { readonly name?: string }) => WebWorker;
  /** A file in memory. */
  readonly Blob: new (parts: readonly string[], options?: { readonly type?: string }) => object;
  /** Addresses of such files. */
  readonly URL: { createObjectURL(blob: object): string };
  /** Two ends between which messages go. */
  readonly MessageChannel: new () => { readonly port1: MessageEnd; readonly port2: MessageEnd };
  /** Whether the page has shared memory; undefined in browsers that do not know of it. */
  readonly crossOriginIsolated?: boolean;
  /** The machine. */
  readonly navigator: {
    /** The number of cores, or less: a browser may hide how many there are. */
    readonly hardwareConcurrency?: number;
    /** The machine's memory in GiB, rounded; Chromium alone says it. */
    readonly deviceMemory?: number;
  };
}

/** The browser, if this is one: Node has a `navigator`, too, and workers of another kind. */
export function browser(): Browser | undefined {
  const host = globalThis as unknown as Browser;
  const isBrowser = typeof host.navigator === 'object' && typeof host.Blob === 'function';
  return isBrowser && builtin('worker_threads') === undefined ? host : undefined;
}

/**
 * Lets the event loop handle other events. Browsers hold back timers that follow each other, by
 * four milliseconds, and by a second in a page that nobody sees; messages they do not.
 */
export function nextTurn(): Promise<void> {
  const { MessageChannel } = browser() ?? {};
  if (MessageChannel === undefined) return sleep(0);
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

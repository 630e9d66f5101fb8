/**
 * The DevTools protocol over a pipe: how a program talks to Chromium. Started with
 * `--remote-debugging-pipe`, the browser reads commands from file descriptor 3 and writes answers
 * and events to 4. Each is one JSON object, ended by a zero byte:
 *
 *     → {"id":1,"method":"Target.createTarget","params":{"url":"about:blank"}}
 *     ← {"id":1,"result":{"targetId":"…"}}
 *     ← {"method":"Runtime.consoleAPICalled","params":{…},"sessionId":"…"}
 *
 * A session is what a page or a worker is called once we are attached to it; commands without one
 * are for the browser. https://chromedevtools.github.io/devtools-protocol/
 */
import type { Readable, Writable } from 'node:stream';

/** The parameters of a command or an event. */
export type Parameters = Readonly<Record<string, unknown>>;

/** An event: what happened in which session. */
export interface DevToolsEvent {
  readonly method: string;
  readonly params: Parameters;
  readonly sessionId?: string;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

interface Pending {
  readonly method: string;
  readonly sessionId: string | undefined;
  readonly timer: NodeJS.Timeout;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** How long a command may take by default. */
const TIMEOUT_MS = 30_000;

/**
 * A connection to a browser. Nothing waits forever: commands time out, or fail with the browser.
 */
export class DevTools {
  readonly #commands: Writable;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: DevToolsEvent) => void>();
  #count = 0;
  #rest: Buffer[] = [];
  #end: Error | undefined;

  constructor(commands: Writable, answers: Readable) {
    this.#commands = commands;
    // The browser may be gone before we know: `fail` says so to all that wait.
    commands.on('error', (error) => this.fail(error));
    answers.on('error', (error) => this.fail(error));
    answers.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /** Calls `listener` for each event until the function that is returned is called. */
  listen(listener: (event: DevToolsEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Sends a command, and gives its result, in the types of the protocol. Rejects if the browser
   * refuses it, ends, or does not answer within `timeout` milliseconds.
   */
  send<Result = unknown>(
    method: string, params: Parameters = {}, sessionId?: string, timeout = TIMEOUT_MS,
  ): Promise<Result> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = (this.#count += 1);
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#pending.delete(id);
        reject(new Error(`${method}: Chromium has not answered for ${timeout / 1000} s`));
      };
      const timer = setTimeout(giveUp, timeout);
      const settle = { resolve: resolve as (result: unknown) => void, reject };
      this.#pending.set(id, { method, sessionId, timer, ...settle });
      this.#commands.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Rejects all that is pending, and each command from now on. */
  fail(error: Error): void {
    this.#end ??= error;
    this.#reject(this.#end, () => true);
  }

  /** Rejects what is pending in a session, which has crashed or was closed. */
  failSession(sessionId: string, error: Error): void {
    this.#reject(error, (pending) => pending.sessionId === sessionId);
  }

  #reject(error: Error, isMeant: (pending: Pending) => boolean): void {
    for (const [id, pending] of this.#pending) {
      if (!isMeant(pending)) continue;
      this.#pending.delete(id);
      clearTimeout(pending.timer);
      pending.reject(error);
    }
  }

  /** Bytes come in pieces; a message is complete with its zero byte. */
  #receive(chunk: Buffer): void {
    let start = 0;
    for (let end; (end = chunk.indexOf(0, start)) >= 0; start = end + 1) {
      const message = Buffer.concat([...this.#rest, chunk.subarray(start, end)]).toString('utf8');
      this.#rest = [];
      this.#handle(JSON.parse(message) as Answer | DevToolsEvent);
    }
    if (start < chunk.length) this.#rest.push(chunk.subarray(start));
  }

  #handle(message: Answer | DevToolsEvent): void {
    if (!('id' in message)) {
      for (const listener of this.#listeners) listener(message);
      return;
    }
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return; // it came too late
    this.#pending.delete(message.id);
    clearTimeout(pending.timer);
    if (message.error === undefined) pending.resolve(message.result);
    else pending.reject(new Error(`${pending.method}: ${message.error.message}`));
  }
}

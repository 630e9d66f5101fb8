/**
 * The log of a run in a browser's database. A trainer writes a line for each step, many a second,
 * and does not wait; so lines are gathered, and stored once a second or with a checkpoint. A page
 * that is closed loses the lines of its last second. They are of steps after the last checkpoint,
 * which are taken again.
 *
 * The text lies in parts of some size, so that adding to it rewrites only the last one.
 */
import { messageOf, warn } from '@mambagrad/tensor/host';
import { type Key, keysOf, type ObjectStore, resultOf } from './database.browser.ts';

/** Lines are stored this many milliseconds after the first that is not. */
const DELAY = 1000;
/** A part of this many characters or more is full. */
const FULL = 2 ** 16;

/** Timers are part of pages and workers, but not of the language. */
const browser = globalThis as unknown as {
  setTimeout(run: () => void, milliseconds: number): unknown;
};

/** Adds text to the log of a run. */
export async function writeLog(logs: ObjectStore, name: string, text: string): Promise<void> {
  if (text === '') return;
  const keys = await resultOf(logs.getAllKeys(keysOf(name)));
  const [, last = 1] = keys.at(-1) ?? [];
  const key: Key = [name, last];
  const before = String(await resultOf(logs.get(key)) ?? '');
  if (before.length < FULL) await resultOf(logs.put(before + text, key));
  else await resultOf(logs.put(text, [name, last + 1]));
}

/** The lines of a log that are not stored yet. */
export class PendingLog {
  readonly #store: (text: string) => Promise<void>;
  #text = '';
  #isTimed = false;
  #hasWarned = false;
  /** Resolves when the text that was taken last is stored, or given back. */
  #last: Promise<void> = Promise.resolve();

  /** `store` stores text by itself. */
  constructor(store: (text: string) => Promise<void>) {
    this.#store = store;
  }

  /** Adds a line, which is stored a little later. */
  add(line: string): void {
    this.#text += line;
    if (this.#isTimed) return;
    this.#isTimed = true;
    browser.setTimeout(() => {
      this.#isTimed = false;
      void this.flush().catch((error: unknown) => this.#warnOnce(error));
    }, DELAY);
  }

  /** Stores all lines so far. */
  flush(): Promise<void> {
    return this.writeWith((text) => (text === '' ? Promise.resolve() : this.#store(text)));
  }

  /**
   * Calls `store` with all lines so far, once those before them are stored. If it fails, they are
   * kept for the next time.
   */
  writeWith(store: (text: string) => Promise<void>): Promise<void> {
    const written = this.#last.then(async () => {
      const text = this.#text;
      this.#text = '';
      try {
        await store(text);
      } catch (error) {
        this.#text = text + this.#text;
        throw error;
      }
    });
    this.#last = written.catch(() => undefined);
    return written;
  }

  /** Nobody awaits what a timer stores. The lines are still there, so one warning will do. */
  #warnOnce(error: unknown): void {
    if (!this.#hasWarned) warn(`the log is not stored: ${messageOf(error)}`);
    this.#hasWarned = true;
  }
}

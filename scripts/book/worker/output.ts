/**
 * What a run says to the page. Messages are sent in bundles, some times a second, also while the
 * code is in a loop that does not end. Such a loop may print faster than a page can show: then only
 * some lines of each bundle are sent, so that a run of hours shows how far it is.
 */
import type { Message } from './messages.ts';

/** Where messages go. */
export interface Port {
  postMessage(messages: readonly Message[]): void;
}

/** In milliseconds. */
const PAUSE = 40;
/** So much may be printed at any speed. */
const FIRST = { lines: 2000, characters: 200_000 };
/** After that, so much is sent in each bundle. */
const LATER = { lines: 20, characters: 10_000 };

export class Output {
  readonly #port: Port;
  #waiting: Message[] = [];
  /** The points of curves that wait, by name. */
  #points = new Map<string, number[]>();
  #sent = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lines = FIRST.lines;
  #characters = FIRST.characters;
  #cut = 0;

  constructor(port: Port) {
    this.#port = port;
  }

  /** Prints a text, which is made only if there is room for it. */
  print(line: number, format: () => string): void {
    if (this.#lines === 0 || this.#characters === 0) {
      this.#cut += 1;
      this.#sendSoon();
      return;
    }
    const text = format();
    if (text.length > this.#characters) this.#cut += 1;
    this.say({ kind: 'print', line, text: text.slice(0, this.#characters) });
    this.#lines -= 1;
    this.#characters = Math.max(0, this.#characters - text.length - 1);
  }

  draw(name: string, value: number): void {
    const points = this.#points.get(name);
    if (points === undefined) this.#points.set(name, [value]);
    else points.push(value);
    this.#sendSoon();
  }

  say(message: Message): void {
    this.#waiting.push(message);
    this.#sendSoon();
  }

  #sendSoon(): void {
    if (performance.now() - this.#sent > PAUSE) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), PAUSE);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sent = performance.now();
    const bundle: Message[] = [...this.#points].map(([name, values]) =>
      ({ kind: 'draw', name, values: Float64Array.from(values) }));
    if (this.#cut > 0) bundle.push({ kind: 'cut', count: this.#cut });
    bundle.push(...this.#waiting);
    if (bundle.length > 0) this.#port.postMessage(bundle);
    [this.#waiting, this.#points, this.#cut] = [[], new Map(), 0];
    this.#lines = Math.max(this.#lines, LATER.lines);
    this.#characters = Math.max(this.#characters, LATER.characters);
  }
}

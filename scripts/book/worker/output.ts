/**
 * What a run says to the page. Messages are sent in bundles, some times a second, also while the
 * code is in a loop that does not end; of what such a loop prints, only the start is shown.
 */
import type { Message } from './messages.ts';

/** Where messages go. */
export interface Port {
  postMessage(messages: readonly Message[]): void;
}

/** In milliseconds. */
const PAUSE = 40;
/** At most this many lines, characters and points are sent. */
const MOST_PRINTED = 2000;
const MOST_CHARACTERS = 200_000;
const MOST_DRAWN = 20_000;

export class Output {
  readonly #port: Port;
  #waiting: Message[] = [];
  #sent = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #printed = 0;
  #drawn = 0;
  #characters = 0;

  constructor(port: Port) {
    this.#port = port;
  }

  /** Whether more may be printed: formatting what nobody sees would take time. */
  get hasRoom(): boolean {
    return this.#printed < MOST_PRINTED && this.#characters < MOST_CHARACTERS;
  }

  print(line: number, text: string): void {
    if (!this.hasRoom) return;
    const shown = text.slice(0, MOST_CHARACTERS - this.#characters);
    this.#printed += 1;
    this.#characters += shown.length + 1;
    this.say({ kind: 'print', line, text: shown });
    if (this.hasRoom) return;
    this.say({ kind: 'cut' });
    // Nothing more is said from here on, and a loop without end lets no timer run.
    this.flush();
  }

  draw(name: string, value: number): void {
    this.#drawn += 1;
    if (this.#drawn <= MOST_DRAWN) this.say({ kind: 'draw', name, value });
  }

  say(message: Message): void {
    this.#waiting.push(message);
    if (performance.now() - this.#sent > PAUSE) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), PAUSE);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sent = performance.now();
    if (this.#waiting.length > 0) this.#port.postMessage(this.#waiting);
    this.#waiting = [];
  }
}

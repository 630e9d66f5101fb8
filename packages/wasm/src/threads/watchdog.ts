/**
 * The watchdog of the main thread, for when it waits for another thread that may have died. A
 * waiting thread gets no events, and a thread that computes cannot answer. But computing uses
 * processor time, and the time used by the whole process can be read from any thread: while it
 * grows, some thread is at work.
 *
 * A browser does not tell that time. But there no thread dies alone while another waits for it:
 * only the thread that started a worker can terminate it, which is the one that waits, and a crash
 * ends all threads of the page.
 */

/** How often a waiting thread asks the watchdog, in milliseconds. */
export const WAIT_TIMEOUT_MS = 50;
/** The number of asks between two looks at the processor time: 5 s. */
const WINDOW = 5000 / WAIT_TIMEOUT_MS;
/** Less processor time than this in a window, in milliseconds, is what asking itself takes. */
const IDLE_MS = 25;
/** After so many windows without progress, an hour, we give up in any case. */
const MAX_WINDOWS = 720;

/** The parts of Node that are used. */
interface Process {
  cpuUsage?(): { readonly user: number; readonly system: number };
}

/** The processor time that the process has used, in milliseconds; NaN where it is not known. */
function processorTime(): number {
  const used = (globalThis as { process?: Process }).process?.cpuUsage?.();
  return used ? (used.user + used.system) / 1000 : NaN;
}

/** Decides whether the threads that are waited for are dead; asked once in each timeout. */
export class Watchdog {
  readonly #used: () => number;
  #progress = '';
  #asks = 0;
  #windows = 0;
  #usedBefore = 0;

  /** `used` gives the processor time of the process in milliseconds. */
  constructor(used: () => number = processorTime) {
    this.#used = used;
  }

  /**
   * Whether waiting is in vain: `progress` has stayed the same for five seconds in which the
   * process used no processor time, or for an hour.
   */
  hasExpired(progress: string): boolean {
    if (progress !== this.#progress) {
      [this.#progress, this.#asks, this.#windows] = [progress, 0, 0];
    }
    if (this.#asks === 0) this.#usedBefore = this.#used();
    this.#asks += 1;
    if (this.#asks < WINDOW) return false;
    this.#asks = 0;
    this.#windows += 1;
    const isIdle = this.#used() - this.#usedBefore < IDLE_MS;
    return isIdle || this.#windows >= MAX_WINDOWS;
  }
}

/**
 * Whether a thread that is waited for still lives. It cannot answer while it computes, and the one
 * that waits hears of no event. But who computes uses the processor, and the time that a process
 * has used is known to all of its threads: as long as it grows, somebody is at work.
 */

/** A thread that waits asks once in so many milliseconds. */
export const NAP_MS = 50;
/** So many times it asks before it compares what was used: 5 s. */
const WINDOW = 5000 / NAP_MS;
/** To ask takes some of the processor itself: less than so many milliseconds in that time. */
const LEAST_MS = 25;
/** After so many windows, an hour, it is over in any case: no round takes as long. */
const MOST_WINDOWS = 720;

/** The parts of Node that are used. */
interface Process {
  cpuUsage?(): { readonly user: number; readonly system: number };
}

/** How many milliseconds of processors the process has used; NaN where that is not told. */
function processorTime(): number {
  const used = (globalThis as { process?: Process }).process?.cpuUsage?.();
  return used ? (used.user + used.system) / 1000 : NaN;
}

/** Watches over those who are waited for, asked once in a nap how far they are. */
export class Watchdog {
  readonly #used: () => number;
  #progress = '';
  #naps = 0;
  #windows = 0;
  #usedBefore = 0;

  /** `used` says how many milliseconds of processors the process has used so far. */
  constructor(used: () => number = processorTime) {
    this.#used = used;
  }

  /**
   * Whether to wait is in vain: `progress` is what it was for some seconds, and nobody has computed
   * in that time.
   */
  hasExpired(progress: string): boolean {
    if (progress !== this.#progress) {
      [this.#progress, this.#naps, this.#windows] = [progress, 0, 0];
    }
    if (this.#naps === 0) this.#usedBefore = this.#used();
    this.#naps += 1;
    if (this.#naps < WINDOW) return false;
    this.#naps = 0;
    this.#windows += 1;
    const isIdle = this.#used() - this.#usedBefore < LEAST_MS;
    return isIdle || this.#windows >= MOST_WINDOWS;
  }
}

/**
 * What every engine around offers: a console, a clock and an event loop. The packages are compiled
 * against the language alone, so these few parts of browsers and Node are declared here.
 */
interface Host {
  readonly console?: { warn(message: string): void };
  readonly performance: { now(): number };
  setTimeout(run: () => void, milliseconds: number): unknown;
}

const host = globalThis as unknown as Host;

/** Shows a warning, where there is a console: for what is no error, and most often a mistake. */
export function warn(message: string): void {
  host.console?.warn(message);
}

/**
 * Milliseconds since some moment in the past, by a clock that only goes forward. The time of day
 * may be set back while a job runs, and then waiting for it to pass would take hours.
 */
export const now = (): number => host.performance.now();

/** Resolves when the event loop has had its turn: signals and timers are heard meanwhile. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => host.setTimeout(resolve, 0));
}

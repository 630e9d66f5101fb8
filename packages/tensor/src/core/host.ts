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

/**
 * A function for long loops to await after each round. Once `milliseconds` of work have passed it
 * lets the event loop have its turn, in which signals, timers and other requests are handled.
 */
export function yieldEvery(milliseconds: number): () => Promise<void> {
  let last = now();
  return async () => {
    if (now() - last < milliseconds) return;
    await new Promise<void>((resolve) => host.setTimeout(resolve, 0));
    last = now();
  };
}

/** The message of an error, or of whatever else was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

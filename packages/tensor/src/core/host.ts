/**
 * The host: a console, a clock and an event loop, which browsers and Node all have. The packages
 * are compiled against the language alone, so these few parts are declared here.
 */
interface Host {
  readonly console?: { warn(message: string): void };
  readonly performance: { now(): number };
  setTimeout(run: () => void, milliseconds: number): unknown;
}

const host = globalThis as unknown as Host;

/** Shows a warning, if there is a console: for what is probably a mistake, but not an error. */
export function warn(message: string): void {
  host.console?.warn(message);
}

/**
 * Milliseconds by a monotonic clock. (The time of day may be set back while a job runs; a wait for
 * a moment of it could then take hours.)
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

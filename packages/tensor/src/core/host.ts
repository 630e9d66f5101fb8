/** The host: a console, a clock and an event loop, which browsers and Node all have. */
import { nextTurn, now } from '@mambagrad/wasm';

export { now, warn } from '@mambagrad/wasm';

/**
 * A function for long loops to await after each round. Once `milliseconds` of work have passed it
 * lets the event loop have its turn, in which signals, timers and other requests are handled.
 */
export function yieldEvery(milliseconds: number): () => Promise<void> {
  let last = now();
  return async () => {
    if (now() - last < milliseconds) return;
    await nextTurn();
    last = now();
  };
}

/** The message of an error, or of whatever else was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

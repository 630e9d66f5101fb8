/**
 * A clock that only goes forward. The time of day may be set back while a job runs, and whatever
 * happens once so many milliseconds have passed would not happen for hours.
 */

/** Declared here: the packages are compiled against the language alone. */
const { performance } = globalThis as unknown as { performance: { now(): number } };

/** Milliseconds since some moment in the past. */
export const now = (): number => performance.now();

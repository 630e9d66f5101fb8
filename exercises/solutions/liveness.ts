/** A solution of exercises/liveness.ts. */

/** A step of a program. */
export interface Step {
  /** The name of the value that it computes. */
  readonly makes: string;
  /** The names of the values that it reads: arguments, or made by steps before. */
  readonly reads: readonly string[];
}

/** The first and the last step at which a value is alive. */
export interface Lifetime {
  readonly from: number;
  readonly to: number;
}

/** The lifetime of each value that some step makes or reads, by its name. */
export function liveness(
  steps: readonly Step[], results: readonly string[],
): Map<string, Lifetime> {
  const lifetimes = new Map<string, Lifetime>();
  for (const [i, { makes, reads }] of steps.entries()) {
    for (const value of reads) {
      lifetimes.set(value, { from: lifetimes.get(value)?.from ?? -1, to: i });
    }
    lifetimes.set(makes, { from: i, to: i });
  }
  for (const value of results) {
    lifetimes.set(value, { from: lifetimes.get(value)?.from ?? -1, to: steps.length });
  }
  return lifetimes;
}

/**
 * A liveness pass
 *
 * A compiled program knows ahead which values it will compute, so it can decide where each of them
 * lies in memory before it runs. Two values may share the same bytes if they are never needed at
 * the same time. The pass that finds out is liveness analysis:
 *
 *     a value is alive from the step that makes it to the last step that reads it
 *
 * Steps are numbered from 0. Two kinds of values are special. An argument is there before the first
 * step: no step makes it, and it is alive from −1. A result of the program is needed when all steps
 * are done: it is alive to steps.length, whoever reads it before. A value that no step reads, and
 * that is no result, is alive at the step that makes it, as it has to be written somewhere.
 *
 * Write the pass.
 *
 * Check it with `npm run exercise liveness`; add `-- --hint` for a hint.
 */

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
  throw new Error('liveness is not written yet');
}

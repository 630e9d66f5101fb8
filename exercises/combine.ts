/**
 * The combine of a scan
 *
 * A recurrence h ← a·h + b seems to need one step after the other. But each step is a map of the
 * state, (a, b), and two maps in a row are one map of the same kind. If we can combine any two
 * neighbouring steps, we need not begin with the first: a tree can do it, in log₂ L rounds.
 *
 * Write the combination. First `earlier` is applied to the state, then `later`; the result does
 * both at once:
 *
 *     h   →   later.a · (earlier.a · h + earlier.b) + later.b   =   result.a · h + result.b
 *
 * and the map that changes nothing, which a scan needs where there is no step to combine.
 *
 * Check it with `npm run exercise combine`; add `-- --hint` for a hint.
 */

/** The map h → a·h + b. */
export interface Step {
  readonly a: number;
  readonly b: number;
}

/** The map that applies `earlier`, then `later`. */
export function combine(earlier: Step, later: Step): Step {
  throw new Error('combine is not written yet');
}

/** The map that leaves every state as it is. */
export function identity(): Step {
  throw new Error('identity is not written yet');
}

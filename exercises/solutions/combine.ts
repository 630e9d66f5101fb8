/** A solution of exercises/combine.ts. */

/** The map h → a·h + b. */
export interface Step {
  readonly a: number;
  readonly b: number;
}

/** The map that applies `earlier`, then `later`. */
export function combine(earlier: Step, later: Step): Step {
  return { a: later.a * earlier.a, b: later.a * earlier.b + later.b };
}

/** The map that leaves every state as it is. */
export function identity(): Step {
  return { a: 1, b: 0 };
}

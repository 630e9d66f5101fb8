/** What passes have in common that put one value in the place of another. */
import type { Program, Step, Value } from '../trace/trace.ts';

/** A program with other steps, whose writes and results are the values that `resolve` gives. */
export function rewritten(
  program: Program, steps: readonly Step[], resolve: (value: Value) => Value,
): Program {
  return {
    ...program,
    steps,
    writes: program.writes.map(({ state, value }) => ({ state, value: resolve(value) })),
    results: program.results.map(resolve),
  };
}

/** What passes have in common that put one value in the place of another. */
import type { Program, Step, Value } from '../trace/trace.ts';

/** A program with other steps, whose writes and results are the values that `resolve` gives. */
export function rewritten<P extends Program>(
  program: P, steps: readonly Step[], resolve: (value: Value) => Value,
): P {
  return {
    ...program,
    steps,
    writes: program.writes.map(({ state, value }) => ({ state, value: resolve(value) })),
    results: program.results.map(resolve),
  };
}

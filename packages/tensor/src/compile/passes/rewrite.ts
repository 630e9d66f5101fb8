/** What passes have in common that put one value in the place of another. */
import type { Program, Step, Value } from '../trace/trace.ts';

/** Is told of each value that a pass removes, and of the one that has its place, if any does. */
export type OnRemoved = (removed: Value, replacement?: Value) => void;

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

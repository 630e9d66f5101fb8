/**
 * Stands in for the first stages of compiling. Twins are one program for two backends: it is
 * traced, simplified and scheduled once, and code is made of it twice.
 */
type Tracing = typeof import('../../packages/tensor/src/compile/trace/trace.ts');
type Simplifying = typeof import('../../packages/tensor/src/compile/passes/simplify.ts');
type Scheduling = typeof import('../../packages/tensor/src/compile/schedule/schedule.ts');
type Program = ReturnType<Tracing['trace']>;

/** The traces that twins have in common while they are called, in order; undefined: none. */
let traces: Program[] | undefined;
let next = 0;

/**
 * Calls functions compiled from the same body: what the first has to trace, the others take over.
 * They must have been called alike before, or never.
 */
export function asTwins<T>(calls: readonly (() => T)[]): T[] {
  traces = [];
  try {
    return calls.map((call) => ((next = 0), call()));
  } finally {
    traces = undefined;
  }
}

/** The function in place of `trace`. */
export function tracedOnce({ trace }: Tracing): Tracing['trace'] {
  return (f, args) => (traces ? (traces[next++] ??= trace(f, args)) : trace(f, args));
}

/** A function of a program whose result is kept, for as long as the program. */
function kept<Rest extends unknown[], Result>(
  f: (program: Program, ...rest: Rest) => Result, keyOf: (...rest: Rest) => string,
): (program: Program, ...rest: Rest) => Result {
  const results = new WeakMap<Program, Map<string, Result>>();
  return (program, ...rest) => {
    const known = results.get(program) ?? new Map<string, Result>();
    results.set(program, known);
    const key = keyOf(...rest);
    const result = known.has(key) ? known.get(key) as Result : f(program, ...rest);
    known.set(key, result);
    return result;
  };
}

/** The function in place of `simplify`. */
export function simplifiedOnce({ simplify }: Simplifying): Simplifying['simplify'] {
  const once =
    kept(simplify<Program>, (isFusing: boolean, without) => [isFusing, ...without ?? []].join());
  return once as Simplifying['simplify'];
}

/** The function in place of `schedule`, whose constants follow from the program. */
export function scheduledOnce({ schedule }: Scheduling): Scheduling['schedule'] {
  return kept(schedule, (_constants, without) => [...without ?? []].join());
}

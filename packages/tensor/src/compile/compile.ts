/**
 * `compile(f)` gives a function that does what f does, from a program: f runs once for each kind of
 * arguments, to be traced; the program is simplified, its memory is planned ahead, and from then on
 * calls replay it.
 *
 *     trace → simplify → plan memory → run
 */
import { TensorError } from '../shape.ts';
import { mode } from '../tensor.ts';
import { bind, type Executable } from './run.ts';
import { dropUnused, formatProgram, shareEqual } from './simplify.ts';
import { type Program, trace } from './trace.ts';
import { signatureOf, tensorsOf } from './tree.ts';

/** A compiled function: called as the original, and open to inspection. */
export interface Compiled<Args extends unknown[], Result> {
  (...args: Args): Result;
  /** The program of the latest call as text, with its size; throws before the first call. */
  explain(): string;
  /** The bytes that hold all values of that program that are no state; throws likewise. */
  arenaBytes(): number;
}

/** From this many programs on, a function is probably called with a number that always changes. */
const MANY_PROGRAMS = 8;

/**
 * Compiles a function of tensors: a model, a loss, or a whole training step with backward pass and
 * optimizer.
 *
 * Arguments and results are tensors, numbers, strings, booleans, and plain objects and arrays of
 * them. There is one program for each combination of shapes and dtypes of tensors, values of the
 * other arguments, modes, and settings that the function reads: whether its modules train, whether
 * its tensors require gradients. Tensors that the function reads from outside are state: each call
 * reads what they hold at that moment, and writes those that the function assigns to. Results are
 * fresh tensors without a graph; state and arguments that are returned are returned as themselves.
 *
 * Throws if the function reads the data of a tensor that is not made in it (the number would be
 * frozen in the program), or if it is async. Within another traced function, and in
 * `detectAnomaly`, the original is called.
 */
export function compile<Args extends unknown[], Result>(
  f: (...args: Args) => Result,
): Compiled<Args, Result> {
  const programs: { key: string; program: Program; executable: Executable }[] = [];
  let latest: (typeof programs)[number] | undefined;

  const compiled = (...args: Args): Result => {
    if (mode.tracer || mode.observer) return f(...args);
    const key = `${mode.recording} ${signatureOf(args)}`;
    latest = programs.find(
      (known) => known.key === key && known.program.guards.every((holds) => holds()),
    );
    if (latest === undefined) {
      const traced = trace((...standIns) => f(...(standIns as Args)), args);
      const program = dropUnused(shareEqual(traced));
      latest = { key, program, executable: bind(program) };
      programs.push(latest);
      if (programs.length === MANY_PROGRAMS) warn(f.name);
    }
    return latest.executable.run(tensorsOf(args)) as Result;
  };
  const latestFor = (op: string) => {
    if (latest === undefined) throw new TensorError(`${op}: the function was not called yet`);
    return latest;
  };
  const explain = (): string => {
    const { program, executable } = latestFor('explain');
    const size = `${program.steps.length} steps, an arena of ${executable.arenaBytes} bytes`;
    return `${formatProgram(program)}\n${size}`;
  };
  const arenaBytes = (): number => latestFor('arenaBytes').executable.arenaBytes;
  return Object.assign(compiled, { explain, arenaBytes });
}

function warn(name: string): void {
  const { console } = globalThis as { console?: { warn(message: string): void } };
  console?.warn(
    `compile: ${name || 'a function'} has been compiled ${MANY_PROGRAMS} times, for other shapes ` +
      'or values; pass a number that changes as a tensor',
  );
}

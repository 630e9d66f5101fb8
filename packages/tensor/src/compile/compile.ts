/**
 * `compile(f)` gives a function that does what f does, from a program: f runs once for each kind of
 * arguments, to be traced; the program is simplified, its steps are made into kernels, its memory
 * is planned ahead, and from then on calls run it.
 *
 *     trace → simplify → fuse → schedule → plan memory → emit → run
 */
import { threadCountFor } from '@mambagrad/wasm';
import { now } from '../core/host.ts';
import {
  boolean, callable, checkArgument, type FullTable, listOf, oneOf, readOptions, whole,
} from '../core/options.ts';
import { TensorError } from '../core/shape.ts';
import { currentMode } from '../core/tensor.ts';
import { type CachedProgram, ProgramCache } from './cache/programCache.ts';
import { VariantWatch } from './cache/variants.ts';
import { type Inspection, inspectionOf } from './inspect/inspection.ts';
import type { KernelReport } from './inspect/kernels.ts';
import { type Pass, passNames, simplify } from './passes/simplify.ts';
import { type Executable, link, type LinkOptions } from './run/run.ts';
import { differenceOf } from './trace/difference.ts';
import { type Program, trace } from './trace/trace.ts';
import { ArgumentReader, type Arguments } from './trace/tree.ts';

/** Options of `compile`. None changes results by more than rounding. */
export interface CompileOptions {
  /**
   * What kernels become: WebAssembly, or plain JavaScript, which gives the same bits in one thread.
   * Default: WebAssembly where the engine can do it, with vectors, else JavaScript.
   */
  readonly backend?: 'wasm' | 'js' | undefined;
  /**
   * Whether results are the same bits on every machine: without fused multiply-add, which rounds
   * once where there are two operations. Default false.
   */
  readonly deterministic?: boolean | undefined;
  /**
   * Traces again at the second call of each program, and throws if the function does other things
   * than before: a number that changes from call to call would be frozen in it. Default false.
   */
  readonly check?: boolean | undefined;
  /**
   * How many threads share the work; the results are the same bits for any. Default: as many as
   * there are cores, or as `setThreads` has said. Where there can be but one, `whyOneThread()` says
   * why.
   */
  readonly threads?: number | undefined;
  /**
   * How many programs are kept. A call for which there is none makes one, and drops the one that
   * was used longest ago if there are more than this. Default 64.
   */
  readonly maxPrograms?: number | undefined;
  /**
   * Passes to leave out, to find out what they do; results stay what they are but for rounding.
   * Default [].
   */
  readonly without?: readonly Pass[] | undefined;
}

/**
 * The table of these options, for a function of your own that takes them, too.
 *
 *     const settings = readOptions('compileForInference', options, compileOptions);
 */
export const compileOptions: FullTable<CompileOptions, 'backend' | 'threads'> = {
  backend: oneOf('wasm', 'js').optional(),
  deterministic: boolean.orElse(false),
  check: boolean.orElse(false),
  threads: whole(1).optional(),
  maxPrograms: whole(1).orElse(64),
  without: listOf(passNames).orElse([]),
};

/**
 * A compiled function: called as the original, and open to inspection. Of its programs, `listing`,
 * `kernels` and the others show that of the latest call, and throw before the first one; `inspect`
 * shows that of other arguments.
 */
export interface Compiled<Args extends unknown[], Result> extends Inspection {
  (...args: Args): Result;
  /**
   * Compiles the function for these arguments, if that was not done yet, and gives all that there
   * is to see of the program. It is not run.
   */
  inspect(...args: Args): Inspection;
  /**
   * Calls the function and gives its kernels with the time of each; `kernels` and `explain` show
   * these times from then on.
   */
  profile(...args: Args): KernelReport[];
}

interface Entry extends CachedProgram {
  readonly program: Program;
  readonly executable: Executable;
  readonly inspection: Inspection;
  calls: number;
  /** How many of these calls are not over; more than one where reference loops call it again. */
  running: number;
  /** The milliseconds of each kernel, of the latest call that was profiled. */
  times: readonly number[] | undefined;
}

/** A function with its options and the programs that it has been compiled to. */
interface Source {
  readonly f: (...args: unknown[]) => unknown;
  readonly options: LinkOptions;
  /** Whether it is traced again at the second call of each program. */
  readonly isChecked: boolean;
  readonly programs: ProgramCache<Entry>;
  /** Warns if there are too many. */
  readonly variants: VariantWatch;
}

function traced({ f, options }: Source, args: readonly unknown[]): Program {
  const { without, fuse } = options;
  const first = trace(f, args);
  // A tensor that is made in the first call only is there before the second trace: it is state.
  const program = first.assignsToConstants ? trace(f, args) : first;
  return simplify(program, fuse, without);
}

function compileFor(
  source: Source, args: readonly unknown[], key: string, threads: LinkOptions['threads'],
): Entry {
  const program = traced(source, args);
  const executable = link(program, { ...source.options, threads });
  const inspection = inspectionOf(executable, () => entry.times);
  const entry: Entry = {
    key, program, executable, inspection,
    holds: () => program.guards.every((isSame) => isSame()),
    isRunning: () => entry.running > 0,
    release: executable.release,
    calls: 0, running: 0, times: undefined,
  };
  return entry;
}

/**
 * The program for these arguments, which is compiled if there is none that holds for them;
 * `threads` gives the number of those on which it is called next, if it is.
 */
function entryFor(
  source: Source, args: readonly unknown[], { signature: key }: Arguments,
  threads?: LinkOptions['threads'],
): Entry {
  const { programs, variants } = source;
  const known = programs.find(key);
  if (known) return known;
  const made = compileFor(source, args, key, threads);
  variants.note(args, programs.wasDropped(key));
  programs.add(made);
  return made;
}

/** Counts a call of a program; at the second one traces again, if that was asked for. */
function noteCall(source: Source, entry: Entry, args: readonly unknown[]): void {
  if (source.isChecked && entry.calls === 1) {
    const difference = differenceOf(entry.program, traced(source, args));
    if (difference) throw new TensorError(`compile: traced again, ${difference}`);
  }
  entry.calls++;
  source.variants.calls++;
}

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
 * Throws if `f` is no function, or an option is unknown or wrong; and, when it is called, if the
 * function reads the data of a tensor that is not made in it (the number would be frozen in the
 * program), if it is async or a generator, or if it calls `backward()` and uses none of the
 * gradients. Within another traced function, and in `detectAnomaly`, the original is called.
 */
export function compile<Args extends unknown[], Result>(
  f: (...args: Args) => Result,
  given: CompileOptions = {},
): Compiled<Args, Result> {
  checkArgument('compile', 'f', f, callable());
  const { backend, deterministic, check, threads: asked, maxPrograms, without } =
    readOptions('compile', given, compileOptions);
  const source: Source = {
    f: (...args) => f(...(args as Args)),
    options: { backend, fuse: !deterministic, without: new Set(without) },
    isChecked: check,
    programs: new ProgramCache(maxPrograms),
    variants: new VariantWatch(f.name, maxPrograms),
  };
  const reader = new ArgumentReader();
  const threads = (): number => threadCountFor(asked);
  let latest: Entry | undefined;
  const prepare = (args: Args): { entry: Entry; run: (watch?: () => void) => Result } => {
    const read = reader.read(args);
    const entry = entryFor(source, args, read, threads);
    noteCall(source, entry, args);
    latest = entry;
    const run = (watch?: () => void): Result => {
      entry.running++;
      try {
        return entry.executable.run(read.tensors, threads(), watch) as Result;
      } finally {
        entry.running--;
      }
    };
    return { entry, run };
  };
  const look = (name: keyof Inspection): Inspection => {
    if (latest) return latest.inspection;
    throw new TensorError(`${name}: the function was not called yet; call it first, or use ` +
      `inspect(...).${name}() with the arguments of a call`);
  };
  const compiled = (...args: Args): Result => {
    const { tracer, observer } = currentMode();
    return tracer || observer ? f(...args) : prepare(args).run();
  };
  return Object.assign(compiled, {
    listing: () => look('listing').listing(),
    kernels: () => look('kernels').kernels(),
    memory: () => look('memory').memory(),
    stages: () => look('stages').stages(),
    explain: () => look('explain').explain(),
    wat: () => look('wat').wat(),
    arenaBytes: () => look('arenaBytes').arenaBytes(),
    inspect: (...args: Args) => entryFor(source, args, reader.read(args)).inspection,
    profile: (...args: Args) => {
      const { entry, run } = prepare(args);
      entry.times = timesOf(run);
      return entry.inspection.kernels();
    },
  });
}

/** The milliseconds from each call of `watch` to the next, and to the first, in a run. */
function timesOf(run: (watch: () => void) => unknown): number[] {
  const times: number[] = [];
  let last = now();
  run(() => {
    times.push(now() - last);
    last = now();
  });
  return times;
}

/**
 * What the passes do with each op of a program: a pass removes it, or it stays, and ends in one
 * kernel, or in several that each compute it again.
 */
import { formatNumber } from '@mambagrad/kernel';
import {
  boolean, callable, checkArgument, listOf, readOptions, type Table,
} from '../../core/options.ts';
import { describe } from '../../core/shape.ts';
import { constantsOf, numberIn } from '../fusion/constants.ts';
import { type Pass, passNames, simplify } from '../passes/simplify.ts';
import { schedule } from '../schedule/schedule.ts';
import { type Program, trace, type Value } from '../trace/trace.ts';
import { type KernelReport, kernelReports } from './kernels.ts';
import { valueNames } from './listing.ts';

/** An op of a trace, and what became of it. */
export interface PassedOp {
  /** The number of its first result in the trace: `%3`. */
  readonly name: string;
  /** The name of the op: `mul`. */
  readonly op: string;
  /** Its inputs: numbers of values of the trace, and constant numbers as they are. */
  readonly inputs: readonly string[];
  /** The dtype and shape of its first result: `f32[2]`. */
  readonly spec: string;
  /** The pass that removed it; undefined if it stayed. */
  readonly removedBy: Pass | undefined;
  /** The value that it is since then, or the number; undefined if it stayed, or nothing used it. */
  readonly replacement: string | undefined;
  /** The numbers of the kernels that compute it; none if it was removed. */
  readonly kernels: readonly number[];
}

/** A trace that went through the passes. */
export interface PassesReport {
  /** The ops of the trace, in order. */
  readonly ops: readonly PassedOp[];
  /** The kernels that came of them. Their values are numbered as in the listing of `compile`. */
  readonly kernels: readonly KernelReport[];
}

/** How the function is compiled; as by `compile` with these options. */
export interface InspectPassesOptions {
  /** Passes to leave out. Default []. */
  readonly without?: readonly Pass[] | undefined;
  /** Whether kernels do without fused multiply-add. Default false. */
  readonly deterministic?: boolean | undefined;
}

const inspectPassesOptions = {
  without: listOf(passNames).orElse([]),
  deterministic: boolean.orElse(false),
} satisfies Table<InspectPassesOptions>;

/**
 * Traces a function with arguments as for `compile`, and follows each op through the passes into a
 * kernel. Nothing is computed. Here the second exp is found to be the first:
 *
 *     const { ops } = inspectPasses((x: Tensor) => x.exp().add(x.exp()), [ones([2])]);
 *     console.log(ops.map(({ op, removedBy }) => removedBy ?? op)); // → [ 'exp', 'share', 'add' ]
 */
export function inspectPasses<Args extends unknown[]>(
  f: (...args: Args) => unknown, args: Args, options: InspectPassesOptions = {},
): PassesReport {
  checkArgument('inspectPasses', 'f', f, callable());
  const { without, deterministic } = readOptions('inspectPasses', options, inspectPassesOptions);
  const left = new Set(without);
  const traced = trace((...given) => f(...(given as Args)), args);
  const removed = new Map<Value, { by: Pass; replacement: Value | undefined }>();
  const program = simplify(traced, !deterministic, left, (by, value, replacement) => {
    removed.set(value, { by, replacement });
  });
  const { calls } = schedule(program, constantsOf(program), left);
  const nameOf = namesIn(traced, program);
  const ops = traced.steps.map(({ primitive, inputs, outputs: [output] }): PassedOp => {
    const { by, replacement } = removed.get(output) ?? {};
    return {
      name: nameOf(output), op: primitive.name, inputs: inputs.map(nameOf),
      spec: describe(output), removedBy: by, replacement: replacement && nameOf(replacement),
      kernels: calls.flatMap(({ steps }, i) =>
        steps.some(({ outputs }) => outputs.includes(output)) ? [i] : []),
    };
  });
  return { ops, kernels: kernelReports(program, calls) };
}

/** Names of values: numbers of the trace, and of constants their value, before or after passes. */
function namesIn(traced: Program, program: Program): (value: Value) => string {
  const names = valueNames(traced);
  return (value) => {
    const number = numberIn(program, value);
    if (number?.node !== 'constant') return names.get(value) ?? '?';
    return formatNumber(number.value, number.type === 'f32');
  };
}

/**
 * The kernels of a program, in order: the ops that each holds, what it reads and writes, how many
 * operations on numbers that takes, how many bytes it touches, and its text in the loop language.
 */
import { countOperations, printKernel } from '@mambagrad/kernel';
import { describe, type Spec } from '../../core/shape.ts';
import { bytesOf } from '../memory/plan.ts';
import type { KernelCall } from '../schedule/schedule.ts';
import type { Program, Value } from '../trace/trace.ts';
import { valueNames } from './listing.ts';
import { formatTable, requireReports } from './table.ts';

/** A value of a program. */
export interface ValueReport extends Spec {
  /** Its number in the listing of the program: `%3`. */
  readonly name: string;
}

/** A kernel of a program, or what runs in the place of one. */
export interface KernelReport {
  /** Its function in the WebAssembly text, after a number; of a reference loop, its op. */
  readonly name: string;
  /**
   * A `kernel`; a `check`, which looks for an index that is out of range, so that the reference
   * loop can throw; a `loop` over kernels, made by `scan`; or the `reference` loop of an op that
   * has no kernel.
   */
  readonly kind: 'kernel' | 'check' | 'loop' | 'reference';
  /** The names of the ops that it holds, each after those whose results it takes. */
  readonly ops: readonly string[];
  /** The values in memory that it reads, in the order of its parameters. */
  readonly reads: readonly ValueReport[];
  /** The values that it leaves in memory; they are the parameters that follow. */
  readonly writes: readonly ValueReport[];
  /** The kernels of an iteration, if it is a loop; their values have numbers of their own. */
  readonly body?: readonly KernelReport[];
  /** How many iterations a loop has. */
  readonly iterations?: number;
  /** Operations on single numbers, a vector's lanes each; undefined for a reference loop. */
  readonly operations: number | undefined;
  /** The bytes of all values that it reads and writes, each counted once. */
  readonly bytes: number;
  /** How long it took in the last call of `profile`; undefined if there was none. */
  readonly milliseconds: number | undefined;
  /** The kernel in the loop language; undefined for a loop over kernels and a reference loop. */
  readonly text: string | undefined;
}

/** Makes reports on values of a program. */
export function valueReporter(program: Program): (value: Value) => ValueReport {
  const names = valueNames(program);
  return (value) => ({
    name: names.get(value) ?? '?', shape: value.shape, dtype: value.dtype,
  });
}

/** Reports on all kernels, in order; `times` are in milliseconds. */
export function kernelReports(
  program: Program, calls: readonly KernelCall[], times: readonly number[] = [],
): KernelReport[] {
  const reportOf = valueReporter(program);
  return calls.map((call, i) => {
    const { name, steps, reads, writes, kernel } = call;
    return {
      name,
      kind: kindOf(call),
      ops: steps.map(({ primitive }) => primitive.name),
      reads: reads.map(reportOf),
      writes: writes.map(reportOf),
      ...contentsOf(call),
      bytes: [...reads, ...writes].reduce((sum, value) => sum + bytesOf(value), 0),
      milliseconds: times[i],
      // Written only when it is asked for.
      get text() {
        return kernel && printKernel(kernel);
      },
    };
  });
}

function kindOf({ kernel, loop, checks }: KernelCall): KernelReport['kind'] {
  if (loop) return 'loop';
  if (kernel === undefined) return 'reference';
  return checks === undefined ? 'kernel' : 'check';
}

/** The operations of a kernel, or all that is in a loop. */
function contentsOf(
  { kernel, loop: call }: KernelCall,
): Pick<KernelReport, 'body' | 'iterations' | 'operations'> {
  if (call === undefined) return { operations: kernel && countOperations(kernel) };
  const { loop: { body: program, length: iterations }, body: { calls } } = call;
  const body = kernelReports(program, calls);
  return { body, iterations, operations: iterations * sumOf(body, ({ operations }) => operations) };
}

function sumOf(
  reports: readonly KernelReport[], of: (report: KernelReport) => number | undefined,
): number {
  return reports.reduce((total, report) => total + (of(report) ?? 0), 0);
}

/** Names of ops, each once; of those that occur several times, their number as well. */
function formatOps(names: readonly string[]): string {
  const counted = [...new Set(names)].map((name) => {
    const count = names.filter((other) => other === name).length;
    return count > 1 ? `${count} ${name}` : name;
  });
  return counted.join(', ');
}

/**
 * Kernels as a table: the time of each if it is known, its operations, its bytes, what it reads and
 * writes, its ops; below a loop, further in, the kernels of an iteration; and a last line with the
 * sums.
 */
export function formatKernels(reports: readonly KernelReport[]): string {
  requireReports('formatKernels', reports);
  const isTimed = reports.some(({ milliseconds }) => milliseconds !== undefined);
  const rows = reports.flatMap((report) => rowsOf(report, isTimed));
  const summary =
    `${reports.length} ${reports.length === 1 ? 'kernel' : 'kernels'}, ` +
    `${sumOf(reports, ({ operations }) => operations)} operations` +
    (isTimed ? `, ${sumOf(reports, ({ milliseconds }) => milliseconds).toFixed(3)} ms` : '');
  return [...formatTable(rows, isTimed ? 3 : 2), summary].join('\n');
}

/** The row of a kernel, and if it is a loop those of its body. */
function rowsOf(report: KernelReport, isTimed: boolean, depth = 0): string[][] {
  const { kind, ops, reads, writes, operations, bytes, milliseconds, body = [] } = report;
  const [from, to] = [reads, writes].map((values) => values.map(describe).join(' '));
  const time = depth > 0 ? '' : `${(milliseconds ?? 0).toFixed(3)} ms`;
  const row = [
    ...(isTimed ? [time] : []),
    operations === undefined ? 'reference loop' : `${operations} operations`,
    `${bytes} bytes`,
    `${from} → ${to}`,
    '  '.repeat(depth) + nameOf(report.name, kind, ops, report.iterations),
  ];
  return [row, ...body.flatMap((inner) => rowsOf(inner, isTimed, depth + 1))];
}

function nameOf(
  name: string, kind: KernelReport['kind'], ops: readonly string[], iterations = 0,
): string {
  // A copy holds no op.
  const all = ops.length > 0 ? formatOps(ops) : name;
  if (kind === 'loop') return `${all}, ${iterations} times:`;
  return kind === 'check' ? `check of ${all}` : all;
}

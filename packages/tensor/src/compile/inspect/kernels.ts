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
import { formatTable } from './table.ts';

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
   * loop can throw; or the `reference` loop of an op that has no kernel.
   */
  readonly kind: 'kernel' | 'check' | 'reference';
  /** The names of the ops that it holds, each after those whose results it takes. */
  readonly ops: readonly string[];
  /** The values in memory that it reads, in the order of its parameters. */
  readonly reads: readonly ValueReport[];
  /** The values that it leaves in memory; they are the parameters that follow. */
  readonly writes: readonly ValueReport[];
  /** Operations on single numbers, a vector's lanes each; undefined for a reference loop. */
  readonly operations: number | undefined;
  /** The bytes of all values that it reads and writes, each counted once. */
  readonly bytes: number;
  /** How long it took in the last call of `profile`; undefined if there was none. */
  readonly milliseconds: number | undefined;
  /** The kernel in the loop language; undefined for a reference loop. */
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
  return calls.map(({ name, steps, reads, writes, kernel, checks }, i) => ({
    name,
    kind: kernel === undefined ? 'reference' : checks === undefined ? 'kernel' : 'check',
    ops: steps.map(({ primitive }) => primitive.name),
    reads: reads.map(reportOf),
    writes: writes.map(reportOf),
    operations: kernel && countOperations(kernel),
    bytes: [...reads, ...writes].reduce((sum, value) => sum + bytesOf(value), 0),
    milliseconds: times[i],
    // Written only when it is asked for.
    get text() {
      return kernel && printKernel(kernel);
    },
  }));
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
 * writes, its ops; and a last line with the sums.
 */
export function formatKernels(reports: readonly KernelReport[]): string {
  const isTimed = reports.some(({ milliseconds }) => milliseconds !== undefined);
  const rows = reports.map(({ kind, ops, reads, writes, operations, bytes, milliseconds }) => {
    const [from, to] = [reads, writes].map((values) => values.map(describe).join(' '));
    return [
      ...(isTimed ? [`${(milliseconds ?? 0).toFixed(3)} ms`] : []),
      operations === undefined ? 'reference loop' : `${operations} operations`,
      `${bytes} bytes`,
      `${from} → ${to}`,
      `${kind === 'check' ? 'check of ' : ''}${formatOps(ops)}`,
    ];
  });
  const sum = (of: (report: KernelReport) => number | undefined): number =>
    reports.reduce((total, report) => total + (of(report) ?? 0), 0);
  const summary =
    `${reports.length} ${reports.length === 1 ? 'kernel' : 'kernels'}, ` +
    `${sum(({ operations }) => operations)} operations` +
    (isTimed ? `, ${sum(({ milliseconds }) => milliseconds).toFixed(3)} ms` : '');
  return [...formatTable(rows, isTimed ? 3 : 2), summary].join('\n');
}

/**
 * What a compiled program consists of, for people: its kernels in order, the ops each holds, how
 * many operations on numbers that takes and how many bytes it touches.
 */
import { countOperations } from '@mambagrad/kernel';
import { describe } from '../../core/shape.ts';
import { bytesOf } from '../memory/plan.ts';
import type { Executable } from '../run/run.ts';
import type { Job } from '../schedule/schedule.ts';

/** A kernel of a program, or a reference loop. */
export interface KernelReport {
  /** The names of the ops that it holds; those that occur several times with their number. */
  readonly ops: string;
  /** What it reads and writes: `f32[2, 3] → f32[2]`. */
  readonly shapes: string;
  /** Operations on single numbers; undefined for a reference loop. */
  readonly operations: number | undefined;
  /** What it reads and writes, each array once. */
  readonly bytes: number;
  /** How long it took, if that was measured. */
  readonly milliseconds?: number;
}

function reportOf(job: Job, milliseconds: number | undefined): KernelReport {
  const names = job.steps.map(({ primitive }) => primitive.name);
  const ops = [...new Set(names)].map((name) => {
    const count = names.filter((other) => other === name).length;
    return count > 1 ? `${count} ${name}` : name;
  });
  const [reads, writes] = [job.reads, job.writes].map((values) => values.map(describe).join(' '));
  return {
    ops: job.checks === undefined ? ops.join(', ') : `check of ${ops.join(', ')}`,
    shapes: `${reads} → ${writes}`,
    operations: job.kernel && countOperations(job.kernel),
    bytes: [...job.reads, ...job.writes].reduce((sum, value) => sum + bytesOf(value), 0),
    ...(milliseconds !== undefined && { milliseconds }),
  };
}

/** The kernels of a program in order; `times` are in milliseconds. */
export function reportsOf({ schedule }: Executable, times?: readonly number[]): KernelReport[] {
  return schedule.jobs.map((job, i) => reportOf(job, times?.[i]));
}

/** A table of kernels, and a line about all of them. */
export function formatKernels(reports: readonly KernelReport[]): string {
  const rows = reports.map(({ ops, shapes, operations, bytes, milliseconds }) => [
    ...(milliseconds === undefined ? [] : [`${milliseconds.toFixed(3)} ms`]),
    operations === undefined ? 'reference loop' : `${operations} operations`,
    `${bytes} bytes`,
    shapes,
    ops,
  ]);
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  // Numbers end in line, words begin in line.
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (i < row.length - 2 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
  const sum = (of: (report: KernelReport) => number | undefined): number =>
    reports.reduce((total, report) => total + (of(report) ?? 0), 0);
  const time = sum(({ milliseconds }) => milliseconds);
  const summary =
    `${reports.length} ${reports.length === 1 ? 'kernel' : 'kernels'}, ` +
    `${sum(({ operations }) => operations)} operations` +
    (time > 0 ? `, ${time.toFixed(3)} ms` : '');
  return [...lines, summary].join('\n');
}

/**
 * What a compiled program consists of, for people: its kernels in order, the ops each holds, how
 * many operations on numbers that takes and how many bytes it touches.
 */
import { countOperations } from '@mambagrad/kernel';
import { describe } from '../shape.ts';
import { bytesOf } from './plan.ts';
import type { Executable } from './run.ts';

/** A table of the jobs, and a line about all of them; `times` are in milliseconds. */
export function formatJobs({ schedule, plan }: Executable, times?: readonly number[]): string {
  let total = 0;
  const rows = schedule.jobs.map((job, i) => {
    const operations = job.kernel ? countOperations(job.kernel) : NaN;
    if (job.kernel) total += operations;
    const bytes = [...job.reads, ...job.writes].reduce((sum, value) => sum + bytesOf(value), 0);
    const ops = job.steps.map(({ primitive }) => primitive.name);
    const counted = [...new Set(ops)].map((name) => {
      const count = ops.filter((other) => other === name).length;
      return count > 1 ? `${count} ${name}` : name;
    });
    return [
      ...(times ? [`${times[i]?.toFixed(3)} ms`] : []),
      job.kernel ? `${operations} operations` : 'reference loop',
      `${bytes} bytes`,
      `${job.reads.map(describe).join(' ')} → ${job.writes.map(describe).join(' ')}`,
      counted.join(', '),
    ];
  });
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        const isText = column >= row.length - 2;
        return isText ? cell.padEnd(widths[column]) : cell.padStart(widths[column]);
      })
      .join('  ')
      .trimEnd(),
  );
  const time = times?.reduce((sum, own) => sum + own, 0);
  const summary =
    `${rows.length} kernels, ${total} operations, an arena of ${plan.bytes} bytes` +
    (time === undefined ? '' : `, ${time.toFixed(3)} ms`);
  return [...lines, summary].join('\n');
}

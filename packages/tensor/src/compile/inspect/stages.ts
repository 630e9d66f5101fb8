/**
 * The stages of a program: one after the other, and in each of them kernels that touch nothing the
 * others write, so that threads can run them at the same time.
 */
import type { KernelCall } from '../schedule/schedule.ts';
import type { Stage } from '../schedule/stages.ts';
import { formatTable, requireReports } from './table.ts';

/** Kernels, or regions of them, that can run at the same time. */
export interface StageReport {
  /** What runs in this stage, in the order of a single thread. */
  readonly parts: readonly StagePart[];
  /**
   * Whether threads share all chunks of the stage; otherwise the main thread runs them alone, as
   * there is one chunk, or so little work that to share it would take longer.
   */
  readonly isShared: boolean;
  /** The stages of an iteration, if the kernel is a loop; kernels are those of its body. */
  readonly body?: readonly StageReport[];
}

/** A region of a kernel: a parallel loop, or what is before, between or after parallel loops. */
export interface StagePart {
  /** The number of the kernel in `kernels()`, from 0. */
  readonly kernel: number;
  /** The number of the region in its kernel, from 0. */
  readonly region: number;
  /** How many chunks its parallel loop has; 1 if it is none. */
  readonly chunks: number;
}

/** Reports on all stages, in order; a reference loop is a stage as well. */
export function stageReports(
  stages: readonly Stage[], calls: readonly KernelCall[],
): StageReport[] {
  return stages.flatMap(({ tasks, isShared, fence, loop }): StageReport[] => {
    if (loop) {
      const body = stageReports(loop.stages, loop.calls);
      const parts = [{ kernel: loop.call, region: 0, chunks: 1 }];
      return [{ parts, isShared: body.some((stage) => stage.isShared), body }];
    }
    if (tasks.length > 0) {
      const parts = tasks.map(({ call, region, iterations = 1 }) => (
        { kernel: call, region, chunks: iterations }
      ));
      return [{ parts, isShared }];
    }
    const isReference = fence !== undefined && calls[fence].kernel === undefined;
    return isReference
      ? [{ parts: [{ kernel: fence, region: 0, chunks: 1 }], isShared: false }]
      : [];
  });
}

/** Stages as a table: who runs each, the chunks of its kernels, and the kernels' numbers. */
export function formatStages(reports: readonly StageReport[]): string {
  requireReports('formatStages', reports);
  return formatTable(rowsOf(reports), 0).join('\n');
}

/** A row for each stage, and below a loop those of its body, further in. */
function rowsOf(reports: readonly StageReport[], depth = 0): string[][] {
  return reports.flatMap(({ parts, isShared, body = [] }) => {
    const chunks = parts.map((part) => part.chunks);
    const kernels = parts.map(
      ({ kernel, region }) => (region > 0 ? `${kernel}.${region}` : kernel),
    );
    const row = [
      '  '.repeat(depth) + (isShared ? 'all threads' : 'main thread'),
      `${chunks.join(' + ')} ${chunks.join() === '1' ? 'chunk' : 'chunks'}`,
      `${kernels.length === 1 ? 'kernel' : 'kernels'} ${kernels.join(', ')}`,
    ];
    return [row, ...rowsOf(body, depth + 1)];
  });
}

/**
 * The stages of a program: one after the other, and in each of them kernels that touch nothing the
 * others write, so that threads can run them at the same time.
 */
import type { Job } from '../schedule/schedule.ts';
import type { Stage } from '../schedule/stages.ts';
import { formatTable } from './table.ts';

/** Kernels, or parts of them, that can run at the same time. */
export interface StageReport {
  /** What runs in this stage, in the order of a single thread. */
  readonly parts: readonly StagePart[];
  /**
   * Whether threads share all chunks of the stage; otherwise the main thread runs them alone, as
   * there is one chunk, or so little work that to share it would take longer.
   */
  readonly isShared: boolean;
}

/** A kernel in a stage, or a part of a kernel: it is cut before and after each parallel loop. */
export interface StagePart {
  /** The number of the kernel in `kernels()`, from 0. */
  readonly kernel: number;
  /** The number of the part in its kernel, from 0. */
  readonly part: number;
  /** How many chunks its parallel loop has; 1 if it has none. */
  readonly chunks: number;
}

/** Reports on all stages, in order; a reference loop is a stage as well. */
export function stageReports(stages: readonly Stage[], jobs: readonly Job[]): StageReport[] {
  return stages.flatMap(({ works, isShared, ends }): StageReport[] => {
    if (works.length > 0) {
      const parts = works.map(({ job, phase, rounds = 1 }) => (
        { kernel: job, part: phase, chunks: rounds }
      ));
      return [{ parts, isShared }];
    }
    const isReference = ends !== undefined && jobs[ends].kernel === undefined;
    return isReference
      ? [{ parts: [{ kernel: ends, part: 0, chunks: 1 }], isShared: false }]
      : [];
  });
}

/** Stages as a table: who runs each, the chunks of its kernels, and the kernels' numbers. */
export function formatStages(reports: readonly StageReport[]): string {
  const rows = reports.map(({ parts, isShared }) => {
    const chunks = parts.map((part) => part.chunks);
    const kernels = parts.map(({ kernel, part }) => (part > 0 ? `${kernel}.${part}` : kernel));
    return [
      isShared ? 'all threads' : 'main thread',
      `${chunks.join(' + ')} ${chunks.join() === '1' ? 'chunk' : 'chunks'}`,
      `${kernels.length === 1 ? 'kernel' : 'kernels'} ${kernels.join(', ')}`,
    ];
  });
  return formatTable(rows, 0).join('\n');
}

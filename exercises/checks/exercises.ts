/** All exercises, in the order of the course. */
import { backward } from './backward.ts';
import type { Exercise } from './check.ts';
import { chunks } from './chunks.ts';
import { combine } from './combine.ts';
import { fusion } from './fusion.ts';
import { liveness } from './liveness.ts';
import { microkernel } from './microkernel.ts';
import { op } from './op.ts';
import { scan } from './scan.ts';

/** The exercises. The type of a module is known to its check alone. */
export const exercises: readonly Exercise<never>[] = [
  backward, op, combine, chunks, scan, fusion, liveness, microkernel,
];

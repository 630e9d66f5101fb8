/** The mutants of all exercises. */
import { mutants as backward } from './backward.ts';
import { mutants as chunks } from './chunks.ts';
import { mutants as combine } from './combine.ts';
import { mutants as fusion } from './fusion.ts';
import { mutants as liveness } from './liveness.ts';
import { mutants as microkernel } from './microkernel.ts';
import { mutants as op } from './op.ts';
import { mutants as scan } from './scan.ts';
import type { Mutant } from './mutant.ts';

/** The mutants of each exercise, by its name. */
export const mutants: Readonly<Record<string, readonly Mutant[]>> = {
  backward, op, combine, chunks, scan, fusion, liveness, microkernel,
};

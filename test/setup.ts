/**
 * Runs before each test file: every property draws from the seed of the run, and every memory plan
 * that is made, of whatever program, is checked. How finely work is cut can be changed.
 */
import fc from 'fast-check';
import { inject, vi } from 'vitest';
import { checked } from './support/plans.ts';
import { finely } from './support/rounds.ts';

// A failing property is made smaller for a while, not without end; one that takes so long without
// failing has not been tested.
fc.configureGlobal({
  seed: inject('seed'),
  interruptAfterTimeLimit: 40_000,
  markInterruptAsFailure: true,
});

vi.mock(import('../packages/tensor/src/compile/memory/plan.ts'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, planMemory: checked(original) };
});

vi.mock(import('../packages/kernel/src/parallel/chunks.ts'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, partition: finely(original) };
});

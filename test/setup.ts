/**
 * Runs before each test file: every property draws from the seed of the run, and every memory plan
 * that is made, of whatever program, is checked. How finely work is cut can be changed, and twins
 * are scheduled once. Files that share a process leave it as they have found it.
 */
import fc from 'fast-check';
import { afterAll, inject, vi } from 'vitest';
import { checked } from './support/plans.ts';
import { finely } from './support/rounds.ts';
import { scheduledOnce, simplifiedOnce, tracedOnce } from './support/sharing.ts';

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

vi.mock(import('../packages/tensor/src/compile/trace/trace.ts'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, trace: tracedOnce(original) };
});

vi.mock(import('../packages/tensor/src/compile/passes/simplify.ts'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, simplify: simplifiedOnce(original) };
});

vi.mock(import('../packages/tensor/src/compile/schedule/schedule.ts'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, schedule: scheduledOnce(original) };
});

// Imported late: a file may replace modules of the library before they are loaded.
afterAll(async () => {
  const { manualSeed, setThreads } = await import('@mambagrad/tensor');
  manualSeed(0);
  setThreads(undefined);
  vi.restoreAllMocks();
});

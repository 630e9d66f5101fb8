/**
 * Runs before each test file: every property draws from the seed of the run, and every memory plan
 * that is made, of whatever program, is checked. Files that share a process leave it
 * as they have found it.
 */
import fc from 'fast-check';
import { afterAll, inject, vi } from 'vitest';
import { checked } from './support/plans.ts';

// A failing property is made smaller for a while, not without end; one that takes so long without
// failing has not been tested. It is long, as a busy machine must not make tests fail.
fc.configureGlobal({
  seed: inject('seed'),
  interruptAfterTimeLimit: 120_000,
  markInterruptAsFailure: true,
});

vi.mock(import('../packages/tensor/src/compile/memory/plan.ts'), async (importOriginal) => {
  const original = await importOriginal();
  return { ...original, planMemory: checked(original) };
});

// Imported late: a file may replace modules of the library before they are loaded.
afterAll(async () => {
  const { manualSeed, setThreads } = await import('@mambagrad/tensor');
  manualSeed(0);
  setThreads(undefined);
  vi.restoreAllMocks();
});

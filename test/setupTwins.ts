/**
 * Runs before each test file that shares a process with others: twins are traced and scheduled
 * once. A file that loads the library a second time would get what belongs to the first.
 */
import { vi } from 'vitest';
import { scheduledOnce, simplifiedOnce, tracedOnce } from './support/sharing.ts';

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

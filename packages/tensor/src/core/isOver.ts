/** Whether a function is over when it returns, so that what was changed for it can be undone. */
import { check } from './shape.ts';

/**
 * Throws in the name of `op` unless the function that returned this result is over: an async
 * function or a generator would go on running later, in another mode.
 */
export function checkIsOver(op: string, result: unknown): void {
  if (typeof result !== 'object' || result === null) return;
  const isAsync = 'then' in result && typeof result.then === 'function';
  check(!isAsync)`${op}: the function is async, and would run on after ${op} is over`;
  const isGenerator = 'next' in result && typeof result.next === 'function';
  check(!isGenerator)`${op}: the function gives a generator, which runs when it is asked for values,
    after ${op} is over; go through it within ${op}, and return an array`;
}

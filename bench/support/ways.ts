/** The ways in which a function of tensors can be run, and the numbers of threads to compare. */
import { compile } from '@mambagrad/tensor';
import { availableParallelism } from 'node:os';

/** What is timed. */
export type Call = () => unknown;

export const cores: number = availableParallelism();

/** One thread, and one for each core. */
export const threadCounts: readonly number[] = cores > 1 ? [1, cores] : [1];

export const threadNames: readonly string[] = threadCounts.map(
  (threads) => `${threads} ${threads === 1 ? 'thread' : 'threads'}`,
);

/** The columns of tables that compare all ways: eagerly, and compiled by each backend. */
export const ways: readonly string[] = [
  'eager', 'JavaScript', ...threadNames.map((name) => `WebAssembly, ${name}`),
];

/** A call of the function, compiled, for each number of threads. */
export function onThreads<Args extends unknown[]>(
  f: (...args: Args) => unknown, ...args: Args
): Call[] {
  return threadCounts.map((threads) => {
    const program = compile(f, { threads });
    return () => program(...args);
  });
}

/** A call in each of the ways. */
export function inAllWays<Args extends unknown[]>(
  f: (...args: Args) => unknown, ...args: Args
): Call[] {
  const script = compile(f, { backend: 'js' });
  return [() => f(...args), () => script(...args), ...onThreads(f, ...args)];
}

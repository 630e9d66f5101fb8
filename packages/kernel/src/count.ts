/** How much a kernel does: the operations on single numbers, each lane of a vector counted. */
import type { Kernel } from './kernel.ts';
import { roundsOf, type Statement } from './statement.ts';
import { lanesOf, type Value } from './value.ts';

/**
 * The arithmetic operations of one run, loads, stores and what moves lanes not counted. A loop
 * whose bounds depend on something counts as one round, a branch as its longer side.
 */
export function countOperations({ body }: Kernel): number {
  return sum(body, countStatement);
}

function sum<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((total, item) => total + count(item), 0);
}

function countStatement(one: Statement): number {
  const inside = Math.max(0, ...one.bodies.map((body) => sum(body, countStatement)));
  if (one.statement === 'loop') return (roundsOf(one) ?? 1) * inside;
  return sum(one.values, countValue) + inside;
}

/** Statements hold trees, in which nothing occurs twice. */
function countValue(value: Value): number {
  if (value.node !== 'operation') return 0;
  const { inputs, meaning: { name, isFree } } = value;
  const own = isFree ? 0 : lanesOf(value) * (name === 'mulAdd' ? 2 : 1);
  return own + sum(inputs, countValue);
}

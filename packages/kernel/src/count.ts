/** How much a kernel does: the operations on single numbers, each lane of a vector counted. */
import type { Kernel } from './kernel.ts';
import type { Statement } from './statement.ts';
import { inputsOf, valuesOf } from './trees.ts';
import { lanesOf, type Value } from './value.ts';

/**
 * The arithmetic operations of one run, loads, stores and what moves lanes not counted. A loop
 * whose bounds depend on something counts as one round, a branch as its longer side.
 */
export function countOperations({ body }: Kernel): number {
  return countAll(body);
}

const free = new Set(['splat', 'lane', 'shuffle', 'consecutive', 'bitsOf', 'fromBits']);

function countAll(statements: readonly Statement[]): number {
  return statements.reduce((sum, statement) => sum + countOne(statement), 0);
}

function countOne(statement: Statement): number {
  const values = statement.statement === 'store' || statement.statement === 'set'
    ? [statement.value]
    : valuesOf(statement);
  const own = values.reduce((sum, value) => sum + countValue(value), 0);
  if (statement.statement === 'loop') {
    const { from, to, step, body } = statement;
    const isKnown = from.node === 'constant' && to.node === 'constant';
    const rounds = isKnown ? Math.max(0, Math.ceil((to.value - from.value) / step)) : 1;
    return rounds * countAll(body);
  }
  if (statement.statement !== 'when') return own;
  return own + Math.max(countAll(statement.then), countAll(statement.otherwise));
}

/** Statements hold trees, in which nothing occurs twice. */
function countValue(value: Value): number {
  if (value.node !== 'operation') return 0;
  const weight = value.name === 'mulAdd' ? 2 : 1;
  const own = free.has(value.name) ? 0 : weight * lanesOf(value);
  return inputsOf(value).reduce((sum, input) => sum + countValue(input), own);
}

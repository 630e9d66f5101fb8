/** Counting the arithmetic operations of a kernel; one on a vector counts for each lane. */
import { type Expr, lanesOf } from './expression.ts';
import type { Kernel } from './kernel.ts';
import type { Loop, Statement } from './statement.ts';

/** The values of i32 expressions that are known at a point: counters, and what they determine. */
type Known = Map<unknown, number | undefined>;

/**
 * The number of arithmetic operations of one run, without loads, stores and moves of lanes. A loop
 * whose bounds depend on arguments or on memory counts as one iteration, a branch as its longer
 * side.
 */
export function countOperations(kernel: Kernel): number {
  const count = counts.get(kernel) ?? countAll(kernel.body, new Map());
  counts.set(kernel, count);
  return count;
}

/** The results so far, since counting is slow where iterations differ and must be run through. */
const counts = new WeakMap<Kernel, number>();

function countAll(statements: readonly Statement[], known: Known): number {
  return statements.reduce((total, one) => total + countStatement(one, known), 0);
}

function countStatement(one: Statement, known: Known): number {
  if (one.statement === 'loop') return countLoop(one, known);
  if (one.statement === 'assign') known.set(one.target, numberOf(one.values[0], known));
  const own = one.values.reduce((total, value) => total + countValue(value), 0);
  return own + Math.max(0, ...one.bodies.map((body) => countAll(body, known)));
}

function countLoop(loop: Loop, known: Known): number {
  const [from, to] = loop.values.map((bound) => numberOf(bound, known));
  const { counter, step, bodies: [body] } = loop;
  if (from === undefined || to === undefined) return countAll(body, known);
  const iterations = Math.max(0, Math.ceil((to - from) / step));
  known.set(counter, from);
  if (!hasUnevenLoop(body)) return iterations * countAll(body, known);
  let total = 0;
  for (let i = from; i < to; i += step) total += countAll(body, known.set(counter, i));
  return total;
}

/** Whether there is a loop inside whose bounds may differ between iterations. */
function hasUnevenLoop(statements: readonly Statement[]): boolean {
  return statements.some(({ statement, values, bodies }) => {
    const isUneven = statement === 'loop' && values.some(({ node }) => node !== 'constant');
    return isUneven || bodies.some(hasUnevenLoop);
  });
}

const arithmetic: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b, sub: (a, b) => a - b, mul: (a, b) => a * b,
  min: Math.min, max: Math.max, and: (a, b) => a & b, truncDiv: (a, b) => Math.trunc(a / b),
};

function numberOf(value: Expr, known: Known): number | undefined {
  if (value.node === 'constant') return value.value;
  if (value.node !== 'operation' || value.type !== 'i32') return known.get(value);
  const [a, b] = value.inputs.map((input) => numberOf(input, known));
  if (a === undefined || b === undefined) return undefined;
  return arithmetic[value.meaning.name]?.(a, b);
}

/** The operations of an expression; those of a kernel are trees, in which nothing occurs twice. */
function countValue(value: Expr): number {
  if (value.node !== 'operation') return 0;
  const { inputs, meaning: { name, isFree } } = value;
  const own = isFree ? 0 : lanesOf(value) * (name === 'mulAdd' ? 2 : 1);
  return inputs.reduce((total, input) => total + countValue(input), own);
}

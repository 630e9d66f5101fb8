/**
 * Statements: a kernel stores values, sets variables, loops and branches. A vectorized loop
 *
 *     vectorized('i', n, (i) => store(y, i, mul(load(x, i), 2)))
 *
 * takes four elements at a time while there are four, and then one at a time. Its body is written
 * once, for an `i` that is four neighbouring indices or a single one, so an element gets the same
 * bits in a lane and in the tail.
 */
import {
  type Buffer, constant, type Expr, fit, lanesOf, type Load, type Operand, type Variable, variable,
} from './expression.ts';
import { placeOf } from './memory.ts';
import { add, and, max, ramp, sub } from './operations.ts';

/** A statement: an assignment to a variable or to memory, a loop, or a branch. */
export type Statement = Assign | Loop | When;

/** A sequence of statements; nested lists are flattened. */
export type Statements = Statement | readonly Statements[];

/** The expressions that a statement evaluates, and the blocks inside it. */
interface Parts {
  readonly values: readonly Expr[];
  readonly bodies: readonly (readonly Statement[])[];
}

/** Assigns a value to a variable, to an element of a buffer, or to four of them. */
export interface Assign extends Parts {
  readonly statement: 'assign';
  readonly target: Variable | Load;
}

/** Runs its body for each number from one value up to another, which is excluded. */
export interface Loop extends Parts {
  readonly statement: 'loop';
  readonly counter: Variable;
  readonly step: number;
  /** Whether threads may share its iterations. */
  readonly isParallel: boolean;
}

/** Runs its first body if a condition holds, else its second. */
export interface When extends Parts {
  readonly statement: 'when';
}

/** The numbers from 0 up to a number, which is excluded; or from another one, in larger steps. */
export type Range = Operand | {
  readonly from?: Operand;
  readonly to: Operand;
  /** Default 1. */
  readonly step?: number;
  /** A number that divides both bounds, if one is known: of 4, a vectorized loop has no tail. */
  readonly multipleOf?: number | undefined;
};

/** A half-open interval of indices, `from` ≤ i < `to`. */
export interface Interval {
  /** The first index. */
  readonly from: Operand;
  /** The first index after it. */
  readonly to: Operand;
  /** A number that divides both, if one is known. */
  readonly multipleOf?: number | undefined;
}

/** The first index of a range and the first after it. */
export function intervalOf(range: Range): Interval {
  if (typeof range === 'number' || 'node' in range) return { from: 0, to: range };
  return { from: 0, ...range };
}

/** Assigns a value to a variable. */
export function set(target: Variable, value: Operand): Assign {
  return assign('set', target, target.name, value);
}

function assign(
  how: string, target: Variable | Load, name: string, value: Operand,
): Assign {
  const isOfType = typeof value !== 'number' && value.type === target.type;
  const values = [isOfType ? value : fit(`${how} ${name}`, target.type, value)];
  return { statement: 'assign', target, values, bodies: noBodies };
}

/** An assignment has no blocks inside it. */
const noBodies: readonly (readonly Statement[])[] = [];

/** Stores an element, or one for each lane of the index: lane 0 first, lane 3 last. */
export function store(to: Buffer, index: Operand, value: Operand): Assign {
  const target = placeOf('store', to, index);
  if (typeof index === 'object' && lanesOf(index) > lanesOf(target)) {
    throw new Error(`store ${to.name}: all lanes have the same index`);
  }
  return assign('store', target, to.name, value);
}

/** Runs the body for each number of a range, which must not be negative. */
export function loop(name: string, range: Range, body: (i: Variable) => Statements): Loop {
  const { from, to, step } = boundsOf(`loop ${name}`, range);
  if (!Number.isInteger(step) || step < 1) {
    throw new Error(`loop ${name}: the step is ${step}, expected a whole number from 1`);
  }
  if (from.node === 'constant' && from.value < 0) {
    throw new Error(`loop ${name}: it starts from ${from.value}, expected 0 or more`);
  }
  const counter = variable(name, 'i32');
  // `listOf` leaves out a loop that is known not to run, as most tails are: nothing is made for it.
  const isIdle = from.node === 'constant' && to.node === 'constant' && from.value >= to.value;
  const bodies = [isIdle ? [] : listOf(body(counter))];
  return { statement: 'loop', counter, values: [from, to], step, bodies, isParallel: false };
}

/**
 * A parallel loop: threads run the body for each number below a count, in any order and at the same
 * time. So no iteration may read or write what another one writes. It must be one of the outermost
 * statements of a kernel; there is a barrier after it, and no variable keeps its value across it.
 * Scratch memory that only this loop uses is thread-local, and is not cleared between iterations.
 */
export function parallel(name: string, count: number, body: (i: Expr) => Statements): Statements {
  if (count === 1) return body(constant('i32', 0));
  return { ...loop(name, count, body), isParallel: true };
}

function boundsOf(taker: string, range: Range): { from: Expr; to: Expr; step: number } {
  const { from = 0, to, step = 1 } =
    typeof range === 'number' || 'node' in range ? { to: range } : range;
  return { from: fit(taker, 'i32', from), to: fit(taker, 'i32', to), step };
}

/** Runs the body for four numbers at a time while there are four, then for single ones. */
export function vectorized(
  name: string, range: Range, body: (i: Expr) => Statements,
): readonly [wide: Loop, tail: Loop] {
  const { wide, tail } = split(`vectorized ${name}`, range);
  return [loop(name, wide, (i) => body(ramp(i))), loop(name, tail, body)];
}

/** A range in two parts: one in steps of four, and the rest. */
interface Split {
  readonly wide: { readonly from: Expr; readonly to: Operand; readonly step: 4 };
  readonly tail: Range;
  /** The number of its numbers; infinite if it is not known. */
  readonly count: number;
}

/**
 * Splits a range for a loop over vectors and one over the rest, the tail. Throws in the name of
 * `taker` unless the step of the range is 1.
 */
export function split(taker: string, range: Range): Split {
  const { from, to, step } = boundsOf(taker, range);
  if (step !== 1) throw new Error(`${taker}: the step is ${step}, expected 1`);
  const isKnown = from.node === 'constant' && to.node === 'constant';
  const isInFours = typeof range === 'object' && !('node' in range) && range.multipleOf === 4;
  if (isInFours && !isKnown) return { wide: { from, to, step: 4 }, tail: 0, count: Infinity };
  const count = isKnown ? Math.max(to.value - from.value, 0) : Infinity;
  const middle = isKnown
    ? from.value + (count & -4)
    : add(from, and(max(sub(to, from), 0), -4));
  return { wide: { from, to: middle, step: 4 }, tail: { from: middle, to }, count };
}

/** A branch: runs the first statements if the condition holds, else the others. */
export function when(condition: Expr, then: Statements, otherwise: Statements = []): When {
  if (condition.type !== 'mask') throw new Error(`when: expected a mask, found ${condition.type}`);
  return { statement: 'when', values: [condition], bodies: [listOf(then), listOf(otherwise)] };
}

/** The first and the last number of a loop's counter, if they are known. */
export function spanOf({ values: [from, to], step }: Loop): readonly [number, number] | undefined {
  if (from.node !== 'constant' || to.node !== 'constant') return undefined;
  const iterations = Math.ceil((to.value - from.value) / step);
  return [from.value, from.value + (iterations - 1) * step];
}

/** Statements as a flat list, without loops that are known not to run. */
export function listOf(statements: Statements): readonly Statement[] {
  const list: Statement[] = [];
  addTo(list, statements);
  return list;
}

function addTo(list: Statement[], statements: Statements): void {
  if (!('statement' in statements)) {
    for (let i = 0; i < statements.length; i++) addTo(list, statements[i]);
    return;
  }
  const span = statements.statement === 'loop' ? spanOf(statements) : undefined;
  if (span === undefined || span[0] <= span[1]) list.push(statements);
}

/**
 * What a kernel does, step by step: it stores values, sets variables, loops and branches.
 *
 *     vectorized('i', n, (i) => store(y, i, mul(load(x, i), 2)))
 *
 * does a row four elements at a time while there are four, and then one at a time. The body is
 * written once, for an `i` that is four neighbouring indices or one: what is done to an element is
 * the same in a lane and in the tail, bit for bit.
 */
import {
  type Buffer, constant, type Expr, fit, lanesOf, type Load, type Operand, type Variable, variable,
} from './expression.ts';
import { placeOf } from './memory.ts';
import { add, and, max, ramp, sub } from './operations.ts';

/** One step of a kernel: a value that is stored or set, a loop, or a branch. */
export type Statement = Assign | Loop | When;

/** Statements one after the other; lists inside lists are taken apart. */
export type Statements = Statement | readonly Statements[];

/** What a statement computes by itself, and what is inside it. */
interface Parts {
  readonly values: readonly Expr[];
  readonly bodies: readonly (readonly Statement[])[];
}

/** Gives a variable, an element of a buffer or four of them a value. */
export interface Assign extends Parts {
  readonly statement: 'assign';
  readonly target: Variable | Load;
}

/** Runs its body for each number from one value up to below another. */
export interface Loop extends Parts {
  readonly statement: 'loop';
  readonly counter: Variable;
  readonly step: number;
  /** Whether threads may share the rounds. */
  readonly isParallel: boolean;
}

/** Runs its first body if a value holds, else its second. */
export interface When extends Parts {
  readonly statement: 'when';
}

/** From 0 up to a number, that one left out; or from another start, or by greater steps. */
export type Range = Operand | {
  readonly from?: Operand;
  readonly to: Operand;
  /** Default 1. */
  readonly step?: number;
};

/** A half-open interval of indices, `from` ≤ i < `to`. */
export interface Interval {
  /** The first index. */
  readonly from: Operand;
  /** The first index after it. */
  readonly to: Operand;
}

/** The first index of a range and the first after it. */
export function intervalOf(range: Range): Interval {
  if (typeof range === 'number' || 'node' in range) return { from: 0, to: range };
  return { from: 0, ...range };
}

/** Gives a variable a value. */
export function set(target: Variable, value: Operand): Assign {
  return assign(`set ${target.name}`, target, value);
}

function assign(taker: string, target: Variable | Load, value: Operand): Assign {
  return { statement: 'assign', target, values: [fit(taker, target.type, value)], bodies: [] };
}

/** Writes an element, or one for each lane of the index: lane 0 first, lane 3 last. */
export function store(to: Buffer, index: Operand, value: Operand): Assign {
  const target = placeOf('store', to, index);
  if (typeof index === 'object' && lanesOf(index) > lanesOf(target)) {
    throw new Error(`store ${to.name}: all lanes go to one place`);
  }
  return assign(`store ${to.name}`, target, value);
}

/** Runs the body for each number of a range. Numbers start from 0 or above. */
export function loop(name: string, range: Range, body: (i: Variable) => Statements): Loop {
  const { from, to, step } = boundsOf(`loop ${name}`, range);
  if (!Number.isInteger(step) || step < 1) {
    throw new Error(`loop ${name}: the step is ${step}, expected a whole number from 1`);
  }
  if (from.node === 'constant' && from.value < 0) {
    throw new Error(`loop ${name}: starts from ${from.value}, expected 0 or above`);
  }
  const counter = variable(name, 'i32');
  const bodies = [listOf(body(counter))];
  return { statement: 'loop', counter, values: [from, to], step, bodies, isParallel: false };
}

/**
 * Runs the body for each number below a count, in any order or at the same time, by as many threads
 * as there are; so no round may read or write what another writes. Stands among the outermost
 * statements of a kernel, and all threads meet behind it. No variable passes from one of these to
 * the next. Scratch memory that only one of them uses is each thread's own: what another round has
 * left there may be in it, or not.
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

/** Runs the body for four numbers at a time while there are four, then for each one left. */
export function vectorized(
  name: string, range: Range, body: (i: Expr) => Statements,
): readonly [wide: Loop, tail: Loop] {
  const { wide, tail } = split(`vectorized ${name}`, range);
  return [loop(name, wide, (i) => body(ramp(i))), loop(name, tail, body)];
}

/** A range as two: the part in steps of four, and what is left. */
interface Split {
  readonly wide: { readonly from: Expr; readonly to: Operand; readonly step: 4 };
  readonly tail: Range;
  /** How many numbers it has, infinite if that is not known. */
  readonly count: number;
}

/**
 * Splits a range for a loop over vectors and one over what is left. Throws in the name of `taker`
 * unless the step of the range is 1.
 */
export function split(taker: string, range: Range): Split {
  const { from, to, step } = boundsOf(taker, range);
  if (step !== 1) throw new Error(`${taker}: the step is ${step}, expected 1`);
  const isKnown = from.node === 'constant' && to.node === 'constant';
  const count = isKnown ? Math.max(to.value - from.value, 0) : Infinity;
  const middle = isKnown
    ? from.value + (count & -4)
    : add(from, and(max(sub(to, from), 0), -4));
  return { wide: { from, to: middle, step: 4 }, tail: { from: middle, to }, count };
}

/** Runs the first statements if the condition holds, else the others. */
export function when(condition: Expr, then: Statements, otherwise: Statements = []): When {
  if (condition.type !== 'mask') throw new Error(`when: expected a mask, found ${condition.type}`);
  return { statement: 'when', values: [condition], bodies: [listOf(then), listOf(otherwise)] };
}

/** The first and the last number of a loop's counter, if they are known. */
export function spanOf({ values: [from, to], step }: Loop): readonly [number, number] | undefined {
  if (from.node !== 'constant' || to.node !== 'constant') return undefined;
  const rounds = Math.ceil((to.value - from.value) / step);
  return [from.value, from.value + (rounds - 1) * step];
}

/** Statements as a flat list; loops that never run are left out. */
export function listOf(statements: Statements): readonly Statement[] {
  const list = ([statements] as readonly unknown[]).flat(Infinity) as Statement[];
  return list.filter((one) => {
    const [first, last] = (one.statement === 'loop' ? spanOf(one) : undefined) ?? [0, 0];
    return first <= last;
  });
}

/**
 * Compensated summation, and reductions in general: how many float32 numbers become one. A plain
 * running sum drifts, because each addition rounds the total to 24 bits, and the larger the total,
 * the coarser that is: adding 0.1 a million times gives 100958.34. So we sum in two levels. Terms
 * are first added in short sums of 16, and the short sums are added to a total. If there are more
 * than 16 short sums, a second register, the compensation, collects the exact rounding error of
 * each addition to the total:
 *
 *     next = total + x                   error = total + x − next, exactly (TwoSum, rounding.ts)
 *     compensation += error              the sum is total + compensation
 *
 * The relative error is then that of one short sum, however many there are.
 *
 * The compensation is itself rounded, which shows after some ten thousand additions to it. So the
 * longest rows have a third level: blocks, each with a total and a compensation.
 */
import {
  type Buffer, type Expr, kindOf, type Operand, type Type, typeOf, type Variable, variable,
} from '../language/expression.ts';
import { load } from '../language/memory.ts';
import {
  add, type Binary, equal, lane, min, ramp, reduceLanes, select, shuffle,
} from '../language/operations.ts';
import { loop, type Range, set, split, type Statements, store } from '../language/statement.ts';
import { twoSumError } from './rounding.ts';

/** The largest number of terms of a short sum. */
export const SHORT_SUM = 16;
/** Elements of a row that make a short sum in each of the four lanes, and elements of a block. */
const LEVEL_SIZES = [4 * SHORT_SUM, 2 ** 18];

/** How many numbers become one: `sum`, or another associative operation, such as `maximum`. */
export interface Reduction {
  /** Combines the result so far with one more term. */
  readonly combine: Binary;
  /** The result of no terms, which changes nothing when it is combined: 0 of a sum. */
  readonly identity: number;
  /** The rounding error of `combine`, if it rounds: the exact result minus `result`. */
  readonly roundingError?: (total: Expr, x: Expr, result: Expr) => Expr;
}

/** The reduction that adds. */
export const sum: Reduction = { combine: add, identity: 0, roundingError: twoSumError };

/** Whether a reduction is a sum with too many terms, of a type, for one short sum. */
export function isLongSum({ roundingError }: Reduction, type: Type, terms: number): boolean {
  return roundingError !== undefined && kindOf({ type }) === 'f32' && terms > SHORT_SUM;
}

/** A register in which terms are combined, with a second one for the compensation if it has one. */
export interface Accumulator {
  /** Clears the registers; comes before all terms. */
  readonly start: Statements;
  /** Combines the total with a term, which may have a compensation too. */
  add(x: Expr, compensation?: Expr): Statements;
  /** The terms combined so far, without the compensation. */
  readonly total: Variable;
  /** The sum of the rounding errors of the total; undefined if it is not kept. */
  readonly compensation: Variable | undefined;
  /** The total with its compensation added. */
  readonly result: Expr;
}

/** An accumulator in a variable; `isCompensated` gives it a compensation if `combine` rounds. */
export function accumulator(
  total: Variable, { combine, identity, roundingError }: Reduction, isCompensated: boolean,
): Accumulator {
  const start = set(total, identity);
  if (!isCompensated || !roundingError) {
    const plain = (x: Expr): Statements => set(total, combine(total, x));
    return { start, add: plain, total, compensation: undefined, result: total };
  }
  const [term, next, compensation] = ['Term', 'Next', 'Rest'].map((part) =>
    variable(total.name + part, total.type),
  );
  return {
    start: [start, set(compensation, 0)],
    add: (x, more) => {
      const error = roundingError(total, term, next);
      return [
        set(term, x),
        set(next, combine(total, term)),
        set(compensation, add(compensation, more ? add(error, more) : error)),
        set(total, next),
      ];
    },
    total,
    compensation,
    result: compensated(total, compensation),
  };
}

/** Combines the four lanes of an accumulator into one of a single lane, as `reduceLanes` does. */
function combineLanes(
  { combine }: Reduction, { total, compensation, add: addTo }: Accumulator, single: Accumulator,
): Statements {
  if (!compensation || !single.compensation) {
    return set(single.total, reduceLanes(combine, total));
  }
  const addShuffled = (lanes: readonly [number, number, number, number]): Statements =>
    addTo(shuffle(total, total, lanes), shuffle(compensation, compensation, lanes));
  return [
    addShuffled([1, 0, 3, 2]),
    addShuffled([2, 3, 0, 1]),
    set(single.total, lane(total, 0)),
    set(single.compensation, lane(compensation, 0)),
  ];
}

/** total + compensation; of an infinite total, whose compensation is NaN, the total. */
export function compensated(total: Expr, compensation: Expr): Expr {
  return select(equal(compensation, compensation), add(total, compensation), total);
}

/** An element of a buffer, or four of them. */
export interface Element {
  /** The buffer that holds it. */
  readonly buffer: Buffer;
  /** The index in the buffer, in elements; four indices for four elements. */
  readonly at: Operand;
}

/** Combines an element with a term, and adds the rounding error to its compensation, if given. */
export function accumulateAt(
  { buffer, at }: Element, x: Expr, { combine, roundingError }: Reduction, compensation?: Element,
): Statements {
  if (!compensation || !roundingError) return store(buffer, at, combine(load(buffer, at), x));
  const [before, term, next] = ['before', 'term', 'next'].map((name) => variable(name, x.type));
  const errors = load(compensation.buffer, compensation.at);
  return [
    set(term, x),
    set(before, load(buffer, at)),
    set(next, combine(before, term)),
    store(buffer, at, next),
    store(compensation.buffer, compensation.at, add(errors, roundingError(before, term, next))),
  ];
}

/** A reduction over a range, and the variable that holds its result afterwards. */
export interface Total {
  /** The variable, of a single lane. */
  readonly into: Variable;
  /** How its terms are combined. */
  readonly reduction: Reduction;
}

/**
 * Computes several reductions in one loop over a range. The body gives the statements for an index,
 * which call `combine` with the number of a reduction and its term.
 *
 * The order is part of the meaning: every fourth term goes to the same lane, as long as there are
 * four left; the lanes are combined as in `reduceLanes`; then come the terms of the tail.
 */
export function reduceAll(
  name: string, range: Range, totals: readonly Total[],
  body: (i: Expr, combine: (number: number, term: Expr) => Statements) => Statements,
): Statements {
  const { wide: { from, to }, tail, count } = split(`reduce ${name}`, range);
  const hasLevels = totals.some(({ into, reduction }) =>
    isLongSum(reduction, into.type, count / 4),
  );
  // A few short sums make a short sum themselves, which needs no compensation.
  const isCompensated = ({ into, reduction }: Total): boolean =>
    isLongSum(reduction, into.type, count / (4 * SHORT_SUM));
  const singles = totals.map((one) =>
    isCompensated(one)
      ? accumulator(variable(`${one.into.name}One`, one.into.type), one.reduction, true)
      : accumulator(one.into, one.reduction, false),
  );
  const single = (i: Expr): Statements => body(i, (number, term) => singles[number].add(term));
  if (count < 4) {
    const starts = singles.map(({ start }) => start);
    return [starts, count === 1 ? single(from) : loop(name, tail, single)];
  }
  const sizes = hasLevels ? LEVEL_SIZES.filter((size) => size < count) : [];
  /** The accumulators of each level: of four lanes, then of short sums, then of blocks. */
  const levels = ['Lanes', 'Sums', 'Blocks'].slice(0, sizes.length + 1).map((part, level) =>
    totals.map((one) => {
      const total = variable(one.into.name + part, typeOf(kindOf(one.into), 4));
      return accumulator(total, one.reduction, level > 0 && isCompensated(one));
    }),
  );
  /** Reduces an interval into the accumulators of a level. */
  const reduceLevel = (interval: { from: Operand; to: Operand }, level: number): Statements => {
    const accumulators = levels[level];
    const starts = accumulators.map(({ start }) => start);
    if (level === 0) {
      const four = (i: Expr): Statements =>
        body(ramp(i), (number, term) => accumulators[number].add(term));
      return [starts, loop(name, { ...interval, step: 4 }, four)];
    }
    const [below, size] = [levels[level - 1], sizes[level - 1]];
    const parts = loop('part', { ...interval, step: size }, (first) => [
      reduceLevel({ from: first, to: min(add(first, size), interval.to) }, level - 1),
      accumulators.map((all, n) => all.add(below[n].total, below[n].compensation)),
    ]);
    return [starts, parts];
  };
  return [
    reduceLevel({ from, to }, sizes.length),
    totals.map(({ reduction }, n) => combineLanes(reduction, levels[sizes.length][n], singles[n])),
    loop(name, tail, single),
    totals.map((one, n) => (isCompensated(one) ? set(one.into, singles[n].result) : [])),
  ];
}

/** Sets a variable to the reduction of the terms of a range, in the order of `reduceAll`. */
export function reduce(
  into: Variable, range: Range, reduction: Reduction, term: (i: Expr) => Expr,
): Statements {
  return reduceAll('i', range, [{ into, reduction }], (i, combine) => combine(0, term(i)));
}

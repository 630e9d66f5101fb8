/**
 * Compensated summation: how many float32 numbers become one. Added one after the other they
 * drift, because each addition rounds to a digit of the total, which grows: a million times 0.1 is
 * then 100958.34. So terms are first added up in short sums of 16, and these go into a total. Where
 * there are more than 16 short sums, the total has a second number beside it, the rest, which
 * collects exactly what each addition rounds off:
 *
 *     s = total + x      v = s − total      lost = (total − (s − v)) + (x − v)       exactly
 *
 * (TwoSum; Knuth, The Art of Computer Programming 2, section 4.2.2.) The sum is total + rest. Its
 * relative error is then that of one short sum, however many there are.
 *
 * The rest is rounded too, which shows after some ten thousand additions to it. So the longest rows
 * are cut once more, into blocks that have a total and a rest each.
 */
import {
  type Buffer, kindOf, type Operand, type Type, typeOf, type Expr, type Variable, variable,
} from '../language/expression.ts';
import { load } from '../language/memory.ts';
import {
  add, type Binary, consecutive, equal, lane, min, reduceLanes, select, shuffle,
} from '../language/operations.ts';
import { loop, type Range, set, split, type Statements, store } from '../language/statement.ts';
import { lostSum } from './rounding.ts';

/** A sum of at most so many terms is short. */
export const SHORT = 16;
/** So many numbers of a row are a short sum in each lane; and so many are a block. */
const PARTS = [4 * SHORT, 2 ** 18];

/** How many numbers become one: `sum`, or any other associative operation, such as `maximum`. */
export interface Reduction {
  /** Combines what has been combined so far with one more term. */
  readonly combine: Binary;
  /** What changes nothing when it is combined: 0 of a sum. */
  readonly identity: number;
  /** What `combine` rounds off, if it does: what the exact result has more than `result`. */
  readonly lost?: (total: Expr, x: Expr, result: Expr) => Expr;
}

/** The reduction that adds. */
export const sum: Reduction = { combine: add, identity: 0, lost: lostSum };

/** Whether a sum of so many terms of a type is long. */
export function isLong({ lost }: Reduction, type: Type, terms: number): boolean {
  return lost !== undefined && kindOf({ type }) === 'f32' && terms > SHORT;
}

/** A register in which terms are combined. */
export interface Accumulator {
  /** Comes before all terms. */
  readonly start: Statements;
  /** Combines it with a term, and with what had been rounded off of that. */
  add(x: Expr, rest?: Expr): Statements;
  /** The terms combined so far, and what was rounded off of that. */
  readonly total: Variable;
  /** What the additions to the total have rounded off; undefined if that is not kept. */
  readonly rest: Variable | undefined;
  /** Both as one. */
  readonly whole: Expr;
}

/** An accumulator, which keeps what is rounded off if it `isExact`. */
export function accumulator(
  total: Variable, { combine, identity, lost }: Reduction, isExact: boolean,
): Accumulator {
  const start = set(total, identity);
  if (!isExact || !lost) {
    const plain = (x: Expr): Statements => set(total, combine(total, x));
    return { start, add: plain, total, rest: undefined, whole: total };
  }
  const [term, next, rest] = ['Term', 'Next', 'Rest'].map((part) =>
    variable(total.name + part, total.type),
  );
  return {
    start: [start, set(rest, 0)],
    add: (x, more) => [
      set(term, x),
      set(next, combine(total, term)),
      set(rest, add(rest, more ? add(lost(total, term, next), more) : lost(total, term, next))),
      set(total, next),
    ],
    total,
    rest,
    whole: whole(total, rest),
  };
}

/** Combines the lanes of an accumulator into one of a single lane, as `reduceLanes` does. */
function joinLanes(
  { combine }: Reduction, { total, rest, add: addTo }: Accumulator, single: Accumulator,
): Statements {
  if (!rest || !single.rest) return set(single.total, reduceLanes(combine, total));
  const across = (lanes: readonly [number, number, number, number]): Statements =>
    addTo(shuffle(total, total, lanes), shuffle(rest, rest, lanes));
  return [
    across([1, 0, 3, 2]),
    across([2, 3, 0, 1]),
    set(single.total, lane(total, 0)),
    set(single.rest, lane(rest, 0)),
  ];
}

/** A total with what it has lost. Past infinity that is NaN, and means nothing. */
export function whole(total: Expr, rest: Expr): Expr {
  return select(equal(rest, rest), add(total, rest), total);
}

/** An element of a buffer, or four. */
export interface Element {
  /** The buffer that holds it. */
  readonly buffer: Buffer;
  /** The index in the buffer, in elements; four consecutive indices for four elements. */
  readonly at: Operand;
}

/** Combines what is at one place with a term; adds what that rounds off to another, if given. */
export function accumulateAt(
  { buffer, at }: Element, x: Expr, { combine, lost }: Reduction, rest?: Element,
): Statements {
  if (!rest || !lost) return store(buffer, at, combine(load(buffer, at), x));
  const [before, term, next] = ['before', 'term', 'next'].map((name) => variable(name, x.type));
  return [
    set(term, x),
    set(before, load(buffer, at)),
    set(next, combine(before, term)),
    store(buffer, at, next),
    store(rest.buffer, rest.at, add(load(rest.buffer, rest.at), lost(before, term, next))),
  ];
}

/** A variable that becomes all terms of a range combined. */
export interface Total {
  /** The variable that holds the result afterwards, of a single lane. */
  readonly into: Variable;
  /** How its terms are combined. */
  readonly reduction: Reduction;
}

/**
 * Goes through a range with a body that combines a term with each of some totals, by their numbers.
 * The order is part of the meaning: every fourth term goes to the same lane, as long as there are
 * four; the lanes are combined as in `reduceLanes`; then the terms of the tail one by one.
 */
export function reduceAll(
  name: string, range: Range, totals: readonly Total[],
  body: (i: Expr, combine: (number: number, term: Expr) => Statements) => Statements,
): Statements {
  const { wide: { from, to }, tail, count } = split(`reduce ${name}`, range);
  const isCut = totals.some(({ into, reduction }) => isLong(reduction, into.type, count / 4));
  // Of few short sums the total is short itself.
  const isExact = ({ into, reduction }: Total): boolean =>
    isLong(reduction, into.type, count / (4 * SHORT));
  const singles = totals.map((one) =>
    isExact(one)
      ? accumulator(variable(`${one.into.name}One`, one.into.type), one.reduction, true)
      : accumulator(one.into, one.reduction, false),
  );
  const single = (i: Expr): Statements => body(i, (number, term) => singles[number].add(term));
  if (count < 4) {
    const starts = singles.map(({ start }) => start);
    return [starts, count === 1 ? single(from) : loop(name, tail, single)];
  }
  const sizes = isCut ? PARTS.filter((size) => size < count) : [];
  /** Short sums, if there are any that are long; then what they add up to. */
  const levels = ['Lanes', 'Sums', 'Blocks'].slice(0, sizes.length + 1).map((part, level) =>
    totals.map((one) => {
      const own = variable(one.into.name + part, typeOf(kindOf(one.into), 4));
      return accumulator(own, one.reduction, level > 0 && isExact(one));
    }),
  );
  /** Goes through a part, for the sums of a level. */
  const through = (some: { from: Operand; to: Operand }, level: number): Statements => {
    const sums = levels[level];
    const starts = sums.map(({ start }) => start);
    if (level === 0) {
      const four = (i: Expr): Statements =>
        body(consecutive(i), (number, term) => sums[number].add(term));
      return [starts, loop(name, { ...some, step: 4 }, four)];
    }
    const size = sizes[level - 1];
    const part = loop('part', { ...some, step: size }, (first) => [
      through({ from: first, to: min(add(first, size), some.to) }, level - 1),
      sums.map((all, n) => all.add(levels[level - 1][n].total, levels[level - 1][n].rest)),
    ]);
    return [starts, part];
  };
  return [
    through({ from, to }, sizes.length),
    totals.map(({ reduction }, n) => joinLanes(reduction, levels[sizes.length][n], singles[n])),
    loop(name, tail, single),
    totals.map((one, n) => (isExact(one) ? set(one.into, singles[n].whole) : [])),
  ];
}

/** Sets a variable to all terms of a range combined, in the order of `reduceAll`. */
export function reduce(
  into: Variable, range: Range, reduction: Reduction, term: (i: Expr) => Expr,
): Statements {
  return reduceAll('i', range, [{ into, reduction }], (i, combine) => combine(0, term(i)));
}

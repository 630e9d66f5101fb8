/**
 * Work cut into rounds, which threads can share. It is cut by its size alone, never by how many
 * threads there are: sums are added up in the same order on one thread and on many, and results are
 * the same bits. A round takes about ten microseconds, so what it costs to share it is nothing
 * beside it, and threads finish together.
 */
import {
  type Buffer, lanesOf, type Operand, typeOf, type Expr, variable,
} from '../language/expression.ts';
import { load } from '../language/memory.ts';
import { add, min, mul, quotient, sub } from '../language/operations.ts';
import {
  lanes, loop, parallel, type Range, set, type Statements, store,
} from '../language/statement.ts';
import { accumulator, isLong, type Reduction } from '../math/sums.ts';

/** So many operations on single numbers, as single instructions do them for four, are a round. */
const ROUND = 2 ** 15;

let isFinest = false;

/**
 * Runs `body` while everything that can be cut is cut, as finely as it can be: small work shows
 * then how its parts fit together, and whether any depends on another.
 */
export function withFinestChunks<T>(body: () => T): T {
  const before = isFinest;
  isFinest = true;
  try {
    return body();
  } finally {
    isFinest = before;
  }
}

/** Loops over some axes, cut. */
export interface Cut {
  /** How many rounds there are, from 1. */
  readonly rounds: number;
  /** How many indices of the last axis a round goes through at most. */
  readonly most: number;
  /** What a round goes through of each axis, behind statements that have to come before. */
  of(round: Expr): readonly [before: Statements, ...ranges: Range[]];
}

/**
 * Cuts the loops over one axis or two, of which the first is outside, given how much work there is
 * for one index of all; `least` indices of the last stay together, or a multiple of them. A round
 * has at least so much work as `beside`, what it takes besides.
 */
export function cut(extents: readonly number[], work: number, least = 1, beside = 0): Cut {
  const last = extents.length - 1;
  const [outer, inner] = [1, 1, ...extents].slice(-2);
  // Work of 0 is not to be shared.
  const roundWork = isFinest && work > 0 ? 0 : Math.max(ROUND, beside);
  const items = Math.max(1, Math.round(roundWork / Math.max(work, 1)));
  // Rounds take some of the inner axis, or all of it for some of the outer.
  const size = Math.min(Math.ceil(items / least) * least, inner);
  const rows = size < inner ? 1 : Math.min(Math.ceil(items / inner), outer);
  const pieces = Math.ceil(inner / size);
  const rounds = Math.ceil(outer / rows) * pieces;
  // Of nothing there are no pieces, and rounds is no number.
  if (!(rounds > 1) || inner * outer * work < 2 * roundWork) {
    return { rounds: 1, most: inner, of: () => [[], ...extents] };
  }
  const most = size;
  if (last === 0) return { rounds, most, of: (round) => [[], rangeOf(round, size, inner)] };
  if (pieces === 1) {
    return { rounds, most, of: (round) => [[], rangeOf(round, rows, outer), inner] };
  }
  return {
    rounds,
    most,
    of: (round) => {
      const [i, piece] = ['i', 'piece'].map((name) => variable(name, 'i32'));
      const before = [
        set(i, quotient(round, pieces)),
        set(piece, sub(round, mul(i, pieces))),
      ];
      return [before, { from: i, to: add(i, 1) }, rangeOf(piece, size, inner)];
    },
  };
}

/** A range as where it starts and ends. */
export function stretchOf(range: Range): { readonly from: Operand; readonly to: Operand } {
  if (typeof range === 'number' || 'node' in range) return { from: 0, to: range };
  return { from: 0, ...range };
}

/** The piece of this number, of pieces of a size; the last may be smaller. */
function rangeOf(piece: Expr, size: number, count: number): Range {
  const from = mul(piece, size);
  const to = add(from, size);
  return { from, to: count % size === 0 ? to : min(to, count) };
}

/**
 * Adds up, or combines, what each of so many rounds has left in `parts`, `length` numbers each that
 * are `room` apart, in the order of the rounds; stores the totals in a buffer, from `start` on. So
 * far behind each number, if that is given, is what it has lost (`rests`).
 */
export function addUp(
  parts: Buffer,
  [rounds, length, room, rests]: readonly [number, number, number, rests?: number | undefined],
  reduction: Reduction, to: Buffer, start = 0,
): Statements {
  const pieces = cut([length], rounds, 16);
  return parallel('round', pieces.rounds, (own) => {
    const [, range] = pieces.of(own);
    return lanes('i', range, (i) => {
      const type = typeOf(parts.kind, lanesOf(i));
      const isExact = rests !== undefined || isLong(reduction, type, rounds);
      const all = accumulator(variable('total', type), reduction, isExact);
      return [
        all.start,
        loop('part', rounds, (part) => {
          const place = add(mul(part, room), i);
          const rest = rests === undefined ? undefined : load(parts, add(place, rests));
          return all.add(load(parts, place), rest);
        }),
        store(to, add(i, start), all.whole),
      ];
    });
  });
}

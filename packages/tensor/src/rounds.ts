/**
 * Work cut into rounds, which threads can share. It is cut by its size alone, never by how many
 * threads there are: sums are added up in the same order on one thread and on many, and results are
 * the same bits. A round takes about ten microseconds, so what it costs to share it is nothing
 * beside it, and threads finish together.
 */
import * as k from '@mambagrad/kernel';

/** So many operations on single numbers, as single instructions do them for four, are a round. */
const ROUND = 2 ** 15;

/** Loops over some axes, cut. */
export interface Cut {
  readonly rounds: number;
  /** What a round goes through of each axis, behind statements that have to come before. */
  of(round: k.Value): readonly [before: k.Statements, ...ranges: k.Range[]];
}

/**
 * Cuts the loops over one axis or two, of which the first is outside, given how much work there is
 * for one index of all; `least` indices of the last stay together, or a multiple of them. A round
 * has at least so much work as `beside`, what it takes besides.
 */
export function cut(extents: readonly number[], work: number, least = 1, beside = 0): Cut {
  const last = extents.length - 1;
  const [outer, inner] = [1, 1, ...extents].slice(-2);
  const roundWork = Math.max(ROUND, beside);
  const items = Math.max(1, Math.round(roundWork / Math.max(work, 1)));
  if (last < 0 || inner * outer * work < 2 * roundWork) {
    return { rounds: 1, of: () => [[], ...extents] };
  }
  if (items >= inner) {
    const size = Math.ceil(items / inner);
    return {
      rounds: Math.ceil(outer / size),
      of: (round) => [[], rangeOf(round, size, outer), ...(last > 0 ? [inner] : [])],
    };
  }
  const size = Math.ceil(items / least) * least;
  const pieces = Math.ceil(inner / size);
  if (last === 0) return { rounds: pieces, of: (round) => [[], rangeOf(round, size, inner)] };
  return {
    rounds: outer * pieces,
    of: (round) => {
      if (pieces === 1) return [[], rangeOf(round, 1, outer), inner];
      const [i, piece] = [k.variable('i', 'i32'), k.variable('piece', 'i32')];
      return [
        [
          k.set(i, k.quotient(round, pieces)),
          k.set(piece, k.sub(round, k.mul(i, pieces))),
        ],
        { from: i, to: k.add(i, 1) },
        rangeOf(piece, size, inner),
      ];
    },
  };
}

/** The piece of this number, of pieces of a size; the last may be smaller. */
export function rangeOf(piece: k.Value, size: number, count: number): k.Range {
  const from = k.mul(piece, size);
  const to = k.add(from, size);
  return { from, to: count % size === 0 ? to : k.min(to, count) };
}

/**
 * Adds up, or combines, what each of so many rounds has left in `parts`, `length` numbers each that
 * are `room` apart, in the order of the rounds; stores the totals in a buffer, from `start` on.
 */
export function addUp(
  parts: k.Buffer, [rounds, length, room]: readonly [number, number, number],
  { combine, identity }: k.Reduction, to: k.Buffer, start = 0,
): k.Statements {
  const pieces = cut([length], rounds, 16);
  return k.parallel('round', pieces.rounds, (own) => {
    const [, range] = pieces.of(own);
    return k.lanes('i', range, (i) => {
      const total = k.variable('total', i.type === 'i32' ? parts.kind : `${parts.kind}x4`);
      return [
        k.set(total, identity),
        k.loop('part', rounds, (part) =>
          k.set(total, combine(total, k.load(parts, k.add(k.mul(part, room), i)))),
        ),
        k.store(to, k.add(i, start), total),
      ];
    });
  });
}

/** The reduction that adds. */
export const sum: k.Reduction = { combine: k.add, identity: 0 };

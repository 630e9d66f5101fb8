/**
 * State space duality forwards, as one kernel. Chunk by chunk, all matrices lie in the nearest
 * cache:
 *
 *     for each sequence, for each group, for each chunk
 *       S = C Bᵀ, which the heads of the group share
 *       for each head
 *         M = S ⊙ decays
 *         Y = M X + (what is left of the state at the start) C
 *         the state at the end = what is left of that at the start + Bᵀ (what is left of X)
 *
 * Rounds of the first two loops have nothing to do with each other. States are [N, P], the other
 * way round than outside, so that the channels of a head are in lanes everywhere.
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor';
import { plus, times, TINY } from './scanPieces.ts';
import {
  type Chunk, decaysOf, forChunks, forColumns, matrix, product, type Sizes,
} from './ssdPieces.ts';

/**
 * From [Δx, log α, B, C, the first state]: y, the last state, and the states at the starts of the
 * chunks from the last to the first, one behind the other.
 */
export function forwardKernel(
  [input, logDecay, B, C, initialState]: readonly Elements[], to: k.Buffer, sizes: Sizes,
): k.Statements {
  const { batch, length, heads, headDim, groups, state, chunks } = sizes;
  const perGroup = heads / groups;
  /** Of the state after all but so many chunks. */
  const stateAt = (left: k.Operand, b: k.Value, head: k.Value) => {
    const number = plus(times(plus(times(left, batch), b), heads), head);
    const start = plus(times(number, state * headDim), batch * length * heads * headDim);
    return (n: k.Operand, p: k.Operand) => plus(plus(start, times(n, headDim)), p);
  };
  const chunk = (b: k.Value, group: k.Value, { first, count, left }: Chunk): k.Statements => {
    const [rowsB, x] = [matrix('B', state, count), matrix('x', count, headDim)];
    const [rowsC, scores] = [matrix('C', count, state), matrix('S', count, count)];
    const { between, since, until, whole, compute } = decaysOf(count);
    const ofHead = (h: k.Value): k.Statements => {
      const head = k.add(k.mul(group, perGroup), h);
      const [before, after] = [left, plus(left, -1)].map((i) => stateAt(i, b, head));
      const y = (t: k.Operand, p: k.Operand) => {
        const row = plus(times(plus(plus(times(b, length), first), t), heads), head);
        return plus(times(row, headDim), p);
      };
      const carried = (n: k.Operand, p: k.Operand) => k.load(to, before(n, p));
      return [
        compute((t) => logDecay.at([b, plus(first, t), head])),
        k.loop('t', count, (t) =>
          forColumns(k.add(t, 1), (s) =>
            between.set(t, s, k.mul(between.at(t, s), scores.at(t, s))),
          ),
        ),
        x.setAll((s, p) => input.at([b, plus(first, s), head, p])),
        product(count, headDim, {
          depth: state, left: rowsC.at, right: carried,
          finish: (t, p, sum) => k.store(to, y(t, p), k.mul(sum, k.load(since, t))),
        }),
        product(count, headDim, {
          depth: (t) => k.add(t, 4), left: between.at, right: x.at,
          start: (t, p) => k.load(to, y(t, p)),
          finish: (t, p, sum) => k.store(to, y(t, p), sum),
        }),
        x.setAll((s, p) => k.mul(x.at(s, p), k.load(until, s))),
        product(state, headDim, {
          depth: count, left: rowsB.at, right: x.at,
          start: (n, p) => k.mulAdd(carried(n, p), whole, TINY),
          finish: (n, p, sum) => k.store(to, after(n, p), sum),
        }),
      ];
    };
    return [
      rowsB.setAll((n, s) => B.at([b, plus(first, s), group, n])),
      rowsC.setAll((t, n) => C.at([b, plus(first, t), group, n])),
      product(count, count, {
        depth: state, left: rowsC.at, right: rowsB.at, isLower: true,
        finish: (t, s, sum) => scores.set(t, s, sum),
      }),
      k.loop('h', perGroup, ofHead),
    ];
  };
  return k.loop('b', batch, (b) => [
    k.loop('h', heads, (h) =>
      k.loop('n', state, (n) =>
        k.lanes('p', headDim, (p) =>
          k.store(to, stateAt(chunks, b, h)(n, p), initialState.at([b, h, n, p])),
        ),
      ),
    ),
    k.loop('g', groups, (group) => forChunks(sizes, false, (one) => chunk(b, group, one))),
  ]);
}

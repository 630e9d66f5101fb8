/**
 * State space duality forwards, as one kernel. Chunk by chunk, all matrices stay in the nearest
 * caches:
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
import { plus, TINY } from './scanPieces.ts';
import {
  type At, decaysOf, forGroups, hearingOf, inStates, inSteps, matrix, pairProduct,
  product, type Sizes,
} from './ssdPieces.ts';

/**
 * From [Δx, log α, B, C, the first state, flags of steps that start anew (or none)]: y, the last
 * state, and the states at the starts of the chunks from the last to the first, one behind the
 * other.
 */
export function forwardKernel(
  [input, logDecay, B, C, initialState, reset]: readonly Elements[], to: k.Buffer, sizes: Sizes,
): k.Statements {
  const { batch, length, heads, headDim, groups, state, steps, chunks } = sizes;
  const stateAt = (left: k.Operand, b: k.Value, head: k.Value) =>
    inStates(sizes, left, b, head, batch * length * heads * headDim);
  const [columnsB, x] = [matrix('B', state, steps), matrix('x', steps, headDim)];
  // What of it reaches the end of the chunk.
  const lastB = reset ? matrix('lastB', state, steps) : columnsB;
  const [rowsC, scores, M] = [
    matrix('C', steps, state), matrix('S', steps, steps), matrix('M', steps, steps),
  ];
  const forHeads = (group: k.Value, body: (head: k.Value) => k.Statements) =>
    k.loop('h', heads / groups, (h) => body(k.add(k.mul(group, heads / groups), h)));

  const chunk = (b: k.Value, group: k.Value, c: k.Value): k.Statements => {
    const [first, left] = [k.mul(c, steps), k.sub(chunks, c)];
    const hearing = hearingOf(steps, reset && ((t) => reset.at([b, k.add(first, t)])));
    const { isPair, forPairs, fromStart, untilEnd, throughout } = hearing;
    const ofHead = (head: k.Value): k.Statements => {
      const [y, before] = [inSteps(sizes, b, first, head), stateAt(left, b, head)];
      const after = stateAt(k.sub(left, 1), b, head);
      const [outputs, H] = [y, before].map((place): At => (i, p) => k.load(to, place(i, p)));
      const [decays, between, since, whole] = decaysOf(steps, (t) =>
        logDecay.at([b, k.add(first, t), head]), hearing,
      );
      return [
        decays,
        k.loop('t', steps, (t) => forPairs(t, (s, ofPair) =>
          M.set(t, s, ofPair(k.mul(between.at(t, s), scores.at(t, s)))),
        )),
        x.setAll((s, p) => input.at([b, plus(first, s), head, p])),
        product([steps, headDim, state], rowsC.at, H, (t, p, sum) =>
          k.store(to, y(t, p), fromStart(t, k.mul(sum, k.load(since, t)))),
        ),
        pairProduct([steps, headDim, (t) => k.add(t, 4)], M.at, x, (t, p, sum) =>
          k.store(to, y(t, p), sum), { start: outputs, isTerm: isPair },
        ),
        x.setAll((s, p) => untilEnd(s, k.mul(x.at(s, p), between.at(steps - 1, s)))),
        product([state, headDim, steps], lastB.at, x.at, (n, p, sum) =>
          k.store(to, after(n, p), sum), {
          start: (n, p) => k.mulAdd(throughout(H(n, p)), whole, TINY),
        }),
      ];
    };
    return [
      hearing.compute,
      columnsB.setAll((n, s) => B.at([b, plus(first, s), group, n])),
      reset ? lastB.setAll((n, s) => untilEnd(s, columnsB.at(n, s))) : [],
      rowsC.setAll((t, n) => C.at([b, plus(first, t), group, n])),
      product([steps, steps, state], rowsC.at, columnsB.at, scores.set, { isLower: true }),
      forHeads(group, ofHead),
    ];
  };
  return forGroups(sizes, (b, group) => [
    forHeads(group, (head) => k.loop('n', state, (n) => k.lanes('p', headDim, (p) =>
      k.store(to, stateAt(chunks, b, head)(n, p), initialState.at([b, head, n, p])),
    ))),
    k.loop('c', chunks, (c) => chunk(b, group, c)),
  ]);
}

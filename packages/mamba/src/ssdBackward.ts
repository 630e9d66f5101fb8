/**
 * State space duality backwards, as one kernel: chunk by chunk from the last, with the scores and
 * decays of the forward pass computed again. With g the gradient of y, H the state at the start of
 * a chunk, G the gradient of that at its end, E the decays in between and M = S ⊙ E,
 *
 *     dM = g Xᵀ     dS = dM ⊙ E, added up over the heads of a group
 *     dX = Mᵀ g + until ⊙ B G     dC = dS B + since ⊙ g Hᵀ     dB = dSᵀ C + until ⊙ X Gᵀ
 *     the gradient of H: whole · G + Cᵀ (since ⊙ g)
 *
 * α_t is a factor of all that is written before step t and read at t or later. So the gradient of
 * a_t is the sum of all such terms: dM ⊙ M in row r, column s for s < t ≤ r; what goes from H to
 * outputs from t on, and from inputs before t to G; and from H to G. All are summed up as they are:
 * it would take fewer sums to subtract what does not pass t, but then little would be left of a_t.
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor';
import { type Grid, plus, times, TINY, toValue } from './scanPieces.ts';
import {
  type At, decaysOf, forGroups, hearingOf, inStates, inSteps, matrix, pairProduct,
  product, type Sizes, transposed,
} from './ssdPieces.ts';

/**
 * From [the gradient of what the forward kernel gives, Δx, log α, B, C, the first state, what the
 * forward kernel gives, and flags of steps that start anew (or none)]: the gradients of Δx, log α,
 * B, C and the first state, one behind the other.
 */
export function backwardKernel(
  [g, input, logDecay, B, C, , packed, reset]: readonly Elements[], to: k.Buffer, sizes: Sizes,
): k.Statements {
  const { batch, length, heads, headDim, groups, state, steps, chunks } = sizes;
  const ofX = batch * length * heads * headDim;
  const dBAt = ofX + batch * length * heads;
  const dCAt = dBAt + batch * length * groups * state;
  const dStateAt = dCAt + batch * length * groups * state;

  const [rowsB, rowsC] = ['B', 'C'].map((name) => matrix(name, steps, state));
  const [columnsB, columnsC, dB, dC] =
    ['B', 'C', 'dB', 'dC'].map((name) => matrix(name, state, steps));
  // What of it hears from the state before the chunk.
  const firstC = reset ? matrix('firstC', state, steps) : columnsC;
  const [scores, dScores, M] = ['S', 'dS', 'M'].map((name) => matrix(name, steps, steps));
  const [columnsX, columnsG] = ['x', 'g'].map((name) => matrix(name, headDim, steps));
  const rowsG = matrix('g', steps, headDim);
  const [da, sums, written, read] =
    ['da', 'sums', 'written', 'read'].map((name) => k.scratch(name, 'f32', steps));
  const from = (s: k.Value) => ({ from: s, to: steps });
  const backwards = (body: (t: k.Value) => k.Statements) =>
    k.loop('r', steps, (r) => body(k.sub(steps - 1, r)));

  const chunk = (b: k.Value, group: k.Value, c: k.Value): k.Statements => {
    const [first, left] = [k.sub((chunks - 1) * steps, k.mul(c, steps)), k.add(c, 1)];
    const hearing = hearingOf(steps, reset && ((t) => reset.at([b, k.add(first, t)])));
    const { isPair, forPairs, fromStart, untilEnd, throughout } = hearing;
    const isTerm = (s: k.Value, t: k.Value): k.Value => isPair(t, s);
    const ofHead = (h: k.Value): k.Statements => {
      const head = k.add(k.mul(group, heads / groups), h);
      const [x, before] = [inSteps(sizes, b, first, head), inStates(sizes, left, b, head, ofX)];
      const place = inStates(sizes, 0, b, head, dStateAt);
      const H: At = (n, p) => packed.at([before(n, p)]);
      const [G, dX] = [place, x].map((at): At => (i, p) => k.load(to, at(i, p)));
      const [passed, kept] = ['passed', 'kept'].map((name) => k.variable(name, 'f32x4'));
      const total = k.variable('total', 'f32');
      const [decays, between, since, whole] = decaysOf(steps, (t) =>
        logDecay.at([b, k.add(first, t), head]), hearing,
      );
      const sinceStart = (t: k.Value) => k.load(since, t);
      const leftAtEnd = (s: k.Value) => between.at(steps - 1, s);
      /** Adds what goes through a state to a gradient, and notes for each step how much it is. */
      const through = (
        gradient: Grid, of: Grid, decay: (t: k.Value) => k.Value, noted: k.Buffer,
        choose: (t: k.Value, x: k.Value) => k.Value,
      ) => (n: k.Value, t: k.Value, value: k.Variable): k.Statements => [
        k.set(value, choose(t, k.mul(value, decay(t)))),
        gradient.set(n, t, k.add(gradient.at(n, t), value)),
        k.store(noted, t, choose(t, k.mulAdd(value, of.at(n, t), k.load(noted, t)))),
      ];
      return [
        decays,
        rowsG.setAll((t, p) => g.at([x(t, p)])),
        columnsG.setAll(transposed(rowsG.at)),
        columnsX.setAll((p, s) => input.at([b, plus(first, s), head, p])),
        product([steps, steps, headDim], rowsG.at, columnsX.at, M.set, { isLower: true }),
        [sums, written, read].map((all) => k.lanes('t', steps, (t) => k.store(all, t, 0))),
        // M is dM at first, and `sums` are those of the columns of dM ⊙ M from row t on.
        backwards((t) => [
          k.set(passed, 0),
          forPairs(t, (s, ofPair) => {
            const [decay, dM, value, sum] = ['e', 'd', 'm', 'y'].map((x) => k.variable(x, 'f32x4'));
            return [
              k.set(decay, ofPair(between.at(t, s))),
              k.set(dM, ofPair(M.at(t, s))),
              k.set(value, ofPair(k.mul(decay, scores.at(t, s)))),
              k.set(sum, k.mulAdd(dM, value, k.load(sums, s))),
              M.set(t, s, value),
              dScores.set(t, s, k.mulAdd(dM, decay, dScores.at(t, s))),
              k.store(sums, s, sum),
              k.set(passed, k.add(passed, k.select(k.less(s, t), sum, 0))),
            ];
          }),
          k.store(da, t, k.reduceLanes(k.add, passed)),
        ]),
        product([steps, headDim, state], transposed(columnsB.at), G, (s, p, value) =>
          k.store(to, x(s, p), untilEnd(s, k.mul(value, leftAtEnd(s)))),
        ),
        pairProduct([steps, headDim, from], transposed(M.at), rowsG, (s, p, value) =>
          k.store(to, x(s, p), value), { start: dX, isTerm },
        ),
        product([state, steps, headDim], H, columnsG.at,
          through(dC, columnsC, sinceStart, read, fromStart)),
        product([state, steps, headDim], G, columnsX.at,
          through(dB, columnsB, leftAtEnd, written, untilEnd)),
        rowsG.setAll((t, p) => fromStart(t, k.mul(rowsG.at(t, p), k.load(since, toValue(t))))),
        k.set(kept, 0),
        product([state, headDim, steps], firstC.at, rowsG.at, (n, p, value) => [
          k.set(kept, throughout(k.mulAdd(k.mul(G(n, p), whole), H(n, p), kept))),
          k.store(to, place(n, p), value),
        ], { start: (n, p) => k.mulAdd(throughout(G(n, p)), whole, TINY) }),
        k.set(total, k.reduceLanes(k.add, kept)),
        k.loop('t', steps, (t) => [
          k.store(da, t, k.add(k.load(da, t), total)),
          k.set(total, k.add(total, k.load(written, t))),
        ]),
        k.set(total, 0),
        backwards((t) => {
          const at = inSteps({ ...sizes, headDim: 1 }, b, first, head)(t, ofX);
          return [
            k.set(total, k.add(total, k.load(read, t))),
            k.store(to, at, k.add(k.load(da, t), total)),
          ];
        }),
      ];
    };
    const write = (start: number) => (t: k.Value, n: k.Value, value: k.Variable) => {
      const at = inSteps({ ...sizes, heads: groups, headDim: state }, b, first, group)(t, n);
      return k.store(to, plus(at, start), value);
    };
    return [
      hearing.compute,
      rowsB.setAll((s, n) => B.at([b, plus(first, s), group, n])),
      rowsC.setAll((t, n) => C.at([b, plus(first, t), group, n])),
      columnsB.setAll(transposed(rowsB.at)),
      columnsC.setAll(transposed(rowsC.at)),
      reset ? firstC.setAll((n, t) => fromStart(t, columnsC.at(n, t))) : [],
      [dB, dC, dScores].map((gradient) => gradient.setAll(() => 0)),
      product([steps, steps, state], rowsC.at, columnsB.at, scores.set, { isLower: true }),
      k.loop('h', heads / groups, ofHead),
      pairProduct([steps, state, (t) => k.add(t, 4)], dScores.at, rowsB, write(dCAt), {
        start: transposed(dC.at), isTerm: isPair,
      }),
      pairProduct([steps, state, from], transposed(dScores.at), rowsC, write(dBAt), {
        start: transposed(dB.at), isTerm,
      }),
    ];
  };
  const width = (heads / groups) * state * headDim;
  return forGroups(sizes, (b, group) => [
    k.lanes('i', width, (i) => {
      const at = plus(times(plus(times(b, groups), group), width), i);
      return k.store(to, plus(at, dStateAt), g.at([plus(at, ofX)]));
    }),
    k.loop('c', chunks, (c) => chunk(b, group, c)),
  ]);
}

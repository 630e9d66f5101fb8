/**
 * State space duality backwards, as one kernel: chunk by chunk from the last, with the scores and
 * decays of the forward pass computed again. With G the gradient of the state at the end of a
 * chunk, H the state at its start, g that of y, and M = S ⊙ E, where E are the decays in between,
 *
 *     dM = g Xᵀ     dS = dM ⊙ E, added up over the heads of a group
 *     dX = Mᵀ g + until ⊙ B G     dC = dS B + since ⊙ g Hᵀ     dB = dSᵀ C + until ⊙ X Gᵀ
 *     the gradient of H: whole · G + Cᵀ (since ⊙ g)
 *
 * a_t is in all factors of what was written before step t and is read at t or later. So its
 * gradient is the sum of all such products: of dM ⊙ M for s < t ≤ r, from H to outputs from t on,
 * from inputs before t to G, and from H to G. Each is summed as it is: nothing is subtracted.
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor';
import { type Grid, plus, times, TINY } from './scanPieces.ts';
import {
  type Chunk, decaysOf, forChunks, forColumns, matrix, product, type Sizes,
} from './ssdPieces.ts';

/**
 * From [the gradient of what the forward kernel gives, Δx, log α, B, C, the first state, the states
 * at the starts of the chunks]: the gradients of Δx, log α, B, C and the first state, one behind
 * the other.
 */
export function backwardKernel(
  inputs: readonly Elements[], to: k.Buffer, sizes: Sizes,
): k.Statements {
  const [g, input, logDecay, B, C, , starts] = inputs;
  const { batch, length, heads, headDim, groups, state } = sizes;
  const [perGroup, ofSteps] = [heads / groups, batch * length];
  const [ofX, ofB, width] = [ofSteps * heads * headDim, ofSteps * groups * state, state * headDim];
  const dBAt = ofX + ofSteps * heads;
  const dStateAt = dBAt + 2 * ofB;

  const chunk = (b: k.Value, group: k.Value, { first, count, left }: Chunk): k.Statements => {
    const [rowsB, rowsC] = ['B', 'C'].map((name) => matrix(name, count, state));
    const [columnsB, columnsC, dB, dC] = ['b', 'c', 'dB', 'dC'].map((name) =>
      matrix(name, state, count),
    );
    const [scores, dScores, dM] = ['S', 'dS', 'dM'].map((name) => matrix(name, count, count));
    const [columnsX, columnsG] = ['x', 'g'].map((name) => matrix(name, headDim, count));
    const rowsG = matrix('G', count, headDim);
    const { between, since, until, whole, compute } = decaysOf(count);
    const [da, sums, written, read] = ['da', 'sums', 'written', 'read'].map((name) =>
      k.scratch(name, 'f32', count),
    );
    const row = (t: k.Operand) => plus(plus(times(b, length), first), t);
    const lower = (t: k.Value) => k.add(t, 4);
    const upper = (s: k.Value) => ({ from: s, to: count });
    const backwards = (body: (t: k.Value) => k.Statements) =>
      k.loop('r', count, (r) => body(k.sub(count - 1, r)));

    const ofHead = (h: k.Value): k.Statements => {
      const head = k.add(k.mul(group, perGroup), h);
      const number = plus(times(b, heads), head);
      const inState = (start: k.Operand) => (n: k.Operand, p: k.Operand) =>
        plus(plus(times(start, width), times(n, headDim)), p);
      const before = inState(plus(times(plus(left, -1), batch * heads), number));
      const carried = inState(number);
      const H = (n: k.Operand, p: k.Operand) => starts.at([before(n, p)]);
      const GAt = (n: k.Operand, p: k.Operand) => plus(carried(n, p), dStateAt);
      const G = (n: k.Operand, p: k.Operand) => k.load(to, GAt(n, p));
      const x = (t: k.Operand, p: k.Operand) =>
        plus(times(plus(times(row(t), heads), head), headDim), p);
      const [passed, kept] = ['passed', 'kept'].map((name) => k.variable(name, 'f32x4'));
      const total = k.variable('total', 'f32');
      /** Adds what goes through a state to a gradient, and notes for each step how much it is. */
      const through = (
        gradient: Grid, of: Grid, decay: k.Buffer, noted: k.Buffer,
      ) => (n: k.Value, t: k.Value, value: k.Variable): k.Statements => [
        k.set(value, k.mul(value, k.load(decay, t))),
        gradient.set(n, t, k.add(gradient.at(n, t), value)),
        k.store(noted, t, k.mulAdd(value, of.at(n, t), k.load(noted, t))),
      ];
      return [
        compute((t) => logDecay.at([b, plus(first, t), head])),
        rowsG.setAll((t, p) => g.at([x(t, p)])),
        columnsG.setAll((p, t) => rowsG.at(t, p)),
        columnsX.setAll((p, s) => input.at([b, plus(first, s), head, p])),
        product(count, count, {
          depth: headDim, left: rowsG.at, right: columnsX.at, isLower: true,
          finish: (t, s, value) => dM.set(t, s, value),
        }),
        [sums, written, read].map((all) => k.lanes('t', count, (t) => k.store(all, t, 0))),
        // `sums` are those of the columns of dM ⊙ M from row t on.
        backwards((t) => [
          k.set(passed, 0),
          forColumns(k.add(t, 1), (s) => {
            const [decay, M, sum] = ['e', 'm', 'y'].map((name) => k.variable(name, 'f32x4'));
            return [
              k.set(decay, between.at(t, s)),
              k.set(M, k.mul(decay, scores.at(t, s))),
              k.set(sum, k.mulAdd(dM.at(t, s), M, k.load(sums, s))),
              between.set(t, s, M),
              dScores.set(t, s, k.mulAdd(dM.at(t, s), decay, dScores.at(t, s))),
              k.store(sums, s, sum),
              k.set(passed, k.add(passed, k.select(k.less(s, t), sum, 0))),
            ];
          }),
          k.store(da, t, k.reduceLanes(k.add, passed)),
        ]),
        product(count, headDim, {
          depth: state, left: (s, n) => columnsB.at(n, s), right: G,
          finish: (s, p, value) => k.store(to, x(s, p), k.mul(value, k.load(until, s))),
        }),
        product(count, headDim, {
          depth: upper, left: (s, t) => between.at(t, s), right: rowsG.at,
          start: (s, p) => k.load(to, x(s, p)),
          finish: (s, p, value) => k.store(to, x(s, p), value),
        }),
        product(state, count, {
          depth: headDim, left: H, right: columnsG.at, finish: through(dC, columnsC, since, read),
        }),
        product(state, count, {
          depth: headDim, left: G, right: columnsX.at,
          finish: through(dB, columnsB, until, written),
        }),
        rowsG.setAll((t, p) => k.mul(rowsG.at(t, p), k.load(since, t))),
        k.set(kept, 0),
        product(state, headDim, {
          depth: count, left: columnsC.at, right: rowsG.at,
          start: (n, p) => k.mulAdd(G(n, p), whole, TINY),
          finish: (n, p, value) => [
            k.set(kept, k.mulAdd(k.mul(G(n, p), whole), H(n, p), kept)),
            k.store(to, GAt(n, p), value),
          ],
        }),
        k.set(total, k.reduceLanes(k.add, kept)),
        k.loop('t', count, (t) => [
          k.store(da, t, k.add(k.load(da, t), total)),
          k.set(total, k.add(total, k.load(written, t))),
        ]),
        k.set(total, 0),
        backwards((t) => [
          k.set(total, k.add(total, k.load(read, t))),
          k.store(to, plus(plus(times(row(t), heads), head), ofX), k.add(k.load(da, t), total)),
        ]),
      ];
    };
    const write = (at: number) => (t: k.Value, n: k.Value, value: k.Variable) =>
      k.store(to, plus(plus(times(plus(times(row(t), groups), group), state), n), at), value);
    return [
      rowsB.setAll((s, n) => B.at([b, plus(first, s), group, n])),
      rowsC.setAll((t, n) => C.at([b, plus(first, t), group, n])),
      columnsB.setAll((n, s) => rowsB.at(s, n)),
      columnsC.setAll((n, t) => rowsC.at(t, n)),
      [dB, dC, dScores].map((gradient) => gradient.setAll(() => 0)),
      product(count, count, {
        depth: state, left: rowsC.at, right: columnsB.at, isLower: true,
        finish: (t, s, value) => scores.set(t, s, value),
      }),
      k.loop('h', perGroup, ofHead),
      product(count, state, {
        depth: lower, left: dScores.at, right: rowsB.at, start: (t, n) => dC.at(n, t),
        finish: write(dBAt + ofB),
      }),
      product(count, state, {
        depth: upper, left: (s, t) => dScores.at(t, s), right: rowsC.at,
        start: (s, n) => dB.at(n, s), finish: write(dBAt),
      }),
    ];
  };
  return k.loop('b', batch, (b) => [
    k.lanes('i', heads * width, (i) => {
      const at = plus(times(b, heads * width), i);
      return k.store(to, plus(at, dStateAt), g.at([plus(at, ofX)]));
    }),
    k.loop('g', groups, (group) => forChunks(sizes, true, (one) => chunk(b, group, one))),
  ]);
}

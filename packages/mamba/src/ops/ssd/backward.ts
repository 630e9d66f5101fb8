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
import type { Elements } from '@mambagrad/tensor/extend';
import { type Grid, TINY } from '../vectors.ts';
import { type Backward, backwardOf, type Head, headOf } from './backwardPlan.ts';
import {
  type Chunk, chunkOf, forGroups, inStates, inSteps, pairProduct, product, type Sizes, transposed,
} from './products.ts';

/**
 * From the gradients of [y, the last state, the states at the starts of chunks (or none)], and from
 * [Δx, log α, B, C, the first state, the states at the starts of chunks, flags of steps that start
 * anew (or none)]: the gradients of [Δx, log α, B, C, the first state].
 */
export function backwardKernel(
  cotangents: readonly Elements[], inputs: readonly Elements[], outputs: readonly k.Buffer[],
  sizes: Sizes,
): k.Statements {
  const ssd = backwardOf(cotangents, inputs, outputs, sizes);
  return forGroups(sizes, (b, group) => [
    startStateGradients(ssd, b, group),
    k.loop('r', sizes.chunks, (r) => {
      const c = k.sub(sizes.chunks - 1, r);
      return runChunk(ssd, chunkOf(sizes, ssd.reset, { b, group, c }));
    }),
  ]);
}

/** Puts the gradients of the last states, which are given, where those of the first will be. */
function startStateGradients(
  { ofLastState, outputs, sizes }: Backward, b: k.Expr, group: k.Expr,
): k.Statements {
  const { heads, headDim, groups, state } = sizes;
  const count = heads / groups;
  return k.loop('h', count, (h) => {
    const head = k.add(k.mul(group, count), h);
    const place = inStates(sizes, b, head);
    return k.loop('n', state, (n) => k.vectorized('p', headDim, (p) =>
      k.store(outputs.dState, place(n, p), ofLastState.at([b, head, n, p])),
    ));
  });
}

/** A chunk of a group: the scores, then each head, and the gradients that the heads add up. */
function runChunk(ssd: Backward, chunk: Chunk): k.Statements {
  const { heads, groups } = ssd.sizes;
  return [
    chunk.hearing.compute,
    computeScores(ssd, chunk),
    k.loop('h', heads / groups, (h) =>
      runHead(ssd, headOf(ssd, chunk, k.add(k.mul(chunk.group, heads / groups), h))),
    ),
    storeGroupGradients(ssd, chunk),
  ];
}

/** S = C Bᵀ, as in the forward pass; the gradients that heads add to are 0. */
function computeScores(ssd: Backward, { b, group, first, hearing }: Chunk): k.Statements {
  const { B, C, reset, sizes: { steps, state }, ofGroup } = ssd;
  const { rowsB, rowsC, columnsB, columnsC, firstC, scores, dB, dC, dScores } = ofGroup;
  return [
    rowsB.setAll((s, n) => B.at([b, k.plus(first, s), group, n])),
    rowsC.setAll((t, n) => C.at([b, k.plus(first, t), group, n])),
    columnsB.setAll(transposed(rowsB.at)),
    columnsC.setAll(transposed(rowsC.at)),
    reset ? firstC.setAll((n, t) => hearing.fromStart(t, columnsC.at(n, t))) : [],
    [dB, dC, dScores].map((gradient) => gradient.setAll(() => 0)),
    product([steps, steps, state], rowsC.at, columnsB.at, scores.set, { isLower: true }),
  ];
}

/** A head in a chunk, whose G becomes the gradient of H. */
function runHead(ssd: Backward, head: Head): k.Statements {
  const kept = k.variable('kept', 'f32x4');
  return [
    head.decays.compute,
    loadHead(ssd, head),
    backpropagateScores(ssd, head),
    storeInputGradient(ssd, head),
    addStateTerms(ssd, head),
    backpropagateState(ssd, head, kept),
    storeDecayGradient(ssd, head, kept),
    ssd.ofStarts ? addToState(ssd, head, ssd.ofStarts) : [],
  ];
}

/** Adds the gradient of H that does not come from later steps. */
function addToState(
  { outputs: { dState }, sizes }: Backward, { chunk: { b, c }, head, ...at }: Head,
  ofStarts: Elements,
): k.Statements {
  return k.loop('n', sizes.state, (n) => k.vectorized('p', sizes.headDim, (p) =>
    k.store(dState, at.dState(n, p), k.add(at.G(n, p), ofStarts.at([b, c, head, n, p]))),
  ));
}

/** g and X, and dM = g Xᵀ. */
function loadHead({ g, input, sizes, ofHead }: Backward, { chunk, head }: Head): k.Statements {
  const { steps, headDim } = sizes;
  const { columnsX, columnsG, rowsG, M, sums, written, read } = ofHead;
  return [
    rowsG.setAll((t, p) => g.at([chunk.b, k.plus(chunk.first, t), head, p])),
    columnsG.setAll(transposed(rowsG.at)),
    columnsX.setAll((p, s) => input.at([chunk.b, k.plus(chunk.first, s), head, p])),
    product([steps, steps, headDim], rowsG.at, columnsX.at, M.set, { isLower: true }),
    [sums, written, read].map((all) => k.vectorized('t', steps, (t) => k.store(all, t, 0))),
  ];
}

/** Calls the body for each step of a chunk, from the last. */
const backwards = (steps: number, body: (t: k.Expr) => k.Statements): k.Statements =>
  k.loop('r', steps, (r) => body(k.sub(steps - 1, r)));

/**
 * dS += dM ⊙ E, and M in the place of dM. Row by row from the last, so that the sums of the columns
 * of dM ⊙ M from row t on are there for row t: those of columns before t pass α_t.
 */
function backpropagateScores(
  { sizes: { steps }, ofGroup: { scores, dScores }, ofHead: { M, sums, da } }: Backward,
  { chunk: { hearing }, decays: { between } }: Head,
): k.Statements {
  const passed = k.variable('passed', 'f32x4');
  return backwards(steps, (t) => [
    k.set(passed, 0),
    hearing.forPairs(t, (s, ofPair) => {
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
  ]);
}

/** The range from a step on. */
const onwards = ({ steps }: Sizes) => (s: k.Expr): k.Range => ({ from: s, to: steps });

/** dX = Mᵀ g + until ⊙ B G. */
function storeInputGradient(ssd: Backward, { chunk, decays, x, G }: Head): k.Statements {
  const { outputs: { dX }, sizes, ofGroup: { columnsB }, ofHead: { M, rowsG } } = ssd;
  const { steps, headDim, state } = sizes;
  const { isPair, untilEnd } = chunk.hearing;
  return [
    product([steps, headDim, state], transposed(columnsB.at), G, (s, p, value) =>
      k.store(dX, x(s, p), untilEnd(s, k.mul(value, decays.leftAtEnd(s)))),
    ),
    pairProduct([steps, headDim, onwards(sizes)], transposed(M.at), rowsG, (s, p, value) =>
      k.store(dX, x(s, p), value), {
      start: (s, p) => k.load(dX, x(s, p)), isTerm: (s, t) => isPair(t, s),
    }),
  ];
}

/** dC += since ⊙ g Hᵀ and dB += until ⊙ X Gᵀ, transposed, and how much goes through each step. */
function addStateTerms(ssd: Backward, { chunk, decays, G, H }: Head): k.Statements {
  const { sizes: { steps, headDim, state }, ofGroup, ofHead } = ssd;
  const { columnsB, columnsC, dB, dC } = ofGroup;
  const { columnsX, columnsG, written, read } = ofHead;
  const { fromStart, untilEnd } = chunk.hearing;
  const addTo = (
    gradient: Grid, of: Grid, decay: (t: k.Expr) => k.Expr, noted: k.Buffer,
    choose: (t: k.Expr, x: k.Expr) => k.Expr,
  ) => (n: k.Expr, t: k.Expr, value: k.Variable): k.Statements => [
    k.set(value, choose(t, k.mul(value, decay(t)))),
    gradient.set(n, t, k.add(gradient.at(n, t), value)),
    k.store(noted, t, choose(t, k.mulAdd(value, of.at(n, t), k.load(noted, t)))),
  ];
  return [
    product([state, steps, headDim], H, columnsG.at,
      addTo(dC, columnsC, decays.since, read, fromStart)),
    product([state, steps, headDim], G, columnsX.at,
      addTo(dB, columnsB, decays.leftAtEnd, written, untilEnd)),
  ];
}

/**
 * The gradient of H: whole · G + Cᵀ (since ⊙ g), in the place of G. Sets `kept` to the terms of
 * G that go to H through all decays of the chunk, summed in lanes.
 */
function backpropagateState(ssd: Backward, head: Head, kept: k.Variable): k.Statements {
  const { outputs, sizes: { steps, headDim, state }, ofGroup: { firstC }, ofHead: { rowsG } } = ssd;
  const { chunk, decays: { since, whole }, dState, G, H } = head;
  const { fromStart, throughout } = chunk.hearing;
  return [
    rowsG.setAll((t, p) => fromStart(t, k.mul(rowsG.at(t, p), since(t)))),
    k.set(kept, 0),
    product([state, headDim, steps], firstC.at, rowsG.at, (n, p, value) => [
      k.set(kept, throughout(k.mulAdd(k.mul(G(n, p), whole), H(n, p), kept))),
      k.store(outputs.dState, dState(n, p), value),
    ], { start: (n, p) => k.mulAdd(throughout(G(n, p)), whole, TINY) }),
  ];
}

/**
 * The gradient of a_t: terms of pairs of steps, and what goes from H to G (both in `da`), from
 * steps before t to G, and from H to steps from t on.
 */
function storeDecayGradient(ssd: Backward, head: Head, kept: k.Variable): k.Statements {
  const { outputs, sizes, ofHead: { da, written, read } } = ssd;
  const place = inSteps({ ...sizes, headDim: 1 }, head.chunk, head.head);
  const total = k.variable('total', 'f32');
  return [
    k.set(total, k.reduceLanes(k.add, kept)),
    k.loop('t', sizes.steps, (t) => [
      k.store(da, t, k.add(k.load(da, t), total)),
      k.set(total, k.add(total, k.load(written, t))),
    ]),
    k.set(total, 0),
    backwards(sizes.steps, (t) => [
      k.set(total, k.add(total, k.load(read, t))),
      k.store(outputs.da, place(t, 0), k.add(k.load(da, t), total)),
    ]),
  ];
}

/** dC = dS B and dB = dSᵀ C, added to what goes through states. */
function storeGroupGradients(ssd: Backward, chunk: Chunk): k.Statements {
  const { outputs, sizes, ofGroup: { rowsB, rowsC, dB, dC, dScores } } = ssd;
  const { steps, groups, state } = sizes;
  const { isPair } = chunk.hearing;
  const place = inSteps({ ...sizes, heads: groups, headDim: state }, chunk, chunk.group);
  const write = (to: k.Buffer) => (t: k.Expr, n: k.Expr, value: k.Variable) =>
    k.store(to, place(t, n), value);
  return [
    pairProduct([steps, state, (t) => k.add(t, 4)], dScores.at, rowsB, write(outputs.dC), {
      start: transposed(dC.at), isTerm: isPair,
    }),
    pairProduct([steps, state, onwards(sizes)], transposed(dScores.at), rowsC, write(outputs.dB), {
      start: transposed(dB.at), isTerm: (s, t) => isPair(t, s),
    }),
  ];
}

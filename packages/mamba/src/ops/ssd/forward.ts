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
 * The iterations of the first two loops are independent. States are [N, P], the transpose of those
 * outside, so that the channels of a head are in lanes everywhere.
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor/extend';
import { type Grid, TINY } from '../vectors.ts';
import {
  type Chunk, chunkOf, type Decays, decaysOf, forGroups, inStates, inSteps, matrix,
  pairProduct, type Place, product, type Sizes,
} from './products.ts';

/**
 * From [Δx, log α, B, C, the first state, flags of steps that start anew (or none)]: [y, the last
 * state, the states at the starts of the chunks].
 */
export function forwardKernel(
  inputs: readonly Elements[], outputs: readonly k.Buffer[], sizes: Sizes,
): k.Statements {
  const ssd = forwardOf(inputs, outputs, sizes);
  return forGroups(sizes, (b, group) => [
    forHeads(sizes, group, (head) => startState(ssd, b, head)),
    k.loop('c', sizes.chunks, (c) => runChunk(ssd, chunkOf(sizes, ssd.reset, { b, group, c }))),
  ]);
}

/** The plan of the kernel: its inputs, its outputs, and the matrices it works in. */
interface Forward {
  readonly input: Elements;
  readonly logDecay: Elements;
  readonly B: Elements;
  readonly C: Elements;
  readonly initialState: Elements;
  readonly reset: Elements | undefined;
  readonly y: k.Buffer;
  /** The state of the moment, which becomes the last. */
  readonly lastState: k.Buffer;
  readonly starts: k.Buffer;
  readonly sizes: Sizes;
  /** Bᵀ and C, and Bᵀ of the steps that reach the end of the chunk. */
  readonly columnsB: Grid;
  readonly lastB: Grid;
  readonly rowsC: Grid;
  /** S, M and X. */
  readonly scores: Grid;
  readonly M: Grid;
  readonly x: Grid;
}

/** The plan, given the inputs of the kernel and its outputs in their order. */
function forwardOf(
  [input, logDecay, B, C, initialState, reset]: readonly Elements[],
  [y, lastState, starts]: readonly k.Buffer[], sizes: Sizes,
): Forward {
  const { state, steps, headDim } = sizes;
  const columnsB = matrix('B', state, steps);
  return {
    input, logDecay, B, C, initialState, reset, y, lastState, starts, sizes,
    columnsB,
    lastB: reset ? matrix('lastB', state, steps) : columnsB,
    rowsC: matrix('C', steps, state),
    scores: matrix('S', steps, steps),
    M: matrix('M', steps, steps),
    x: matrix('x', steps, headDim),
  };
}

function forHeads(
  { heads, groups }: Sizes, group: k.Expr, body: (head: k.Expr) => k.Statements,
): k.Statements {
  return k.loop('h', heads / groups, (h) => body(k.add(k.mul(group, heads / groups), h)));
}

/** Copies the state before the first chunk. */
function startState(
  { initialState, lastState, sizes }: Forward, b: k.Expr, head: k.Expr,
): k.Statements {
  const place = inStates(sizes, b, head);
  return k.loop('n', sizes.state, (n) => k.vectorized('p', sizes.headDim, (p) =>
    k.store(lastState, place(n, p), initialState.at([b, head, n, p])),
  ));
}

/** Stores the state at the start of a chunk, for the backward pass. */
function storeStart(
  { lastState, starts, sizes }: Forward, { b, c }: Chunk, head: k.Expr,
): k.Statements {
  const { chunks, heads, state, headDim } = sizes;
  const width = state * headDim;
  return k.vectorized('i', width, (i) => {
    const to = k.rowMajor([b, c, head, i], [chunks, heads, width]);
    return k.store(starts, to, k.load(lastState, k.rowMajor([b, head, i], [heads, width])));
  });
}

/** A chunk of a group: the scores, and then each head. */
function runChunk(ssd: Forward, chunk: Chunk): k.Statements {
  return [
    chunk.hearing.compute,
    computeScores(ssd, chunk),
    forHeads(ssd.sizes, chunk.group, (head) => runHead(ssd, chunk, head)),
  ];
}

/** S = C Bᵀ. */
function computeScores(ssd: Forward, { b, group, first, hearing }: Chunk): k.Statements {
  const { B, C, reset, sizes: { steps, state }, columnsB, lastB, rowsC, scores } = ssd;
  return [
    columnsB.setAll((n, s) => B.at([b, k.plus(first, s), group, n])),
    reset ? lastB.setAll((n, s) => hearing.untilEnd(s, columnsB.at(n, s))) : [],
    rowsC.setAll((t, n) => C.at([b, k.plus(first, t), group, n])),
    product([steps, steps, state], rowsC.at, columnsB.at, scores.set, { isLower: true }),
  ];
}

/** A head in a chunk: its outputs, and its state at the end. */
function runHead(ssd: Forward, chunk: Chunk, head: k.Expr): k.Statements {
  const { input, logDecay, lastState, sizes, x } = ssd;
  const { b, first } = chunk;
  const decays = decaysOf(sizes, logDecay, chunk, head);
  const place = inStates(sizes, b, head);
  const H: k.Matrix = (n, p) => k.load(lastState, place(n, p));
  return [
    storeStart(ssd, chunk, head),
    decays.compute,
    decayScores(ssd, chunk, decays),
    x.setAll((s, p) => input.at([b, k.plus(first, s), head, p])),
    computeOutputs(ssd, chunk, decays, H, inSteps(sizes, chunk, head)),
    computeState(ssd, chunk, decays, H, place),
  ];
}

/** M = S ⊙ decays. */
function decayScores(
  { sizes, scores, M }: Forward, { hearing }: Chunk, { between }: Decays,
): k.Statements {
  return k.loop('t', sizes.steps, (t) => hearing.forPairs(t, (s, ofPair) =>
    M.set(t, s, ofPair(k.mul(between.at(t, s), scores.at(t, s)))),
  ));
}

/** Y = M X + (what is left of the state at the start, H) C. */
function computeOutputs(
  ssd: Forward, { hearing }: Chunk, decays: Decays, H: k.Matrix, place: Place,
): k.Statements {
  const { y, sizes: { steps, headDim, state }, rowsC, M, x } = ssd;
  const { isPair, fromStart } = hearing;
  const outputs: k.Matrix = (t, p) => k.load(y, place(t, p));
  return [
    product([steps, headDim, state], rowsC.at, H, (t, p, sum) =>
      k.store(y, place(t, p), fromStart(t, k.mul(sum, decays.since(t)))),
    ),
    pairProduct([steps, headDim, (t) => k.add(t, 4)], M.at, x, (t, p, sum) =>
      k.store(y, place(t, p), sum), { start: outputs, isTerm: isPair },
    ),
  ];
}

/** H, the state at the start, becomes what is left of it at the end + Bᵀ (what is left of X). */
function computeState(
  ssd: Forward, { hearing }: Chunk, decays: Decays, H: k.Matrix, place: Place,
): k.Statements {
  const { lastState, sizes: { steps, headDim, state }, lastB, x } = ssd;
  const { untilEnd, throughout } = hearing;
  return [
    x.setAll((s, p) => untilEnd(s, k.mul(x.at(s, p), decays.leftAtEnd(s)))),
    product([state, headDim, steps], lastB.at, x.at, (n, p, sum) =>
      k.store(lastState, place(n, p), sum), {
      start: (n, p) => k.mulAdd(throughout(H(n, p)), decays.whole, TINY),
    }),
  ];
}

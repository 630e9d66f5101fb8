/**
 * The plan of the backward kernel of state space duality: what it reads, where its gradients go,
 * the matrices in scratch memory that hold a chunk of a group of heads, and those that hold one of
 * its heads.
 */
import * as k from '@mambagrad/kernel';
import type { Elements } from '@mambagrad/tensor/extend';
import type { Grid } from '../vectors.ts';
import {
  type Chunk, type Decays, decaysOf, inStates, inSteps, matrix, type Place, type Sizes,
} from './products.ts';

/** The plan of the whole kernel. */
export interface Backward {
  /** The gradients of y, of the last state, and of the states at the starts of chunks. */
  readonly g: Elements;
  readonly ofLastState: Elements;
  readonly ofStarts: Elements | undefined;
  readonly input: Elements;
  readonly logDecay: Elements;
  readonly B: Elements;
  readonly C: Elements;
  /** The states at the starts of chunks. */
  readonly starts: Elements;
  readonly reset: Elements | undefined;
  readonly sizes: Sizes;
  /** The gradients; that of the first state is G, the gradient of the state of the moment. */
  readonly outputs: Readonly<Record<'dX' | 'da' | 'dB' | 'dC' | 'dState', k.Buffer>>;
  readonly ofGroup: GroupMatrices;
  readonly ofHead: HeadMatrices;
}

/** Matrices that the heads of a group share. */
interface GroupMatrices {
  readonly rowsB: Grid;
  readonly rowsC: Grid;
  readonly columnsB: Grid;
  readonly columnsC: Grid;
  /** Of `columnsC`, the steps that hear from the state before the chunk. */
  readonly firstC: Grid;
  readonly scores: Grid;
  /** Gradients, added up over the heads: dBᵀ and dCᵀ through the states, and dS. */
  readonly dB: Grid;
  readonly dC: Grid;
  readonly dScores: Grid;
}

/** Matrices and vectors of one head, which the next one overwrites. */
interface HeadMatrices {
  readonly columnsX: Grid;
  readonly columnsG: Grid;
  readonly rowsG: Grid;
  /** dM at first, and then M. */
  readonly M: Grid;
  /** The sums of the columns of dM ⊙ M, from some row on. */
  readonly sums: k.Buffer;
  /** For each step, the gradient of its log decay, as far as it has been computed. */
  readonly da: k.Buffer;
  /** For each step, what it writes to the state at the end, and what it reads from H. */
  readonly written: k.Buffer;
  readonly read: k.Buffer;
}

/** The plan, given the inputs of the kernel and its outputs in their order. */
export function backwardOf(
  [g, ofLastState, ofStarts]: readonly Elements[],
  [input, logDecay, B, C, , starts, reset]: readonly Elements[],
  [dX, da, dB, dC, dState]: readonly k.Buffer[], sizes: Sizes,
): Backward {
  return {
    g, ofLastState, ofStarts, input, logDecay, B, C, starts, reset, sizes,
    outputs: { dX, da, dB, dC, dState },
    ofGroup: groupMatrices(sizes, reset !== undefined),
    ofHead: headMatrices(sizes),
  };
}

function groupMatrices({ steps, state }: Sizes, hasReset: boolean): GroupMatrices {
  const [rowsB, rowsC] = ['B', 'C'].map((name) => matrix(name, steps, state));
  const [columnsB, columnsC, dB, dC] =
    ['B', 'C', 'dB', 'dC'].map((name) => matrix(name, state, steps));
  const firstC = hasReset ? matrix('firstC', state, steps) : columnsC;
  const [scores, dScores] = ['S', 'dS'].map((name) => matrix(name, steps, steps));
  return { rowsB, rowsC, columnsB, columnsC, firstC, scores, dB, dC, dScores };
}

function headMatrices({ steps, headDim }: Sizes): HeadMatrices {
  const [columnsX, columnsG] = ['x', 'g'].map((name) => matrix(name, headDim, steps));
  const [rowsG, M] = [matrix('g', steps, headDim), matrix('M', steps, steps)];
  const [da, sums, written, read] =
    ['da', 'sums', 'written', 'read'].map((name) => k.scratch(name, 'f32', steps));
  return { columnsX, columnsG, rowsG, M, da, sums, written, read };
}

/** A head in a chunk. */
export interface Head {
  readonly chunk: Chunk;
  readonly head: k.Expr;
  readonly decays: Decays;
  /** Where X, and its gradient, are. */
  readonly x: Place;
  /** Where the gradient of the state is: G, until it is that of H. */
  readonly dState: Place;
  readonly G: k.Matrix;
  readonly H: k.Matrix;
}

/** The head with this index, in a chunk. */
export function headOf(ssd: Backward, chunk: Chunk, head: k.Expr): Head {
  const { logDecay, starts, sizes, outputs } = ssd;
  const dState = inStates(sizes, chunk.b, head);
  return {
    chunk, head, dState,
    decays: decaysOf(sizes, logDecay, chunk, head),
    x: inSteps(sizes, chunk, head),
    G: (n, p) => k.load(outputs.dState, dState(n, p)),
    H: (n, p) => starts.at([chunk.b, chunk.c, head, n, p]),
  };
}

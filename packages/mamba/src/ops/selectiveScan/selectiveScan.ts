/**
 * The selective scan, the heart of Mamba. A state of N numbers per channel decays and takes in the
 * input, at rates that the input itself chooses (Gu and Dao, "Mamba" (2023), section 3):
 *
 *     h_t = exp(Δ_t A) ⊙ h_{t−1} + Δ_t B_t u_t          (equations 1a and 4; B by Euler's rule)
 *     y_t = C_t · h_t + D ⊙ u_t
 *
 * B batch, L length, D channels, N state size. Δ_t ≥ 0 is how long step t lasts for a channel: at 0
 * the state ignores the input, at a large Δ it forgets all else. B_t and C_t say what is written
 * and what is read. (Upper case B is the input matrix, too; the papers do the same.)
 *
 * Where a document begins, the state before is left out: h_t = Δ_t B_t u_t. At padding, Δ_t is 0,
 * so that the state stays, and so are all inputs, whatever they hold: 0 · NaN would be NaN.
 */
import {
  concat, describe, type ScanAlgorithm, type Tensor, TensorError, zeros,
} from '@mambagrad/tensor';
import {
  boolean, type Kind, oneOf, type Read, readOptions, type Table, tensors, whole,
} from '@mambagrad/tensor/options';
import { requireFloat, requireTensor } from '@mambagrad/tensor/extend';
import { requireStatesAt } from '../../sequence/documents.ts';
import {
  flagOptions, clearPadding, readFlags, requireShapes, type SequenceFlags,
} from '../../sequence/sequence.ts';
import { restarted } from '../restart.ts';
import { statesAfter } from '../statesAt.ts';
import { CHUNK } from '../vectors.ts';
import { composedScan, fusedScan, readOut, type ScanInputs } from './fused.ts';
import { segmentedScan } from './segmented.ts';

/**
 * `fused` is one loop that stores no array of all states; `segmented` is that on segments of the
 * sequence side by side, and then again, for long sequences of few channels on many threads; the
 * others are composed of ops around `linearScan`, with its algorithm of that name.
 */
export type SelectiveScanAlgorithm = 'fused' | 'segmented' | ScanAlgorithm;

/** Options of `selectiveScan`: B rows, L steps, D channels, N numbers of state in each. */
export interface SelectiveScanOptions extends SequenceFlags {
  /** The skip connection, [D]. Default none. */
  readonly D?: Tensor | undefined;
  /** The gate, [B, L, D]: y is multiplied by silu(z). Default none. */
  readonly z?: Tensor | undefined;
  /** Added to delta first, [D]. Default none. */
  readonly deltaBias?: Tensor | undefined;
  /** Whether Δ is softplus(delta) and thereby positive. Default false. */
  readonly deltaSoftplus?: boolean | undefined;
  /** The state before the first step, [B, D, N]. Default zeros. */
  readonly initialState?: Tensor | undefined;
  /**
   * The state in which documents begin after a reset, [D, N]. Default zeros. Its share of the
   * result is a scan composed of ops, which stores an array of the size of all states.
   */
  readonly resetState?: Tensor | undefined;
  /** How the recurrence is computed; all agree up to rounding. Default 'fused'. */
  readonly algorithm?: SelectiveScanAlgorithm | undefined;
  /** The steps of a chunk, where the algorithm is `chunked` (else 64) or `segmented` (else 256). */
  readonly chunkSize?: number | undefined;
  /** Whether all states are wanted, for which the scan is composed of ops. Default false. */
  readonly returnStates?: boolean | undefined;
  /**
   * Steps after which states are wanted, i32 [B, any], such as the last steps of documents
   * (`documentEnds`); −1 is before the first step. Default none.
   */
  readonly statesAt?: Tensor | undefined;
}

/** The names of the algorithms. */
export const scanAlgorithms: Kind<SelectiveScanAlgorithm> = oneOf(
  'fused', 'segmented', 'sequential', 'blelloch', 'hillisSteele', 'chunked',
);

const selectiveScanOptions = {
  ...flagOptions,
  D: tensors.optional(),
  z: tensors.optional(),
  deltaBias: tensors.optional(),
  deltaSoftplus: boolean.orElse(false),
  initialState: tensors.optional(),
  resetState: tensors.optional(),
  algorithm: scanAlgorithms.orElse('fused'),
  chunkSize: whole(1).optional(),
  returnStates: boolean.orElse(false),
  statesAt: tensors.optional(),
} satisfies Table<SelectiveScanOptions>;

/** The results of `selectiveScan`; gradients flow back from each of them. */
export interface SelectiveScanResult {
  /** [B, L, D]; 0 at padding. */
  readonly y: Tensor;
  /** The state after the last step, [B, D, N], from which another call can go on. */
  readonly lastState: Tensor;
  /** The state after every step, [B, L, D, N]; not there if the scan was fused. */
  readonly states?: Tensor;
  /** The states after the steps of the option `statesAt`, [B, any, D, N], if it was given. */
  readonly statesAt?: Tensor;
}

/**
 * Runs the recurrence above over u and delta [B, L, D], A [D, N] (negative, so that states decay),
 * B and C [B, L, N], or [B, L, G, N] for G groups of D / G channels next to each other, with a B
 * and a C for each. Differentiable with respect to every tensor, from both results.
 */
export function selectiveScan(
  u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, options: SelectiveScanOptions = {},
): SelectiveScanResult {
  const given = readOptions('selectiveScan', options, selectiveScanOptions);
  requireFloat('selectiveScan', 'u', u);
  requireTensor('selectiveScan', 'A', A);
  requireTensor('selectiveScan', 'B', B);
  if (u.ndim !== 3 || A.ndim !== 2) {
    throw new TensorError(
      `selectiveScan: u is ${describe(u)}, A ${describe(A)}; expected [batch, length, channels] ` +
        'and [channels, state]',
    );
  }
  const { D, z, deltaBias, deltaSoftplus, statesAt } = given;
  const [batch, length, channels] = u.shape;
  const state = A.shape[1];
  const stateShape = [batch, channels, state];
  const groups = B.ndim === 4 ? B.shape[2] : 1;
  if (channels % groups !== 0) {
    throw new TensorError(
      `selectiveScan: B is ${describe(B)} and u ${describe(u)}; expected [batch, length, groups, ` +
        'state] with channels a multiple of groups',
    );
  }
  const shared = [batch, length, ...(B.ndim === 4 ? [groups] : []), state];
  const { initialState = zeros(stateShape, { dtype: u.dtype }) } = given;
  requireShapes('selectiveScan', u.dtype, {
    delta: [delta, u.shape], z: [z, u.shape],
    A: [A, [channels, state]], B: [B, shared], C: [C, shared],
    D: [D, [channels]], deltaBias: [deltaBias, [channels]],
    initialState: [initialState, stateShape], resetState: [given.resetState, A.shape],
  });
  requireStatesAt('selectiveScan', statesAt, u.shape);
  const { reset, mask } = readFlags('selectiveScan', given, u.shape);
  const kept = (x: Tensor): Tensor => clearPadding(x, mask);
  const biased = deltaBias ? kept(delta).add(deltaBias) : delta;
  const step = kept(deltaSoftplus ? biased.softplus() : biased);
  const input = kept(u);
  // One group needs no axis.
  const [written, read] = [B, C].map((x) => kept(x.ndim === 4 && groups === 1 ? x.squeeze(2) : x));
  const inputs: ScanInputs = [
    input, step, A, written, read, initialState, ...(reset ? [reset] : []),
  ];
  const zeroBased = scanFromZero(inputs, given);
  const scan = given.resetState && reset
    ? addRestarts(inputs, zeroBased, reset, given.resetState, statesAt)
    : zeroBased;
  const skipped = D ? scan.y.add(input.mul(D)) : scan.y;
  const y = z ? skipped.mul(kept(z).silu()) : skipped;
  return { ...scan, y: kept(y) };
}

type Given = Read<typeof selectiveScanOptions>;

/** The scan, in which documents begin from zero after a reset. */
function scanFromZero(inputs: ScanInputs, given: Given): SelectiveScanResult {
  const [u, delta, A, B, , , reset] = inputs;
  const { starts, size, ...scan } = scanBy(inputs, given);
  const states = given.statesAt && statesAfter(given.statesAt, {
    starts: starts(), size, inputs: [u, delta, B], reset,
    // Nothing is read.
    run: ([x, dt, b], start, resets) =>
      fusedScan([x, dt, A, b, zeros(b.shape, { dtype: b.dtype }), start, ...resets]).lastState,
  });
  return { ...scan, ...(states && { statesAt: states }) };
}

/** Adds what is left, at each step, of the state in which the step's document began. */
function addRestarts(
  [, delta, A, , C]: ScanInputs, { y, lastState, states, statesAt: chosen }: SelectiveScanResult,
  reset: Tensor, start: Tensor, statesAt: Tensor | undefined,
): SelectiveScanResult {
  const { all, last, at } = restarted(delta.unsqueeze(-1).mul(A).exp(), start, reset, statesAt);
  return {
    y: y.add(readOut(all, C)),
    lastState: lastState.add(last),
    ...(states && { states: states.add(all) }),
    ...(chosen && at && { statesAt: chosen.add(at) }),
  };
}

/** A scan, and its states before every `size`-th step and after the last one. */
type InPieces = Omit<SelectiveScanResult, 'statesAt'> & {
  readonly size: number;
  readonly starts: () => Tensor;
};

/** The scan by the algorithm of the options. */
function scanBy(
  inputs: ScanInputs, { algorithm, chunkSize, returnStates }: Given,
): InPieces {
  const isLoop = algorithm === 'fused' || algorithm === 'segmented';
  if (!isLoop || returnStates) {
    const scan = composedScan(inputs, isLoop ? undefined : { algorithm, chunkSize });
    const starts = () => concat([inputs[5].unsqueeze(1), scan.states], 1);
    return { ...scan, starts, size: 1 };
  }
  if (algorithm === 'segmented') {
    const { starts, ...scan } = segmentedScan(inputs, chunkSize);
    return { ...scan, starts: () => concat([starts, scan.lastState.unsqueeze(1)], 1) };
  }
  const { starts, ...scan } = fusedScan(inputs);
  const all = () => concat([starts.transpose(-2, -1), scan.lastState.unsqueeze(1)], 1);
  return { ...scan, starts: all, size: CHUNK };
}

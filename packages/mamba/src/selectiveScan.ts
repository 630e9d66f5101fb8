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
 * Where a document begins, the factor exp(Δ_t A) is 0 instead; at padding, Δ_t is.
 */
import { describe, type ScanAlgorithm, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import { composedScan, fusedScan, type ScanInputs } from './fusedScan.ts';
import { segmentedScan } from './segmentedScan.ts';
import { readFlags, requireShapes, type SequenceFlags } from './sequence.ts';

/**
 * `fused` is one loop that stores no array of all states; `segmented` is that on segments of the
 * sequence side by side, and then again, for long sequences of few channels on many threads; the
 * others are composed of ops around `linearScan`, with its algorithm of that name.
 */
export type SelectiveScanAlgorithm = 'fused' | 'segmented' | ScanAlgorithm;

export interface SelectiveScanOptions extends SequenceFlags {
  /** The skip connection, [D]. Default none. */
  readonly D?: Tensor | undefined;
  /** The gate, [B, L, D]: y is multiplied by silu(z). Default none. */
  readonly z?: Tensor | undefined;
  /** Added to delta first, [D]. Default none. */
  readonly deltaBias?: Tensor | undefined;
  /** Whether Δ is softplus(delta) and thereby positive. Default false. */
  readonly deltaSoftplus?: boolean;
  /** The state before the first step, [B, D, N]. Default zeros. */
  readonly initialState?: Tensor | undefined;
  /** How the recurrence is computed; all agree up to rounding. Default `fused`. */
  readonly algorithm?: SelectiveScanAlgorithm | undefined;
  /** The steps of a chunk, where the algorithm is `chunked` (64) or `segmented` (256). */
  readonly chunkSize?: number | undefined;
  /** Whether all states are wanted, which need a composed scan: they are not stored else. */
  readonly returnStates?: boolean | undefined;
}

export interface SelectiveScanResult {
  /** [B, L, D] */
  readonly y: Tensor;
  /** The state after the last step, [B, D, N], from which another call can go on. */
  readonly lastState: Tensor;
  /** The state after every step, [B, L, D, N]; not there if the scan was fused. */
  readonly states?: Tensor;
}

/**
 * Runs the recurrence above over u and delta [B, L, D], A [D, N] (negative, so that states decay),
 * B and C [B, L, N]. Differentiable with respect to every tensor, from both results.
 */
export function selectiveScan(
  u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, options: SelectiveScanOptions = {},
): SelectiveScanResult {
  if (u.ndim !== 3 || A.ndim !== 2) {
    throw new TensorError(
      `selectiveScan: u is ${describe(u)}, A ${describe(A)}; expected [batch, length, channels] ` +
        'and [channels, state]',
    );
  }
  const { D, z, deltaBias, deltaSoftplus = false, algorithm = 'fused', chunkSize } = options;
  const [batch, length, channels] = u.shape;
  const state = A.shape[1];
  const stateShape = [batch, channels, state];
  const { initialState = zeros(stateShape, { dtype: u.dtype }) } = options;
  requireShapes('selectiveScan', u.dtype, {
    delta: [delta, u.shape], z: [z, u.shape],
    A: [A, [channels, state]], B: [B, [batch, length, state]], C: [C, [batch, length, state]],
    D: [D, [channels]], deltaBias: [deltaBias, [channels]],
    initialState: [initialState, stateShape],
  });
  const { reset, mask } = readFlags('selectiveScan', options, u);
  const biased = deltaBias ? delta.add(deltaBias) : delta;
  const duration = deltaSoftplus ? biased.softplus() : biased;
  const step = mask ? mask.unsqueeze(-1).where(duration, 0) : duration;
  const inputs: ScanInputs = [u, step, A, B, C, initialState, ...(reset ? [reset] : [])];
  const isLoop = algorithm === 'fused' || algorithm === 'segmented';
  const composed = isLoop ? undefined : { algorithm, chunkSize };
  const scan = composed || options.returnStates ? composedScan(inputs, composed)
    : algorithm === 'fused' ? fusedScan(inputs)
    : segmentedScan(inputs, chunkSize);

  const skipped = D ? scan.y.add(u.mul(D)) : scan.y;
  const y = z ? skipped.mul(z.silu()) : skipped;
  return { ...scan, y };
}

/**
 * State space duality, the heart of Mamba-2 (Dao and Gu, "Transformers are SSMs" (2024)). All
 * numbers of a head's state decay alike, by one scalar a step:
 *
 *     h_t = α_t h_{t−1} + Δ_t x_t B_tᵀ,     y_t = h_t C_t + D x_t,     α_t = exp(Δ_t A)
 *
 * with h_t of P rows, one for each channel of the head, and N columns. Written out, the y of all
 * steps are one product of matrices, M·(Δx), as in attention (section 3):
 *
 *     M_ts = (C_t · B_s) · α_{s+1} ⋯ α_t   for s ≤ t, and 0 above the diagonal
 *
 * M costs L² and the recurrence is no matrix product, so the sequence is cut into chunks: within
 * each the matrix, from one to the next the recurrence (section 6).
 *
 * Where a document begins, the state before is left out. At padding, Δ_t is 0, so that the state
 * stays, and so are all inputs, whatever is written there: 0 · NaN would be NaN.
 */
import { describe, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import { oneOf, readOptions, type Table, tensors, whole } from '@mambagrad/tensor/options';
import {
  flagOptions, clearPadding, readFlags, requireShapes, type SequenceFlags,
} from '../../sequence/sequence.ts';
import { chunked, recurrent, type SSDInputs, type SSDResult } from './composed.ts';
import { fused } from './fused.ts';

export type { SSDResult };

/**
 * `fused` and `chunked` are matrices, chunk by chunk: in one pass that stores none of them, or
 * composed of ops. `recurrent` is what the recurrence says, composed of ops around `linearScan`.
 */
export type SSDAlgorithm = 'fused' | 'chunked' | 'recurrent';

/** Options of `ssd`: B rows, L steps, H heads of P channels, N numbers of state in each channel. */
export interface SSDOptions extends SequenceFlags {
  /** The skip connection, [H]. Default none. */
  readonly D?: Tensor | undefined;
  /** The state before the first step, [B, H, P, N]. Default zeros. */
  readonly initialState?: Tensor | undefined;
  /** The most steps of a chunk, where `fused` takes 32 at most; changes no result. Default 64. */
  readonly chunkSize?: number | undefined;
  /** How it is computed; all agree up to rounding. Default 'fused'. */
  readonly algorithm?: SSDAlgorithm | undefined;
}

const ssdOptions = {
  ...flagOptions,
  D: tensors.optional(),
  initialState: tensors.optional(),
  chunkSize: whole(1).orElse(64),
  algorithm: oneOf('fused', 'chunked', 'recurrent').orElse('fused'),
} satisfies Table<SSDOptions>;

/**
 * Runs the recurrence above over x [B, L, H, P], dt (Δ, positive) [B, L, H], A [H] (negative), B
 * and C [B, L, G, N]: H heads of P channels, and G groups of heads next to each other that share
 * what is written and read. Differentiable with respect to every tensor, from both results.
 */
export function ssd(
  x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, options: SSDOptions = {},
): SSDResult {
  const given = readOptions('ssd', options, ssdOptions);
  const { D, algorithm, chunkSize } = given;
  const [batch, length, heads, headDim] = x.shape;
  const [groups, stateSize] = B.shape.slice(2);
  if (x.ndim !== 4 || B.ndim !== 4 || heads % groups !== 0) {
    throw new TensorError(
      `ssd: x is ${describe(x)}, B ${describe(B)}; expected [batch, length, heads, headDim] and ` +
        '[batch, length, groups, state] with heads a multiple of groups',
    );
  }
  const stateShape = [batch, heads, headDim, stateSize];
  const { initialState = zeros(stateShape, { dtype: x.dtype }) } = given;
  requireShapes('ssd', x.dtype, {
    dt: [dt, [batch, length, heads]], A: [A, [heads]], D: [D, [heads]],
    B: [B, [batch, length, groups, stateSize]], C: [C, B.shape],
    initialState: [initialState, stateShape],
  });
  const { reset, mask } = readFlags('ssd', given, x.shape);
  const [input, duration, written, read] = [x, dt, B, C].map((each) => clearPadding(each, mask));
  const inputs: SSDInputs = [
    input.mul(duration.unsqueeze(-1)), duration.mul(A), written, read, initialState,
    ...(reset ? [reset] : []),
  ];
  const form = length === 1 ? recurrent : { fused, chunked, recurrent }[algorithm];
  const { y, lastState } = form(inputs, chunkSize);
  return { y: clearPadding(D ? y.add(input.mul(D.unsqueeze(-1))) : y, mask), lastState };
}

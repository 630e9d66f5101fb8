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
 * Where a document begins, α_t is 0 instead; at padding, Δ_t is.
 */
import { concat, describe, linearScan, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import { readFlags, requireShapes, type SequenceFlags } from './sequence.ts';

export interface SSDOptions extends SequenceFlags {
  /** The skip connection, [H]. Default none. */
  readonly D?: Tensor | undefined;
  /** The state before the first step, [B, H, P, N]. Default zeros. */
  readonly initialState?: Tensor | undefined;
  /** The steps of a chunk, of which the last may have fewer; changes no result. Default 64. */
  readonly chunkSize?: number | undefined;
  /** As matrices, chunk by chunk (the default), or as the recurrence says. */
  readonly algorithm?: 'chunked' | 'recurrent' | undefined;
}

export interface SSDResult {
  /** As x: [B, L, H, P] */
  readonly y: Tensor;
  /** The state after the last step, [B, H, P, N], from which another call can go on. */
  readonly lastState: Tensor;
}

/** Δx [B, L, H, P], ΔA = log α [B, L, H], B and C [B, L, G, N], and the state before. */
type Inputs = readonly [input: Tensor, logDecay: Tensor, B: Tensor, C: Tensor, initial: Tensor];

/**
 * Runs the recurrence above over x [B, L, H, P], dt (Δ, positive) [B, L, H], A [H] (negative), B
 * and C [B, L, G, N]: H heads of P channels, and G groups of heads next to each other that share
 * what is written and read. Differentiable with respect to every tensor, from both results.
 */
export function ssd(
  x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, options: SSDOptions = {},
): SSDResult {
  const { D, algorithm, chunkSize = 64 } = options;
  const [batch, length, heads, headDim] = x.shape;
  const [groups, stateSize] = B.shape.slice(2);
  if (x.ndim !== 4 || B.ndim !== 4 || heads % groups !== 0 || !(chunkSize >= 1)) {
    throw new TensorError(
      `ssd: x is ${describe(x)}, B ${describe(B)}, chunkSize ${chunkSize}; expected ` +
        '[batch, length, heads, headDim], [batch, length, groups, state] with heads a multiple ' +
        'of groups, and a whole number from 1',
    );
  }
  const stateShape = [batch, heads, headDim, stateSize];
  const { initialState = zeros(stateShape, { dtype: x.dtype }) } = options;
  requireShapes('ssd', x.dtype, {
    dt: [dt, [batch, length, heads]], A: [A, [heads]], D: [D, [heads]],
    B: [B, [batch, length, groups, stateSize]], C: [C, B.shape],
    initialState: [initialState, stateShape],
  });
  const { reset, mask } = readFlags('ssd', options, x);
  const duration = mask ? mask.unsqueeze(-1).where(dt, 0) : dt;
  const decay = duration.mul(A);
  const logDecay = reset ? reset.unsqueeze(-1).where(-Infinity, decay) : decay;
  const inputs: Inputs = [x.mul(duration.unsqueeze(-1)), logDecay, B, C, initialState];
  const form = algorithm === 'recurrent' || length === 1 ? recurrent : chunked;
  const { y, lastState } = form(inputs, chunkSize);
  return { y: D ? y.add(x.mul(D.unsqueeze(-1))) : y, lastState };
}
/** The definition. It stores every state: [B, L, H, P, N]. */
function recurrent([input, logDecay, B, C, initialState]: Inputs): SSDResult {
  const length = input.shape[1];
  const forHeads = (x: Tensor) => x.repeatInterleave(input.shape[2] / x.shape[2], 2).unsqueeze(-1);
  const written = input.unsqueeze(-1).matmul(forHeads(B).transpose(-2, -1));
  const decay = logDecay.exp().unsqueeze(-1).unsqueeze(-1);
  const h = linearScan(decay, written, { axis: 1, initialState });
  const lastState = concat([initialState.unsqueeze(1), h], 1).narrow(1, length, 1).squeeze(1);
  return { y: h.matmul(forHeads(C)).squeeze(-1), lastState };
}

/** The same in chunks of Q steps; what is missing to whole ones neither writes nor decays. */
function chunked([input, logDecay, B, C, initialState]: Inputs, chunkSize: number): SSDResult {
  const [batch, length, heads, headDim] = input.shape;
  const [groups, stateSize] = B.shape.slice(2);
  const size = Math.min(chunkSize, Math.max(length, 1));
  const count = Math.max(Math.ceil(length / size), 1);
  /** [B, L, heads or groups, width] to [B, chunks, G, heads of a group or 1, Q, width] */
  const cut = (x: Tensor): Tensor =>
    x
      .pad([0, 0, 0, 0], [0, count * size - length, 0, 0])
      .reshape([batch, count, size, groups, x.shape[2] / groups, x.shape[3]])
      .permute([0, 1, 3, 4, 2, 5]);
  const [X, a, b, c] = [input, logDecay.unsqueeze(-1), B, C].map(cut);

  // Within a chunk: α_{s+1} ⋯ α_t in row t, column s. Of the logarithms, masked before they are
  // added up, only those are added that belong there: no difference of large sums, no overflow.
  const decays = a.broadcastTo([...a.shape.slice(0, -1), size]).tril(-1).cumsum(-2).exp().tril();
  const within = c.matmul(b.transpose(-2, -1)).mul(decays).matmul(X);

  // What each chunk adds to the state until its end, and how the states at the ends follow.
  const untilEnd = decays.narrow(-2, size - 1, 1);
  const added = X.transpose(-2, -1).mul(untilEnd).matmul(b);
  const sinceStart = a.cumsum(-2).exp();
  const start = initialState.reshape([batch, groups, heads / groups, headDim, stateSize]);
  const whole = sinceStart.narrow(-2, size - 1, 1);
  const ends = linearScan(whole, added, { axis: 1, initialState: start });
  const states = concat([start.unsqueeze(1), ends], 1);
  const carried = c.matmul(states.narrow(1, 0, count).transpose(-2, -1)).mul(sinceStart);

  const y = within.add(carried).permute([0, 1, 4, 2, 3, 5]);
  return {
    y: y.reshape([batch, count * size, heads, headDim]).narrow(1, 0, length),
    lastState: states.narrow(1, count, 1).reshape(initialState.shape),
  };
}

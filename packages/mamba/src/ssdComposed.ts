/**
 * State space duality composed of ops: as the recurrence, and in chunks, as matrices. Gradients of
 * higher order are taken of the latter.
 */
import { concat, linearScan, type Tensor } from '@mambagrad/tensor';

/** Δx [B, L, H, P], ΔA = log α [B, L, H], B and C [B, L, G, N], and the state before. */
export type SSDInputs = readonly [
  input: Tensor, logDecay: Tensor, B: Tensor, C: Tensor, initialState: Tensor,
];

export interface SSDResult {
  /** As x: [B, L, H, P] */
  readonly y: Tensor;
  /** The state after the last step, [B, H, P, N], from which another call can go on. */
  readonly lastState: Tensor;
}

/** The definition. It stores every state: [B, L, H, P, N]. */
export function recurrent([input, logDecay, B, C, initialState]: SSDInputs): SSDResult {
  const length = input.shape[1];
  const forHeads = (x: Tensor) => x.repeatInterleave(input.shape[2] / x.shape[2], 2).unsqueeze(-1);
  const written = input.unsqueeze(-1).matmul(forHeads(B).transpose(-2, -1));
  const decay = logDecay.exp().unsqueeze(-1).unsqueeze(-1);
  const h = linearScan(decay, written, { axis: 1, initialState });
  const lastState = concat([initialState.unsqueeze(1), h], 1).narrow(1, length, 1).squeeze(1);
  return { y: h.matmul(forHeads(C)).squeeze(-1), lastState };
}

/** The same in chunks of Q steps; what is missing to whole ones neither writes nor decays. */
export function chunked(
  [input, logDecay, B, C, initialState]: SSDInputs, chunkSize: number,
): SSDResult {
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

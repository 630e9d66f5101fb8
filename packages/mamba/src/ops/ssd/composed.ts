/**
 * State space duality composed of ops: as the recurrence, and in chunks, as matrices. Gradients of
 * higher order are taken of the latter.
 */
import { concat, linearScan, ones, type Tensor } from '@mambagrad/tensor';
import { pairProduct, pairScores } from '../pairProduct.ts';

/**
 * Δx [B, L, H, P], ΔA = log α [B, L, H], B and C [B, L, G, N], the state before, and, if there are
 * any, flags (i32, [B, L]) of steps at which the past is dropped.
 */
export type SSDInputs = readonly [
  input: Tensor, logDecay: Tensor, B: Tensor, C: Tensor, initialState: Tensor, ...reset: Tensor[],
];

/** The results of `ssd`; gradients flow back from both. */
export interface SSDResult {
  /** As x: [B, L, H, P]; 0 at padding. */
  readonly y: Tensor;
  /** The state after the last step, [B, H, P, N], from which another call can go on. */
  readonly lastState: Tensor;
  /** The states after the steps of the option `statesAt`, [B, any, H, P, N], if it was given. */
  readonly statesAt?: Tensor;
}

/** The same with states in the middle. */
export interface SSDForm extends SSDResult {
  /** The steps of a chunk. */
  readonly size: number;
  /** The state before the first step of each chunk, [B, chunks, H, P, N]. */
  starts(): Tensor;
}

/** The definition. It stores every state: [B, L, H, P, N]. */
export function recurrent([input, logDecay, B, C, initialState, ...flags]: SSDInputs): SSDForm {
  const [batch, length, heads] = input.shape;
  const forHeads = (x: Tensor) => x.repeatInterleave(heads / x.shape[2], 2).unsqueeze(-1);
  const written = input.unsqueeze(-1).matmul(forHeads(B).transpose(-2, -1));
  const decay = logDecay.exp().unsqueeze(-1).unsqueeze(-1);
  const reset = flags.at(0)?.reshape([batch, length, 1, 1, 1]);
  const h = linearScan(decay, written, { axis: 1, initialState, reset });
  const states = concat([initialState.unsqueeze(1), h], 1);
  return {
    y: h.matmul(forHeads(C)).squeeze(-1),
    lastState: states.narrow(1, length, 1).squeeze(1),
    starts: () => states.narrow(1, 0, length),
    size: 1,
  };
}

/** Where the mask is set or there is none, x; elsewhere 0. */
const only = (mask: Tensor | undefined, x: Tensor): Tensor => mask?.where(x, 0) ?? x;

/**
 * Within chunks of Q steps: which steps hear from which [..., Q, Q], later ones from earlier ones
 * of their document; and, if there are resets, which hear from the state before [..., Q, 1], which
 * are heard by that at the end [..., Q, 1], and whether the two are cut apart [..., 1, 1].
 */
function hearingOf(size: number, begun: Tensor | undefined) {
  const isEarlier = ones([size, size], { dtype: 'i32' }).tril();
  if (!begun) return { pairs: isEarlier };
  const last = begun.narrow(-2, size - 1, 1);
  const fromStart = begun.equal(0);
  return {
    pairs: begun.equal(begun.transpose(-2, -1)).mul(isEarlier),
    fromStart, untilEnd: begun.equal(last), isCut: last.notEqual(0),
  };
}

/** The same in chunks of Q steps; what is missing to whole ones neither writes nor decays. */
export function chunked(
  [input, logDecay, B, C, initialState, ...flags]: SSDInputs, chunkSize: number,
): SSDForm {
  const [batch, length, heads, headDim] = input.shape;
  const [groups, stateSize] = B.shape.slice(2);
  const size = Math.min(chunkSize, Math.max(length, 1));
  const count = Math.max(Math.ceil(length / size), 1);
  const missing = count * size - length;
  /** [B, L, heads or groups, width] to [B, chunks, G, heads of a group or 1, Q, width] */
  const cut = (x: Tensor): Tensor =>
    x
      .pad([0, 0, 0, 0], [0, missing, 0, 0])
      .reshape([batch, count, size, groups, x.shape[2] / groups, x.shape[3]])
      .permute([0, 1, 3, 4, 2, 5]);
  const [X, a, b, c] = [input, logDecay.unsqueeze(-1), B, C].map(cut);
  const chunks = (x: Tensor): Tensor =>
    x.cast(input.dtype).pad([0, 0], [0, missing]).reshape([batch, count, 1, 1, size, 1]);
  const hearing = hearingOf(size, flags.map(chunks).at(0)?.cumsum(-2));
  const { pairs, fromStart, untilEnd, isCut } = hearing;

  // Within a chunk: α_{s+1} ⋯ α_t in row t, column s. Of the logarithms, masked before they are
  // added up, only those are added that belong there: no difference of large sums, no overflow.
  const logs = a.broadcastTo([...a.shape.slice(0, -1), size]).tril(-1).cumsum(-2);
  const decays = pairs.where(pairs.where(logs, 0).exp(), 0);
  const within = pairProduct(pairs, pairScores(pairs, c, b.transpose(-2, -1)).mul(decays), X);

  // What each chunk adds to the state until its end, and how the states at the ends follow.
  const left = only(untilEnd, decays.narrow(-2, size - 1, 1).transpose(-2, -1));
  const added = only(untilEnd, X).mul(left).transpose(-2, -1).matmul(only(untilEnd, b));
  const sinceStart = only(fromStart, a.cumsum(-2)).exp();
  const start = initialState.reshape([batch, groups, heads / groups, headDim, stateSize]);
  const whole = sinceStart.narrow(-2, size - 1, 1);
  const ends = linearScan(whole, added, { axis: 1, initialState: start, reset: isCut });
  const states = concat([start.unsqueeze(1), ends], 1);
  const read = only(fromStart, c).matmul(states.narrow(1, 0, count).transpose(-2, -1));
  const carried = only(fromStart, read).mul(sinceStart);

  const y = within.add(carried).permute([0, 1, 4, 2, 3, 5]);
  return {
    y: y.reshape([batch, count * size, heads, headDim]).narrow(1, 0, length),
    lastState: states.narrow(1, count, 1).reshape(initialState.shape),
    starts: () => states.narrow(1, 0, count).reshape(initialState.shape.toSpliced(1, 0, count)),
    size,
  };
}

/**
 * Gated linear attention (GLA): a memory in which each key channel n has a decay α_n of its own,
 * chosen by the input,
 *
 *     S_t = S_{t−1} Diag(α_t) + v_t k_tᵀ,     y_t = S_t q_t
 *
 * Yang et al., "Gated linear attention transformers with hardware-efficient training" (2023), where
 * S is transposed. With all steps written out,
 *
 *     y_t = Σ_{s ≤ t} A_ts v_s,     A_ts = Σ_n q_tn k_sn exp(log α_{s+1,n} + … + log α_tn)
 *
 * A would be a product of two matrices if the exponential were one factor for t times one for s.
 * Take any step m, and split the sum there:
 *
 *     exp(log α_{s+1} + … + log α_{m−1}) · exp(log α_m + … + log α_t)
 *
 * With one m for all pairs, s or t lies on the wrong side of it for some of them, the sum between
 * has to be taken away again, and its exponential overflows. If m lies between s and t, neither
 * factor is above 1. So each pair needs an m between its steps. The paper cuts chunks into
 * subchunks for this. We cut them in halves, again and again: for all pairs with s in
 * the left half and t in the right one, m is the start of the right half. A chunk of 16 steps takes
 * four products.
 */
import type { SSDResult } from '@mambagrad/mamba';
import { Linear } from '@mambagrad/nn';
import { concat, linearScan, type Tensor } from '@mambagrad/tensor';
import { chunkSizeFor, fromChunks, intoChunks, pairsOf } from './chunks.ts';
import { whereCounts } from './linearRNN.ts';
import { MatrixMemory, type MatrixMemoryOptions, type Projections } from './matrixMemory.ts';

/** α = σ(…)^(1/τ), as in the paper: the larger τ, the nearer α is to 1. */
const TAU = 16;
/** The rank of the projection to α, unless the width is smaller. */
const RANK = 16;
const CHUNK_SIZE = 16;

/** Gated linear attention. */
export class GatedLinearAttention extends MatrixMemory {
  /** The two factors of the projection to the logits of α, [rank, hidden] and [H·N, rank] */
  readonly decayProj: readonly [Linear, Linear];

  constructor(options: MatrixMemoryOptions) {
    super(options);
    const { hiddenSize, generator } = options;
    const rank = Math.min(RANK, hiddenSize);
    this.decayProj = [
      new Linear(hiddenSize, rank, { bias: false, generator }),
      new Linear(rank, this.numHeads * this.stateSize, { generator }),
    ];
  }

  protected remember(
    x: Tensor, parts: Projections, S: Tensor, mask: Tensor | undefined,
  ): SSDResult {
    const [down, up] = this.decayProj;
    // log σ(p) = −softplus(−p)
    const logDecay = whereCounts(mask, up.forward(down.forward(x)).neg().softplus().div(-TAU), 0);
    const k = whereCounts(mask, parts.k.div(Math.sqrt(this.stateSize)), 0);
    return gatedLinearAttention(parts.q, k, parts.v, this.inHeads(logDecay), S);
  }
}

/**
 * The memory alone: runs the recurrence over q, k and log α [batch, length, H, N] and v [batch,
 * length, H, P], from S [batch, H, P, N] on, in chunks of a power of two. log α is at most 0, and
 * may be −∞.
 */
export function gatedLinearAttention(
  q: Tensor, k: Tensor, v: Tensor, logDecay: Tensor, S: Tensor, chunkSize = CHUNK_SIZE,
): SSDResult {
  const length = q.shape[1];
  const size = chunkSizeFor(length, chunkSize);
  const [queries, keys, values, logs] = [q, k, v, logDecay].map((x) => intoChunks(x, size));
  const count = queries.shape[2];

  // Within chunks: t = s, then the pairs of steps that are in two halves of 1, 2, 4, … steps.
  let scores = pairsOf(size, 0).where(queries.mul(keys).sum(-1, true), 0);
  for (let half = 1; half < size; half *= 2) {
    const { fromStart, toEnd } = decaysWithin(logs, half);
    const products = queries.mul(fromStart).matmul(keys.mul(toEnd).transpose(-2, -1));
    scores = scores.add(pairsOf(size, half).where(products, 0));
  }

  // From chunk to chunk: the same with the halves as large as chunks, and a state between them.
  const { fromStart, toEnd } = decaysWithin(logs, size);
  const written = values.transpose(-2, -1).matmul(keys.mul(toEnd));
  const whole = fromStart.narrow(-2, size - 1, 1);
  const ends = linearScan(whole, written, { axis: 2, initialState: S });
  const states = concat([S.unsqueeze(2), ends], 2);
  const carried = queries.mul(fromStart).matmul(states.narrow(2, 0, count).transpose(-2, -1));
  return {
    y: fromChunks(scores.matmul(values).add(carried), length),
    lastState: states.narrow(2, count, 1).squeeze(2),
  };
}

/**
 * Decays within blocks of `size` steps: those from the start of the block up to step t, which is
 * one of them, and those after step s up to the end.
 */
function decaysWithin(logs: Tensor, size: number): { fromStart: Tensor; toEnd: Tensor } {
  const { shape } = logs;
  const blocks = logs.reshape([...shape.slice(0, 3), shape[3] / size, size, shape[4]]);
  const later = blocks.narrow(-2, 1, size - 1).pad([0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0]);
  const suffix = later.flip(-2).cumsum(-2).flip(-2);
  return { fromStart: blocks.cumsum(-2).exp().reshape(shape), toEnd: suffix.exp().reshape(shape) };
}

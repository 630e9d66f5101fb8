/**
 * Gated linear attention (GLA): a memory in which every key channel n has a decay of its own, which
 * the input chooses,
 *
 *     S_t = S_{t−1} Diag(α_t) + v_t k_tᵀ,     y_t = S_t q_t
 *
 * Yang et al., "Gated linear attention transformers with hardware-efficient training" (2023),
 * equation 3 (there S is transposed). Written out, with log α added up over what lies between,
 *
 *     y_t = Σ_{s ≤ t} A_ts v_s,     A_ts = Σ_n q_tn k_sn exp(log α_{s+1,n} + … + log α_tn)
 *
 * as in equation 4. The exponent depends on t, s and n, so A is no product of two matrices, unless
 * the sum is split at some step m: up to t from m, and from s up to m,
 *
 *     A_ts = Σ_n (q_tn · exp(log α_{m,n} + … + log α_tn)) · (k_sn · exp(log α_{s+1,n} + … ))
 *
 * With m at the start of the sequence it is a product for all t and s at once, but the second
 * factor is one over a product of decays, which overflows. It does not if m lies between s and t:
 * then both sums are of logarithms below 0. The paper cuts chunks into subchunks, and takes for m
 * the start of the one that t is in (section 4.3). Here that is taken to its end: chunks are halved
 * again and again, and m is the middle that first parts s from t. A chunk of 16 needs four products.
 */
import { Linear } from '@mambagrad/nn';
import { concat, linearScan, type Tensor } from '@mambagrad/tensor';
import { chunkSizeFor, fromChunks, intoChunks, pairsOf } from './chunks.ts';
import {
  MatrixMemory, type MatrixMemoryOptions, type Projections, type Remembered,
} from './matrixMemory.ts';

/** α = σ(…)^(1/τ): the larger τ, the nearer to 1. The rank of the projection to α. */
const [TAU, RANK] = [16, 16];
const CHUNK_SIZE = 16;

/** Gated linear attention, with heads that read N × P memories. */
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

  protected remember(x: Tensor, parts: Projections, S: Tensor): Remembered {
    const [down, up] = this.decayProj;
    // log σ(p) = −softplus(−p)
    const logDecay = up.forward(down.forward(x)).neg().softplus().div(-TAU);
    const k = parts.k.div(Math.sqrt(this.stateSize));
    return gatedLinearAttention(parts.q, k, parts.v, this.inHeads(logDecay), S);
  }
}

/**
 * The memory alone, from q, k and log α [batch, length, H, N], v [batch, length, H, P] and S
 * [batch, H, P, N]; log α is at most 0, and may be −∞.
 */
export function gatedLinearAttention(
  q: Tensor, k: Tensor, v: Tensor, logDecay: Tensor, S: Tensor, chunkSize = CHUNK_SIZE,
): Remembered {
  const length = q.shape[1];
  const size = chunkSizeFor(length, chunkSize);
  const [queries, keys, values, logs] = [q, k, v, logDecay].map((x) => intoChunks(x, size));
  const count = queries.shape[2];

  // Within chunks. Each pair of steps belongs to one half: the largest power of two that parts it.
  let scores = pairsOf(size, 0).where(queries.mul(keys).sum(-1, true), 0);
  for (let half = 1; half < size; half *= 2) {
    const { fromStart, toEnd } = decaysWithin(logs, half);
    const products = queries.mul(fromStart).matmul(keys.mul(toEnd).transpose(-2, -1));
    scores = scores.add(pairsOf(size, half).where(products, 0));
  }

  // From chunk to chunk, a linear scan.
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
 * Decays within blocks of so many steps: from the start of the block until after step t, and from
 * after step s until the end. All are sums of logarithms, so none is above 1.
 */
function decaysWithin(logs: Tensor, size: number): { fromStart: Tensor; toEnd: Tensor } {
  const { shape } = logs;
  const blocks = logs.reshape([...shape.slice(0, 3), shape[3] / size, size, shape[4]]);
  const later = blocks.narrow(-2, 1, size - 1).pad([0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0]);
  const suffix = later.flip(-2).cumsum(-2).flip(-2);
  return { fromStart: blocks.cumsum(-2).exp().reshape(shape), toEnd: suffix.exp().reshape(shape) };
}

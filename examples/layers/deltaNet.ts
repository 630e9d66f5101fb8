/**
 * DeltaNet: what the memory says under a key is replaced, not added to. It reads under the key k_t
 * first, and writes the difference to the new value, with a rate β_t between 0 and 1. In gated
 * DeltaNet the memory decays before, by α_t:
 *
 *     u_t = β_t (v_t − α_t S_{t−1} k_t),     S_t = α_t S_{t−1} + u_t k_tᵀ,     y_t = S_t q_t
 *
 * This is a step of gradient descent on ½ |S k_t − v_t|², the delta rule (Widrow and Hoff, 1960).
 * If |k_t| = 1 and β_t = 1, the memory says v_t under k_t afterwards. As a linear recurrence,
 *
 *     S_t = S_{t−1} · α_t (I − β_t k_t k_tᵀ) + β_t v_t k_tᵀ
 *
 * Schlag, Irie and Schmidhuber, "Linear transformers are secretly fast weight programmers" (2021);
 * with α, Yang, Kautz and Hatamizadeh, "Gated delta networks" (2024), where it is the gated delta
 * rule.
 *
 * The decay is an N × N matrix, and a scan that composes such matrices would cost N³ a step. But
 * with all u known, the rest is linear attention; and within a chunk, u follows from a triangular
 * system of equations. With Γ_ts = α_{s+1} ⋯ α_t and the state S₀ before the first step,
 *
 *     u_t + β_t Σ_{s < t} Γ_ts (k_t · k_s) u_s = β_t (v_t − Γ_t S₀ k_t),     Γ_t = α_1 ⋯ α_t
 *
 * In matrices, (I + L) u = β (V − Γ K S₀ᵀ). So with T = (I + L)⁻¹ β,
 *
 *     u = U − W S₀ᵀ,     U = T V,     W = T Γ K
 *
 * U and W do not depend on S₀: they are made for all chunks at once. This is the WY representation
 * of a product of matrices I − β k kᵀ; Yang et al., "Parallelizing linear transformers with the
 * delta rule over sequence length" (2024). From chunk to chunk a `scan` carries the state.
 */
import type { SSDResult } from '@mambagrad/mamba';
import { Linear, Parameter } from '@mambagrad/nn';
import { full, scan, type Tensor, zeros } from '@mambagrad/tensor';
import { boolean, pickOptions, readOptions, type Table } from '@mambagrad/tensor/options';
import { chunkSizeFor, fromChunks, intoChunks, pairsOf } from './chunks.ts';
import { whereCounts } from './linearRNN.ts';
import {
  MatrixMemory, type MatrixMemoryOptions, matrixMemoryOptions, type Projections,
} from './matrixMemory.ts';

/** Options of `DeltaNet`. */
export interface DeltaNetOptions extends MatrixMemoryOptions {
  /** Whether the memory decays: gated DeltaNet. Default false. */
  readonly gated?: boolean | undefined;
  /**
   * Whether β goes up to 2, so that I − β k kᵀ can change the sign of what is under a key; Grazzi
   * et al., "Unlocking state-tracking in linear RNNs through negative eigenvalues" (2024). Default
   * false.
   */
  readonly negativeEigenvalues?: boolean | undefined;
}

const deltaNetOptions = {
  ...matrixMemoryOptions,
  gated: boolean.orElse(false),
  negativeEigenvalues: boolean.orElse(false),
} satisfies Table<DeltaNetOptions>;

const CHUNK_SIZE = 16;
/** The first bias of the decay: α = exp(−softplus(−4 + …)) is near 0.98. */
const RATE_BIAS = -4;

/** DeltaNet, and with `gated` gated DeltaNet. */
export class DeltaNet extends MatrixMemory {
  /** To the logits of β; weight [H, hidden] */
  readonly betaProj: Linear;
  /** To the rate of decay, −log α before softplus; weight [H, hidden]; undefined if not gated */
  readonly decayProj: Linear | undefined;
  /** Added to it, [H]; undefined if not gated */
  readonly decayBias: Parameter | undefined;
  /** Whether β goes up to 2 rather than 1. */
  readonly negativeEigenvalues: boolean;

  constructor(options: DeltaNetOptions) {
    const given = readOptions('DeltaNet', options, deltaNetOptions);
    super(pickOptions(given, matrixMemoryOptions));
    const { hiddenSize, generator } = given;
    const heads = [hiddenSize, this.numHeads] as const;
    this.betaProj = new Linear(...heads, { generator });
    if (given.gated) {
      this.decayProj = new Linear(...heads, { bias: false, generator });
      this.decayBias = new Parameter(full([this.numHeads], RATE_BIAS), { noWeightDecay: true });
    }
    this.negativeEigenvalues = given.negativeEigenvalues;
  }

  protected remember(
    x: Tensor, { q, k, v }: Projections, S: Tensor, mask: Tensor | undefined,
  ): SSDResult {
    const most = this.negativeEigenvalues ? 2 : 1;
    const beta = whereCounts(mask, this.betaProj.forward(x).sigmoid().mul(most), 0);
    const rate = this.decayBias && this.decayProj?.forward(x).add(this.decayBias).softplus();
    const logDecay = rate
      ? whereCounts(mask, rate.neg(), 0)
      : zeros(beta.shape, { dtype: x.dtype });
    return deltaRule(unit(q.silu()), unit(k.silu()), v, beta, logDecay, S);
  }
}

/** Vectors along the last axis, scaled to the length 1. */
export function unit(x: Tensor): Tensor {
  return x.mul(x.square().sum(-1, true).add(1e-6).rsqrt());
}

/**
 * The memory alone: runs the recurrence over q and k [batch, length, H, N], v [batch, length, H,
 * P], β and log α [batch, length, H], from S [batch, H, P, N] on, in chunks of a power of two. With
 * β near 2 and keys that are all alike, rounding grows with the size of chunks.
 */
export function deltaRule(
  q: Tensor, k: Tensor, v: Tensor, beta: Tensor, logDecay: Tensor, S: Tensor,
  chunkSize = CHUNK_SIZE,
): SSDResult {
  const [, length] = q.shape;
  const size = chunkSizeFor(length, chunkSize);
  const columns = [q, k, v, beta.unsqueeze(-1), logDecay.unsqueeze(-1)];
  const [Q, K, V, rates, logs] = columns.map((x) => intoChunks(x, size));

  // Γ_ts: the logarithms that lie between s and t, and no others, are added up.
  const between = logs.broadcastTo([...logs.shape.slice(0, -1), size]).tril(-1).cumsum(-2);
  const decays = between.exp().tril();
  const similarities = K.matmul(K.transpose(-2, -1)).mul(decays).mul(rates).tril(-1);
  const T = inverse(similarities).mul(rates.transpose(-2, -1));
  const sinceStart = logs.cumsum(-2).exp();
  const chunks = {
    U: T.matmul(V),
    W: T.matmul(K.mul(sinceStart)),
    scores: Q.matmul(K.transpose(-2, -1)).mul(decays),
    query: Q.mul(sinceStart),
    kept: K.mul(decays.narrow(-2, size - 1, 1).transpose(-2, -1)),
    whole: sinceStart.narrow(-2, size - 1, 1),
  };
  const { state, outputs } = scan((before: Tensor, chunk: typeof chunks) => {
    const transposed = before.transpose(-2, -1);
    const u = chunk.U.sub(chunk.W.matmul(transposed));
    const output = chunk.query.matmul(transposed).add(chunk.scores.matmul(u));
    return { state: before.mul(chunk.whole).add(u.transpose(-2, -1).matmul(chunk.kept)), output };
  }, S, chunks, { axis: 2 });
  return { y: fromChunks(outputs, length), lastState: state };
}

/**
 * (I + L)⁻¹, where L is 0 on and above the diagonal. By halves,
 *
 *     [A 0]⁻¹   [   A⁻¹       0 ]
 *     [C D]   = [−D⁻¹CA⁻¹    D⁻¹]
 *
 * so the inverses of blocks of 2, 4, 8, … steps follow from each other, for all blocks at once.
 * The series I − L + L² − … ends as well, but where keys are alike its terms grow as binomial
 * coefficients do, and cancel.
 */
function inverse(L: Tensor): Tensor {
  const size = L.shape[L.ndim - 1];
  const within = (half: number) => pairsOf(size, half).where(L, 0);
  let T = pairsOf(size, 0).cast(L.dtype).sub(within(1));
  for (let half = 2; half < size; half *= 2) T = T.sub(T.matmul(within(half)).matmul(T));
  return T;
}

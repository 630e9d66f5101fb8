/**
 * RetNet: a memory that decays by a fixed γ for each head, and turns,
 *
 *     S_t = γ S_{t−1} R + v_t k_tᵀ,     y_t = S_t q_t,     γ = 1 − 2^{−5−h} for head h
 *
 * Sun et al., "Retentive network" (2023), "Retention"; γ, the norm and the gate are those of its
 * "Gated multi-scale retention". R turns pairs of key channels by fixed angles θ. With a complex
 * number for each pair, γR is the decay γe^{iθ}.
 *
 * Instead of the state, keys and queries can be turned. Seen from coordinates that turn along with
 * it, the state S̃_t = S_t R^{−t} only decays, and keys and queries turn by the angle tθ, as those
 * with rotary embeddings do:
 *
 *     S̃_t = γ S̃_{t−1} + v_t (R^t k_t)ᵀ,     y_t = S̃_t (R^t q_t),     S_t = S̃_t R^t
 *
 * This is `discreteSSD` with the same decay in each step: a matrix within chunks, and a recurrence
 * from chunk to chunk (in the paper the chunkwise recurrent representation). t counts from the
 * start of the piece that is read. At the end the state is turned back to S_t, so that the next
 * piece can count from its own start.
 */
import { discreteSSD, type SSDResult } from '@mambagrad/mamba';
import { arange, concat, type Tensor, tensor, TensorError } from '@mambagrad/tensor';
import { MatrixMemory, type MatrixMemoryOptions, type Projections } from './matrixMemory.ts';

/** θ_i = BASE^(−2i/N): the first pair turns by 1 a step, the last ones hardly at all. */
const BASE = 10_000;

/** Multi-scale retention: each head forgets at a rate of its own. */
export class RetNet extends MatrixMemory {
  /** Throws if stateSize is odd. */
  constructor(options: MatrixMemoryOptions) {
    super(options);
    if (this.stateSize % 2 === 0) return;
    throw new TensorError(`RetNet: stateSize is ${this.stateSize}, expected an even number`);
  }

  protected remember(
    _x: Tensor, { q, k, v }: Projections, S: Tensor, mask: Tensor | undefined,
  ): SSDResult {
    const [batch, length, heads, size] = q.shape;
    const rates = Array.from({ length: heads }, (_, h) => Math.log1p(-(2 ** (-5 - h))));
    const logDecay = tensor(rates, { dtype: q.dtype }).broadcastTo([batch, length, heads]);
    // t counts the steps that are no padding.
    const all = arange(1, length + 1, 1, { dtype: 'i32' }).broadcastTo([batch, length]);
    const times = mask ? mask.cast('f32').cumsum(1).cast('i32') : all;
    const turn = (x: Tensor) => turned(x, times.unsqueeze(-1), length);
    const keys = turn(k.div(Math.sqrt(size)));
    const memory = discreteSSD(v, logDecay, keys, turn(q), { initialState: S, mask });
    const last = times.narrow(1, length - 1, 1).unsqueeze(-1);
    return { y: memory.y, lastState: turned(memory.lastState, last, -length) };
  }
}

/**
 * Turns the pairs (i, i + N/2) along the last axis of x [batch, ..., ..., N] by the angles tθ_i, or
 * back if `most` is negative. The times t, i32 [batch, ..., 1] or a 1 for an axis, are at most
 * |most|: the angles of all of them are made in float64, below 2π.
 */
function turned(x: Tensor, times: Tensor, most: number): Tensor {
  const size = x.shape[x.ndim - 1];
  const angles = Array.from({ length: Math.abs(most) + 1 }, (_, t) =>
    Array.from({ length: size / 2 }, (_, i) => (
      (Math.sign(most) * t * BASE ** (-2 * i / size)) % (2 * Math.PI)
    )));
  const table = (f: (angle: number) => number): Tensor => {
    const values = tensor(angles.map((row) => row.map(f)), { dtype: x.dtype });
    return values.indexSelect(0, times.flatten()).reshape([...times.shape, size / 2]);
  };
  const [cos, sin] = [table(Math.cos), table(Math.sin)];
  const [u, w] = x.chunk(2, -1);
  return concat([u.mul(cos).sub(w.mul(sin)), u.mul(sin).add(w.mul(cos))], -1);
}

/**
 * RetNet: a memory that decays at a fixed rate for each head, and turns,
 *
 *     S_t = γ S_{t−1} R + v_t k_tᵀ,     y_t = S_t q_t,     γ = 1 − 2^{−5−h} for head h
 *
 * Sun et al., "Retentive network" (2023), equation 6; γ and the gate and norm around it are equation
 * 8. R turns pairs of key channels by fixed angles θ: the decay is γ e^{iθ}, written with reals
 * (equations 2 to 4).
 *
 * A state that turns need not be turned, if everything else is. In coordinates that turn along with
 * it, S̃_t = S_t R^{−t}, the recurrence has only the real decay γ, and keys and queries are turned by
 * the angle tθ instead ("rotary" embeddings):
 *
 *     S̃_t = γ S̃_{t−1} + v_t (R^t k_t)ᵀ,     y_t = S̃_t (R^t q_t),     S_t = S̃_t R^t
 *
 * This is `discreteSSD` with the same decay in each step, a matrix within chunks and a recurrence
 * between them (equation 7). As only differences of angles matter, t can count from the start of
 * the piece that is read, and in the end the state is turned back, to the frame of its own step.
 */
import { discreteSSD } from '@mambagrad/mamba';
import { concat, type Tensor, tensor, TensorError } from '@mambagrad/tensor';
import {
  MatrixMemory, type MatrixMemoryOptions, type Projections, type Remembered,
} from './matrixMemory.ts';

/** θ_i = BASE^(−2i/N), from 1 down: the first pairs turn fast, the last ones hardly at all. */
const BASE = 10_000;

/** Retention with a rate of its own for each head. */
export class RetNet extends MatrixMemory {
  /** Throws if stateSize is odd. */
  constructor(options: MatrixMemoryOptions) {
    super(options);
    if (this.stateSize % 2 === 0) return;
    throw new TensorError(`RetNet: stateSize is ${this.stateSize}, expected an even number`);
  }

  protected remember(_x: Tensor, { q, k, v }: Projections, S: Tensor): Remembered {
    const [batch, length, heads, size] = q.shape;
    const rates = Array.from({ length: heads }, (_, h) => Math.log1p(-(2 ** (-5 - h))));
    const logDecay = tensor(rates, { dtype: q.dtype }).broadcastTo([batch, length, heads]);
    const steps = Array.from({ length }, (_, t) => t + 1);
    const turn = (x: Tensor) => turned(x, steps);
    const keys = turn(k.div(Math.sqrt(size)));
    const memory = discreteSSD(v, logDecay, keys, turn(q), { initialState: S });
    return { y: memory.y, lastState: turned(memory.lastState, [-length]) };
  }
}

/**
 * Turns the pairs (i, i + N/2) along the last axis of x by the angles tθ_i: x [batch, length, H, N]
 * with a t for each step, or x [..., N] with one t. The angles are made in float64, below 2π.
 */
function turned(x: Tensor, times: readonly number[]): Tensor {
  const size = x.shape[x.ndim - 1];
  const angles = times.map((t) =>
    Array.from({ length: size / 2 }, (_, i) => (t * BASE ** (-2 * i / size)) % (2 * Math.PI)),
  );
  const table = (f: (angle: number) => number): Tensor => {
    const values = tensor(angles.map((row) => row.map(f)), { dtype: x.dtype });
    return times.length === 1 ? values.squeeze(0) : values.unsqueeze(1);
  };
  const [cos, sin] = [table(Math.cos), table(Math.sin)];
  const [u, w] = x.chunk(2, -1);
  return concat([u.mul(cos).sub(w.mul(sin)), u.mul(sin).add(w.mul(cos))], -1);
}

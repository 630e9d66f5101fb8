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
 */
import { linearScan, type ScanAlgorithm, type Tensor, TensorError } from '@mambagrad/tensor';

export interface SelectiveScanOptions {
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
  /** How the recurrence is computed; all agree up to rounding. Default `sequential`. */
  readonly algorithm?: ScanAlgorithm | undefined;
}

export interface SelectiveScanResult {
  /** [B, L, D] */
  readonly y: Tensor;
  /** The state after the last step, [B, D, N], from which another call can go on. */
  readonly lastState: Tensor;
}

/**
 * Runs the recurrence above over u and delta [B, L, D], A [D, N] (negative, so that states decay),
 * B and C [B, L, N]. Differentiable with respect to every tensor, from both results.
 */
export function selectiveScan(
  u: Tensor,
  delta: Tensor,
  A: Tensor,
  B: Tensor,
  C: Tensor,
  options: SelectiveScanOptions = {},
): SelectiveScanResult {
  checkShapes(u, delta, A, B, C, options);
  const { D, z, deltaBias, deltaSoftplus = false, initialState, algorithm } = options;
  const biased = deltaBias ? delta.add(deltaBias) : delta;
  const step = deltaSoftplus ? biased.softplus() : biased;

  const decay = step.unsqueeze(-1).mul(A).exp(); // [B, L, D, N]
  const input = step.mul(u).unsqueeze(-1).matmul(B.unsqueeze(2)); // [B, L, D, N]
  const h = linearScan(decay, input, { axis: 1, initialState, ...(algorithm && { algorithm }) });

  const read = h.matmul(C.unsqueeze(-1)).squeeze(-1); // [B, L, D]
  const skipped = D ? read.add(u.mul(D)) : read;
  const y = z ? skipped.mul(z.silu()) : skipped;
  return { y, lastState: lastOf(h, initialState) };
}

/** The last of the states h [B, L, D, N], or where there is none the state before them. */
function lastOf(h: Tensor, initialState: Tensor | undefined): Tensor {
  const length = h.shape[1];
  if (length > 0) return h.narrow(1, length - 1, 1).squeeze(1);
  return initialState ?? h.sum(1);
}

function checkShapes(
  u: Tensor,
  delta: Tensor,
  A: Tensor,
  B: Tensor,
  C: Tensor,
  { D, z, deltaBias, initialState }: SelectiveScanOptions,
): void {
  if (u.ndim !== 3 || A.ndim !== 2) {
    throw new TensorError(
      `selectiveScan: u has the shape [${u.shape.join(', ')}], A [${A.shape.join(', ')}]; ` +
        'expected [batch, length, channels] and [channels, state]',
    );
  }
  const [batch, length, channels] = u.shape;
  const state = A.shape[1];
  const expected: [string, Tensor | undefined, number[]][] = [
    ['delta', delta, [batch, length, channels]],
    ['A', A, [channels, state]],
    ['B', B, [batch, length, state]],
    ['C', C, [batch, length, state]],
    ['D', D, [channels]],
    ['z', z, [batch, length, channels]],
    ['deltaBias', deltaBias, [channels]],
    ['initialState', initialState, [batch, channels, state]],
  ];
  for (const [name, given, shape] of expected) {
    if (given && given.shape.join() !== shape.join()) {
      throw new TensorError(
        `selectiveScan: ${name} has the shape [${given.shape.join(', ')}], expected ` +
          `[${shape.join(', ')}] to go with u [${u.shape.join(', ')}] and A [${A.shape.join(', ')}]`,
      );
    }
  }
}

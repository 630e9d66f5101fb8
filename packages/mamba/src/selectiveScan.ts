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
import { type ScanAlgorithm, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import { composedScan, fusedScan, type ScanInputs } from './fusedScan.ts';

/**
 * `fused` is one loop that stores no array of all states; the others are composed of ops around
 * `linearScan`, with its algorithm of that name.
 */
export type SelectiveScanAlgorithm = 'fused' | ScanAlgorithm;

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
  /** How the recurrence is computed; all agree up to rounding. Default `fused`. */
  readonly algorithm?: SelectiveScanAlgorithm | undefined;
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
  const { D, z, deltaBias, deltaSoftplus = false, algorithm = 'fused' } = options;
  const biased = deltaBias ? delta.add(deltaBias) : delta;
  const step = deltaSoftplus ? biased.softplus() : biased;
  const none = () => zeros([u.shape[0], ...A.shape], { dtype: u.dtype });
  const inputs: ScanInputs = [u, step, A, B, C, options.initialState ?? none()];
  const scan = algorithm === 'fused' ? fusedScan(inputs) : composedScan(inputs, algorithm);

  const skipped = D ? scan.y.add(u.mul(D)) : scan.y;
  const y = z ? skipped.mul(z.silu()) : skipped;
  return { y, lastState: scan.lastState };
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
          `[${shape.join(', ')}], as u is [${u.shape.join(', ')}] and A [${A.shape.join(', ')}]`,
      );
    }
    if (given && given.dtype !== u.dtype) {
      throw new TensorError(
        `selectiveScan: ${name} is ${given.dtype} and u is ${u.dtype}; use cast to make them equal`,
      );
    }
  }
}

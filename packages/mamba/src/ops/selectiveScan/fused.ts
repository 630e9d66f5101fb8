/**
 * The selective scan in one loop, without ever storing an array of all states [B, L, D, N]:
 *
 *     h_t = exp(Δ_t A) ⊙ h_{t−1} + Δ_t B_t u_t,     y_t = C_t · h_t
 *
 * Backwards, with g_t = ∂loss/∂y_t and G_t the whole gradient of h_t,
 *
 *     G_t = C_t g_t + exp(Δ_{t+1} A) ⊙ G_{t+1}
 *
 * and each input's gradient follows from G_t and h_{t−1} by the product rule. The states are needed
 * for that in reverse order: they are computed again, chunk by chunk from the last, from the state
 * at each chunk's start, which is all that is kept (Gu and Dao, "Mamba" (2023), section 3.3.2).
 *
 * These are the reference loops; compiled, both passes are kernels (forward.ts and
 * backward.ts). A primitive has one result, so several are packed one behind the other and
 * sliced apart.
 */
import {
  concat, enableGrad, grad, linearScan, type LinearScanOptions, type Spec, type Tensor,
  type TypedArray,
} from '@mambagrad/tensor';
import { type Apply, definePrimitive, type NDArray } from '@mambagrad/tensor/extend';
import { CHUNK, type Sizes } from '../vectors.ts';
import { backwardKernel } from './backward.ts';
import { forwardKernel } from './forward.ts';

/**
 * u and Δ [B, L, D], A [D, N], B and C [B, L, N], the state before the first step [B, D, N], and,
 * if there are any, flags (i32, [B, L]) of steps at which the past is dropped: h_t = Δ_t B_t u_t.
 */
export type ScanInputs = readonly [
  u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, initialState: Tensor,
  ...reset: Tensor[],
];

/** The inputs that have a gradient: all but the flags. */
const differentiable = <T>(inputs: readonly T[]): readonly T[] => inputs.slice(0, 6);

function sizesOf([{ shape }, , A]: readonly Pick<Spec, 'shape'>[]): Sizes {
  const [batch, length, channels] = shape;
  const state = A.shape[1];
  const [width, chunks] = [channels * state, Math.ceil(length / CHUNK)];
  const lastAt = batch * length * channels;
  const startsAt = lastAt + batch * width;
  return { batch, length, channels, state, width, chunks, lastAt, startsAt };
}

/**
 * One step of one row: h becomes the next state, exp(ΔA) goes to `decay`, and y_t to `y`. Where the
 * past is dropped, h and exp(ΔA) are 0 to begin with.
 */
function step(
  [u, delta, A, B, C, , reset]: readonly NDArray[],
  row: number, h: Float64Array, decay: Float64Array, y?: TypedArray,
): void {
  const [channels, state] = A.shape;
  const startsAnew = isReset(reset, row);
  if (startsAnew) h.fill(0);
  for (let d = 0, i = 0; d < channels; d++) {
    const at = row * channels + d;
    const duration = delta.data[at];
    const input = duration * u.data[at];
    let read = 0;
    for (let n = row * state; n < (row + 1) * state; n++, i++) {
      decay[i] = startsAnew ? 0 : Math.exp(duration * A.data[i]);
      h[i] = decay[i] * h[i] + input * B.data[n];
      read += C.data[n] * h[i];
    }
    if (y) y[at] = read;
  }
}

const isReset = (reset: NDArray | undefined, row: number): boolean =>
  reset !== undefined && reset.data[row] !== 0;

/**
 * y [B, L, D], behind it the last state [B, D, N], and behind that the state at the start of each
 * chunk [B, chunks, N, D], for the backward pass; flat.
 */
const forwardPrimitive: Apply<null> = definePrimitive<null>({
  name: 'selectiveScan',
  infer: (inputs) => {
    const { startsAt, batch, chunks, width } = sizesOf(inputs);
    return { shape: [startsAt + batch * chunks * width], dtype: inputs[0].dtype };
  },
  compute: (inputs, { data }) => {
    const { batch, length, width, channels, state, chunks, lastAt, startsAt } = sizesOf(inputs);
    const decay = new Float64Array(width);
    for (let b = 0; b < batch; b++) {
      const h = Float64Array.from(inputs[5].data.subarray(b * width, (b + 1) * width));
      for (let t = 0; t < length; t++) {
        const start = startsAt + (b * chunks + t / CHUNK) * width;
        if (t % CHUNK === 0) data.set(transposed(h, channels, state), start);
        step(inputs, b * length + t, h, decay, data);
      }
      data.set(h, lastAt + b * width);
    }
  },
  lower: (inputs) => ({ kernel: (elements, y) => forwardKernel(elements, y, sizesOf(inputs)) }),
  gradient: (g, y, inputs) => {
    const [own, reset] = [differentiable(inputs), inputs.slice(6)];
    const { startsAt } = sizesOf(inputs);
    return splitLike(own, () => {
      const starts = y.detach().narrow(0, startsAt, y.numel - startsAt);
      return backwardPrimitive([g, ...own, starts, ...reset], null);
    });
  },
});

function transposed(matrix: TypedArray, rows: number, columns: number): Float64Array {
  return Float64Array.from(matrix, (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]);
}

/** For each tensor, a function that cuts its gradient from all, which are packed when asked for. */
export function splitLike(tensors: readonly Tensor[], pack: () => Tensor): (() => Tensor)[] {
  let packed: Tensor | undefined;
  let end = 0;
  return tensors.map(({ shape, numel }) => {
    const start = end;
    end += numel;
    return () => (packed ??= pack()).narrow(0, start, numel).reshape(shape);
  });
}

/**
 * The gradients of u, Δ, A, B, C and the initial state, one behind the other, flat. From g, that
 * of what the forward pass has packed, its inputs but the flags, the states at the starts, and the
 * flags.
 */
const backwardPrimitive: Apply<null> = definePrimitive<null>({
  name: 'selectiveScanBackward',
  infer: ([g, ...inputs]) => ({
    shape: [differentiable(inputs).reduce((sum, input) => sum + input.numel, 0)],
    dtype: g.dtype,
  }),
  compute: ([g, u, delta, A, B, C, initialState, starts, ...reset], { data }) => {
    const inputs = [u, delta, A, B, C, initialState, ...reset];
    const { batch, length, width, channels, state, chunks, lastAt } = sizesOf(inputs);
    const sums = new Float64Array(data.length);
    let end = 0;
    const totals = differentiable(inputs).map((input) =>
      sums.subarray(end, (end += input.data.length)),
    );
    const forChunk = () => Array.from({ length: CHUNK }, () => new Float64Array(width));
    const [before, decays] = [forChunk(), forChunk()];
    const nothing = new Float64Array(width);
    for (let b = 0; b < batch; b++) {
      const carry = totals[5].subarray(b * width, (b + 1) * width);
      carry.set(g.data.subarray(lastAt + b * width, lastAt + (b + 1) * width));
      for (let chunk = chunks - 1; chunk >= 0; chunk--) {
        const first = b * length + chunk * CHUNK;
        const count = Math.min(CHUNK, length - chunk * CHUNK);
        const start = (b * chunks + chunk) * width;
        const h = transposed(starts.data.subarray(start, start + width), state, channels);
        for (let t = 0; t < count; t++) {
          before[t].set(isReset(reset.at(0), first + t) ? nothing : h);
          step(inputs, first + t, h, decays[t]);
        }
        for (let t = count - 1; t >= 0; t--) {
          stepBack(inputs, g.data, first + t, before[t], decays[t], carry, totals);
          if (isReset(reset.at(0), first + t)) carry.fill(0);
        }
      }
    }
    data.set(sums);
  },
  lower: ([, ...own]) => ({ kernel: (elements, y) => backwardKernel(elements, y, sizesOf(own)) }),
  // The states at the starts are functions of the other inputs, through which their part goes.
  gradient: (gg, _y, [g, u, delta, A, B, C, initialState, _starts, ...reset]) => {
    const inputs = [g, u, delta, A, B, C, initialState];
    return splitLike(inputs, () => secondGradient(gg, inputs, ([u1, delta1, A1, B1, C1, h1]) =>
      composedScan([u1, delta1, A1, B1, C1, h1, ...reset]),
    ));
  },
});

/** One step back: `carry`, which is ∂loss/∂h_t but for y_t's part, becomes that of h_{t−1}. */
function stepBack(
  [u, delta, A, B, C]: readonly NDArray[],
  g: TypedArray, row: number, before: Float64Array, decay: Float64Array, carry: Float64Array,
  [du, dDelta, dA, dB, dC]: readonly Float64Array[],
): void {
  const [channels, state] = A.shape;
  for (let d = 0, i = 0; d < channels; d++) {
    const at = row * channels + d;
    const duration = delta.data[at];
    const input = duration * u.data[at];
    let throughInput = 0;
    let throughDecay = 0;
    for (let n = row * state; n < (row + 1) * state; n++, i++) {
      const kept = decay[i] * before[i];
      const G = carry[i] + g[at] * C.data[n];
      dC[n] += g[at] * (kept + input * B.data[n]);
      dB[n] += G * input;
      throughInput += G * B.data[n];
      throughDecay += G * kept * A.data[i];
      dA[i] += G * kept * duration;
      carry[i] = G * decay[i];
    }
    du[at] += throughInput * duration;
    dDelta[at] += throughInput * u.data[at] + throughDecay;
  }
}

/** The same, composed of ops: what gradients of higher order are taken of. */
export function composedScan(
  [u, delta, A, B, C, initialState, reset]: ScanInputs,
  options?: Pick<LinearScanOptions, 'algorithm' | 'chunkSize'>,
): { y: Tensor; lastState: Tensor; states: Tensor } {
  const decay = delta.unsqueeze(-1).mul(A).exp(); // [B, L, D, N]
  const input = delta.mul(u).unsqueeze(-1).matmul(B.unsqueeze(2)); // [B, L, D, N]
  const states = linearScan(decay, input, {
    ...options, axis: 1, initialState, reset: reset?.unsqueeze(-1).unsqueeze(-1),
  });
  const length = u.shape[1];
  return {
    y: states.matmul(C.unsqueeze(-1)).squeeze(-1),
    lastState: length > 0 ? states.narrow(1, length - 1, 1).squeeze(1) : initialState,
    states,
  };
}

/**
 * The gradient of a backward pass, with respect to its first inputs: g, and what the scan is of. It
 * is that of the composed scan's gradient.
 */
export function secondGradient(
  gg: Tensor,
  inputs: readonly Tensor[],
  compose: (inputs: readonly Tensor[]) => { y: Tensor; lastState: Tensor },
): Tensor {
  return enableGrad(() => {
    // Each gets a node or leaf of its own, as one tensor may stand in several places.
    const tracked = inputs.map((tensor) => {
      if (tensor.requiresGrad) return tensor.unsqueeze(0).squeeze(0);
      const leaf = tensor.detach();
      leaf.requiresGrad = true;
      return leaf;
    });
    const [g, ...own] = tracked;
    const { y, lastState } = compose(own);
    const pack = (tensors: readonly Tensor[]) => concat(tensors.map((x) => x.flatten()));
    const results = pack([y, lastState]);
    const options = { createGraph: true, allowUnused: true };
    // Nothing depends on the states at the starts of chunks but what is computed here.
    const cotangent = g.narrow(0, 0, results.numel);
    const first = grad(results, own, { ...options, cotangent });
    return pack(grad(pack(first), tracked, { ...options, cotangent: gg }));
  });
}

/** y [B, L, D] and the last state [B, D, N], in one loop. */
export function fusedScan(inputs: ScanInputs): { y: Tensor; lastState: Tensor } {
  const [u, , , , , initialState] = inputs;
  const packed = forwardPrimitive(inputs, null);
  const [y, lastState] = splitLike([u, initialState], () => packed);
  return { y: y(), lastState: lastState() };
}

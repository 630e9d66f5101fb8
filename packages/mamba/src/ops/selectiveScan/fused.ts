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
 * These are the reference loops; compiled, both passes are kernels (forward.ts and backward.ts).
 */
import {
  arange, concat, linearScan, type LinearScanOptions, type Spec, type Tensor, type TypedArray,
} from '@mambagrad/tensor';
import { type ApplyMulti, defineMultiPrimitive, type NDArray } from '@mambagrad/tensor/extend';
import {
  type ChunkedResults, orZeros, type ScanResults, secondGradients, together,
} from '../gradients.ts';
import { CHUNK, type Sizes } from '../vectors.ts';
import { backwardKernel } from './backward.ts';
import { forwardKernel } from './forward.ts';

/**
 * u and Δ [B, L, D], A [D, N], B and C [B, L, N], or [B, L, G, N] if there are several groups of
 * channels, the state before the first step [B, D, N], and, if there are any, flags (i32, [B, L])
 * of steps at which the past is dropped: h_t = Δ_t B_t u_t.
 */
export type ScanInputs = readonly [
  u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, initialState: Tensor,
  ...reset: Tensor[],
];

/** The inputs that have a gradient: all but the flags. */
const differentiable = <T>(inputs: readonly T[]): readonly T[] => inputs.slice(0, 6);

function sizesOf([{ shape }, , A, B]: readonly Pick<Spec, 'shape'>[]): Sizes {
  const [batch, length, channels] = shape;
  const state = A.shape[1];
  return {
    batch, length, channels, state,
    groups: B.shape.length === 4 ? B.shape[2] : 1,
    width: channels * state,
    chunks: Math.ceil(length / CHUNK),
  };
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
  const sharedFrom = sharedPlaces(B, row, channels);
  // Tensors give their arrays by a getter, which costs too much in a loop.
  const [us, deltas, As, Bs, Cs] = [u.data, delta.data, A.data, B.data, C.data];
  const startsAnew = isReset(reset, row);
  if (startsAnew) h.fill(0);
  for (let d = 0, i = 0; d < channels; d++) {
    const at = row * channels + d;
    const duration = deltas[at];
    const input = duration * us[at];
    let read = 0;
    const first = sharedFrom(d);
    for (let n = first; n < first + state; n++, i++) {
      decay[i] = startsAnew ? 0 : Math.exp(duration * As[i]);
      h[i] = decay[i] * h[i] + input * Bs[n];
      read += Cs[n] * h[i];
    }
    if (y) y[at] = read;
  }
}

/** Where the B and C of a channel begin, in a row. */
function sharedPlaces({ shape }: NDArray, row: number, channels: number): (d: number) => number {
  const state = shape[shape.length - 1];
  if (shape.length === 3) return () => row * state;
  const groups = shape[2];
  return (d) => (row * groups + Math.floor((d * groups) / channels)) * state;
}

const isReset = (reset: NDArray | undefined, row: number): boolean =>
  reset !== undefined && reset.data[row] !== 0;

/**
 * [y [B, L, D], the last state [B, D, N], the state at the start of each chunk [B, chunks, N, D]],
 * which is for the backward pass, and for those who want states in the middle.
 */
const forwardPrimitive: ApplyMulti<null> = defineMultiPrimitive<null>({
  name: 'selectiveScan',
  infer: (inputs) => {
    const { batch, length, channels, state, chunks } = sizesOf(inputs);
    const shapes = [
      [batch, length, channels], [batch, channels, state], [batch, chunks, state, channels],
    ];
    return shapes.map((shape) => ({ shape, dtype: inputs[0].dtype }));
  },
  compute: (inputs, [y, lastState, starts]) => {
    const { batch, length, width, channels, state, chunks } = sizesOf(inputs);
    const decay = new Float64Array(width);
    for (let b = 0; b < batch; b++) {
      const h = Float64Array.from(inputs[5].data.subarray(b * width, (b + 1) * width));
      for (let t = 0; t < length; t++) {
        const start = (b * chunks + t / CHUNK) * width;
        if (t % CHUNK === 0) starts.data.set(transposed(h, channels, state), start);
        step(inputs, b * length + t, h, decay, y.data);
      }
      lastState.data.set(h, b * width);
    }
  },
  lower: (inputs) => ({
    kernel: (elements, outputs) => forwardKernel(elements, outputs, sizesOf(inputs)),
  }),
  gradient: ([ofY, ofLastState, ofStarts], [y, lastState, starts], inputs) => {
    const [scanned, reset] = [differentiable(inputs), inputs.slice(6)];
    const cotangents = [orZeros(ofY, y), orZeros(ofLastState, lastState)];
    if (ofStarts) cotangents.push(ofStarts);
    return together(scanned.length, () => backwardPrimitive([
      ...cotangents, ...scanned, starts.detach(), ...reset,
    ], cotangents.length));
  },
});

function transposed(matrix: TypedArray, rows: number, columns: number): Float64Array {
  const result = new Float64Array(matrix.length);
  for (let column = 0, i = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++, i++) result[i] = matrix[row * columns + column];
  }
  return result;
}

/**
 * The gradients of [u, Δ, A, B, C, the initial state]. From the cotangents of y, of the last state
 * and, if there are three, of the states at the starts; then the inputs of the forward pass but the
 * flags, the states at the starts, and the flags.
 */
const backwardPrimitive: ApplyMulti<number> = defineMultiPrimitive<number>({
  name: 'selectiveScanBackward',
  infer: (inputs, count) => differentiable(inputs.slice(count)),
  compute: (all, outputs, cotangents) => {
    const [ofY, ofLastState, ofStarts] = all.slice(0, cotangents);
    const [u, delta, A, B, C, initialState, starts, ...reset] = all.slice(cotangents);
    const inputs = [u, delta, A, B, C, initialState, ...reset];
    const { batch, length, width, channels, state, chunks } = sizesOf(inputs);
    const totals = outputs.map(({ data }) => new Float64Array(data.length));
    const forChunk = () => Array.from({ length: CHUNK }, () => new Float64Array(width));
    const [before, decays] = [forChunk(), forChunk()];
    const nothing = new Float64Array(width);
    for (let b = 0; b < batch; b++) {
      const carry = totals[5].subarray(b * width, (b + 1) * width);
      carry.set(ofLastState.data.subarray(b * width, (b + 1) * width));
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
          stepBack(inputs, ofY.data, first + t, before[t], decays[t], carry, totals);
          if (isReset(reset.at(0), first + t)) carry.fill(0);
        }
        if (ofStarts) {
          const more = ofStarts.data.subarray(start, start + width);
          transposed(more, state, channels).forEach((x, i) => (carry[i] += x));
        }
      }
    }
    outputs.forEach(({ data }, i) => data.set(totals[i]));
  },
  lower: (inputs, count) => ({
    kernel: (elements, outputs) => backwardKernel(
      elements.slice(0, count), elements.slice(count), outputs, sizesOf(inputs.slice(count)),
    ),
  }),
  // The states at the starts are functions of the other inputs, through which their part goes.
  gradient: (cotangents, _results, inputs, count) => {
    const [smooth, reset] = [inputs.slice(0, count + 6), inputs.slice(count + 7)];
    return together(smooth.length, () =>
      secondGradients(cotangents, smooth, count, ([u, delta, A, B, C, initialState]) =>
        withStarts(composedScan([u, delta, A, B, C, initialState, ...reset]), initialState),
      ),
    );
  },
});

/** One step back: `carry`, which is ∂loss/∂h_t but for y_t's part, becomes that of h_{t−1}. */
function stepBack(
  [u, delta, A, B, C]: readonly NDArray[],
  g: TypedArray, row: number, before: Float64Array, decay: Float64Array, carry: Float64Array,
  [du, dDelta, dA, dB, dC]: readonly Float64Array[],
): void {
  const [channels, state] = A.shape;
  const sharedFrom = sharedPlaces(B, row, channels);
  const [us, deltas, As, Bs, Cs] = [u.data, delta.data, A.data, B.data, C.data];
  for (let d = 0, i = 0; d < channels; d++) {
    const at = row * channels + d;
    const duration = deltas[at];
    const input = duration * us[at];
    const first = sharedFrom(d);
    let throughInput = 0;
    let throughDecay = 0;
    for (let n = first; n < first + state; n++, i++) {
      const kept = decay[i] * before[i];
      const G = carry[i] + g[at] * Cs[n];
      dC[n] += g[at] * (kept + input * Bs[n]);
      dB[n] += G * input;
      throughInput += G * Bs[n];
      throughDecay += G * kept * As[i];
      dA[i] += G * kept * duration;
      carry[i] = G * decay[i];
    }
    du[at] += throughInput * duration;
    dDelta[at] += throughInput * us[at] + throughDecay;
  }
}

/** x [B, L, D] times B [B, L, N], or that of each channel's group [B, L, G, N]: [B, L, D, N]. */
function outer(x: Tensor, B: Tensor): Tensor {
  if (B.ndim === 3) return x.unsqueeze(-1).matmul(B.unsqueeze(2));
  const [batch, length, groups, state] = B.shape;
  const channels = x.shape[2];
  const byGroup = x.reshape([batch, length, groups, channels / groups, 1]);
  return byGroup.matmul(B.unsqueeze(3)).reshape([batch, length, channels, state]);
}

/** What C [B, L, N] or [B, L, G, N] reads from the states [B, L, D, N]: [B, L, D]. */
export function readOut(states: Tensor, C: Tensor): Tensor {
  if (C.ndim === 3) return states.matmul(C.unsqueeze(-1)).squeeze(-1);
  const [batch, length, groups, state] = C.shape;
  const channels = states.shape[2];
  const byGroup = states.reshape([batch, length, groups, channels / groups, state]);
  return byGroup.matmul(C.unsqueeze(-1)).reshape([batch, length, channels]);
}

/** The same, composed of ops: what gradients of higher order are taken of. */
export function composedScan(
  [u, delta, A, B, C, initialState, reset]: ScanInputs,
  options?: Pick<LinearScanOptions, 'algorithm' | 'chunkSize'>,
): ScanResults & { readonly states: Tensor } {
  const decay = delta.unsqueeze(-1).mul(A).exp(); // [B, L, D, N]
  const input = outer(delta.mul(u), B); // [B, L, D, N]
  const states = linearScan(decay, input, {
    ...options, axis: 1, initialState, reset: reset?.unsqueeze(-1).unsqueeze(-1),
  });
  const length = u.shape[1];
  return {
    y: readOut(states, C),
    lastState: length > 0 ? states.narrow(1, length - 1, 1).squeeze(1) : initialState,
    states,
  };
}

/** The results of a composed scan, with its states at the starts of chunks as a fused one has. */
function withStarts(
  { states, ...results }: ReturnType<typeof composedScan>, initialState: Tensor,
): ChunkedResults {
  const before = concat([initialState.unsqueeze(1), states], 1).narrow(1, 0, states.shape[1]);
  const chunks = Math.ceil(states.shape[1] / CHUNK);
  const index = arange(0, chunks, 1, { dtype: 'i32' }).mul(CHUNK);
  return { ...results, starts: before.indexSelect(1, index).transpose(-2, -1) };
}

/** y [B, L, D] and the last state [B, D, N], in one loop; and the states before each chunk. */
export function fusedScan(inputs: ScanInputs): ChunkedResults {
  const [y, lastState, starts] = forwardPrimitive(inputs, null);
  return { y, lastState, starts };
}

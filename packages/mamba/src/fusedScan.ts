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
 * These are the reference loops; compiled, both passes are kernels (scanForward.ts, scanBackward.ts). A primitive has
 * one result, so several are packed one behind the other and sliced apart.
 */
import {
  type Apply, concat, definePrimitive, enableGrad, grad, linearScan, type ScanAlgorithm, type Shape,
  type Tensor, type Value,
} from '@mambagrad/tensor';
import { backwardKernel } from './scanBackward.ts';
import { forwardKernel } from './scanForward.ts';
import { CHUNK } from './scanPieces.ts';

/** u and Δ [B, L, D], A [D, N], B and C [B, L, N], the state before the first step [B, D, N]. */
export type ScanInputs = readonly [
  u: Tensor,
  delta: Tensor,
  A: Tensor,
  B: Tensor,
  C: Tensor,
  initialState: Tensor,
];

function sizesOf(u: { shape: Shape }, A: { shape: Shape }) {
  const [batch, length, channels] = u.shape;
  const chunks = Math.ceil(length / CHUNK);
  return { batch, length, channels, state: A.shape[1], width: channels * A.shape[1], chunks };
}

/** One step of one row: h becomes the next state, exp(ΔA) goes to `decay`, and y_t to `y`. */
function step(
  [u, delta, A, B, C]: readonly Value[],
  row: number,
  h: Float64Array,
  decay: Float64Array,
  y: Value['data'] | undefined,
): void {
  const [channels, state] = A.shape;
  for (let d = 0, i = 0; d < channels; d++) {
    const at = row * channels + d;
    const duration = delta.data[at];
    const input = duration * u.data[at];
    let read = 0;
    for (let n = row * state; n < (row + 1) * state; n++, i++) {
      decay[i] = Math.exp(duration * A.data[i]);
      h[i] = decay[i] * h[i] + input * B.data[n];
      read += C.data[n] * h[i];
    }
    if (y) y[at] = read;
  }
}

/**
 * y [B, L, D], behind it the last state [B, D, N], and behind that the state at the start of each
 * chunk [B, chunks, N, D], for the backward pass; flat.
 */
const forwardPrimitive: Apply<null> = definePrimitive<null>({
  name: 'selectiveScan',
  infer: ([u, , A]) => {
    const { batch, width, chunks } = sizesOf(u, A);
    return { shape: [u.numel + batch * width * (1 + chunks)], dtype: u.dtype };
  },
  compute: (inputs, { data }) => {
    const [u, , A, , , initialState] = inputs;
    const { batch, length, width, channels, state, chunks } = sizesOf(u, A);
    const decay = new Float64Array(width);
    for (let b = 0; b < batch; b++) {
      const h = Float64Array.from(initialState.data.subarray(b * width, (b + 1) * width));
      for (let t = 0; t < length; t++) {
        const start = u.data.length + (batch + b * chunks + t / CHUNK) * width;
        if (t % CHUNK === 0) transpose(h, data.subarray(start, start + width), channels, state);
        step(inputs, b * length + t, h, decay, data);
      }
      data.set(h, u.data.length + b * width);
    }
  },
  lower: (inputs) => {
    const [u, , A] = inputs;
    return { kernel: (elements, y) => forwardKernel(elements, y, sizesOf(u, A)) };
  },
  gradient: (g, y, inputs) => {
    const [u, , A] = inputs;
    const { batch, width, chunks } = sizesOf(u, A);
    let packed: Tensor | undefined;
    return splitLike(inputs, () => {
      const starts = y.detach().narrow(0, u.numel + batch * width, batch * chunks * width);
      return (packed ??= backwardPrimitive([g, ...inputs, starts], null));
    });
  },
});

function transpose(
  from: Value['data'],
  to: Value['data'],
  rows: number,
  columns: number,
): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
  }
}

/** For each tensor, a function that cuts its part from where all their gradients are packed. */
function splitLike(tensors: readonly Tensor[], packed: () => Tensor): (() => Tensor)[] {
  let end = 0;
  return tensors.map(({ shape, numel }) => {
    const start = end;
    end += numel;
    return () => packed().narrow(0, start, numel).reshape(shape);
  });
}

/** The gradients of u, Δ, A, B, C and the initial state, one behind the other, flat. */
const backwardPrimitive: Apply<null> = definePrimitive<null>({
  name: 'selectiveScanBackward',
  infer: ([g, ...inputs]) => ({
    shape: [inputs.slice(0, 6).reduce((sum, input) => sum + input.numel, 0)],
    dtype: g.dtype,
  }),
  compute: ([g, ...inputs], { data }) => {
    const [u, , A] = inputs;
    const { batch, length, width, channels, state, chunks } = sizesOf(u, A);
    const totals = inputs.slice(0, 6).map((input) => new Float64Array(input.data.length));
    for (let b = 0; b < batch; b++) {
      const carry = Float64Array.from(
        g.data.subarray(u.data.length + b * width, u.data.length + (b + 1) * width),
      );
      const before = Array.from({ length: CHUNK }, () => new Float64Array(width));
      const decays = Array.from({ length: CHUNK }, () => new Float64Array(width));
      for (let chunk = chunks - 1; chunk >= 0; chunk--) {
        const first = chunk * CHUNK;
        const count = Math.min(CHUNK, length - first);
        const start = (b * chunks + chunk) * width;
        const h = new Float64Array(width);
        transpose(inputs[6].data.subarray(start, start + width), h, state, channels);
        for (let t = 0; t < count; t++) {
          before[t].set(h);
          step(inputs, b * length + first + t, h, decays[t], undefined);
        }
        for (let t = count - 1; t >= 0; t--) {
          stepBack(inputs, g.data, b * length + first + t, before[t], decays[t], carry, totals);
        }
      }
      totals[5].set(carry, b * width);
    }
    let offset = 0;
    for (const total of totals) {
      data.set(total, offset);
      offset += total.length;
    }
  },
  lower: ([, ...inputs]) => {
    const [u, , A] = inputs;
    return { kernel: (elements, y) => backwardKernel(elements, y, sizesOf(u, A)) };
  },
  // The states at the starts are functions of the other inputs, through which their part goes.
  gradient: (gg, _y, [g, ...inputs]) => {
    const own = inputs.slice(0, 6);
    let packed: Tensor | undefined;
    return [...splitLike([g, ...own], () => (packed ??= secondGradient(gg, g, own))), null];
  },
});

/** One step back: `carry`, which is ∂loss/∂h_t but for y_t's part, becomes that of h_{t−1}. */
function stepBack(
  [u, delta, A, B, C]: readonly Value[],
  g: Value['data'],
  row: number,
  before: Float64Array,
  decay: Float64Array,
  carry: Float64Array,
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
  [u, delta, A, B, C, initialState]: ScanInputs,
  algorithm?: ScanAlgorithm,
): { y: Tensor; lastState: Tensor } {
  const decay = delta.unsqueeze(-1).mul(A).exp(); // [B, L, D, N]
  const input = delta.mul(u).unsqueeze(-1).matmul(B.unsqueeze(2)); // [B, L, D, N]
  const h = linearScan(decay, input, {
    axis: 1,
    initialState,
    ...(algorithm && { algorithm }),
  });
  const length = u.shape[1];
  return {
    y: h.matmul(C.unsqueeze(-1)).squeeze(-1),
    lastState: length > 0 ? h.narrow(1, length - 1, 1).squeeze(1) : initialState,
  };
}

/** The gradient of the backward pass: that of the composed scan's gradient. */
function secondGradient(gg: Tensor, g: Tensor, inputs: readonly Tensor[]): Tensor {
  return enableGrad(() => {
    // Each gets a node or leaf of its own, as one tensor may stand in several places.
    const tracked = [g, ...inputs].map((tensor) => {
      if (tensor.requiresGrad) return tensor.unsqueeze(0).squeeze(0);
      const leaf = tensor.detach();
      leaf.requiresGrad = true;
      return leaf;
    });
    const [cotangent, u, delta, A, B, C, initialState] = tracked;
    const { y, lastState } = composedScan([u, delta, A, B, C, initialState]);
    const options = { createGraph: true, allowUnused: true };
    const results = concat([y.flatten(), lastState.flatten()]);
    const first = grad(results, tracked.slice(1), {
      ...options,
      // Nothing depends on the states at the starts of chunks but what is computed here.
      cotangent: cotangent.narrow(0, 0, results.numel),
    });
    const packed = concat(first.map((gradient) => gradient.flatten()));
    const second = grad(packed, tracked, { ...options, cotangent: gg });
    return concat(second.map((gradient) => gradient.flatten()));
  });
}

/** y [B, L, D] and the last state [B, D, N], in one loop. */
export function fusedScan(inputs: ScanInputs): { y: Tensor; lastState: Tensor } {
  const [u, , A] = inputs;
  const { batch, length, channels, state } = sizesOf(u, A);
  const packed = forwardPrimitive(inputs, null);
  const count = batch * channels * state;
  return {
    y: packed.narrow(0, 0, u.numel).reshape([batch, length, channels]),
    lastState: packed.narrow(0, u.numel, count).reshape([batch, channels, state]),
  };
}

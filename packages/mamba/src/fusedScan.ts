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
 * A primitive has one result, so several are packed one behind the other and sliced apart.
 */
import {
  type Apply, concat, definePrimitive, enableGrad, grad, linearScan, type LinearScanOptions,
  type Shape, type Tensor, type Value,
} from '@mambagrad/tensor';

/**
 * u and Δ [B, L, D], A [D, N], B and C [B, L, N], the state before the first step [B, D, N], and,
 * if there are any, flags (i32, [B, L]) of steps at which the factor exp(ΔA) is 0 instead.
 */
export type ScanInputs = readonly [
  u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, initialState: Tensor,
  ...reset: Tensor[],
];

/** The inputs that have a gradient: all but the flags. */
const differentiable = <T>(inputs: readonly T[]): readonly T[] => inputs.slice(0, 6);

/** Steps whose states are kept at once in the backward pass. */
const CHUNK = 32;

function sizesOf(u: { shape: Shape }, A: { shape: Shape }) {
  const [batch, length, channels] = u.shape;
  return { batch, length, channels, state: A.shape[1], width: channels * A.shape[1] };
}

/** One step of one row: h becomes the next state, exp(ΔA) goes to `decay`, and y_t to `y`. */
function step(
  [u, delta, A, B, C, , reset]: readonly Value[],
  row: number,
  h: Float64Array,
  decay: Float64Array,
  y: Value['data'] | undefined,
): void {
  const [channels, state] = A.shape;
  const startsAnew = reset !== undefined && reset.data[row] !== 0;
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

/** y [B, L, D] and behind it the last state [B, D, N], flat. */
const forwardPrimitive: Apply<null> = definePrimitive<null>({
  name: 'selectiveScan',
  infer: ([u, , A]) => {
    const { batch, width } = sizesOf(u, A);
    return { shape: [u.numel + batch * width], dtype: u.dtype };
  },
  compute: (inputs, { data }) => {
    const [u, , A, , , initialState] = inputs;
    const { batch, length, width } = sizesOf(u, A);
    const decay = new Float64Array(width);
    for (let b = 0; b < batch; b++) {
      const h = Float64Array.from(initialState.data.subarray(b * width, (b + 1) * width));
      for (let t = 0; t < length; t++) step(inputs, b * length + t, h, decay, data);
      data.set(h, u.data.length + b * width);
    }
  },
  gradient: (g, _y, inputs) =>
    splitLike(differentiable(inputs), () => backwardPrimitive([g, ...inputs], null)),
});

/** For each tensor, a function that cuts its gradient from all, which are packed when asked for. */
function splitLike(tensors: readonly Tensor[], pack: () => Tensor): (() => Tensor)[] {
  let packed: Tensor | undefined;
  let end = 0;
  return tensors.map(({ shape, numel }) => {
    const start = end;
    end += numel;
    return () => (packed ??= pack()).narrow(0, start, numel).reshape(shape);
  });
}

/** The gradients of u, Δ, A, B, C and the initial state, one behind the other, flat. */
const backwardPrimitive: Apply<null> = definePrimitive<null>({
  name: 'selectiveScanBackward',
  infer: ([g, ...inputs]) => ({
    shape: [differentiable(inputs).reduce((sum, input) => sum + input.numel, 0)],
    dtype: g.dtype,
  }),
  compute: ([g, ...inputs], { data }) => {
    const [u, , A] = inputs;
    const { batch, length, width } = sizesOf(u, A);
    const totals = differentiable(inputs).map((input) => new Float64Array(input.data.length));
    for (let b = 0; b < batch; b++) {
      const starts = chunkStarts(inputs, b);
      const carry = Float64Array.from(
        g.data.subarray(u.data.length + b * width, u.data.length + (b + 1) * width),
      );
      const before = Array.from({ length: CHUNK }, () => new Float64Array(width));
      const decays = Array.from({ length: CHUNK }, () => new Float64Array(width));
      for (let chunk = starts.length - 1; chunk >= 0; chunk--) {
        const first = chunk * CHUNK;
        const count = Math.min(CHUNK, length - first);
        const h = starts[chunk];
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
  gradient: (gg, _y, [g, ...inputs]) =>
    splitLike([g, ...differentiable(inputs)], () => secondGradient(gg, g, inputs)),
});

/** The states at the start of each chunk of a row of the batch. */
function chunkStarts(inputs: readonly Value[], b: number): Float64Array[] {
  const [u, , A, , , initialState] = inputs;
  const { length, width } = sizesOf(u, A);
  const h = Float64Array.from(initialState.data.subarray(b * width, (b + 1) * width));
  const decay = new Float64Array(width);
  const starts: Float64Array[] = [];
  for (let first = 0; first < length; first += CHUNK) {
    starts.push(h.slice());
    // Nothing starts after the last chunk.
    for (let t = first; t < first + CHUNK && first + CHUNK < length; t++) {
      step(inputs, b * length + t, h, decay, undefined);
    }
  }
  return starts;
}

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
  [u, delta, A, B, C, initialState, reset]: ScanInputs,
  options?: Pick<LinearScanOptions, 'algorithm' | 'chunkSize'>,
): { y: Tensor; lastState: Tensor; states: Tensor } {
  const factor = delta.unsqueeze(-1).mul(A).exp(); // [B, L, D, N]
  const decay = reset ? reset.unsqueeze(-1).unsqueeze(-1).where(0, factor) : factor;
  const input = delta.mul(u).unsqueeze(-1).matmul(B.unsqueeze(2)); // [B, L, D, N]
  const states = linearScan(decay, input, { ...options, axis: 1, initialState });
  const length = u.shape[1];
  return {
    y: states.matmul(C.unsqueeze(-1)).squeeze(-1),
    lastState: length > 0 ? states.narrow(1, length - 1, 1).squeeze(1) : initialState,
    states,
  };
}

/** The gradient of the backward pass: that of the composed scan's gradient. */
function secondGradient(gg: Tensor, g: Tensor, inputs: readonly Tensor[]): Tensor {
  return enableGrad(() => {
    // Each gets a node or leaf of its own, as one tensor may stand in several places.
    const tracked = [g, ...differentiable(inputs)].map((tensor) => {
      if (tensor.requiresGrad) return tensor.unsqueeze(0).squeeze(0);
      const leaf = tensor.detach();
      leaf.requiresGrad = true;
      return leaf;
    });
    const [cotangent, u, delta, A, B, C, initialState] = tracked;
    const { y, lastState } = composedScan([u, delta, A, B, C, initialState, ...inputs.slice(6)]);
    const options = { createGraph: true, allowUnused: true };
    const first = grad(concat([y.flatten(), lastState.flatten()]), tracked.slice(1), {
      ...options,
      cotangent,
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

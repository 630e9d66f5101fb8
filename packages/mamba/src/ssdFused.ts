/**
 * State space duality in one pass, which stores the states at the starts of chunks and no others.
 * With X = Δx, H the state [N, P] and α = exp(a),
 *
 *     H_t = α_t H_{t−1} + B_t X_tᵀ,     y_t = H_tᵀ C_t
 *
 * Backwards, with g_t = ∂loss/∂y_t and G_t the whole gradient of H_t,
 *
 *     G_t = C_t g_tᵀ + α_{t+1} G_{t+1},     ∂loss/∂a_t = α_t (H_{t−1} · G_t)
 *
 * and the states are computed again, chunk by chunk from the last. These are the reference loops,
 * which are plain recurrences; compiled, both passes are kernels, made of matrix products
 * (ssdForward.ts and ssdBackward.ts). As for the selective scan, results are packed one behind the
 * other.
 */
import {
  type Apply, definePrimitive, type Spec, type Tensor, type TypedArray, type Value,
} from '@mambagrad/tensor';
import { secondGradient, splitLike } from './fusedScan.ts';
import { backwardKernel } from './ssdBackward.ts';
import { chunked, type SSDInputs, type SSDResult } from './ssdComposed.ts';
import { forwardKernel } from './ssdForward.ts';
import type { Sizes } from './ssdPieces.ts';

/** Larger chunks do not pay, and products of so many decays would lose digits. */
const MOST_STEPS = 64;

/** `steps` are those of a chunk; states are [N, P], and the inputs' first one is [B, H, N, P]. */
function sizesOf([input, , B]: readonly Pick<Spec, 'shape'>[], steps: number): Sizes {
  const [batch, length, heads, headDim] = input.shape;
  const [groups, state] = B.shape.slice(2);
  return { batch, length, heads, headDim, groups, state, steps, chunks: Math.ceil(length / steps) };
}

/** Where in what is packed the state of a head is, so many chunks before the end. */
function stateAt(sizes: Sizes, left: number, b: number, head: number): number {
  const { batch, length, heads, headDim, state } = sizes;
  return batch * length * heads * headDim + ((left * batch + b) * heads + head) * state * headDim;
}

/** Where a step of a head starts in x, and in B and C. */
function placesOf({ heads, headDim, groups, state }: Sizes, row: number, head: number) {
  const group = Math.floor((head * groups) / heads);
  return [(row * heads + head) * headDim, (row * groups + group) * state];
}

/** One step of one head: H becomes the next state, y_t is what is read of it; gives α_t. */
function step(
  inputs: readonly Value[], sizes: Sizes, row: number, head: number, H: Float64Array, y: Float64Array,
): number {
  const [input, logDecay, B, C] = inputs.map(({ data }) => data);
  const [xAt, nAt] = placesOf(sizes, row, head);
  const decay = Math.exp(logDecay[row * sizes.heads + head]);
  y.fill(0);
  for (let n = 0, i = 0; n < sizes.state; n++) {
    const [written, read] = [B[nAt + n], C[nAt + n]];
    for (let p = 0; p < y.length; p++, i++) {
      H[i] = decay * H[i] + written * input[xAt + p];
      y[p] += read * H[i];
    }
  }
  return decay;
}

/**
 * y [B, L, H, P], behind it the last state [B, H, N, P], and behind that the states at the starts
 * of the chunks from the last to the first, for the backward pass; flat.
 */
const forwardPrimitive: Apply<number> = definePrimitive<number>({
  name: 'ssd',
  infer: (inputs, steps) => {
    const sizes = sizesOf(inputs, steps);
    return { shape: [stateAt(sizes, sizes.chunks + 1, 0, 0)], dtype: inputs[0].dtype };
  },
  compute: (inputs, { data }, steps) => {
    const sizes = sizesOf(inputs, steps);
    const { batch, length, heads, headDim, chunks } = sizes;
    const y = new Float64Array(headDim);
    for (let b = 0; b < batch; b++) {
      for (let head = 0; head < heads; head++) {
        const [from, to] = [0, 1].map((i) => stateAt(sizes, 0, b, head + i) - stateAt(sizes, 0, 0, 0));
        const H = Float64Array.from(inputs[4].data.subarray(from, to));
        for (let t = 0; t < length; t++) {
          if (t % steps === 0) data.set(H, stateAt(sizes, chunks - t / steps, b, head));
          step(inputs, sizes, b * length + t, head, H, y);
          data.set(y, placesOf(sizes, b * length + t, head)[0]);
        }
        data.set(H, stateAt(sizes, 0, b, head));
      }
    }
  },
  lower: (inputs, steps) => ({
    kernel: (elements, y) => forwardKernel(elements, y, sizesOf(inputs, steps)),
  }),
  gradient: (g, y, inputs, steps) => {
    const startsAt = stateAt(sizesOf(inputs, steps), 1, 0, 0);
    return splitLike(inputs, () => {
      const starts = y.detach().narrow(0, startsAt, y.numel - startsAt);
      return backwardPrimitive([g, ...inputs, starts], steps);
    });
  },
});

/**
 * The gradients of X, a, B, C and the first state, one behind the other, flat. From g, that of what
 * the forward pass has packed, its inputs, and the states at the starts.
 */
const backwardPrimitive: Apply<number> = definePrimitive<number>({
  name: 'ssdBackward',
  infer: ([g, ...inputs]) => ({
    shape: [inputs.slice(0, 5).reduce((sum, { numel }) => sum + numel, 0)], dtype: g.dtype,
  }),
  compute: ([g, ...inputs], { data }, steps) => {
    const sizes = sizesOf(inputs, steps);
    const { batch, length, heads, headDim, state, chunks } = sizes;
    const [width, starts] = [state * headDim, inputs[5].data];
    const sums = new Float64Array(data.length);
    let end = 0;
    const totals = inputs.slice(0, 5).map((input) => sums.subarray(end, (end += input.data.length)));
    const before = Array.from({ length: steps }, () => new Float64Array(width));
    const [y, decays] = [new Float64Array(headDim), new Float64Array(steps)];
    for (let b = 0; b < batch; b++) {
      for (let head = 0; head < heads; head++) {
        const G = totals[4].subarray((b * heads + head) * width, (b * heads + head + 1) * width);
        const last = stateAt(sizes, 0, b, head);
        G.set(g.data.subarray(last, last + width));
        for (let left = 1; left <= chunks; left++) {
          const first = (chunks - left) * steps;
          const count = Math.min(steps, length - first);
          const start = (((left - 1) * batch + b) * heads + head) * width;
          const H = Float64Array.from(starts.subarray(start, start + width));
          for (let t = 0; t < count; t++) {
            before[t].set(H);
            decays[t] = step(inputs, sizes, b * length + first + t, head, H, y);
          }
          for (let t = count - 1; t >= 0; t--) {
            const row = b * length + first + t;
            stepBack(inputs, sizes, g.data, row, head, before[t], decays[t], G, totals);
          }
        }
      }
    }
    data.set(sums);
  },
  lower: ([, ...inputs], steps) => ({
    kernel: (elements, y) => backwardKernel(elements, y, sizesOf(inputs, steps)),
  }),
  // The states at the starts are functions of the other inputs, through which their part goes.
  gradient: (gg, _y, inputs) =>
    splitLike(inputs.slice(0, 6), () => secondGradient(gg, inputs.slice(0, 6), composed)),
});

/** One step back: G, which is ∂loss/∂H_t but for y_t's part, becomes that of H_{t−1}. */
function stepBack(
  inputs: readonly Value[], sizes: Sizes, g: TypedArray, row: number, head: number,
  before: Float64Array, decay: number, G: Float64Array,
  [dX, da, dB, dC]: readonly Float64Array[],
): void {
  const [input, , B, C] = inputs.map(({ data }) => data);
  const [xAt, nAt] = placesOf(sizes, row, head);
  let throughDecay = 0;
  for (let n = 0, i = 0; n < sizes.state; n++) {
    const [written, read] = [B[nAt + n], C[nAt + n]];
    let [ofB, ofC] = [0, 0];
    for (let p = xAt; p < xAt + sizes.headDim; p++, i++) {
      const kept = decay * before[i];
      const all = G[i] + read * g[p];
      ofC += g[p] * (kept + written * input[p]);
      ofB += all * input[p];
      dX[p] += all * written;
      throughDecay += all * kept;
      G[i] = all * decay;
    }
    dB[nAt + n] += ofB;
    dC[nAt + n] += ofC;
  }
  da[row * sizes.heads + head] = throughDecay;
}

/** Of inputs as above, in ops. */
function composed([input, logDecay, B, C, initialState]: readonly Tensor[]): SSDResult {
  const start = initialState.transpose(-2, -1);
  const { y, lastState } = chunked([input, logDecay, B, C, start], MOST_STEPS);
  return { y, lastState: lastState.transpose(-2, -1) };
}

const upToFour = (size: number): number => 4 * Math.ceil(size / 4);

/** y and the last state, in chunks of about so many steps. */
export function fused(inputs: SSDInputs, chunkSize: number): SSDResult {
  // Steps, channels and states are filled up to multiples of four. What is added is 0 and stays 0.
  const fill = (x: Tensor, ...axes: number[]): Tensor => {
    const more = x.shape.map((size, axis) => (axes.includes(axis) ? upToFour(size) - size : 0));
    return more.some(Boolean) ? x.pad(x.shape.map(() => 0), more) : x;
  };
  const [input, logDecay, B, C, initialState] = inputs;
  const start = fill(initialState, 2, 3).transpose(-2, -1);
  const filled = [fill(input, 1, 3), fill(logDecay, 1), fill(B, 1, 3), fill(C, 1, 3), start];
  const steps = Math.min(upToFour(chunkSize), MOST_STEPS, Math.max(filled[0].shape[1], 4));
  const packed = forwardPrimitive(filled, steps);
  const [y, lastState] = splitLike([filled[0], start], () => packed);
  const cut = (x: Tensor, { shape }: Tensor): Tensor => x.slice(shape.map(() => 0), [...shape]);
  return { y: cut(y(), input), lastState: cut(lastState().transpose(-2, -1), initialState) };
}

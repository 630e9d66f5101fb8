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
 * (forward.ts and backward.ts).
 */
import type { Spec, Tensor, TypedArray } from '@mambagrad/tensor';
import { type ApplyMulti, defineMultiPrimitive } from '@mambagrad/tensor/extend';
import { orZeros, secondGradients, together } from '../gradients.ts';
import { backwardKernel } from './backward.ts';
import { chunked, type SSDForm, type SSDInputs } from './composed.ts';
import { forwardKernel } from './forward.ts';
import type { Sizes } from './products.ts';

/** Larger chunks do not pay, and products of more decays would lose digits. */
const MOST_STEPS = 32;

/** Of the inputs above, the first state being [B, H, N, P]; so many steps are a chunk. */
function sizesOf([{ shape }, , B]: readonly Pick<Spec, 'shape'>[], steps: number): Sizes {
  const [batch, length, heads, headDim] = shape;
  const [groups, state] = B.shape.slice(2);
  return { batch, length, heads, headDim, groups, state, steps, chunks: length / steps };
}

/** Where the state at the start of a chunk is in [B, chunks, H, N, P]; heads count on over rows. */
function startOf({ heads, headDim, state, chunks }: Sizes, chunk: number, head: number): number {
  const sequence = Math.floor(head / heads);
  const number = (sequence * chunks + chunk) * heads + (head % heads);
  return number * state * headDim;
}

/** Where in a, X, and B and C a step of a head is. */
function placesOf({ length, heads, headDim, groups, state }: Sizes, head: number, t: number) {
  const place = (Math.floor(head / heads) * (length - 1) + t) * heads + head;
  return [place, place * headDim, Math.floor((place * groups) / heads) * state];
}

/** Whether a step starts anew; the flags are the sixth input, if there are any. */
function startsAnew(arrays: readonly TypedArray[], sizes: Sizes, head: number, t: number): boolean {
  return arrays.length > 5 && arrays[5][Math.floor(head / sizes.heads) * sizes.length + t] !== 0;
}

/** One step of a head from one state to the next, which may take its place; y_t is added to `y`. */
function step(
  arrays: readonly TypedArray[], sizes: Sizes, head: number, t: number,
  before: Float64Array, after: Float64Array, y?: Float64Array,
): void {
  const [X, a, B, C] = arrays;
  const isNew = startsAnew(arrays, sizes, head, t);
  const [place, x, first] = placesOf(sizes, head, t);
  const decay = Math.exp(a[place]);
  for (let n = first, i = 0; n < first + sizes.state; n++) {
    const [written, read] = [B[n], C[n]];
    for (let p = 0; p < sizes.headDim; p++, i++) {
      after[i] = (isNew ? 0 : decay * before[i]) + written * X[x + p];
      if (y) y[p] += read * after[i];
    }
  }
}

/**
 * [y [B, L, H, P], the last state [B, H, N, P], the states at the starts of the chunks [B, chunks,
 * H, N, P]], which are for the backward pass, and for those who want states in the middle.
 */
const forwardPrimitive: ApplyMulti<number> = defineMultiPrimitive<number>({
  name: 'ssd',
  infer: (inputs, steps) => {
    const [{ shape, dtype }, , , , initialState] = inputs;
    const { chunks } = sizesOf(inputs, steps);
    const starts = initialState.shape.toSpliced(1, 0, chunks);
    return [shape, initialState.shape, starts].map((each) => ({ shape: each, dtype }));
  },
  compute: (inputs, [ofY, lastState, starts], steps) => {
    const sizes = sizesOf(inputs, steps);
    const { batch, length, heads, headDim, state } = sizes;
    const arrays = inputs.map((input) => input.data);
    const [y, width] = [new Float64Array(headDim), state * headDim];
    for (let head = 0; head < batch * heads; head++) {
      const H = Float64Array.from(arrays[4].subarray(head * width, (head + 1) * width));
      for (let t = 0; t < length; t++) {
        if (t % steps === 0) starts.data.set(H, startOf(sizes, t / steps, head));
        step(arrays, sizes, head, t, H, H, y.fill(0));
        ofY.data.set(y, placesOf(sizes, head, t)[1]);
      }
      lastState.data.set(H, head * width);
    }
  },
  lower: (inputs, steps) => ({
    kernel: (elements, outputs) => forwardKernel(elements, outputs, sizesOf(inputs, steps)),
  }),
  gradient: ([ofY, ofLastState, ofStarts], [y, lastState, starts], inputs, steps) => {
    const [smooth, reset] = [inputs.slice(0, 5), inputs.slice(5)];
    const cotangents = [orZeros(ofY, y), orZeros(ofLastState, lastState)];
    if (ofStarts) cotangents.push(ofStarts);
    return together(smooth.length, () => backwardPrimitive([
      ...cotangents, ...smooth, starts.detach(), ...reset,
    ], { steps, count: cotangents.length }));
  },
});

/** The steps of a chunk, and the number of cotangents. */
interface BackwardAttributes {
  readonly steps: number;
  readonly count: number;
}

/**
 * The gradients of [X, a, B, C, the first state]. From the cotangents of y, of the last state and,
 * if there are three, of the states at the starts; then the inputs of the forward pass but the
 * flags, the states at the starts, and the flags.
 */
const backwardPrimitive: ApplyMulti<BackwardAttributes> = defineMultiPrimitive({
  name: 'ssdBackward',
  infer: (inputs, { count }) => inputs.slice(count, count + 5),
  compute: (all, outputs, { steps, count }) => {
    const [ofY, ofLastState, ofStarts] = all.slice(0, count);
    const inputs = all.slice(count);
    const sizes = sizesOf(inputs, steps);
    const { batch, heads, headDim, state, chunks } = sizes;
    const starts = inputs[5].data;
    const arrays = inputs.toSpliced(5, 1).map((input) => input.data);
    const totals = outputs.map(({ data }) => new Float64Array(data.length));
    const width = state * headDim;
    const states = Array.from({ length: steps + 1 }, () => new Float64Array(width));
    for (let head = 0; head < batch * heads; head++) {
      const G = totals[4].subarray(head * width, (head + 1) * width);
      G.set(ofLastState.data.subarray(head * width, (head + 1) * width));
      for (let chunk = chunks - 1; chunk >= 0; chunk--) {
        const [first, start] = [chunk * steps, startOf(sizes, chunk, head)];
        states[0].set(starts.subarray(start, start + width));
        for (let t = 0; t < steps; t++) {
          step(arrays, sizes, head, first + t, states[t], states[t + 1]);
        }
        for (let t = steps - 1; t >= 0; t--) {
          const around = [states[t], states[t + 1]];
          stepBack(arrays, sizes, ofY.data, head, first + t, around, G, totals);
        }
        for (let i = 0; ofStarts && i < width; i++) G[i] += ofStarts.data[start + i];
      }
    }
    outputs.forEach(({ data }, i) => data.set(totals[i]));
  },
  lower: (inputs, { steps, count }) => ({
    kernel: (elements, outputs) => backwardKernel(
      elements.slice(0, count), elements.slice(count), outputs,
      sizesOf(inputs.slice(count), steps),
    ),
  }),
  // The states at the starts are functions of the other inputs, through which their part goes.
  gradient: (cotangents, _results, inputs, { steps, count }) => {
    const [smooth, reset] = [inputs.slice(0, count + 5), inputs.slice(count + 6)];
    return together(smooth.length, () => secondGradients(cotangents, smooth, count, (own) => {
      const [input, logDecay, B, C, start] = own;
      const first = start.transpose(-2, -1);
      const size = count > 2 ? steps : MOST_STEPS;
      const { y, ...states } = chunked([input, logDecay, B, C, first, ...reset], size);
      return {
        y,
        lastState: states.lastState.transpose(-2, -1),
        starts: states.starts().transpose(-2, -1),
      };
    }));
  },
});

/** One step back: G, which is ∂loss/∂H_t but for y_t's part, becomes that of H_{t−1}. */
function stepBack(
  arrays: readonly TypedArray[], sizes: Sizes, g: TypedArray, head: number, t: number,
  [before, after]: readonly Float64Array[], G: Float64Array,
  [dX, da, dB, dC]: readonly Float64Array[],
): void {
  const [X, a, B, C] = arrays;
  const isNew = startsAnew(arrays, sizes, head, t);
  const [place, x, first] = placesOf(sizes, head, t);
  const decay = Math.exp(a[place]);
  let throughDecay = 0;
  for (let n = first, i = 0; n < first + sizes.state; n++) {
    const [written, read] = [B[n], C[n]];
    let [ofB, ofC] = [0, 0];
    for (let p = x; p < x + sizes.headDim; p++, i++) {
      const all = G[i] + read * g[p];
      ofC += g[p] * after[i];
      ofB += all * X[p];
      dX[p] += all * written;
      if (!isNew) throughDecay += all * before[i];
      G[i] = isNew ? 0 : all * decay;
    }
    dB[n] += ofB;
    dC[n] += ofC;
  }
  da[place] = isNew ? 0 : decay * throughDecay;
}

const upToFour = (size: number): number => 4 * Math.ceil(size / 4);

/** y and the last state, in chunks of so many steps, or a little less or more. */
export function fused(inputs: SSDInputs, chunkSize: number): SSDForm {
  const [input, logDecay, B, C, initialState, ...flags] = inputs;
  const [batch, length, heads, headDim] = input.shape;
  // Equal chunks of steps, and channels and states, are filled up to multiples of four: with zeros,
  // for which nothing is written, nothing decays and nothing is read.
  const [P, N, most] = [headDim, B.shape[3], Math.min(chunkSize, MOST_STEPS)].map(upToFour);
  const chunks = Math.ceil(length / most);
  const steps = upToFour(length / Math.max(chunks, 1)) || 4;
  const fill = (x: Tensor, ...shape: number[]): Tensor => {
    const more = shape.map((size, axis) => size - x.shape[axis]);
    return more.some(Boolean) ? x.pad(shape.map(() => 0), more) : x;
  };
  const cut = (x: Tensor, { shape }: Pick<Spec, 'shape'>): Tensor =>
    x.slice(shape.map(() => 0), [...shape]);
  const X = fill(input, batch, chunks * steps, heads, P);
  const a = fill(logDecay, batch, chunks * steps, heads);
  const [b, c] = [B, C].map((x) => fill(x, batch, chunks * steps, x.shape[2], N));
  const start = fill(initialState, batch, heads, P, N).transpose(-2, -1);
  const resets = flags.map((reset) => fill(reset, batch, chunks * steps));
  const [y, lastState, starts] = forwardPrimitive([X, a, b, c, start, ...resets], steps);
  const shape = initialState.shape.toSpliced(1, 0, chunks);
  return {
    y: cut(y, input),
    lastState: cut(lastState.transpose(-2, -1), initialState),
    starts: () => cut(starts.transpose(-2, -1), { shape }),
    size: steps,
  };
}

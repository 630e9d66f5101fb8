/**
 * Scans as people write them, from typed arrays, with places at which to put the mistakes that
 * people make. Without one they are right.
 */
import type {
  Float32Scan, Float64Scan, ScanArguments, ScanReference, ScanResults,
} from '@mambagrad/mamba/testing';

/** The arguments of a linear scan. */
export type Linear = ScanArguments<'a' | 'b', Float64Array, Int32Array>;
/** The arguments of a selective scan. */
export type Selective = ScanArguments<'u' | 'delta' | 'A' | 'B' | 'C', Float64Array, Int32Array>;
/** The arguments of state space duality. */
export type Dual = ScanArguments<'x' | 'logDecay' | 'B' | 'C', Float32Array, Int32Array>;

const all = ['initialState', 'lastState', 'reset', 'mask', 'reverse', 'nonFinite'] as const;

/** Where a number is: of a row, a step and a channel. */
export interface Place {
  readonly row: number;
  /** The number of the step in all rows, row · length + t. */
  readonly step: number;
  /** The index of the number. */
  readonly at: number;
  /** How many steps came before. */
  readonly i: number;
  readonly channel: number;
}

/** The parts of a linear scan. */
export interface LinearParts {
  /** Which step is the i-th. */
  readonly order: (given: Linear, i: number) => number;
  readonly start: (given: Linear, row: number, channel: number) => number;
  /** What is carried from the state before. */
  readonly carried: (given: Linear, h: number, place: Place) => number;
  readonly isPadding: (given: Linear, place: Place) => boolean;
  readonly input: (given: Linear, place: Place) => number;
  /** The last state, of the states before the first step and after each. */
  readonly end: (given: Linear, states: readonly number[], row: number) => number;
}

const linearParts: LinearParts = {
  order: ({ reverse, sizes: { length } }, i) => (reverse ? length - 1 - i : i),
  start: ({ initialState, sizes: { channels } }, row, channel) =>
    initialState?.[row * channels + channel] ?? 0,
  carried: ({ a, reset }, h, { step, at }) => (reset?.[step] ? 0 : a[at] * h),
  isPadding: ({ mask }, { step }) => mask?.[step] === 0,
  input: ({ b }, { at }) => b[at],
  end: (_given, states) => states[states.length - 1],
};

/** A linear scan step by step, with some parts replaced. */
export function linearScan(wrong: Partial<LinearParts> = {}): Float64Scan<'a' | 'b'> {
  const { order, start, carried, isPadding, input, end } = { ...linearParts, ...wrong };
  return {
    dtype: 'f64', supports: all,
    run: (given) => {
      const { b, sizes: { batch, length, channels } } = given;
      const [y, lastState] = [new Float64Array(b.length), new Float64Array(batch * channels)];
      for (let row = 0; row < batch; row++) {
        for (let channel = 0; channel < channels; channel++) {
          let h = start(given, row, channel);
          const states = [h];
          for (let i = 0; i < length; i++) {
            const step = row * length + order(given, i);
            const place = { row, step, at: step * channels + channel, i, channel };
            if (!isPadding(given, place)) {
              h = carried(given, h, place) + input(given, place);
              y[place.at] = h;
            }
            states.push(h);
          }
          lastState[row * channels + channel] = end(given, states, row);
        }
      }
      return { y, lastState };
    },
  };
}

/** A step of the linear scan beside the scan, with the given function in its place. */
export function withStep(
  step: Exclude<Float64Scan<'a' | 'b'>['step'], undefined> = ({ a, b }, state) => {
    const next = state.map((h, i) => a[i] * h + b[i]);
    return { y: next, state: next.slice() };
  },
): Float64Scan<'a' | 'b'> {
  return { ...linearScan(), step };
}

type Pair = readonly [a: number, b: number];

/** Pairs composed, the earlier first. */
export const compose = ([a1, b1]: Pair, [a2, b2]: Pair): Pair => [a1 * a2, a2 * b1 + b2];

/** A linear scan by doubling, as on a GPU, with an operation on pairs. */
export function doublingScan(
  combine: (earlier: Pair, later: Pair) => Pair,
): Float64Scan<'a' | 'b'> {
  return {
    dtype: 'f64',
    run: ({ a, b, sizes: { length, channels } }) => {
      const y = new Float64Array(b.length);
      for (let first = 0; first < channels && length > 0; first++) {
        for (let from = 0; from < b.length; from += length * channels) {
          const at = (t: number): number => from + t * channels + first;
          let pairs = Array.from({ length }, (_, t): Pair => [a[at(t)], b[at(t)]]);
          for (let distance = 1; distance < length; distance *= 2) {
            pairs = pairs.map((pair, t) =>
              (t < distance ? pair : combine(pairs[t - distance], pair)));
          }
          pairs.forEach((pair, t) => (y[at(t)] = pair[1]));
        }
      }
      return { y };
    },
  };
}

/** A linear scan by cumulative products, as a one-liner in NumPy: P · cumsum(b / P). */
export const cumulativeScan: Float32Scan<'a' | 'b'> = {
  run: ({ a, b, sizes: { length, channels } }) => {
    const y = new Float32Array(b.length);
    for (let at = 0; at < b.length; at++) {
      const isFirst = Math.floor(at / channels) % length === 0;
      const [product, sum] = isFirst ? [1, 0] : [products[at - channels], sums[at - channels]];
      products[at] = Math.fround(product * a[at]);
      sums[at] = Math.fround(sum + Math.fround(b[at] / products[at]));
      y[at] = products[at] * sums[at];
    }
    return { y };
  },
};
const [products, sums] = [new Float32Array(1e5), new Float32Array(1e5)];

/** The parts of a scan in chunks. */
export interface ChunkParts {
  /** How many chunks there are. */
  readonly count: (length: number, size: number) => number;
  /** The state that a step adds: that at the end of the chunk before, decayed since. */
  readonly carry: (decay: number, state: number, start: number) => number;
  /** Whether resets within a chunk cut off the chunks before. */
  readonly resetsCarry: boolean;
}

/** A linear scan in chunks of 16: each from zero, then what comes from the chunk before. */
export function chunkedScan(wrong: Partial<ChunkParts> = {}): Float64Scan<'a' | 'b'> {
  const { count, carry, resetsCarry } = {
    count: (length: number, size: number) => Math.ceil(length / size),
    carry: (decay: number, state: number) => decay * state,
    resetsCarry: true,
    ...wrong,
  };
  const size = 16;
  return {
    dtype: 'f64', supports: ['reset'],
    run: ({ a, b, reset, sizes: { batch, length, channels } }) => {
      const y = new Float64Array(b.length);
      for (let lane = 0; lane < batch * channels; lane++) {
        const [row, channel] = [Math.floor(lane / channels), lane % channels];
        const at = (t: number): number => (row * length + t) * channels + channel;
        for (let chunk = 0; chunk < count(length, size); chunk++) {
          const start = chunk === 0 ? 0 : y[at(chunk * size - 1)];
          let [h, decay] = [0, 1];
          for (let t = chunk * size; t < Math.min((chunk + 1) * size, length); t++) {
            const isReset = reset?.[row * length + t] === 1;
            h = (isReset ? 0 : a[at(t)] * h) + b[at(t)];
            decay *= isReset && resetsCarry ? 0 : a[at(t)];
            y[at(t)] = h + carry(decay, start, h);
          }
        }
      }
      return { y };
    },
  };
}

/** The parts of the gradients of a linear scan. */
export interface GradientParts {
  /** The gradient of a_t, of the gradient G of h_t. */
  readonly ofDecay: (g: number, before: number, after: number) => number;
  readonly ofState: (g: number) => number;
  /** What the gradient of h_t is carried on by, to h_{t−1}. */
  readonly carried: (g: number, t: number) => number;
}

/** A linear scan with gradients. */
export function scanWithGradients(wrong: Partial<GradientParts> = {}): Float64Scan<'a' | 'b'> {
  const scan = linearScan();
  const { ofDecay, ofState, carried } = {
    ofDecay: (g: number, before: number) => g * before, ofState: (g: number) => g,
    carried: (g: number) => g, ...wrong,
  };
  return {
    ...scan, supports: ['initialState', 'lastState', 'gradients'],
    gradients: async (given, cotangents) => {
      const { a, b, initialState, sizes: { batch, length, channels } } = given;
      const { y } = await scan.run(given);
      const found = {
        a: a.map(() => 0), b: b.map(() => 0), initialState: new Float64Array(batch * channels),
      };
      for (let lane = 0; lane < batch * channels; lane++) {
        const [row, channel] = [Math.floor(lane / channels), lane % channels];
        let g = cotangents.lastState[lane];
        for (let t = length - 1; t >= 0; t--) {
          const at = (row * length + t) * channels + channel;
          g += cotangents.y[at];
          const before = t > 0 ? y[at - channels] : initialState?.[lane] ?? 0;
          found.b[at] = g;
          found.a[at] = ofDecay(g, before, y[at]);
          g = carried(g * a[at], t);
        }
        found.initialState[lane] = ofState(g);
      }
      return found;
    },
  };
}

/** The parts of a selective scan. */
export interface SelectiveParts {
  readonly decay: (exponent: number) => number;
  /** Δ at a step, with the mask. */
  readonly duration: (delta: number, mask: number) => number;
  readonly written: (given: Selective) => Float64Array;
  readonly read: (given: Selective) => Float64Array;
  /** u at a step, with the mask. */
  readonly input: (u: number, mask: number) => number;
}

/** A selective scan, where padding has Δ = 0 and u = 0, with some parts replaced. */
export function selectiveScan(
  wrong: Partial<SelectiveParts> = {},
): Float64Scan<'u' | 'delta' | 'A' | 'B' | 'C'> {
  const { decay, duration, written, read, input } = {
    decay: Math.exp,
    duration: (delta: number, mask: number) => (mask ? delta : 0),
    input: (u: number, mask: number) => (mask ? u : 0),
    written: ({ B }: Selective) => B,
    read: ({ C }: Selective) => C,
    ...wrong,
  };
  return {
    dtype: 'f64', supports: ['lastState', 'mask', 'nonFinite'],
    run: (given) => {
      const { u, delta, A, mask, sizes: { batch, length, channels, states } } = given;
      const [B, C] = [written(given), read(given)];
      const [y, h] = [new Float64Array(u.length), new Float64Array(batch * channels * states)];
      for (let step = 0; step < batch * length; step++) {
        const row = Math.floor(step / length);
        const isThere = mask?.[step] ?? 1;
        for (let d = 0; d < channels; d++) {
          const at = step * channels + d;
          const dt = duration(delta[at], isThere);
          for (let n = 0; n < states; n++) {
            const i = (row * channels + d) * states + n;
            const drive = dt * input(u[at], isThere) * (isThere ? B[step * states + n] : 0);
            h[i] = decay(dt * A[d * states + n]) * h[i] + drive;
            y[at] += C[step * states + n] * h[i];
          }
        }
      }
      return { y, lastState: h };
    },
  };
}

/** How much of step s is left at step t ≥ s, from log decays and their sums up to each step. */
export type Left = (logs: Float32Array, sums: Float32Array, t: number, s: number) => number;

/**
 * The product of the decays between: the sum of their logarithms alone, so that nothing cancels.
 */
export const sumBetween: Left = (logs, _sums, t, s) => {
  let sum = 0;
  for (let i = s + 1; i <= t; i++) sum += logs[i];
  return t >= s ? Math.exp(sum) : 0;
};

/** State space duality in float32: matrices in chunks of 8 steps, and a state between. */
export function matrixScan(left: Left): Float32Scan<'x' | 'logDecay' | 'B' | 'C'> {
  const size = 8;
  return {
    run: ({ x, logDecay, B, C, sizes }) => {
      const { batch, length, groups, headsOfGroup, headDim, states } = sizes;
      const heads = groups * headsOfGroup;
      const y = new Float32Array(x.length);
      for (let lane = 0; lane < batch * heads * headDim; lane++) {
        const [p, head] = [lane % headDim, Math.floor(lane / headDim) % heads];
        const first = Math.floor(lane / (heads * headDim)) * length;
        const group = Math.floor(head / headsOfGroup);
        const at = (t: number): number => ((first + t) * heads + head) * headDim + p;
        const vector = (of: Float32Array, t: number): Float32Array =>
          of.subarray(((first + t) * groups + group) * states).subarray(0, states);
        const logs = Float32Array.from({ length }, (_, t) => logDecay[(first + t) * heads + head]);
        const sums = logs.map(() => 0);
        logs.forEach((log, t) => (sums[t] = (t > 0 ? sums[t - 1] : 0) + log));
        let state = new Float32Array(states);
        for (let start = 0; start < length; start += size) {
          const end = Math.min(start + size, length);
          const next = state.map((h) => left(logs, sums, end - 1, start - 1) * h);
          for (let t = start; t < end; t++) {
            y[at(t)] = left(logs, sums, t, start - 1) * dot(vector(C, t), state);
            next.forEach((h, n) => {
              next[n] = h + left(logs, sums, end - 1, t) * x[at(t)] * vector(B, t)[n];
            });
            for (let s = start; s < end; s++) {
              y[at(t)] += left(logs, sums, t, s) * dot(vector(C, t), vector(B, s)) * x[at(s)];
            }
          }
          state = next;
        }
      }
      return { y };
    },
  };
}

const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, each, n) => sum + each * b[n], 0);

/**
 * A causal convolution with 3 taps: y_t = w₀x_{t−2} + w₁x_{t−1} + w₂x_t. Its state are two inputs.
 */
export const convolution: ScanReference<'x' | 'weight'> = {
  name: 'the causal convolution',
  inputs: {
    x: { axes: ['batch', 'length', 'channels'], range: [-2, 2] },
    weight: { axes: ['channels', 'taps'], range: [-1, 1] },
  },
  y: ['batch', 'length', 'channels'],
  state: ['batch', 'channels', 'taps'],
  step: (state, { x, weight }, { taps }) => x.map((input, d) => {
    const last = state.subarray(d * taps, (d + 1) * taps);
    last.copyWithin(0, 1);
    last[taps - 1] = input;
    return last.reduce((sum, each, k) => sum + each * weight[d * taps + k], 0);
  }),
};

/** The convolution, which reads tap k for an input so many steps ago. */
export function convolve(
  tapOf: (stepsAgo: number, taps: number) => number,
): Float64Scan<'x' | 'weight'> {
  return {
    dtype: 'f64',
    run: ({ x, weight, sizes: { length, channels, taps } }): ScanResults<Float64Array> => ({
      y: x.map((_, at) => {
        const [d, t] = [at % channels, Math.floor(at / channels) % length];
        let sum = 0;
        for (let ago = 0; ago < taps && ago <= t; ago++) {
          sum += weight[d * taps + tapOf(ago, taps)] * x[at - ago * channels];
        }
        return sum;
      }),
    }),
  };
}

/** The recurrences of this package as plain loops over the numbers of one row. */
import type { ScanReference } from './reference.ts';

/**
 * h_t = a_t ⊙ h_{t−1} + b_t and y_t = h_t, all [batch, length, channels]: what `linearScan`
 * computes along axis 1.
 */
export const linearRecurrence: ScanReference<'a' | 'b'> = {
  name: 'the linear recurrence',
  inputs: {
    a: {
      axes: ['batch', 'length', 'channels'], range: [-1, 1], slow: [0.99, 1],
      extreme: [0, 1, -1, 1e-30, 1 - 2 ** -24],
    },
    b: { axes: ['batch', 'length', 'channels'], range: [-2, 2] },
  },
  y: ['batch', 'length', 'channels'],
  state: ['batch', 'channels'],
  step: (h, { a, b }) => {
    for (let i = 0; i < h.length; i++) h[i] = a[i] * h[i] + b[i];
    return h;
  },
};

/**
 * h_t = exp(Δ_t A) ⊙ h_{t−1} + Δ_t B_t u_t and y_t = C_t · h_t, with u and delta (Δ, from 0 up)
 * [batch, length, channels], A [channels, states] (negative), B and C [batch, length, states]: what
 * `selectiveScan` computes.
 */
export const selectiveRecurrence: ScanReference<'u' | 'delta' | 'A' | 'B' | 'C'> = {
  name: 'the selective scan',
  inputs: {
    u: { axes: ['batch', 'length', 'channels'], range: [-2, 2] },
    delta: {
      axes: ['batch', 'length', 'channels'], range: [0, 2], slow: [1e-4, 1e-2],
      extreme: [0, 1e-6, 40, 90, 5000],
    },
    A: { axes: ['channels', 'states'], range: [-2, -0.1] },
    B: { axes: ['batch', 'length', 'states'], range: [-2, 2] },
    C: { axes: ['batch', 'length', 'states'], range: [-2, 2] },
  },
  y: ['batch', 'length', 'channels'],
  state: ['batch', 'channels', 'states'],
  step: (h, { u, delta, A, B, C }) => {
    const y = new Float64Array(u.length);
    for (let d = 0; d < u.length; d++) {
      for (let n = 0; n < B.length; n++) {
        const i = d * B.length + n;
        h[i] = Math.exp(delta[d] * A[i]) * h[i] + delta[d] * B[n] * u[d];
        y[d] += C[n] * h[i];
      }
    }
    return y;
  },
};

/**
 * h_t = exp(logDecay_t) h_{t−1} + x_t B_tᵀ and y_t = h_t C_t for each head, with x [batch, length,
 * heads, headDim], logDecay (at most 0) [batch, length, heads], B and C [batch, length, groups,
 * states]. Heads that are next to each other share a group; their number is groups · headsOfGroup.
 */
export const ssdRecurrence: ScanReference<'x' | 'logDecay' | 'B' | 'C'> = {
  name: 'state space duality',
  inputs: {
    x: { axes: ['batch', 'length', 'groups*headsOfGroup', 'headDim'], range: [-2, 2] },
    logDecay: {
      axes: ['batch', 'length', 'groups*headsOfGroup'], range: [-2, 0], slow: [-1e-2, 0],
      extreme: [0, -1e-7, -30, -90, -5000],
    },
    B: { axes: ['batch', 'length', 'groups', 'states'], range: [-2, 2] },
    C: { axes: ['batch', 'length', 'groups', 'states'], range: [-2, 2] },
  },
  y: ['batch', 'length', 'groups*headsOfGroup', 'headDim'],
  state: ['batch', 'groups*headsOfGroup', 'headDim', 'states'],
  step: (h, { x, logDecay, B, C }, { groups, states }) => {
    const [heads, headDim] = [logDecay.length, x.length / logDecay.length];
    const y = new Float64Array(x.length);
    for (let i = 0; i < x.length; i++) {
      const head = Math.floor(i / headDim);
      const group = Math.floor((head * groups) / heads);
      for (let n = 0; n < states; n++) {
        const decayed = Math.exp(logDecay[head]) * h[i * states + n];
        h[i * states + n] = decayed + x[i] * B[group * states + n];
        y[i] += C[group * states + n] * h[i * states + n];
      }
    }
    return y;
  },
};

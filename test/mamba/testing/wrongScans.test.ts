/** Scans with mistakes that people have made are caught, each by the property that names them. */
import {
  checkScan, PropertyError, type ScanCandidate, type ScanProperty, selectiveRecurrence,
  ssdRecurrence,
} from '@mambagrad/mamba/testing';
import { describe, expect, it } from 'vitest';
import { someOf } from '../../support/soak.ts';
import {
  chunkedScan, compose, convolution, convolve, cumulativeScan, doublingScan, type Linear,
  linearScan,
  matrixScan, scanWithGradients, selectiveScan, sumBetween, withStep,
} from '../../support/wrongScans.ts';

/** The check of a scan as it is called here. */
type Check = () => Promise<unknown>;

const linear = (scan: ScanCandidate<'a' | 'b'>): Check =>
  () => checkScan(scan, { numRuns: 20 });
const selective = (scan: ScanCandidate<'u' | 'delta' | 'A' | 'B' | 'C'>): Check =>
  () => checkScan(scan, { reference: selectiveRecurrence, numRuns: 20 });
const dual = (scan: ScanCandidate<'x' | 'logDecay' | 'B' | 'C'>): Check =>
  () => checkScan(scan, { reference: ssdRecurrence, numRuns: 10 });

const right: readonly (readonly [string, Check])[] = [
  ['step by step', linear(withStep())],
  ['by doubling', linear(doublingScan(compose))],
  ['in chunks', linear(chunkedScan())],
  ['with gradients', linear(scanWithGradients())],
  ['the selective scan', selective(selectiveScan())],
  ['the matrix of state space duality', dual(matrixScan(sumBetween))],
  ['a convolution', () =>
    checkScan(convolve((ago, taps) => taps - 1 - ago), { reference: convolution })],
];

describe('a right scan has all properties', () => {
  it.each(right)('%s', async (_name, check) => {
    await check();
  });
});

/** A scan that keeps a state between the rows of a batch. */
function sharing(): ScanCandidate<'a' | 'b'> {
  let last = 0;
  return linearScan({
    start: ({ initialState, sizes: { channels } }, row, channel) =>
      (initialState?.[row * channels + channel] ?? 0) + (row === 0 ? 0 : last),
    end: (_given, states) => (last = states[states.length - 1]),
  });
}

const taken = ({ sizes: { length } }: Linear, i: number): number => length - 1 - i;
const sumOf = (sums: Float32Array, t: number): number => (t < 0 ? 0 : sums[t]);

const wrong: readonly (readonly [mistake: string, ScanProperty, Check])[] = [
  ['pairs combined the wrong way round', 'recurrence',
    linear(doublingScan((earlier, later) => compose(later, earlier)))],
  ['cumulative sums divided by products', 'recurrence', linear(cumulativeScan)],
  ['exp of cumulative sums, which overflows, times that of their negatives', 'recurrence',
    dual(matrixScan((_logs, sums, t, s) =>
      (t >= s ? Math.exp(sumOf(sums, t)) * Math.fround(Math.exp(-sumOf(sums, s))) : 0)))],
  ['differences of cumulative sums in float32', 'longSequences',
    dual(matrixScan((_logs, sums, t, s) =>
      (t >= s ? Math.exp(sumOf(sums, t) - sumOf(sums, s)) : 0)))],
  ['a mask that multiplies what has overflowed', 'extremeDecays',
    dual(matrixScan((logs, sums, t, s) =>
      (t >= s ? sumBetween(logs, sums, t, s)
        : 0 * Math.fround(Math.exp(sumOf(sums, t) - sumOf(sums, s))))))],
  ['a decay with a little added, in fear of the logarithm of 0', 'recurrence',
    selective(selectiveScan({ decay: (exponent) => Math.exp(exponent) + 1e-8 }))],
  ['exponents that are clipped', 'extremeDecays',
    selective(selectiveScan({ decay: (exponent) => Math.exp(Math.max(exponent, -10)) }))],
  ['a decay shifted by one', 'recurrence', linear(linearScan({
    carried: ({ a, sizes: { channels } }, h, { at, i }) => (i > 0 ? a[at - channels] * h : 0),
  }))],
  ['B and C swapped', 'recurrence',
    selective(selectiveScan({ written: ({ C }) => C, read: ({ B }) => B }))],
  ['taps of a convolution reversed', 'recurrence',
    () => checkScan(convolve((ago) => ago), { reference: convolution })],
  ['the carry between chunks forgotten', 'recurrence', linear(chunkedScan({ carry: () => 0 }))],
  ['the carry between chunks applied twice', 'recurrence',
    linear(chunkedScan({ carry: (decay, state) => 2 * decay * state }))],
  ['a last chunk that is not full left out', 'recurrence',
    linear(chunkedScan({ count: (length, size) => Math.floor(length / size) }))],
  ['an input that is overwritten', 'repeatable', linear(linearScan({
    input: ({ b }, { at }) => (b[at] += 1) - 1,
  }))],
  ['the state before the last step', 'lastState',
    linear(linearScan({ end: (_given, states) => states.at(-2) ?? 0 }))],
  ['no initial state', 'initialState', linear(linearScan({ start: () => 0 }))],
  ['an initial state that does not decay in the first step', 'initialState', linear(linearScan({
    carried: ({ a, reset }, h, { step, at, i }) => (reset?.[step] ? 0 : (i > 0 ? a[at] : 1) * h),
  }))],
  ['rows of a batch that share a state', 'batch', linear(sharing())],
  ['a step that forgets to decay', 'step',
    linear(withStep(({ b }, state) => {
      const next = state.map((h, i) => h + b[i]);
      return { y: next, state: next };
    }))],
  ['a step that changes the state it was given', 'stateKept',
    linear(withStep(({ a, b }, state) => {
      state.forEach((h, i) => (state[i] = a[i] * h + b[i]));
      return { y: state, state };
    }))],
  ['no resets', 'reset', linear(linearScan({ carried: ({ a }, h, { at }) => a[at] * h }))],
  ['resets a step late', 'reset', linear(linearScan({
    carried: ({ a, reset }, h, { step, at, i }) => (i > 0 && reset?.[step - 1] ? 0 : a[at] * h),
  }))],
  ['a reset that does not stop the carry between chunks', 'reset',
    linear(chunkedScan({ resetsCarry: false }))],
  ['resets that multiply with 0', 'nanInDocuments', linear(linearScan({
    carried: ({ a, reset }, h, { step, at }) => (reset?.[step] ? 0 : 1) * a[at] * h,
  }))],
  ['Δ that is not masked at padding', 'mask',
    selective(selectiveScan({ duration: (delta) => delta }))],
  ['the last state from the padded end', 'mask', linear(linearScan({
    end: ({ mask, sizes: { length } }, states, row) =>
      (mask?.[(row + 1) * length - 1] === 0 ? 0 : states[states.length - 1]),
  }))],
  ['padding that is multiplied with 0', 'nanInPadding',
    selective(selectiveScan({ input: (u, mask) => u * mask }))],
  ['a window that reads a step ahead and multiplies it with 0', 'nanInFuture',
    linear(linearScan({
      input: ({ b, sizes: { channels } }, { at }) => b[at] + 0 * (b[at + channels] ?? 0),
    }))],
  ['reverse that reverses the results only', 'reverse', linear(linearScan({
    input: (given, place) => {
      const { reverse, b, sizes: { channels, length } } = given;
      if (!reverse) return b[place.at];
      const row = Math.floor(place.step / length);
      return b[(row * length + taken(given, place.step % length)) * channels + place.channel];
    },
  }))],
  ['the gradient of a decay with h_t in the place of h_{t−1}', 'gradients',
    linear(scanWithGradients({ ofDecay: (g, _before, after) => g * after }))],
  ['no gradient of the initial state', 'gradients',
    linear(scanWithGradients({ ofState: () => 0 }))],
  ['a gradient that ends between blocks of 32', 'gradientsOfLastState',
    linear(scanWithGradients({ carried: (g, t) => (t > 0 && t % 32 === 0 ? 0 : g) }))],
];

describe('a wrong scan is caught', () => {
  it.each(someOf(wrong))('%s, as %s', async (_mistake, property, check) => {
    const error = await check().catch((reason: unknown) => reason);
    if (process.env['SHOW']) console.log(String(error));
    expect(error).toBeInstanceOf(PropertyError);
    expect((error as PropertyError).property).toBe(property);
  });
});

/** The layers of examples/layers, and the scans that they stand on, through the kit for scans. */
import {
  checkRecurrent, checkScan, type ScanReference, type Sizes,
} from '@mambagrad/mamba/testing';
import { type Tensor, tensor, zeros } from '@mambagrad/tensor';
import { describe, it } from 'vitest';
import { deltaRule } from '../../../examples/layers/deltaNet.ts';
import { gatedLinearAttention } from '../../../examples/layers/gatedLinearAttention.ts';
import { layers } from './references.ts';
import { oneOf, runs, someOf } from '../../support/soak.ts';

const steps = ['batch', 'length', 'heads'];
const [keys, values] = [[...steps, 'states'], [...steps, 'headDim']];
const memory = { y: values, state: ['batch', 'heads', 'headDim', 'states'] };
const vectors = { q: { axes: keys, range: [-2, 2] }, v: { axes: values, range: [-2, 2] } } as const;
const logDecays = {
  range: [-2, 0], slow: [-1e-2, 0], extreme: [0, -1e-7, -30, -90, -5000],
} as const;

const supports = ['initialState', 'lastState', 'gradients'] as const;
const few = { numRuns: runs(3), maxLength: 40 };

/** The state before the first step; zeros if there is none. */
const stateOf = (v: Tensor, { batch, heads, headDim, states }: Sizes, state: Tensor | undefined) =>
  state ?? zeros([batch, heads, headDim, states], { dtype: v.dtype });

/** Each row p of a head's state [headDim, states], with its numbers of the step. */
function advance(
  state: Float64Array, { q, v }: Readonly<Record<'q' | 'v', Float64Array>>,
  { headDim, states }: Sizes,
  next: (row: Float64Array, head: number, value: number) => void,
): Float64Array {
  return v.map((value, i) => {
    const head = Math.floor(i / headDim);
    const row = state.subarray(i * states, (i + 1) * states);
    next(row, head, value);
    return row.reduce((sum, number, n) => sum + number * q[head * states + n], 0);
  });
}

const attention: ScanReference<'q' | 'k' | 'v' | 'logDecay'> = {
  name: 'gated linear attention',
  inputs: {
    ...vectors, k: { axes: keys, range: [-2, 2] }, logDecay: { axes: keys, ...logDecays },
  },
  ...memory,
  step: (S, { k, logDecay, ...given }, sizes) => advance(S, given, sizes, (row, head, value) => {
    for (let n = 0; n < row.length; n++) {
      const i = head * row.length + n;
      row[n] = Math.exp(logDecay[i]) * row[n] + value * k[i];
    }
  }),
};

const delta: ScanReference<'q' | 'k' | 'v' | 'beta' | 'logDecay'> = {
  name: 'the delta rule',
  inputs: {
    // So that 1 − β |k|² stays between −1 and 1: there are three numbers of state at most.
    ...vectors, k: { axes: keys, range: [-0.6, 0.6] }, beta: { axes: steps, range: [0, 1.8] },
    logDecay: { axes: steps, ...logDecays },
  },
  ...memory,
  step: (S, { k, beta, logDecay, ...given }, sizes) => (
    advance(S, given, sizes, (row, head, value) => {
      const decay = Math.exp(logDecay[head]);
      const key = k.subarray(head * row.length, (head + 1) * row.length);
      const said = row.reduce((sum, number, n) => sum + decay * number * key[n], 0);
      for (let n = 0; n < row.length; n++) {
        row[n] = decay * row[n] + beta[head] * (value - said) * key[n];
      }
    })
  ),
};

describe.each(oneOf([['f64', 4], ['f32', 16]] as const))('in %s, in chunks of %i', (dtype, size) => {
  it('gatedLinearAttention', async () => {
    await checkScan({
      tensors: true, dtype, minLength: 1, supports, name: 'gatedLinearAttention',
      run: ({ q, k, v, logDecay, initialState, sizes }) =>
        gatedLinearAttention(q, k, v, logDecay, stateOf(v, sizes, initialState), size),
    }, { reference: attention, ...few });
  });

  it('deltaRule', async () => {
    await checkScan({
      tensors: true, dtype, minLength: 1, supports, name: 'deltaRule',
      run: ({ q, k, v, beta, logDecay, initialState, sizes }) =>
        deltaRule(q, k, v, beta, logDecay, stateOf(v, sizes, initialState), size),
    }, { reference: delta, ...few });
  });
});

it.each(someOf(Object.entries(layers)))('%s', async (name, create) => {
  const layer = create({ hiddenSize: 4, numHeads: 2, stateSize: 3, isSpecial: true });
  layer.to('f64');
  for (const parameter of layer.parameters()) {
    const noise = Array.from({ length: parameter.numel }, (_, i) => 0.4 * Math.sin(1 + 1.7 * i));
    const shaken = tensor(noise, { shape: parameter.shape, dtype: 'f64' });
    parameter.assign(parameter.detach().add(shaken));
  }
  await checkRecurrent(layer, { width: 4, name, numRuns: 2, maxLength: 20 });
});

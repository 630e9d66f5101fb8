/** The scans of this repository, in every algorithm, have the properties that the kit checks. */
import { discreteSSD, selectiveScan } from '@mambagrad/mamba';
import { checkScan, selectiveRecurrence, ssdRecurrence } from '@mambagrad/mamba/testing';
import { linearScan, type ScanAlgorithm } from '@mambagrad/tensor';
import { describe, it } from 'vitest';

const algorithms: readonly ScanAlgorithm[] = ['sequential', 'blelloch', 'hillisSteele', 'chunked'];
const numRuns = 10;

describe.each(['f64', 'f32'] as const)('in %s', (dtype) => {
  it.each(algorithms)('linearScan, %s', async (algorithm) => {
    await checkScan({
      tensors: true, dtype, name: `linearScan, ${algorithm}`,
      supports: ['initialState', 'lastState', 'reset', 'reverse', 'nonFinite', 'gradients'],
      run: ({ a, b, initialState, reset, reverse, sizes: { length } }) => {
        const y = linearScan(a, b, {
          axis: 1, algorithm, chunkSize: 7, initialState, reverse, reset: reset?.unsqueeze(-1),
        });
        if (length === 0) return { y, lastState: initialState ?? y.sum(1) };
        return { y, lastState: y.narrow(1, reverse ? 0 : length - 1, 1).squeeze(1) };
      },
    }, { numRuns });
  });

  it.each(['fused', 'segmented', ...algorithms] as const)(
    'selectiveScan, %s', async (algorithm) => {
      await checkScan({
        tensors: true, dtype, name: `selectiveScan, ${algorithm}`,
        supports: ['initialState', 'lastState', 'reset', 'mask', 'nonFinite', 'gradients'],
        run: ({ u, delta, A, B, C, initialState, reset, mask }) =>
          selectiveScan(u, delta, A, B, C, { algorithm, chunkSize: 7, initialState, reset, mask }),
      }, { reference: selectiveRecurrence, numRuns });
    },
  );

  it.each(['fused', 'chunked', 'recurrent'] as const)('discreteSSD, %s', async (algorithm) => {
    await checkScan({
      tensors: true, dtype, name: `discreteSSD, ${algorithm}`,
      supports: ['initialState', 'lastState', 'reset', 'mask', 'nonFinite', 'gradients'],
      run: ({ x, logDecay, B, C, initialState, reset, mask }) =>
        discreteSSD(x, logDecay, B, C, { algorithm, chunkSize: 7, initialState, reset, mask }),
    }, { reference: ssdRecurrence, numRuns });
  });
});

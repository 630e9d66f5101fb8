/** The scans of this repository, in every algorithm, have the properties that the kit checks. */
import { discreteSSD, selectiveScan } from '@mambagrad/mamba';
import {
  checkScan, type ScanAbility, type ScanArguments, selectiveRecurrence, ssdRecurrence,
  type TensorScan,
} from '@mambagrad/mamba/testing';
import {
  associativeScan, compile, linearScan, scan, type ScanAlgorithm, type Tensor,
} from '@mambagrad/tensor';
import { describe, it } from 'vitest';
import { runs, someOf } from '../../support/soak.ts';

const algorithms: readonly ScanAlgorithm[] = ['sequential', 'blelloch', 'hillisSteele', 'chunked'];
const supports: readonly ScanAbility[] = [
  'initialState', 'lastState', 'reset', 'mask', 'nonFinite', 'gradients',
];

type Given<Name extends string> = ScanArguments<Name, Tensor, Tensor>;

/** y of a linear scan, with its last step as the last state. */
function withLast(y: Tensor, { initialState, reverse, sizes: { length } }: Given<'a' | 'b'>) {
  if (length === 0) return { y, lastState: initialState ?? y.sum(1) };
  return { y, lastState: y.narrow(1, reverse ? 0 : length - 1, 1).squeeze(1) };
}

const pairs = ([a1, b1]: readonly Tensor[], [a2, b2]: readonly Tensor[]) =>
  [a1.mul(a2), a2.mul(b1).add(b2)];

/** Linear scans of this repository, but for those with resets. */
const withoutResets: Readonly<Record<string, Omit<TensorScan<'a' | 'b'>, 'tensors'>>> = {
  'associativeScan, blelloch': {
    supports: ['lastState', 'reverse', 'gradients'],
    run: (given) => {
      const { a, b, reverse } = given;
      return withLast(associativeScan(pairs, [a, b], { axis: 1, reverse })[1], given);
    },
  },
  'associativeScan, hillisSteele': {
    supports: ['lastState', 'reverse', 'gradients'],
    run: (given) => {
      const { a, b, reverse } = given;
      const options = { axis: 1, reverse, algorithm: 'hillisSteele' } as const;
      return withLast(associativeScan(pairs, [a, b], options)[1], given);
    },
  },
  'scan': {
    supports: ['initialState', 'lastState', 'reverse', 'gradients'], minLength: 1,
    run: ({ a, b, initialState, reverse }) => {
      const step = (h: Tensor, x: { a: Tensor; b: Tensor }) => {
        const next = x.a.mul(h).add(x.b);
        return { state: next, output: next };
      };
      const start = initialState ?? b.narrow(1, 0, 1).squeeze(1).mul(0);
      const { state, outputs } = scan(step, start, { a, b }, { axis: 1, reverse });
      return { y: outputs, lastState: state };
    },
  },
};

describe.each([['f64', runs(5)], ['f32', runs(3)]] as const)('in %s', (dtype, numRuns) => {
  it.each(someOf(algorithms))('linearScan, %s', async (algorithm) => {
    await checkScan({
      tensors: true, dtype, name: `linearScan, ${algorithm}`,
      supports: ['initialState', 'lastState', 'reset', 'reverse', 'nonFinite', 'gradients'],
      run: (given) => {
        const { a, b, initialState, reset, reverse } = given;
        const options = { axis: 1, algorithm, chunkSize: 7, initialState, reverse };
        return withLast(linearScan(a, b, { ...options, reset: reset?.unsqueeze(-1) }), given);
      },
    }, { numRuns });
  });

  it.each(someOf(Object.entries(withoutResets)))('%s', async (name, candidate) => {
    await checkScan({ ...candidate, tensors: true, dtype, name }, { numRuns, maxLength: 70 });
  });

  it.each(someOf(['fused', 'segmented', ...algorithms] as const))(
    'selectiveScan, %s', async (algorithm) => {
      await checkScan({
        tensors: true, dtype, name: `selectiveScan, ${algorithm}`, supports,
        run: ({ u, delta, A, B, C, initialState, reset, mask }) =>
          selectiveScan(u, delta, A, B, C, { algorithm, chunkSize: 7, initialState, reset, mask }),
      }, { reference: selectiveRecurrence, numRuns });
    },
  );

  it.each(someOf(['fused', 'chunked', 'recurrent'] as const))('discreteSSD, %s', async (algorithm) => {
    await checkScan({
      tensors: true, dtype, name: `discreteSSD, ${algorithm}`, supports,
      run: ({ x, logDecay, B, C, initialState, reset, mask }) =>
        discreteSSD(x, logDecay, B, C, { algorithm, chunkSize: 7, initialState, reset, mask }),
    }, { reference: ssdRecurrence, numRuns });
  });
});

/**
 * Each shape is compiled anew, so few are tried, and all lengths about those of kernels' chunks.
 */
describe('compiled', () => {
  const few = { numRuns: runs(4), maxLength: 65 } as const;
  const only = ['recurrence', 'together', 'longSequences', 'extremeDecays'] as const;

  it('selectiveScan', async () => {
    const program = compile(
      ({ u, delta, A, B, C, initialState, reset, mask }: Given<'u' | 'delta' | 'A' | 'B' | 'C'>) =>
        selectiveScan(u, delta, A, B, C, { initialState, reset, mask }),
    );
    await checkScan({
      tensors: true, name: 'selectiveScan', supports,
      run: (given) => program({ ...given, sizes: {} }),
    }, { reference: selectiveRecurrence, only, ...few });
  });

  it('discreteSSD', async () => {
    const program = compile(
      ({ x, logDecay, B, C, initialState, reset, mask }: Given<'x' | 'logDecay' | 'B' | 'C'>) =>
        discreteSSD(x, logDecay, B, C, { initialState, reset, mask }),
    );
    await checkScan({
      tensors: true, name: 'discreteSSD', supports,
      run: (given) => program({ ...given, sizes: {} }),
    }, { reference: ssdRecurrence, only, ...few });
  });
});

/** Scans and whole training steps on several threads: the same bits on 1, 2, 3 and 8. */
import { withFinestChunks } from '@mambagrad/kernel';
import { MambaLM, type MambaLMOptions, selectiveScan, ssd } from '@mambagrad/mamba';
import { AdamW, crossEntropy } from '@mambagrad/nn';
import {
  closeThreads, compile, grad, integers, manualSeed, normal, type Tensor, uniform,
} from '@mambagrad/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { expectSame, unevenCotangent } from '../../support/compare.ts';
import { onThreads, threadCounts } from '../../support/threads.ts';
import { someOf } from '../../support/soak.ts';

afterAll(closeThreads);

/** What a function gives on each number of threads, several times; all must be the same bits. */
function expectSameOnAll(body: (...inputs: Tensor[]) => Tensor[], inputs: readonly Tensor[]): void {
  for (const input of inputs) input.requiresGrad = true;
  const withGradients = (...args: Tensor[]): Tensor[] => {
    const outputs = body(...args);
    const loss = outputs.map((y) => y.mul(unevenCotangent(y)).sum()).reduce((a, b) => a.add(b));
    return [...outputs, ...grad(loss, args)];
  };
  const compiled = compile(withGradients, { deterministic: true });
  const [alone, ...others] = threadCounts.map((count) =>
    () => onThreads(count, () => withFinestChunks(() => compiled(...inputs))),
  );
  const expected = alone();
  for (const run of others) {
    for (let i = 0; i < 5; i++) run().forEach((y, at) => expectSame(y, expected[at]));
  }
}

describe('the same bits on 1, 2, 3 and 8 threads', () => {
  // Of sequences, of blocks of channels with and without a rest, and of both; and of groups.
  it.each(someOf([
    [5, 40, 24, 7, 0], [1, 70, 37, 16, 0], [1, 33, 128, 5, 0], [2, 65, 75, 4, 0],
    [2, 40, 24, 7, 2], [1, 70, 74, 16, 2], [1, 33, 128, 5, 4],
  ]))(
    'of a selective scan of [%i, %i, %i], state %i, groups %i',
    (batch, length, channels, state, groups) => {
      const shared = [batch, length, ...(groups > 0 ? [groups] : []), state];
      const inputs = [
        normal([batch, length, channels]), uniform([batch, length, channels], 0.01, 1),
        uniform([channels, state], -2, -0.1), normal(shared), normal(shared),
        normal([batch, channels, state]),
      ];
      for (const algorithm of ['fused', 'segmented'] as const) {
        expectSameOnAll((u, delta, A, B, C, initialState) => {
          const { y, lastState } = selectiveScan(u, delta, A, B, C, { initialState, algorithm });
          return [y, lastState];
        }, inputs);
      }
    },
  );

  it('of state space duality', () => {
    const [batch, length, heads, headDim, groups, state] = [2, 75, 6, 5, 3, 9];
    expectSameOnAll(
      (x, dt, A, B, C) => {
        const { y, lastState } = ssd(x, dt, A, B, C);
        return [y, lastState];
      },
      [
        normal([batch, length, heads, headDim]), uniform([batch, length, heads], 0.01, 1),
        uniform([heads], -2, -0.1), normal([batch, length, groups, state]),
        normal([batch, length, groups, state]),
      ],
    );
  });

  const sizes: MambaLMOptions = { vocabSize: 20, hiddenSize: 48, numLayers: 2 };
  it.each(someOf([
    ['Mamba', sizes],
    ['Mamba-2', { ...sizes, layer: 'mamba2', headDim: 16, stateSize: 24 }],
    ['Mamba-3', { ...sizes, layer: 'mamba3', headDim: 16, stateSize: 24, mimoRank: 2 }],
  ] as const))('of %s in training, loss by loss and to the last parameter', (_name, options) => {
    manualSeed(1);
    const model = new MambaLM(options);
    const optimizer = new AdamW(model.parameters(), { lr: 1e-2 });
    const tokens = integers([3, 150], 0, 20);
    const step = compile((given: Tensor) => {
      const loss = crossEntropy(model.forward(given.narrow(1, 0, 149)), given.narrow(1, 1, 149));
      optimizer.minimize(loss);
      return loss;
    }, { deterministic: true });
    const start = [model.stateDict(), optimizer.stateDict()];
    const runs = threadCounts.map((count) => {
      model.loadStateDict(start[0]);
      optimizer.loadStateDict(start[1]);
      const losses = Array.from({ length: 6 }, () => onThreads(count, () => step(tokens).item()));
      return { losses, parameters: [...model.stateDict().values()] };
    });
    for (const { losses, parameters } of runs.slice(1)) {
      expect(losses).toEqual(runs[0].losses);
      parameters.forEach((one, i) => expectSame(one, runs[0].parameters[i]));
    }
    expect(runs[0].losses[5]).toBeLessThan(runs[0].losses[0]);
  });
});

/** Loops that threads share: the same bits for any number of threads, cut as finely as can be. */
import { withFinestChunks } from '@mambagrad/kernel';
import { AdamW, GRU } from '@mambagrad/nn';
import { closeThreads, compile, Generator, scan, type Tensor, uniform } from '@mambagrad/tensor';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { leaf } from '../../support/compare.ts';
import { expectAllSame, withGradients } from '../../support/compiled.ts';
import { recurrences } from '../../support/recurrence.ts';
import { onThreads, threadCounts } from '../../support/threads.ts';
import { runs } from '../../support/soak.ts';

afterAll(closeThreads);

it('gives the same bits on 1, 2, 3 and 8 threads', () => {
  fc.assert(
    fc.property(recurrences(false), ({ tensors, run }) => {
      const f = compile(withGradients(run(scan)), { deterministic: true });
      const leaves = tensors.map((x) => leaf(x, 'f32'));
      const [first, ...others] = withFinestChunks(() =>
        threadCounts.map((count) => onThreads(count, () => f(...leaves))),
      );
      for (const other of others) expectAllSame(other, first);
    }),
    { numRuns: runs(12) },
  );
});

it('trains a layer of a size that is shared, and cut as always, to the same bits', () => {
  const train = (threads: number): Tensor[] => {
    const generator = new Generator(1);
    const layer = new GRU(48, 64, { bidirectional: true, generator });
    const optimizer = new AdamW(layer.parameters());
    const step = compile((x: Tensor) => {
      const loss = layer.forward(x).output.square().mean();
      optimizer.minimize(loss);
      return loss;
    }, { threads });
    const x = uniform([9, 40, 48], -1, 1, { generator });
    return [...Array.from({ length: 3 }, () => step(x)), ...layer.parameters()];
  };
  const expected = train(1);
  for (const threads of [2, 3]) expectAllSame(train(threads), expected);
  expect(expected[2].item()).toBeLessThan(expected[0].item());
});

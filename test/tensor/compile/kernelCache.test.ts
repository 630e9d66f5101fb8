/** Kernels that were made once are not made again, whichever program or model needs them. */
import { withFinestChunks } from '@mambagrad/kernel';
import { MambaLM } from '@mambagrad/mamba';
import { AdamW, crossEntropy } from '@mambagrad/nn';
import { compile, integers, manualSeed, normal, type Tensor } from '@mambagrad/tensor';
import { describe, expect, test } from 'vitest';
import { kernelCache } from '../../../packages/tensor/src/compile/fusion/kernelCache.ts';
import { expectSame } from '../../support/compare.ts';

/** The number of kernels that are emitted while `body` runs. */
function emittedIn(body: () => void): number {
  const before = kernelCache.emitted;
  body();
  return kernelCache.emitted - before;
}

/** A training step of a small model with weights of its own, on the same batch each time. */
function trainingStep(hiddenSize: number) {
  manualSeed(3);
  const model = new MambaLM({ vocabSize: 5, hiddenSize, stateSize: 4, numLayers: 1 });
  const optimizer = new AdamW(model.parameters(), { lr: 1e-2 });
  const [tokens, targets] = [0, 1].map(() => integers([2, 7], 0, 5));
  const step = compile((tokens: Tensor, targets: Tensor) => {
    const loss = crossEntropy(model.forward(tokens), targets);
    optimizer.minimize(loss);
    return loss;
  });
  return () => step(tokens, targets);
}

describe('kernels are made once', () => {
  test('for the layers of a model', () => {
    const x = normal([3, 40]);
    const layers = (count: number) => compile((x: Tensor) => {
      let y = x;
      for (let i = 0; i < count; i++) y = y.matmul(normal([40, 40])).tanh();
      return y;
    });
    const many = layers(5);
    const few = emittedIn(() => many(x));
    expect(few).toBeGreaterThan(0);
    expect(emittedIn(() => layers(9)(x))).toBeLessThanOrEqual(few);
  });

  test('for all models of the same sizes, with the same bits', () => {
    const run = trainingStep(8);
    const first = [run(), run()];
    const again = trainingStep(8);
    let second: Tensor[] = [];
    expect(emittedIn(() => (second = [again(), again()]))).toBe(0);
    second.forEach((loss, i) => expectSame(loss, first[i]));
    expect(emittedIn(() => trainingStep(12)())).toBeGreaterThan(0);
  });

  test('for a program that was dropped and is made again', () => {
    const x = normal([17, 33]);
    const made = () => compile((x: Tensor) => x.softmax(-1).log().sum(0))(x);
    const first = made();
    expect(emittedIn(() => expectSame(made(), first))).toBe(0);
  });

  test('unless chunks are others', () => {
    const x = normal([512, 8]);
    const made = () => compile((x: Tensor) => x.exp().mul(x))(x);
    const first = made();
    const finest = emittedIn(() => withFinestChunks(() => expectSame(made(), first)));
    expect(finest).toBeGreaterThan(0);
    expect(emittedIn(made)).toBe(0);
  });
});

/** Batches of different sizes: each counts by what it holds, in a step and in an evaluation. */
import {
  crossEntropy, DataLoader, Linear, type Losses, Module, mseLoss, Parameter, SGD, Trainer,
} from '@mambagrad/nn';
import {
  defaultGenerator, Generator, manualSeed, normal, ones, type Tensor, tensor, uniform,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { runs } from '../../support/soak.ts';

const warnings = vi.spyOn(console, 'warn');
beforeEach(() => void warnings.mockReset().mockImplementation(() => undefined));
afterEach(() => expect(warnings).not.toHaveBeenCalled());

const anySizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
const ways = fc.constantFrom<false | object>(false, {});
const f64 = { dtype: 'f64' } as const;

/** The parameters and the record of one step with these batches accumulated. */
async function trainOn<Batch>(
  batches: readonly Batch[], how: false | object,
  lossOf: (model: Linear, batch: Batch) => Losses<Tensor>,
) {
  const model = new Linear(2, 3, { generator: new Generator(1) }).to('f64');
  const left = [...batches];
  const metrics: Losses<number>[] = [];
  const trainer = new Trainer<Batch>({
    model,
    optimizer: new SGD(model.parameters(), { lr: 1 }),
    loss: (batch) => lossOf(model, batch),
    data: () => left.shift() ?? batches[0],
    accumulate: batches.length,
    compile: how,
    callbacks: [(record) => metrics.push(record.metrics)],
  });
  await trainer.fit(1);
  return { model, trainer, metrics: metrics[0] };
}

describe('accumulated batches', () => {
  it('are one batch of all their samples, however many each has', async () => {
    await fc.assert(
      fc.asyncProperty(anySizes, ways, fc.nat(), async (sizes, how, seed) => {
        const generator = new Generator(seed);
        const parts = sizes.map((size) => ({
          x: uniform([size, 2], -1, 1, { ...f64, generator }),
          y: uniform([size, 3], -1, 1, { ...f64, generator }),
        }));
        const whole = { x: parts[0].x.concat(parts.slice(1).map(({ x }) => x), 0),
          y: parts[0].y.concat(parts.slice(1).map(({ y }) => y), 0) };
        const lossOf = (model: Linear, { x, y }: typeof whole) => {
          const predicted = model.forward(x);
          return { loss: mseLoss(predicted, y), error: predicted.sub(y).abs().mean() };
        };
        const [one, several] = [
          await trainOn([whole], how, lossOf), await trainOn(parts, how, lossOf),
        ];
        expectClose(several.model.weight, one.model.weight, 1e-12);
        for (const name of ['loss', 'error']) {
          expect(several.metrics[name]).toBeCloseTo(one.metrics[name], 12);
          const found = several.trainer.evaluate(parts)[name];
          expect(found).toBeCloseTo(one.trainer.evaluate([whole])[name], 12);
        }
      }),
      { numRuns: runs(12) },
    );
  });

  it('count by their tokens where the loss says so', async () => {
    const anyCounts = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 2, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(anyCounts, ways, fc.nat(), async (counts, how, seed) => {
        const generator = new Generator(seed);
        const length = 6;
        const parts = counts.map((count) => ({
          x: uniform([1, length, 2], -1, 1, { ...f64, generator }),
          y: tensor([Array.from({ length }, (_, i) => (i < count ? (i + count) % 3 : -100))], {
            dtype: 'i32',
          }),
        }));
        const whole = { x: parts[0].x.concat(parts.slice(1).map(({ x }) => x), 0),
          y: parts[0].y.concat(parts.slice(1).map(({ y }) => y), 0) };
        const lossOf = (model: Linear, { x, y }: typeof whole) => ({
          loss: crossEntropy(model.forward(x), y),
          count: y.notEqual(-100).sum(),
        });
        const [one, several] = [
          await trainOn([whole], how, lossOf), await trainOn(parts, how, lossOf),
        ];
        expectClose(several.model.weight, one.model.weight, 1e-12);
        expect(several.metrics).toEqual({ loss: expect.closeTo(one.metrics.loss, 12) as number });
        if (counts.every((count) => count === 0)) {
          expect(() => several.trainer.evaluate(parts)).toThrow('all batches are empty');
        } else {
          const { loss } = several.trainer.evaluate(parts);
          expect(loss).toBeCloseTo(one.trainer.evaluate([whole]).loss, 12);
        }
      }),
      { numRuns: runs(12), examples: [[[0, 0], false, 0]] },
    );
  });

  it('of 4 and 2 samples have the gradient of 6', async () => {
    class Scalar extends Module {
      readonly value = new Parameter(tensor(0));
    }
    const model = new Scalar();
    const samples = [1, 2, 3, 4, 5, 6].map((i) => tensor(30 * i - 30));
    const trainer = new Trainer({
      model,
      optimizer: new SGD(model.parameters(), { lr: 1 }),
      loss: (x: Tensor) => ({ loss: model.value.mul(x).mean() }),
      data: new DataLoader(samples, { batchSize: 4 }),
      accumulate: 2,
    });
    await trainer.fit(1);
    expect(model.value.item()).toBe(-75);
  });
});

/** A model that is right for all samples but those of a negative input. */
function judge(data: DataLoader<{ x: number[]; y: number }> | Iterable<never>) {
  const model = new Linear(1, 1, { init: 'ones', bias: false });
  const trainer = new Trainer({
    model,
    optimizer: new SGD(model.parameters()),
    loss: ({ x, y }: { x: Tensor; y: Tensor }) => {
      const predicted = model.forward(x).squeeze(-1);
      const accuracy = predicted.greater(0).equal(y.greater(0)).cast('f32').mean();
      // Noise of which no later step may see a trace.
      const noise = normal(predicted.shape, 0, 1e-9);
      return { loss: predicted.add(noise).sub(y).square().mean(), accuracy };
    },
    data: data as DataLoader<{ x: number[]; y: number }>,
  });
  return { model, trainer };
}

describe('evaluate', () => {
  const samples = Array.from({ length: 65 }, (_, i) => ({ x: [i < 64 ? 1 : -1], y: 1 }));

  it('counts a batch of 1 as one of 65 samples', () => {
    const loader = new DataLoader(samples, { batchSize: 64 });
    const { trainer } = judge(loader);
    expect(trainer.evaluate(loader)['accuracy']).toBeCloseTo(64 / 65, 6);
  });

  it('covers all of the training data from anywhere in an epoch, and leaves no trace', async () => {
    for (const batchSize of [10, 13, 65]) {
      for (const shuffle of [true, false]) {
        const run = async (isEvaluated: boolean) => {
          manualSeed(5);
          const loader = new DataLoader(samples, { batchSize, shuffle });
          const { model, trainer } = judge(loader);
          const found: number[] = [];
          for (let step = 1; step <= 8; step++) {
            await trainer.fit(step);
            if (!isEvaluated) continue;
            const before = [defaultGenerator.state.toArray(), loader.state()];
            found.push(trainer.evaluate(loader)['accuracy']);
            expect([defaultGenerator.state.toArray(), loader.state()]).toEqual(before);
          }
          return { model, found };
        };
        const [plain, watched] = [await run(false), await run(true)];
        expectSame(watched.model.weight, plain.model.weight);
        for (const accuracy of watched.found) expect(accuracy).toBeCloseTo(64 / 65, 6);
      }
    }
  });
});

describe('the size of a batch', () => {
  afterEach(() => void warnings.mockClear());

  it('is that of its first tensor; others of another size are told of once', async () => {
    const batches = [2, 3].map((size) => ({ x: ones([size, 2], f64), places: ones([7], f64) }));
    const lossOf = (model: Linear, { x }: (typeof batches)[0]) => ({
      loss: model.forward(x).square().mean(),
    });
    const { trainer } = await trainOn(batches, {}, lossOf);
    trainer.evaluate(batches);
    expect(warnings).toHaveBeenCalledTimes(1);
    expect(warnings.mock.calls.join()).toContain('a batch holds f64[2, 2], f64[7]');
  });

  it('is given for all batches or for none, from 0', async () => {
    const batches = [1, 2].map((size) => ones([size, 2], f64));
    const some = (model: Linear, x: Tensor) => ({
      loss: model.forward(x).mean(), ...(x.shape[0] === 1 && { count: tensor(1) }),
    });
    await expect(trainOn(batches, false, some)).rejects.toThrow(
      'fit: step 1: the loss function gives { count, loss } for one batch, { loss } for another',
    );
    for (const count of [-1, NaN, Infinity]) {
      const wrong = (model: Linear, x: Tensor) => ({
        loss: model.forward(x).mean(), count: tensor(count, f64),
      });
      await expect(trainOn(batches, {}, wrong)).rejects.toThrow(`count of a batch is ${count}`);
    }
  });
});

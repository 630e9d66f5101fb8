/** Metrics in a trainer: over the whole validation set, compiled, and of the types they have. */
import {
  accuracy, confusionMatrix, crossEntropy, DataLoader, f1, Linear, meanAbsoluteError, measure,
  type Metric,
  perplexity, type Predictions, SGD, Trainer,
} from '@mambagrad/nn';
import { manualSeed, type Tensor, tensor, uniform } from '@mambagrad/tensor';
import { describe, expect, expectTypeOf, it } from 'vitest';

interface Batch {
  readonly x: Tensor;
  readonly label: Tensor;
}

function makeTrainer(how: false | object, batchSize = 4) {
  manualSeed(1);
  const model = new Linear(2, 3);
  const x = uniform([11, 2], -1, 1);
  const label = tensor(Array.from({ length: 11 }, (_, i) => i % 3), { dtype: 'i32' });
  const samples = Array.from({ length: 11 }, (_, i) => i);
  const collate = (some: readonly number[]): Batch => {
    const rows = tensor([...some], { dtype: 'i32' });
    return { x: x.indexSelect(0, rows), label: label.indexSelect(0, rows) };
  };
  const loaderOf = (size: number) =>
    new DataLoader<number, Batch>(samples, { batchSize: size, collate });
  let runs = 0;
  const trainer = new Trainer({
    model,
    optimizer: new SGD(model.parameters(), { lr: 0.5 }),
    data: loaderOf(5),
    loss: ({ x, label }: Batch) => ({ loss: crossEntropy(model.forward(x), label) }),
    compile: how as {},
    validation: {
      data: loaderOf(batchSize),
      everyEpochs: 1,
      predict: ({ x, label }: Batch) => {
        runs += 1;
        return { outputs: model.forward(x), targets: label };
      },
      metrics: {
        accuracy: accuracy(), confusion: confusionMatrix(3), f1: f1(3), perplexity: perplexity(),
      },
    },
  });
  const all = (): Predictions => ({ outputs: model.forward(x), targets: label });
  return { trainer, model, all, loaderOf, runs: () => runs };
}

describe('metrics in a trainer', () => {
  it.each([false, {}] as const)('are those of one batch of everything, however it is cut (%j)', async (how) => {
    for (const batchSize of [1, 4, 11]) {
      const { trainer, all, loaderOf, runs } = makeTrainer(how, batchSize);
      await trainer.fit({ epochs: 2 });
      const found = trainer.evaluate(loaderOf(batchSize));
      expect(found.accuracy).toBe(measure(accuracy(), [all()]));
      expect(found.confusion).toEqual(measure(confusionMatrix(3), [all()]));
      expect(found.f1).toEqual(measure(f1(3), [all()]));
      expect(found.perplexity).toBeCloseTo(Math.exp(found.loss), 4);
      expect(Object.keys(found)).toEqual(['loss', 'accuracy', 'confusion', 'f1', 'perplexity']);
      // Compiled it runs once for each shape of a batch: whole ones and the last.
      if (how) expect(runs()).toBe(batchSize === 4 ? 2 : 1);
      expectTypeOf(found.accuracy).toEqualTypeOf<number>();
      expectTypeOf(found.f1.macro).toEqualTypeOf<number>();
      expectTypeOf(found.confusion[0][1]).toEqualTypeOf<number>();
    }
  });

  it('are in the records of steps, and in the log as JSON', async () => {
    const lines: string[] = [];
    const errors: number[] = [];
    const { model } = makeTrainer(false);
    const logged = new Trainer({
      model,
      optimizer: new SGD(model.parameters()),
      data: () => tensor([[1, 2]]),
      loss: (x: Tensor) => ({ loss: model.forward(x).mean() }),
      compile: false,
      log: { write: (line) => lines.push(line) },
      validation: {
        data: [tensor([[1, 2]]), tensor([[0, 0]])],
        every: 1,
        predict: (x) => ({ outputs: model.forward(x), targets: model.forward(x).add(0.5) }),
        metrics: { error: meanAbsoluteError() },
      },
      callbacks: [({ validation }) => {
        if (validation === undefined) throw new Error('there is no validation');
        expectTypeOf(validation.error).toEqualTypeOf<number>();
        expect(validation.error).toBeCloseTo(0.5, 6);
        errors.push(validation.error);
      }],
    });
    await logged.fit(1);
    expect(JSON.parse(lines[1])).toMatchObject({ step: 1, validation: { error: errors[0] } });
  });

  it('may be of one’s own', async () => {
    const largest: Metric<number> = {
      sums: ({ outputs }) => ({ largest: outputs.max().reshape([1]), count: tensor(1) }),
      result: ({ largest: [sum], count: [count] }) => sum / count,
    };
    expect(
      measure(largest, [1, 5].map((x) => ({ outputs: tensor([0, x]), targets: tensor([0, 0]) }))),
    ).toBe(3);
  });

  it('have names of their own, and need predictions', async () => {
    const base = (validation: object, loss: 'plain' | 'more' = 'plain') => {
      const model = new Linear(2, 3);
      return new Trainer({
        model,
        optimizer: new SGD(model.parameters()),
        data: () => tensor([[1, 2]]),
        loss: (x: Tensor) => {
          const value = model.forward(x).mean();
          return loss === 'plain' ? { loss: value } : { loss: value, accuracy: value };
        },
        compile: false,
        validation: { data: [tensor([[1, 2]])], every: 1, ...validation },
      });
    };
    const predict = () => ({ outputs: tensor([[1, 2]]), targets: tensor([1], { dtype: 'i32' }) });
    const metrics = { accuracy: accuracy() };
    expect(() => base({ metrics })).toThrow(
      'Trainer: validation: metrics and predict belong together',
    );
    expect(() => base({ predict })).toThrow(
      'Trainer: validation: metrics and predict belong together',
    );
    expect(() => base({ predict, metrics: { loss: accuracy() } })).toThrow(
      "a metric is called 'loss'",
    );
    expect(() => base({ predict, metrics: { top: 3 } })).toThrow(
      'Trainer: validation: metrics: top is 3, expected a metric, such as accuracy()',
    );
    expect(() => base({ predict, metrics: [accuracy()] })).toThrow(
      'metrics is [{ sums, result }], expected',
    );
    await expect(base({ predict, metrics }, 'more').fit(1)).rejects.toThrow(
      "fit: step 1: 'accuracy' is a metric and among the losses; give one of them another name",
    );
    await expect(base({ predict: () => 3, metrics }).fit(1)).rejects.toThrow(
      'fit: step 1: predict: its result is 3, expected { outputs, targets }',
    );
    // A failing metric undoes the step.
    const trainer = base({ predict: () => ({ ...predict(), mask: tensor([0]) }), metrics });
    const before = JSON.stringify([...trainer.stateDict()].map(([, x]) => [...x.data]));
    await expect(trainer.fit(1)).rejects.toThrow('fit: step 1: accuracy: there are no samples');
    expect(JSON.stringify([...trainer.stateDict()].map(([, x]) => [...x.data]))).toBe(before);
  });
});

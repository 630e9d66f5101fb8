/** `predict` of a trainer: one forward pass, of which loss, validation and metrics are computed. */
import {
  accuracy, AdamW, type AnswerLoss, type Answers, crossEntropy, DataLoader, Dropout,
  findLearningRate,
  huberLoss, Linear, measure, meanAbsoluteError, Module, mseLoss, SGD, tensorDataset, Trainer,
} from '@mambagrad/nn';
import {
  describe as describeTensor, manualSeed, type Tensor, tensor, uniform,
} from '@mambagrad/tensor';
import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import { expectSame } from '../../support/compare.ts';

/** Counts its forward passes, and drops some of what it reads. */
class Counted extends Module {
  readonly linear = new Linear(3, 4);
  readonly dropout = new Dropout(0.2);
  #calls = 0;

  forward(x: Tensor): Tensor {
    this.#calls += 1;
    return this.linear.forward(this.dropout.forward(x));
  }

  takeCalls(): number {
    const calls = this.#calls;
    this.#calls = 0;
    return calls;
  }
}

const COUNT = 22;

function makeData(batchSize: number) {
  manualSeed(3);
  const x = uniform([COUNT, 3], -1, 1);
  const y = tensor(Array.from({ length: COUNT }, (_, i) => i % 4), { dtype: 'i32' });
  return new DataLoader(tensorDataset({ x, y }), { batchSize, shuffle: true });
}

type Batch = { readonly x: Tensor; readonly y: Tensor };

/** The same run in both forms: what the trainer has, and the model. */
function makeTrainer(isShort: boolean, how: false | object, accumulate = 1) {
  const data = makeData(8);
  manualSeed(1);
  const model = new Counted();
  const predict = ({ x, y }: Batch): Answers => ({ outputs: model.forward(x), targets: y });
  const common = {
    model, data, accumulate, compile: how as {},
    optimizer: new AdamW(model.parameters(), { lr: 0.1 }),
  };
  const validation = { data: makeData(8), everyEpochs: 1, metrics: { accuracy: accuracy() } };
  const trainer = isShort
    ? new Trainer({ ...common, predict, loss: crossEntropy, validation })
    : new Trainer({
      ...common,
      loss: ({ x, y }: Batch) => ({ loss: crossEntropy(model.forward(x), y) }),
      validation: { ...validation, predict },
    });
  return { trainer, model };
}

describe.each([false, {}] as const)('predict (compile: %j)', (how) => {
  it.each([1, 2])('trains and evaluates to the same bits as the loss of a batch (%i)', async (accumulate) => {
    // One after the other, as both draw from one generator.
    const run = async (isShort: boolean) => {
      const { trainer } = makeTrainer(isShort, how, accumulate);
      await trainer.fit({ epochs: 3 });
      return { state: [...trainer.stateDict()], found: trainer.evaluate(makeData(5)) };
    };
    const [short, long] = [await run(true), await run(false)];
    expect(short.state.map(([name]) => name)).toEqual(long.state.map(([name]) => name));
    short.state.forEach(([, x], i) => expectSame(x, long.state[i][1]));
    expect(short.found).toEqual(long.found);
  });

  it('runs the model once, in training and in evaluations', async () => {
    const { trainer, model } = makeTrainer(true, how);
    await trainer.fit(1);
    expect(model.takeCalls()).toBe(1);
    trainer.evaluate(makeData(COUNT));
    expect(model.takeCalls()).toBe(1);
    trainer.evaluate(makeData(COUNT));
    expect(model.takeCalls()).toBe(how ? 0 : 1);
  });

  it('counts what the mask leaves, with its weight, however the data is cut', () => {
    manualSeed(2);
    const model = new Linear(3, 1);
    const x = uniform([COUNT, 5, 3], -1, 1);
    const mask = uniform([COUNT, 5], 0, 1).greater(0.4);
    // A third of each sample is padding of any value, and samples have weights.
    const padded = mask.unsqueeze(-1).where(x, NaN);
    const weight = uniform([COUNT], 0, 2);
    const all = tensorDataset({ x: padded, mask, weight });
    const trainer = new Trainer({
      model,
      optimizer: new SGD(model.parameters()),
      data: new DataLoader(all, { batchSize: 8 }),
      predict: ({ x, mask, weight }) => ({
        outputs: model.forward(x).squeeze(-1), targets: mask.cast('f32'), mask,
        sampleWeight: weight,
      }),
      loss: (outputs, targets, options) => {
        const loss = huberLoss(outputs, targets, { delta: 0.5, ...options });
        return { loss, squares: mseLoss(outputs, targets, options) };
      },
      compile: how as {},
      validation: {
        data: new DataLoader(all, { batchSize: COUNT }), every: 1,
        metrics: { error: meanAbsoluteError() },
      },
    });
    const whole = trainer.evaluate(new DataLoader(all, { batchSize: COUNT }));
    for (const batchSize of [1, 4, 7]) {
      const found = trainer.evaluate(new DataLoader(all, { batchSize }));
      expect(found.loss).toBeCloseTo(whole.loss, 6);
      expect(found['squares']).toBeCloseTo(whole['squares'] ?? NaN, 6);
      expect(found.error).toBeCloseTo(whole.error, 6);
    }
    const outputs = model.forward(x).squeeze(-1);
    const targets = mask.cast('f32');
    const options = { delta: 0.5, mask, sampleWeight: weight };
    expect(whole.loss).toBeCloseTo(huberLoss(outputs, targets, options).item(), 6);
    expect(whole.error).toBeCloseTo(measure(meanAbsoluteError(), [{ outputs, targets, mask }]), 6);
  });
});

describe('the loss of answers', () => {
  const x = uniform([4, 2], -1, 1);
  function fitOne(loss: AnswerLoss, more: Partial<Answers> = {}) {
    manualSeed(4);
    const model = new Linear(2, 2);
    const trainer = new Trainer({
      model, loss,
      optimizer: new SGD(model.parameters(), { lr: 1 }),
      data: () => x,
      predict: (batch) => ({ outputs: model.forward(batch), targets: batch, ...more }),
    });
    return trainer.fit(1).then(() => trainer);
  }

  it('may name other numbers, and a count', async () => {
    const records: unknown[] = [];
    const model = new Linear(2, 2, { bias: false });
    const trainer = new Trainer({
      model,
      optimizer: new SGD(model.parameters()),
      data: [[x, x.add(1)]].map((pair) => new DataLoader(pair, { collate: ([one]) => one }))[0],
      predict: (batch) => ({ outputs: batch, targets: batch.mul(0) }),
      loss: (outputs, targets) => ({
        loss: mseLoss(outputs.add(model.weight.sum().mul(0)), targets),
        first: outputs.narrow(0, 0, 1).sum(), count: tensor(2),
      }),
      callbacks: [({ metrics }) => records.push(Object.keys(metrics))],
    });
    await trainer.fit(1);
    expect(records).toEqual([['loss', 'first']]);
  });

  it('is warned of, once, if it does not read the mask or the weights', async () => {
    const warning = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const mask = tensor([1, 0, 1, 1], { dtype: 'i32' });
    await (await fitOne(mseLoss, { mask })).fit(3);
    expect(warning).not.toHaveBeenCalled();
    await (await fitOne((a, b) => mseLoss(a, b), { mask })).fit(3);
    expect(warning).toHaveBeenCalledTimes(1);
    expect(String(warning.mock.lastCall)).toContain(
      'Trainer: predict gives mask, which the loss function does not read; ' +
        'hand its third argument on',
    );
    await fitOne((a, b, { mask: given }) => mseLoss(a, b, { mask: given }), {
      mask, sampleWeight: tensor([1, 2, 3, 4]),
    });
    expect(String(warning.mock.lastCall)).toContain('predict gives sampleWeight, which the loss');
    warning.mockRestore();
  });

  it('is refused as any other, and answers that are none', async () => {
    await expect(fitOne((a) => a)).rejects.toThrow(
      'the loss function gives f32[4, 2], expected { loss }',
    );
    await expect(fitOne(mseLoss, { targets: 3 as never })).rejects.toThrow(
      'fit: step 1: predict: targets is 3, expected a tensor',
    );
    await expect(fitOne(mseLoss, { mask: tensor([1, 0]) })).rejects.toThrow(
      'mseLoss: mask is f32[2], the losses are [4, 2]; expected i32',
    );
    const model = new Linear(2, 2);
    const options = { model, optimizer: new SGD(model.parameters()), data: () => x, loss: mseLoss };
    await expect(new Trainer({ ...options, predict: () => 3 as never }).fit(1)).rejects.toThrow(
      'fit: step 1: predict: its result is 3, expected { outputs, targets }',
    );
    const outputsAlone = new Trainer({ ...options, predict: () => x as never });
    await expect(outputsAlone.fit(1)).rejects.toThrow(
      `fit: step 1: predict: its result is ${describeTensor(x)}, expected { outputs, targets }`,
    );
    const late = new Trainer({ ...options, predict: () => Promise.resolve() as never });
    await expect(late.fit(1)).rejects.toThrow('fit: step 1: predict: it is async; it must return');
    expect(() => new Trainer({ ...options, predict: 3 as never })).toThrow(
      'predict is 3, expected a function',
    );
  });
});

describe('a trainer that predicts', () => {
  it('has batches and metrics of the right types', () => {
    const model = new Counted();
    const data = makeData(4);
    const trainer = new Trainer({
      model, data,
      optimizer: new SGD(model.parameters()),
      predict: ({ x, y }) => {
        expectTypeOf(x).toEqualTypeOf<Tensor>();
        return { outputs: model.forward(x), targets: y };
      },
      loss: crossEntropy,
      validation: { data, every: 1, metrics: { accuracy: accuracy() } },
    });
    const found = trainer.evaluate(data);
    expectTypeOf(found.accuracy).toEqualTypeOf<number>();
    expect(found.accuracy).toBeGreaterThanOrEqual(0);
  });

  it('may be validated by other answers', () => {
    const model = new Counted();
    const data = makeData(4);
    const trainer = new Trainer({
      model, data,
      optimizer: new SGD(model.parameters()),
      predict: ({ x, y }) => ({ outputs: model.forward(x), targets: y }),
      loss: crossEntropy,
      validation: {
        data, every: 1, metrics: { accuracy: accuracy() },
        predict: ({ y }) => ({ outputs: y, targets: y }),
      },
    });
    expect(trainer.evaluate(data).accuracy).toBe(1);
  });

  it('is one for which a learning rate can be found', () => {
    const model = new Counted();
    const curve = findLearningRate({
      model, data: makeData(8), loss: crossEntropy,
      optimizer: new SGD(model.parameters()),
      predict: ({ x, y }) => ({ outputs: model.forward(x), targets: y }),
    }, { steps: 20 });
    expect(curve.losses.length).toBeGreaterThan(5);
  });
});

it('takes a loss of a batch that is a tensor', async () => {
  const model = new Linear(3, 4);
  const trainer = new Trainer({
    model, data: makeData(8),
    optimizer: new SGD(model.parameters()),
    loss: ({ x, y }) => crossEntropy(model.forward(x), y),
  });
  await trainer.fit(2);
  expect(trainer.evaluate(makeData(8)).loss).toBeGreaterThan(0);
});

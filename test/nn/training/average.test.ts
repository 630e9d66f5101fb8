/** A trainer that averages weights: what is averaged, evaluated, kept and resumed. */
import {
  AdamW, DataLoader, Linear, mseLoss, type StateDict, type StepRecord, Trainer,
  type TrainerOptions, WeightAverage,
} from '@mambagrad/nn';
import { Generator, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import { describe, expect, it, vi } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { expectSameState } from '../../support/trainers.ts';

type Batch = { readonly x: Tensor; readonly y: Tensor };

const samples =
  Array.from({ length: 20 }, (_, i) => ({ x: [Math.sin(i), Math.cos(3 * i)], y: [i / 10] }));
const validationData = [{ x: tensor([[1, 0], [0, 1]]), y: tensor([[1], [2]]) }];

function start(
  isAveraged: boolean,
  { patience, keepBest = false, ...options }: Partial<TrainerOptions<Batch>> &
    { patience?: number; keepBest?: boolean } = {},
) {
  const model = new Linear(2, 1, { generator: new Generator(1) });
  const average = new WeightAverage(model, { decay: 0.9 });
  const records: StepRecord[] = [];
  /** The averages after each step. */
  const averages: StateDict[] = [];
  const trainer = new Trainer<Batch>({
    model,
    optimizer: new AdamW(model.parameters(), { lr: 0.3 }),
    data: new DataLoader(samples, { batchSize: 6, shuffle: true, seed: 2 }),
    loss: ({ x, y }) => ({ loss: mseLoss(model.forward(x), y) }),
    validation: { data: validationData, every: 2, keepBest, patience },
    callbacks: [(record) => {
      records.push(record);
      averages.push(average.stateDict());
    }],
    ...(isAveraged && { average }),
    ...options,
  });
  return { model, average, trainer, records, averages };
}

const weights = (state: StateDict, prefix: string) =>
  ['weight', 'bias'].map((name) => state.get(prefix + name) ?? zeros([]));

it('begins with the weights of a checkpoint that has no averages', async () => {
  const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const plain = start(false);
  await plain.trainer.fit(4);
  const before = plain.trainer.stateDict();
  const whole = await plain.trainer.fit(9).then(() => plain.trainer.stateDict());

  const added = start(true);
  await added.trainer.fit(2);
  added.trainer.loadStateDict(before);
  expect(warnings.mock.calls).toEqual([
    ['Trainer: the checkpoint has no averages of the weights; they begin with its weights'],
  ]);
  expect(added.average.stateDict().get('updates')?.item()).toBe(0);
  weights(added.average.stateDict(), 'weights.').forEach((x, i) =>
    expectSame(x, weights(before, 'model.')[i]));
  await added.trainer.fit(9);
  // Training goes on with the same bits; the averages are those of its last five steps.
  const found = added.trainer.stateDict();
  for (const [name, value] of whole) {
    if (/^(model|optimizer|generator)\./.test(name)) {
      expectSame(found.get(name) ?? zeros([]), value);
    }
  }
  expect(found.get('average.updates')?.item()).toBe(5);
  // From then on checkpoints have them, so nothing begins anew.
  const again = start(true);
  again.trainer.loadStateDict(found);
  expectSameState(again.trainer.stateDict(), found);
  expect(warnings).toHaveBeenCalledTimes(1);
  warnings.mockRestore();
});

describe.each([false, {}] as const)('with averages (compile: %j)', (compile) => {
  it('it takes the same steps, and updates the averages after each', async () => {
    const plain = start(false, { compile });
    const other = start(false, { compile, callbacks: [() => other.average.update()] });
    const averaged = start(true, { compile });
    for (const { trainer } of [plain, other, averaged]) await trainer.fit(9);
    // The model has the averages when `fit` ends; the state of training has the weights.
    const trained = (state: StateDict) =>
      new Map([...state].filter(([name]) => /^(model|optimizer|generator)\./.test(name)));
    const states = [averaged, plain].map(({ trainer }) => trained(trainer.stateDict()));
    expectSameState(states[0], states[1]);
    weights(averaged.average.stateDict(), 'weights.').forEach(
      (x, i) => expectSame(averaged.model.parameters()[i].detach(), x),
    );
    expect(averaged.average.stateDict().get('updates')?.item()).toBe(9);
    const [found, expected] =
      [averaged, other].map(({ average }) => weights(average.stateDict(), 'weights.'));
    found.forEach((x, i) => expectClose(x, expected[i], 1e-6));
  });

  it('it evaluates the averages, and puts the weights back', async () => {
    const { model, average, trainer, records } = start(true, { compile });
    const evaluated = () => trainer.evaluate(validationData).loss;
    await trainer.fit(8);
    const [before, { validation }] = [model.stateDict(), records[7]];
    expect(evaluated()).toBe(validation?.loss);
    expect(average.use(evaluated)).toBe(validation?.loss);
    expectSameState(model.stateDict(), before);
    // Those of the weights themselves are others.
    const plain = start(false, { compile });
    await plain.trainer.fit(8);
    expect(plain.trainer.evaluate(validationData).loss).not.toBe(validation?.loss);
  });

  it('it gives back the averages that were best, and goes on from the weights', async () => {
    const { model, trainer, averages } = start(true, { compile, keepBest: true });
    await trainer.fit(30);
    const { step = 0, value } = trainer.best ?? {};
    expect(step).toBeLessThan(30);
    weights(averages[step - 1], 'weights.').forEach((x, i) =>
      expectSame(model.parameters()[i].detach(), x),
    );
    expect(trainer.evaluate(validationData).loss).toBe(value);
    await trainer.fit(34);
    const whole = start(true, { compile, keepBest: true });
    await whole.trainer.fit(34);
    expectSameState(trainer.stateDict(), whole.trainer.stateDict());
  });

  it('it resumes bit for bit', async () => {
    const [whole, stopped, resumed] = [0, 1, 2].map(() => start(true, { compile }));
    await whole.trainer.fit(9);
    await stopped.trainer.fit(5);
    const saved = stopped.trainer.stateDict();
    expect([...saved.keys()].filter((name) => name.startsWith('average'))).toEqual(
      ['average.updates', 'average.weights.weight', 'average.weights.bias'],
    );
    resumed.trainer.loadStateDict(saved);
    await resumed.trainer.fit(9);
    expectSameState(resumed.trainer.stateDict(), whole.trainer.stateDict());
    expect(() => start(false).trainer.loadStateDict(whole.trainer.stateDict())).toThrow(
      'average.updates is unexpected',
    );
  });

  it('a step that fails leaves them as they were', async () => {
    const [run, whole] = [0, 1].map(() => start(true, { compile }));
    await whole.trainer.fit(4);
    await run.trainer.fit(4);
    const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    run.model.weight.assign(tensor([[Infinity, 0]]));
    const before = run.average.stateDict();
    await expect(run.trainer.fit(5)).rejects.toThrow('fit: step 5');
    expectSameState(run.average.stateDict(), before);
    expect(warnings).toHaveBeenCalledWith(expect.stringContaining('weight was changed since fit'));
    warnings.mockRestore();
  });
});

it('samples are made with the averages, also if that takes its time', async () => {
  const seen: Tensor[] = [];
  const { model, trainer, averages } = start(true, {
    samples: {
      every: 3,
      make: async () => {
        await Promise.resolve();
        seen.push(model.weight.detach());
        return 'text';
      },
    },
  });
  await trainer.fit(6);
  expect(seen).toHaveLength(2);
  seen.forEach((x, i) => expectSame(x, averages[3 * i + 2].get('weights.weight') ?? x));
});

it('averages of another model are refused', () => {
  const average = new WeightAverage(new Linear(2, 1));
  expect(() => start(false, { average })).toThrow('Trainer: average is of another model');
});

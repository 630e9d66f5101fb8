/** Training: what a step does, what stops it, and that it goes on as if it had never stopped. */
import {
  AdamW, type CheckpointStore, cosineDecay, DataLoader, Dropout, Linear, Module, mseLoss, Parameter,
  Sequential, SGD, type StateDict, type StepRecord, Trainer, type TrainerOptions,
} from '@mambagrad/nn';
import { checkpointFolder, openSafetensors } from '@mambagrad/nn/node';
import {
  defaultGenerator, Generator, type Tensor, tensor, TensorError, uniform, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { surviveKills, trainInProcess } from '../../../bench/support/kill.ts';
import { type Batch, makeTrainer } from '../../../bench/support/training.ts';
import { expectClose, expectSame } from '../../support/compare.ts';
import { runs } from '../../support/soak.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mambagrad-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function expectSameState(found: StateDict, expected: StateDict): void {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, value] of expected) expectSame(found.get(name) ?? zeros([]), value);
}

/** The one parameter that `loss` depends on; it is trained by plain descent with a rate of 1. */
class Scalar extends Module {
  readonly value: Parameter;

  constructor(value: number) {
    super();
    this.value = new Parameter(tensor(value, { dtype: 'f64' }));
  }
}

function scalarTrainer(
  start: number,
  loss: (value: Tensor, batch: Tensor) => Tensor,
  options: Partial<TrainerOptions<Tensor>> = {},
) {
  const model = new Scalar(start);
  const records: StepRecord[] = [];
  const trainer = new Trainer<Tensor>({
    model,
    optimizer: new SGD(model.parameters(), { lr: 1 }),
    loss: (batch) => ({ loss: loss(model.value, batch) }),
    data: () => tensor(1, { dtype: 'f64' }),
    callbacks: [(record) => records.push(record)],
    ...options,
  });
  return { model, trainer, records };
}

describe('a step', () => {
  it.each([false, {}] as const)('of several batches is that of a large one (%j)', async (how) => {
    const draw = (shape: number[], seed: number) =>
      uniform(shape, -1, 1, { generator: new Generator(seed), dtype: 'f64' });
    const drawSample = (i: number) => ({ x: draw([3], i), y: draw([2], i + 99) });
    const samples = Array.from({ length: 12 }, (_, i) => drawSample(i));
    const train = async (batchSize: number, accumulate: number) => {
      const model = new Linear(3, 2, { generator: new Generator(1) }).to('f64');
      const metrics: StepRecord[] = [];
      const trainer = new Trainer({
        model,
        optimizer: new AdamW(model.parameters(), { lr: 0.1 }),
        loss: ({ x, y }) => {
          const error = model.forward(x).sub(y).abs().mean();
          return { loss: mseLoss(model.forward(x), y), error };
        },
        data: new DataLoader(samples, { batchSize }),
        accumulate,
        maxNorm: 0.5,
        compile: how,
        callbacks: [(record) => metrics.push(record)],
      });
      expect(await trainer.fit(5)).toBe('done');
      return { model, metrics };
    };
    const [parts, whole] = [await train(2, 3), await train(6, 1)];
    expectClose(parts.model.weight, whole.model.weight, 1e-12);
    parts.metrics.forEach((record, i) => {
      const expected = whole.metrics[i];
      expect(record.metrics.loss).toBeCloseTo(expected.metrics.loss, 12);
      expect(record.metrics['error']).toBeCloseTo(expected.metrics['error'], 12);
      expect(record.gradientNorm).toBeCloseTo(expected.gradientNorm, 12);
    });
  });

  it.each([false, {}] as const)('goes by the schedule, and is clipped (%j)', async (how) => {
    const schedule = cosineDecay(4, 0.5);
    const { model, trainer, records } = scalarTrainer(0, (value) => value.mul(-10), {
      schedule,
      maxNorm: 2,
      compile: how,
    });
    // Gradients of before do not count.
    model.value.backward();
    await trainer.fit(6);
    const rates = [0, 1, 2, 3, 4, 5].map(schedule);
    expect(records.map(({ lr }) => lr)).toEqual(rates);
    expect(records.map(({ gradientNorm }) => gradientNorm)).toEqual(rates.map(() => 10));
    const way = rates.reduce((sum, rate) => sum + 2 * rate, 0);
    expect(model.value.item()).toBeCloseTo(way, 5);
  });

  it('takes batches epoch by epoch, and refuses data without any', async () => {
    const seen: number[] = [];
    const loss = (value: Tensor, batch: Tensor) => value.mul(batch.sum());
    const samples = [1, 2, 3].map((x) => tensor(x, { dtype: 'f64' }));
    const data = new DataLoader(samples, { batchSize: 2 });
    const { trainer } = scalarTrainer(0, loss, {
      data,
      callbacks: [({ gradientNorm }) => seen.push(gradientNorm)],
    });
    await trainer.fit(5);
    expect(seen).toEqual([3, 3, 3, 3, 3]);
    expect(data.state()).toEqual({ seed: 0, epoch: 2, index: 2 });
    const empty = new DataLoader<Tensor>([]);
    vi.spyOn(console, 'warn').mockImplementationOnce(() => undefined);
    await expect(scalarTrainer(0, loss, { data: empty }).trainer.fit(1)).rejects.toThrow(
      'fit: step 1: the data has no batch',
    );
  });
});

describe('a step that goes wrong', () => {
  it.each([
    // The parameter goes 0.5, −1.5: the logarithm of the second step has no value.
    ['log', 0.5, (value: Tensor) => value.log(), 2, 'log gave NaN of f64[]'],
    // The loss is 0, its gradient 1/(2√0) · 0.
    ['sqrt', 0, (value: Tensor) => value.square().sqrt(), 1, 'in the gradient of sqrt'],
  ])('is undone, and named with its op: %s', async (_name, start, loss, step, message) => {
    for (const how of [{}, false] as const) {
      const { model, trainer } = scalarTrainer(start, loss, { compile: how });
      const states: StateDict[] = [trainer.stateDict()];
      const error: unknown = await trainer.fit(9).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(TensorError);
      expect(String(error)).toContain(`fit: step ${step}: detectAnomaly: `);
      expect(String(error)).toContain(message);
      expect(trainer.step).toBe(step - 1);
      if (step === 1) expectSameState(trainer.stateDict(), states[0]);
      else expect(model.value.item()).toBe(-1.5);
    }
  });

  it('leaves generators and data where they were, to be taken again', async () => {
    let isBroken = true;
    const trainer = makeTrainer({
      compile: false,
      data: new DataLoader(() => {
        if (isBroken) throw new Error('the disk is full');
        return [1, 2].map((i) => ({ x: [i, 0, 1], y: [i] }));
      }),
    });
    const before = trainer.stateDict();
    await expect(trainer.fit(1)).rejects.toThrow('fit: step 1: the disk is full');
    expectSameState(trainer.stateDict(), before);
    isBroken = false;
    expect(await trainer.fit(2)).toBe('done');
  });

  it('is what a callback of it makes of it', async () => {
    const trainer = makeTrainer({
      compile: false,
      checkpoints: checkpointFolder(folder),
      callbacks: [
        ({ step }) => {
          if (step === 3) throw new Error('enough');
        },
      ],
    });
    await expect(trainer.fit(9)).rejects.toThrow(/^enough$/);
    expect(readdirSync(folder)).toEqual(['step-3.safetensors']);
  });
});

describe('evaluate', () => {
  class Parts extends Module {
    readonly weight = new Parameter(tensor([1, 2]));
    readonly dropout = new Dropout(0.5);
    readonly frozen = new Sequential(new Dropout(0.5)).eval();
  }

  it('uses the model without dropout, and leaves everything as it was', () => {
    const model = new Parts();
    const loader = new DataLoader([[1, 2], [3, 4], [5, 6]], { batchSize: 2 });
    loader.load({ seed: 0, epoch: 3, index: 0 });
    const trainer = new Trainer<Tensor>({
      model,
      optimizer: new SGD(model.parameters()),
      data: loader,
      loss: (x) => {
        const dropped = model.frozen.forward(model.dropout.forward(x.mul(model.weight)));
        expect(dropped.requiresGrad).toBe(false);
        return { loss: dropped.sum(), rows: zeros([]).add(x.shape[0]) };
      },
    });
    const before = trainer.stateDict();
    // 1 + 4 + 3 + 8 of two rows and 5 + 12 of one.
    const expected = { loss: (2 * 16 + 17) / 3, rows: (2 * 2 + 1) / 3 };
    for (let i = 0; i < 2; i++) expect(trainer.evaluate(loader)).toEqual(expected);
    expect(trainer.evaluate([tensor([[1, 1]])])).toEqual({ loss: 3, rows: 1 });
    expectSameState(trainer.stateDict(), before);
    const modes = model.namedModules().map(([path, { training }]) => [path, training]);
    expect(Object.fromEntries(modes)).toEqual({
      '': true, dropout: true, frozen: false, 'frozen.0': false,
    });
    expect(() => trainer.evaluate([])).toThrow('the data has no batch');
  });

  it('happens after every so many steps, and ends training if there is nothing better', async () => {
    // The parameter goes 1, 2, 3 and on to 100; for validation 3 is best.
    const loss = (value: Tensor, goal: Tensor) => value.sub(goal).abs();
    const options = {
      data: () => tensor(100, { dtype: 'f64' }),
      validation: { data: [tensor(3, { dtype: 'f64' })], every: 2, patience: 2 },
    } as const;
    const { trainer, records } = scalarTrainer(0, loss, options);
    expect(await trainer.fit(100)).toBe('patience');
    const found = records.map(({ validation }) => validation?.loss);
    // 4 is as good as 2, which does not count.
    expect(found).toEqual([undefined, 1, undefined, 1, undefined, 3]);
    for (const stopAt of [4, 6]) {
      const first = scalarTrainer(0, loss, options).trainer;
      await first.fit(stopAt);
      const again = scalarTrainer(0, loss, options).trainer;
      again.loadStateDict(first.stateDict());
      expect(await again.fit(100)).toBe('patience');
      expect(again.step).toBe(6);
    }
  });
});

describe('fit', () => {
  it('goes on in a second call, and stops when it is told to', async () => {
    const { trainer, records } = scalarTrainer(0, (value) => value.mul(1));
    expect(await trainer.fit(2)).toBe('done');
    expect(await trainer.fit(2)).toBe('done');
    expect(await trainer.fit(3)).toBe('done');
    expect(records.map(({ step }) => step)).toEqual([1, 2, 3]);
    const stopping = scalarTrainer(0, (value) => value.mul(1), {
      callbacks: [({ step }) => step === 4 && stopping.trainer.stop()],
    });
    expect(await stopping.trainer.fit(9)).toBe('stopped');
    expect(stopping.trainer.step).toBe(4);
    expect(await stopping.trainer.fit(6)).toBe('done');
  });

  it('shows progress, hears signals while it runs, and gives signals a chance', async () => {
    const written: string[] = [];
    const listeners = new Map<string, () => void>();
    const trainer = makeTrainer({
      compile: false,
      host: {
        stdout: { write: (text) => written.push(text) },
        once: (signal, listener) => listeners.set(signal, listener),
        off: (signal, listener) => {
          expect(listeners.get(signal)).toBe(listener);
          listeners.delete(signal);
        },
      },
    });
    expect(await trainer.fit(5)).toBe('done');
    expect(listeners.size).toBe(0);
    expect(written.at(-1)).toMatch(
      /^step 5\/5 {2}epoch 2\.00 {2}loss \d\.\d+ {2}size \d\.\d+ {2}validation \d\.\d+ {2}.*0:00 left\n$/,
    );
    const running = trainer.fit(1e9);
    expect([...listeners.keys()]).toEqual(['SIGINT', 'SIGTERM']);
    // A timer comes before the end only if fit lets it.
    setTimeout(() => listeners.get('SIGTERM')?.(), 10);
    expect(await running).toBe('stopped');
    expect(listeners.size).toBe(0);
  });
});

describe('checkpoints', () => {
  it('are one file each, the last ones kept, with all names told apart', async () => {
    const checkpoints = checkpointFolder(folder, 2);
    writeFileSync(join(folder, 'notes.txt'), '');
    writeFileSync(join(folder, 'step-3.safetensors.tmp-1'), '');
    expect(await checkpoints.load()).toBeUndefined();
    const trainer = makeTrainer({ compile: false, checkpoints, checkpointEvery: 5 });
    await trainer.fit(12);
    expect(readdirSync(folder).sort()).toEqual([
      'notes.txt', 'step-10.safetensors', 'step-12.safetensors',
    ]);
    const sorted = (state: StateDict = new Map()) => new Map([...state].sort());
    expectSameState(sorted(await checkpoints.load()), sorted(trainer.stateDict()));
    const file = openSafetensors(join(folder, 'step-12.safetensors'));
    expect(file.metadata.get('step')).toBe('12');
    const names = [...file.entries.keys()].filter((name) => !/weight|\d\.mean/.test(name));
    expect(names.sort()).toEqual([
      'generator.0', 'generator.1', 'generator.2', 'model.counts', 'model.first.bias',
      'model.last.bias', 'model.second.bias', 'optimizer.lr', 'optimizer.steps', 'trainer.position',
      'trainer.setup',
    ]);
    file.close();
  });

  it('of another run are not written over', async () => {
    const options = { compile: false, checkpoints: checkpointFolder(folder) } as const;
    await makeTrainer(options).fit(2);
    const before = readFileSync(join(folder, 'step-2.safetensors'));
    await expect(makeTrainer(options).fit(9)).rejects.toThrow('checkpoints of an earlier run');
    expect(readFileSync(join(folder, 'step-2.safetensors'))).toEqual(before);
  });

  it('that do not fit change nothing', async () => {
    const { trainer } = scalarTrainer(1, (value) => value.mul(1));
    const before = trainer.stateDict();
    const other = new Map(makeTrainer().stateDict());
    expect(() => trainer.loadStateDict(other)).toThrow(
      /Trainer.loadStateDict:\n.*model\.value is missing\n/s,
    );
    expectSameState(trainer.stateDict(), before);
  });

  it('hold the position as six numbers, whose order never changes', async () => {
    const model = new Scalar(0);
    const samples = [1, 2, 3, 4].map((x) => tensor(x, { dtype: 'f64' }));
    const makeTrainerOf = (data: DataLoader<Tensor>) => new Trainer<Tensor>({
      model,
      optimizer: new SGD(model.parameters(), { lr: 0 }),
      loss: () => ({ loss: model.value.square() }),
      data,
      compile: false,
      // The loss stays 0, which is not below the best of the position.
      validation: { data: samples, every: 1, patience: 3 },
    });
    const first = new DataLoader(samples, { batchSize: 2 });
    const trainer = makeTrainerOf(first);
    const state = new Map(trainer.stateDict());
    // Seed, epoch, index; step; best loss, evaluations since.
    state.set('trainer.position', tensor([7, 2, 2, 9, 0, 1], { dtype: 'f64' }));
    trainer.loadStateDict(state);
    expect(trainer.step).toBe(9);
    expect(first.state()).toEqual({ seed: 7, epoch: 2, index: 2 });
    expect(await trainer.fit(100)).toBe('patience');
    expect(trainer.step).toBe(11);
    const position = trainer.stateDict().get('trainer.position');
    expect(position?.dtype).toBe('f64');
    expect(position?.toArray()).toEqual([7, 3, 2, 11, 0, 3]);
    const second = new DataLoader(samples, { batchSize: 2 });
    const again = makeTrainerOf(second);
    again.loadStateDict(trainer.stateDict());
    expect([again.step, second.state()]).toEqual([11, { seed: 7, epoch: 3, index: 2 }]);
    expect(await again.fit(100)).toBe('patience');
    expect(again.step).toBe(11);
  });

  it('can be kept by promises', async () => {
    const kept: [number, StateDict][] = [];
    const checkpoints: CheckpointStore = {
      save: async (step, state) => {
        await Promise.resolve();
        kept.push([step, state]);
      },
      load: () => Promise.resolve(kept.at(-1)?.[1]),
    };
    await makeTrainer({ compile: false, checkpoints, checkpointEvery: 2 }).fit(5);
    expect(kept.map(([step]) => step)).toEqual([2, 4, 5]);
    const resumed = makeTrainer({ compile: false, checkpoints, resume: true }, 2);
    expect(await resumed.fit(5)).toBe('done');
    expectSameState(resumed.stateDict(), kept[2][1]);
  });
});

describe('a resumed run', () => {
  it.each([
    [{}, 6],
    [false, 15],
  ] as const)('is the whole one, from every step on (%j)', async (how, numRuns) => {
    const steps = 14;
    const states: StateDict[] = [];
    const records: StepRecord[] = [];
    const whole: Trainer<Batch> = makeTrainer({
      compile: how,
      callbacks: [
        (record) => {
          states.push(whole.stateDict());
          records.push(record);
        },
      ],
    });
    states.push(whole.stateDict());
    await whole.fit(steps);
    const end = states[steps];
    const step = fc.integer({ min: 0, max: steps });
    await fc.assert(
      fc.asyncProperty(step, fc.nat(), async (from, seed) => {
        const again: StepRecord[] = [];
        const callbacks = [(record: StepRecord) => again.push(record)];
        const resumed = makeTrainer({ compile: how, callbacks }, 2 + seed);
        defaultGenerator.manualSeed(seed);
        resumed.loadStateDict(states[from]);
        await resumed.fit(steps);
        expectSameState(resumed.stateDict(), end);
        expect(again).toEqual(records.slice(from));
      }),
      { numRuns, examples: [[0, 1], [5, 1], [steps, 1]] },
    );
  });

  it('has the same bits, whenever the processes before were killed', async () => {
    expect(await surviveKills(folder, runs(3), Math.random)).toMatchObject({ isSame: true });
  });

  it('goes on from where SIGTERM ended the one before', async () => {
    const end = { signal: 'SIGTERM', step: 4, delay: 0 } as const;
    const { code, step } = await trainInProcess(folder, 1e9, end);
    expect(code).toBe(0);
    expect(readdirSync(folder)).toContain(`step-${step}.safetensors`);
    const checkpoints = checkpointFolder(folder);
    const resumed = makeTrainer({ checkpoints, resume: true }, 2);
    await resumed.fit(step + 3);
    const whole = makeTrainer();
    await whole.fit(step + 3);
    expectSameState(resumed.stateDict(), whole.stateDict());
  });
});

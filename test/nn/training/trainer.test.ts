/** Training: what a step does, and what stops it. */
import {
  AdamW, cosineDecay, DataLoader, Dropout, Linear, Module, mseLoss, Parameter, Sequential, SGD,
  type StateDict, type StepRecord, Trainer,
} from '@mambagrad/nn';
import { checkpointFolder } from '@mambagrad/nn/node';
import { Generator, type Tensor, tensor, TensorError, uniform, zeros } from '@mambagrad/tensor';
import { readdirSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { makeTrainer } from '../../../bench/support/training.ts';
import { expectClose } from '../../support/compare.ts';
import { eachInFolder } from '../../support/folder.ts';
import { expectSameState, scalarTrainer } from '../../support/trainers.ts';

let folder = '';
eachInFolder((made) => {
  folder = made;
});

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
    const number = '\\d\\.\\d+';
    expect(written.at(-1)).toMatch(new RegExp(
      `^step 5/5  epoch 2\\.00  loss ${number}  size ${number}  ` +
        `validation ${number}  .*0:00 left\n$`,
    ));
    const running = trainer.fit(1e9);
    expect([...listeners.keys()]).toEqual(['SIGINT', 'SIGTERM']);
    // A timer comes before the end only if fit lets it.
    setTimeout(() => listeners.get('SIGTERM')?.(), 10);
    expect(await running).toBe('stopped');
    expect(listeners.size).toBe(0);
  });
});

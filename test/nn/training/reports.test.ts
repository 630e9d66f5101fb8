/** What a run tells of itself: lines in the log and on the terminal, samples, early checkpoints. */
import {
  accuracy, Buffer, type CheckpointStore, confusionMatrix, crossEntropy, f1, Linear, Module, SGD,
  type StateDict,
  type StepRecord, Trainer, type TrainerOptions,
} from '@mambagrad/nn';
import { checkpointFolder } from '@mambagrad/nn/node';
import {
  defaultGenerator, manualSeed, normal, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Batch, makeTrainer } from '../../../bench/support/training.ts';
import { eachInFolder } from '../../support/folder.ts';

let folder = '';
eachInFolder((made) => {
  folder = made;
});

/** A log, and the objects in its lines. */
function makeLog() {
  let text = '';
  return {
    write: (line: string) => {
      expect(line).toMatch(/^[^\n]*\n$/);
      text += line;
    },
    lines: () =>
      text.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>),
    events: () => text.trimEnd().split('\n').flatMap((line) => {
      const { seconds, ...rest } = JSON.parse(line) as Record<string, unknown>;
      expect(seconds).toBeGreaterThanOrEqual(0);
      return 'event' in rest ? [rest as Record<string, unknown>] : [];
    }),
  };
}

/** A host that is no terminal, and the lines on it. */
function makeHost() {
  const written: string[] = [];
  const stdout = { write: (text: string) => written.push(text) };
  return { stdout, once: () => 0, off: () => 0, text: () => written.join('') };
}

describe('the log', () => {
  it('has a line for each step, and lines for the beginning and the end', async () => {
    const log = makeLog();
    const records: StepRecord[] = [];
    const trainer = makeTrainer({
      compile: false, log, callbacks: [(record) => records.push(record)],
    });
    await trainer.fit(6);
    const [begin, ...steps] = log.lines();
    const end = steps.pop();
    const seconds = expect.any(Number) as number;
    expect(begin).toEqual({
      event: 'begin', step: 0, epoch: 0, steps: 6,
      model: expect.stringContaining('second   Linear   weight [32, 32], bias [32]') as string,
      parameters: 1217, seconds,
    });
    expect(steps).toEqual(records.map((record) => ({ ...record, seconds })));
    const value = records[4].validation?.loss;
    const best = { metric: 'loss', direction: 'min', value, step: 5, epoch: 2 };
    expect(end).toEqual({ event: 'end', step: 6, epoch: 2.4, reason: 'done', best, seconds });
    expect(records.map(({ validation }) => validation !== undefined)).toEqual(
      [false, false, false, false, true, false],
    );
    expect(records.map(({ epoch }) => epoch)).toEqual([0.4, 0.8, 1.2, 1.6, 2, 2.4]);
  });

  it('is shown with the loss and the metrics of the last validation', async () => {
    const host = makeHost();
    const model = new Linear(1, 2);
    const x = tensor([[1], [2]]);
    const y = tensor([0, 1], { dtype: 'i32' });
    const trainer = new Trainer({
      model, host,
      optimizer: new SGD(model.parameters(), { lr: 0.1 }),
      data: () => x,
      predict: (batch) => ({ outputs: model.forward(batch), targets: y }),
      loss: (outputs, targets) =>
        ({ loss: crossEntropy(outputs, targets), size: outputs.abs().mean() }),
      validation: {
        data: [x], every: 1,
        metrics: { accuracy: accuracy(), confusion: confusionMatrix(2), f1: f1(2) },
      },
    });
    await trainer.fit(1);
    const number = String.raw`\d[.\d]*`;
    expect(host.text()).toMatch(new RegExp(
      `^step 1/1  loss ${number}  size ${number}  validation ${number}, accuracy ${number}, ` +
        `f1.macro ${number}`,
    ));
  });

  it('says how each call of fit began and ended', async () => {
    const log = makeLog();
    let isBroken = false;
    const trainer: Trainer<Batch> = makeTrainer({
      compile: false,
      log,
      callbacks: [({ step }) => {
        if (isBroken) throw new Error('enough');
        if (step === 2) trainer.stop();
      }],
    });
    expect(await trainer.fit({ epochs: 9 })).toBe('stopped');
    await trainer.fit({ steps: 3 });
    isBroken = true;
    await expect(trainer.fit(Infinity)).rejects.toThrow('enough');
    const seen = log.events().map(({ event, step, reason, steps, epochs, message }) => (
      { event, step, reason, steps, epochs, message }
    ));
    expect(seen).toEqual([
      { event: 'begin', step: 0, epochs: 9 },
      { event: 'end', step: 2, reason: 'stopped' },
      { event: 'begin', step: 2, steps: 3 },
      { event: 'end', step: 3, reason: 'done' },
      // JSON has no Infinity.
      { event: 'begin', step: 3, steps: null },
      { event: 'end', step: 4, reason: 'error', message: 'enough' },
    ]);
  });
});

describe('a resumed run', () => {
  it('says so, with step, epoch and the checkpoint', async () => {
    const run = (resume: boolean) => {
      const [log, host] = [makeLog(), makeHost()];
      const checkpoints = checkpointFolder(folder);
      return {
        log, host, trainer: makeTrainer({ compile: false, checkpoints, resume, log, host }),
      };
    };
    const first = run(true);
    await first.trainer.fit(4);
    expect(first.host.text()).toMatch(
      /^There is no checkpoint to resume from: this is a new run\n/,
    );
    expect(first.log.events().map(({ event }) => event)).toEqual(['begin', 'end']);
    const second = run(true);
    await second.trainer.fit(6);
    const source = join(folder, 'step-4.safetensors');
    expect(second.host.text().split('\n')[0]).toBe(`Resumed from ${source}: step 4, epoch 1.60`);
    expect(second.log.events().slice(0, 2)).toEqual([
      expect.objectContaining({ event: 'begin', step: 4, epoch: 1.6 }) as object,
      { event: 'resume', step: 4, epoch: 1.6, source },
    ]);
    // Going on in the same process is no resuming.
    await second.trainer.fit(7);
    expect(second.log.events().filter(({ event }) => event === 'resume')).toHaveLength(1);
  });
});

describe('the first checkpoint', () => {
  /** The steps of which checkpoints were saved, when each step takes so many seconds. */
  async function savedAt(seconds: (step: number) => number, steps: number) {
    let time = 1e6;
    const saved: { readonly step: number; readonly at: number }[] = [];
    const checkpoints: CheckpointStore = {
      save: (step) => void saved.push({ step, at: (time - 1e6) / 1000 }),
      load: () => undefined,
    };
    const model = new Linear(1, 1);
    const trainer = new Trainer({
      model,
      optimizer: new SGD(model.parameters(), { lr: 0.01 }),
      data: () => tensor([[1]]),
      loss: (x: Tensor) => ({ loss: model.forward(x).mean() }),
      compile: false, checkpoints, now: () => time,
      callbacks: [({ step }) => void (time += 1000 * seconds(step))],
    });
    await trainer.fit(steps);
    return saved;
  }

  it('is written within a minute, or after the first step if that is longer', async () => {
    for (const each of [0.001, 1, 7, 13, 19, 29, 30, 31, 59, 61, 600]) {
      const saved = await savedAt(() => each, 110);
      // The end of the last step within the minute, or the hundredth step if that is before.
      const last = Math.max(1, Math.min(100, Math.floor(60 / each)));
      const { step, at } = saved[0];
      expect(step).toBeLessThanOrEqual(last);
      expect(step).toBeGreaterThanOrEqual(Math.min(last, 100) - 1);
      expect(at <= 60 || step === 1).toBe(true);
      expect(saved.slice(1).map((one) => one.step)).toEqual(step === 100 ? [110] : [100, 110]);
    }
  });

  it('counts a first step that compiles', async () => {
    expect((await savedAt((step) => (step === 1 ? 40 : 1), 3))[0]).toEqual({ step: 1, at: 40 });
    expect((await savedAt((step) => (step === 1 ? 20 : 1), 60))[0].at).toBeCloseTo(59, 0);
  });
});

describe('samples', () => {
  class Noted extends Module {
    readonly layer = new Linear(3, 1);
    readonly calls = new Buffer(zeros([1], { dtype: 'i32' }));
    readonly frozen = new Linear(1, 1).eval();
  }

  function run(samples?: (model: Noted) => TrainerOptions<Batch>['samples']) {
    manualSeed(3);
    const model = new Noted();
    const [log, host] = [makeLog(), makeHost()];
    const trainer = makeTrainer({ compile: false, log, host, samples: samples?.(model) });
    return { log, host, trainer };
  }

  it('are shown and logged, and leave no trace', async () => {
    let made = 0;
    const options = (isAsync: boolean) => (model: Noted): TrainerOptions<Batch>['samples'] => ({
      every: 2,
      make: () => {
        made += 1;
        model.calls.assign(model.calls.add(1));
        const text = `a text\n${normal([]).toArray() !== 0}`;
        return isAsync ? Promise.resolve(text) : text;
      },
    });
    const without = run();
    await without.trainer.fit(5);
    for (const isAsync of [false, true]) {
      const { trainer, log, host } = run(options(isAsync));
      await trainer.fit(5);
      expect(log.events().filter(({ event }) => event === 'sample')).toEqual(
        [2, 4].map((step) => ({ event: 'sample', step, text: 'a text\ntrue' })),
      );
      expect(host.text()).toContain('\nSample after step 2:\na text\ntrue\n');
      const bits = (state: StateDict) => JSON.stringify([...state].map(([, x]) => [...x.data]));
      expect(bits(trainer.stateDict())).toBe(bits(without.trainer.stateDict()));
    }
    expect(made).toBe(4);
  });

  it('are made in eval, with the modes, buffers and generators of before put back', async () => {
    const model = new Noted();
    const seen: boolean[][] = [];
    const modes = () => model.namedModules().map(([, { training }]) => training);
    let isBroken = false;
    const make = async () => {
      seen.push(modes());
      model.calls.assign(model.calls.add(1));
      normal([3]);
      await Promise.resolve();
      seen.push(modes());
      if (isBroken) throw new Error('no text');
      return '';
    };
    const data = () => tensor([[1, 2, 3]]);
    const loss = (x: Tensor) => ({ loss: model.layer.forward(x).square().mean() });
    const trainer = new Trainer({
      model, optimizer: new SGD(model.layer.parameters(), { lr: 0.01 }), data, loss,
      compile: false, samples: { every: 1, make },
    });
    const generator = defaultGenerator.state.toArray();
    await trainer.fit(2);
    expect(seen.flat().every((training) => !training)).toBe(true);
    expect(seen).toHaveLength(4);
    expect(modes()).toEqual([true, true, false]);
    expect(model.calls.toArray()).toEqual([0]);
    expect(defaultGenerator.state.toArray()).toEqual(generator);
    isBroken = true;
    await expect(trainer.fit(3)).rejects.toThrow('no text');
    expect(trainer.step).toBe(3);
    expect([modes(), model.calls.toArray()]).toEqual([[true, true, false], [0]]);
    const wrong = new Trainer({
      model, optimizer: new SGD(model.layer.parameters(), { lr: 0.01 }), data, loss,
      compile: false, samples: { every: 1, make: () => 3 as never },
    });
    await expect(wrong.fit(1)).rejects.toThrow('samples: make gives 3, expected a string');
  });
});

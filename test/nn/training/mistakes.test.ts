/** Mistakes in training that nobody would see in the numbers: each is told of. */
import {
  Adam, AdamW, type CheckpointStore, DataLoader, Dropout, Linear, Module, mseLoss, Parameter,
  SGD, type StateDict, type StepRecord, Trainer, type TrainerOptions, warmUp,
} from '@mambagrad/nn';
import { ones, type Tensor, tensor } from '@mambagrad/tensor';
import { beforeEach, describe, expect, it, vi } from 'vitest';

const warnings = vi.spyOn(console, 'warn');
beforeEach(() => void warnings.mockReset().mockImplementation(() => undefined));

interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}
const samples = Array.from({ length: 12 }, (_, i) => ({ x: [i, 1], y: [i % 3] }));

function makeTrainer(change: Partial<TrainerOptions<Batch>> = {}): Trainer<Batch> {
  const model = change.model instanceof Module ? change.model : new Linear(2, 1);
  return new Trainer<Batch>({
    model,
    optimizer: new SGD(model.parameters(), { lr: 0.01 }),
    data: new DataLoader(samples, { batchSize: 4 }),
    loss: ({ x, y }) => ({ loss: mseLoss((model as Linear).forward(x), y) }),
    compile: false,
    ...change,
  });
}

describe('a fit that is not awaited', () => {
  it('is told of where the model is evaluated before the first step, and only there', async () => {
    const all = new DataLoader(samples, { batchSize: 12 });
    const trainer = makeTrainer({ callbacks: [() => void trainer.evaluate(all)] });
    trainer.evaluate(all);
    await trainer.fit(2);
    trainer.evaluate(all);
    expect(warnings).not.toHaveBeenCalled();

    const hasty = makeTrainer();
    const fitting = hasty.fit(2);
    hasty.evaluate(all);
    expect(warnings.mock.calls).toEqual([
      ['evaluate: fit has not taken a step yet; await it first'],
    ]);
    await fitting;
  });
});

describe('the options of a trainer', () => {
  it.each<[object, string]>([
    [{ model: {} }, 'Trainer: model is {}, expected a Module'],
    [{ optimizer: {} }, 'Trainer: optimizer is {}, expected an Optimizer'],
    [{ data: samples }, 'Trainer: data is [{ x, y }'],
    [{ loss: undefined }, 'Trainer: loss is missing, expected a function'],
    [{ accumulate: 0 }, 'Trainer: accumulate is 0, expected a whole number from 1'],
    [{ accumulate: 1.5 }, 'Trainer: accumulate is 1.5'],
    [{ maxNorm: NaN }, 'Trainer: maxNorm is NaN, expected a number above 0 and at most Infinity'],
    [{ maxNorm: -1 }, 'Trainer: maxNorm is -1'],
    [{ schedule: 0.1 }, 'Trainer: schedule is 0.1, expected a function'],
    [{ validation: { data: [], every: 0 } }, 'Trainer: validation: every is 0'],
    [{ validation: { data: [] } }, 'Trainer: validation: every is missing, expected every (steps)'],
    [{ validation: { data: [], everyEpochs: 0.5 } }, 'Trainer: validation: everyEpochs is 0.5'],
    [
      { validation: { data: [], everyEpochs: 1 }, data: () => ({ x: ones([1, 2]), y: ones([1]) }) },
      'Trainer: validation: everyEpochs is 1, but the data is a function, which has no epochs',
    ],
    [{ samples: { every: 1 } }, 'Trainer: samples: make is missing, expected a function'],
    [{ samples: () => '' }, 'Trainer: samples is the function samples, expected { every, make }'],
    [{ now: 3 }, 'Trainer: now is 3, expected a function'],
    [{ validation: { data: [], every: 1, patience: 0 } }, 'Trainer: validation: patience is 0'],
    [{ validation: { data: ones([2]), every: 1 } }, 'Trainer: validation: data is f32[2]'],
    [{ validation: [] }, 'Trainer: validation is [], expected { data, every }'],
    [{ checkpointEvery: 0 }, 'Trainer: checkpointEvery is 0'],
    [{ checkpoints: '/tmp' }, "Trainer: checkpoints is '/tmp', expected a checkpointFolder"],
    [{ compile: true }, 'Trainer: compile is true, expected false or options of compile'],
    [{ generators: [1] }, 'Trainer: generators is [1]'],
    [{ callbacks: () => 1 }, 'Trainer: callbacks is the function callbacks, expected an array'],
    [{ log: () => 1 }, 'Trainer: log is the function log'],
    [{ host: { stdout: {} } }, 'Trainer: host is { stdout }'],
    [{ resume: 'yes' }, "Trainer: resume is 'yes'"],
    [{ chekpoints: 1 }, "Trainer: there is no option 'chekpoints'; did you mean 'checkpoints'?"],
  ])('%o are refused', (change, message) => {
    expect(() => makeTrainer(change)).toThrow(message);
  });

  it('have the defaults that are documented', async () => {
    const run = async (change: Partial<TrainerOptions<Batch>>) => {
      const steps: number[] = [];
      const weight = ones([1, 2]);
      const model = new Linear(2, 1, { bias: false });
      model.weight.assign(weight);
      const checkpoints: CheckpointStore = {
        save: (step) => void steps.push(step), load: () => undefined,
      };
      const trainer = makeTrainer({ model, checkpoints, ...change });
      await trainer.fit(205);
      return { steps, weight: model.weight.toArray() };
    };
    const plain = await run({});
    expect(plain.steps).toEqual([100, 200, 205]);
    expect(
      await run({
        accumulate: 1, checkpointEvery: 100, resume: false, generators: [], callbacks: [],
        maxNorm: undefined, schedule: () => 1,
      }),
    ).toEqual(plain);
  });

  it('run line by line if compile is false, and compiled by default', async () => {
    for (const compile of [false, undefined, {}] as const) {
      let runs = 0;
      const model = new Linear(2, 1);
      const loss = ({ x, y }: Batch) => {
        runs += 1;
        return { loss: mseLoss(model.forward(x), y) };
      };
      await makeTrainer({ model, loss, compile }).fit(6);
      expect(runs).toBe(compile === false ? 6 : 1);
    }
  });
});

describe('fit', () => {
  it('takes a number of steps, or Infinity', async () => {
    for (const steps of [NaN, 1.5, -1]) {
      await expect(makeTrainer().fit(steps)).rejects.toThrow(/^fit: steps is .*expected/);
    }
    for (const wrong of [undefined, null, '3', [3]]) {
      await expect(makeTrainer().fit(wrong as never)).rejects.toThrow(
        /^fit: options are .*expected/,
      );
    }
    const callbacks = [({ step }: StepRecord) => step === 3 && trainer.stop()];
    const trainer: Trainer<Batch> = makeTrainer({ callbacks });
    expect(await trainer.fit(Infinity)).toBe('stopped');
    expect(await trainer.fit(0)).toBe('done');
  });

  it('runs once at a time', async () => {
    const trainer = makeTrainer();
    const first = trainer.fit(3);
    await expect(trainer.fit(5)).rejects.toThrow('fit: it is running already');
    expect(await first).toBe('done');
    expect(await trainer.fit(5)).toBe('done');
  });

  it('waits for callbacks, and fails with them', async () => {
    const order: string[] = [];
    const wait = async ({ step }: StepRecord) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      order.push(`callback ${step}`);
      if (step === 2) throw new Error('enough');
    };
    const model = new Linear(2, 1);
    const trainer = makeTrainer({
      model,
      loss: ({ x }) => {
        order.push('step');
        return { loss: model.forward(x).square().mean() };
      },
      callbacks: [wait],
    });
    await expect(trainer.fit(4)).rejects.toThrow(/^enough$/);
    expect(order).toEqual(['step', 'callback 1', 'step', 'callback 2']);
  });

  it('tells of the error that came first if the last save fails too', async () => {
    const [first, second] = [new Error('a callback broke'), new Error('the disk is full')];
    const checkpoints: CheckpointStore = {
      save: () => Promise.reject(second), load: () => undefined,
    };
    const callbacks = [() => Promise.reject(first)];
    const error: unknown = await makeTrainer({ checkpoints, callbacks }).fit(3).catch((e) => e);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors).toEqual([first, second]);
    expect(String(error)).toContain('a callback broke; and the last state was not saved: the disk');
    await expect(makeTrainer({ callbacks }).fit(3)).rejects.toBe(first);
    await expect(makeTrainer({ checkpoints }).fit(3)).rejects.toBe(second);
  });

  it('tells the time by a clock that is never set back', async () => {
    const times = vi.spyOn(Date, 'now').mockImplementation(() => -1e12 * Math.random());
    const lines: string[] = [];
    const trainer = makeTrainer({ log: { write: (line) => lines.push(line) } });
    setTimeout(trainer.stop, 100);
    expect(await trainer.fit(1e9)).toBe('stopped');
    times.mockRestore();
    const seconds = lines.map((line) => (JSON.parse(line) as { seconds: number }).seconds);
    expect(seconds.every((s, i) => s >= (seconds[i - 1] ?? 0) && s < 60)).toBe(true);
  });

  it.each<[unknown, string]>([
    [
      ones([2]),
      'fit: step 1: the loss function gives f32[2], expected { loss }, or a tensor of one',
    ],
    [Promise.resolve({ loss: ones([]) }), 'fit: step 1: the loss function is async'],
    [undefined, 'fit: step 1: the loss function gives undefined, expected { loss }'],
    [{ lss: ones([]) }, 'the loss function gives { lss }, expected { loss }'],
    [{ loss: 3 }, "the loss function gives 3 as 'loss', expected a tensor of one number"],
    [{ loss: ones([2]) }, "the loss function gives f32[2] as 'loss'"],
    [{ loss: ones([]), wrong: ones([2]) }, "the loss function gives f32[2] as 'wrong'"],
  ])('refuses a loss of %s', async (found, message) => {
    for (const compile of [false, {}] as const) {
      const trainer = makeTrainer({ loss: () => found as never, compile });
      const error: unknown = await trainer.fit(1).catch((caught: unknown) => caught);
      expect(String(error)).toContain(message);
    }
  });

  it('refuses batches that are promised', async () => {
    const promised = () => Promise.resolve({ x: ones([1, 2]), y: ones([1, 1]) }) as never;
    const collate = promised as () => Batch;
    for (const data of [promised, new DataLoader(samples, { collate })]) {
      await expect(makeTrainer({ data }).fit(1)).rejects.toThrow('step 1: a batch is a promise');
    }
  });

  it('refuses factors that are no rates', async () => {
    for (const factor of [NaN, -1, Infinity, undefined]) {
      const schedule = (step: number) => (step === 2 ? (factor as number) : 1);
      const trainer = makeTrainer({ schedule });
      await expect(trainer.fit(5)).rejects.toThrow(/^fit: step 3: schedule\(2\): the factor is/);
      expect(trainer.step).toBe(2);
    }
  });

  it('refuses a loss that depends on nothing that is trained', async () => {
    const stranger = new Linear(2, 1);
    const trainer = makeTrainer({ loss: ({ x }) => ({ loss: stranger.forward(x).mean() }) });
    await expect(trainer.fit(1)).rejects.toThrow(
      'fit: step 1: the loss depends on no parameter that the optimizer trains',
    );
  });
});

describe('parameters', () => {
  class Hidden extends Module {
    readonly layer = new Linear(2, 1);
    readonly unused = new Linear(3, 3);
    readonly #secret = new Linear(1, 5);

    forward(x: Tensor): Tensor {
      return this.#secret.forward(this.layer.forward(x)).sum(-1, true);
    }
  }

  it('that are not trained, or not reached, are told of once', async () => {
    for (const compile of [false, {}] as const) {
      warnings.mockClear();
      const model = new Hidden();
      const loss = ({ x, y }: Batch) => ({ loss: mseLoss(model.forward(x), y) });
      const optimizer = new SGD(model.parameters(), { lr: 0.01 });
      const trainer = makeTrainer({ model: model as never, optimizer, loss, compile });
      await trainer.fit(3);
      expect(warnings.mock.calls.flat()).toEqual([
        expect.stringMatching(/^Trainer: the loss depends on f32\[5, 1\], f32\[5\], which the opt/),
        expect.stringMatching(/^Trainer: the loss does not depend on unused.weight, unused.bias/),
      ]);
    }
  });

  it('that are left out of the optimizer are named; frozen ones are not', async () => {
    const model = new Linear(2, 1);
    const optimizer = () => new SGD([model.weight], { lr: 0.01 });
    await makeTrainer({ model, optimizer: optimizer() }).fit(1);
    expect(warnings.mock.calls.join()).toContain('the loss depends on bias, which the optimizer');
    warnings.mockClear();
    if (model.bias) model.bias.requiresGrad = false;
    await makeTrainer({ model, optimizer: optimizer() }).fit(1);
    await makeTrainer({ model }).fit(1);
    expect(warnings).not.toHaveBeenCalled();
  });

  it('may be frozen and freed between steps, compiled or not', async () => {
    for (const compile of [false, {}] as const) {
      const model = new Linear(2, 1);
      const optimizer = new AdamW(model.parameters(), { lr: 0.1 });
      const trainer = makeTrainer({ model, optimizer, compile });
      const moved: boolean[] = [];
      for (let step = 1; step <= 6; step++) {
        model.weight.requiresGrad = step % 3 !== 0;
        const before = String(model.weight.toArray());
        await trainer.fit(step);
        moved.push(String(model.weight.toArray()) !== before);
      }
      expect(moved).toEqual([true, true, false, true, true, false]);
      expect(optimizer.stateDict().get('steps')?.item()).toBe(6);
      expect(optimizer.stateDict().get('missed')?.toArray()).toEqual([2, 0]);
    }
  });
});

describe('a second trainer on one optimizer', () => {
  it('takes the rate that was given, not what a schedule made of it', async () => {
    const model = new Linear(2, 1);
    const optimizer = new SGD(model.parameters(), { lr: 0.5 });
    const rates: number[] = [];
    const callbacks = [({ lr }: StepRecord) => rates.push(lr)];
    const halves = (step: number) => 0.5 ** (step + 1);
    await makeTrainer({ model, optimizer, schedule: halves, callbacks }).fit(2);
    await makeTrainer({ model, optimizer, schedule: halves, callbacks }).fit(2);
    await makeTrainer({ model, optimizer, callbacks }).fit(1);
    expect(rates).toEqual([0.25, 0.125, 0.25, 0.125, 0.5]);
    optimizer.lr = 0.0625;
    await makeTrainer({ model, optimizer, callbacks }).fit(1);
    await makeTrainer({ model, optimizer, schedule: warmUp(1), callbacks }).fit(1);
    expect(rates.slice(5)).toEqual([0.0625, 0.0625]);
  });
});

describe('a run that is resumed otherwise', () => {
  const loaderOf = (options: object, count = 12) =>
    new DataLoader(samples.slice(0, count), { batchSize: 4, ...options });

  it.each<[Partial<TrainerOptions<Batch>>, string]>([
    [{ data: loaderOf({ batchSize: 3 }) }, 'batchSize is 4, expected 3'],
    [{ data: loaderOf({ shuffle: true }) }, 'shuffle is false, expected true'],
    [{ data: loaderOf({ dropLast: true }) }, 'dropLast is false, expected true'],
    [{ data: loaderOf({}, 8) }, 'samples is 12, expected 8'],
    [{ data: () => ({ x: ones([4, 2]), y: ones([4, 1]) }) }, 'data is not given, expected a funct'],
  ])('is refused with what differs: %o', async (change, message) => {
    const kept: StateDict[] = [];
    const checkpoints: CheckpointStore = {
      save: (_step, state) => void kept.push(state), load: () => kept.at(-1),
    };
    await makeTrainer({ checkpoints }).fit(2);
    const other = makeTrainer({ checkpoints, resume: true, ...change });
    await expect(other.fit(4)).rejects.toThrow(`Trainer.loadStateDict:\n  ${message}`);
    expect(other.step).toBe(0);
    expect(await makeTrainer({ checkpoints, resume: true }).fit(4)).toBe('done');
  });

  it('is refused with another optimizer of the same moments', () => {
    const model = new Linear(2, 1);
    const state = makeTrainer({ model, optimizer: new Adam(model.parameters()) }).stateDict();
    const other = makeTrainer({ model, optimizer: new AdamW(model.parameters()) });
    expect(() => other.loadStateDict(state)).toThrow('optimizer is Adam, expected AdamW');
  });

  it('goes on from state of an earlier version, without a setup', () => {
    const trainer = makeTrainer();
    const state = new Map(trainer.stateDict());
    state.delete('trainer.setup');
    trainer.loadStateDict(state.set('optimizer.steps', tensor(5)));
    expect(trainer.stateDict().get('optimizer.steps')?.item()).toBe(5);
    state.set('trainer.setup', tensor([123, 1], { dtype: 'i32' }));
    expect(() => trainer.loadStateDict(state)).toThrow('trainer.setup is not JSON');
  });
});

describe('a dropout', () => {
  it('takes a probability and a generator', () => {
    expect(() => new Dropout(NaN)).toThrow('Dropout: p is NaN, expected a number from 0 to 1');
    expect(() => new Dropout({ p: 0.5 } as never)).toThrow('Dropout: p is { p }');
    expect(() => new Dropout(0.5, { generator: 3 as never })).toThrow('Dropout: generator is 3');
    expect(new Parameter(ones([1])).noWeightDecay).toBe(false);
  });
});

/** The best model: found, kept, given back, and known again; training never notices. */
import {
  accuracy, AdamW, type BestOptions, Buffer, confusionMatrix, DataLoader, f1, Linear, Module,
  mseLoss, Parameter, SGD,
  type StateDict, Trainer, type TrainerOptions,
} from '@mambagrad/nn';
import { manualSeed, noGrad, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, test, vi } from 'vitest';
import { runs } from '../../support/soak.ts';

const warnings = vi.spyOn(console, 'warn');
beforeEach(() => void warnings.mockReset().mockImplementation(() => undefined));

/** A model whose parameter is the number of steps taken, and so is its buffer. */
class Counter extends Module {
  readonly steps = new Parameter(tensor(0));
  readonly calls = new Buffer(tensor([0], { dtype: 'i32' }));
}

/**
 * A table from which the loss of validation is read, at the number of steps; one entry to train.
 */
type Table = Tensor;

type Validation = Partial<NonNullable<TrainerOptions<Table>['validation']>>;

function makeRun(
  table: readonly number[], validation: Validation, options: Partial<TrainerOptions<Table>> = {},
) {
  const model = new Counter();
  const trainer = new Trainer<Table>({
    model,
    optimizer: new SGD(model.parameters(), { lr: 1, momentum: 0 }),
    data: new DataLoader(table.map((_, i) => i), { batchSize: 2, collate: () => tensor([0]) }),
    loss: (values) => {
      if (values.shape[0] > 1) {
        const loss = values.indexSelect(0, model.steps.cast('i32').reshape([1])).reshape([]);
        return { loss, score: loss.neg() };
      }
      noGrad(() => model.calls.assign(model.calls.add(1)));
      return { loss: model.steps.neg(), score: model.steps };
    },
    compile: false,
    validation: { data: [tensor([...table])], every: 1, keepBest: true, ...validation },
    ...options,
  });
  return { model, trainer };
}

/** What a plain loop finds: where training ends, and which evaluation was the best. */
function reference(
  table: readonly number[], steps: number, every: number, patience: number,
  { metric, direction }: BestOptions,
) {
  let [best, since, step]: [{ step: number; value: number } | undefined, number, number] =
    [undefined, 0, 0];
  while (step < steps && since < patience) {
    step += 1;
    if (step % every > 0) continue;
    const value = metric === 'score' ? 0 - table[step] : table[step];
    const isBetter = !Number.isNaN(value) &&
      (best === undefined || (direction === 'min' ? value < best.value : value > best.value));
    if (isBetter) [best, since] = [{ step, value }, 0];
    else since += 1;
  }
  return { best, step };
}

const bits = (state: StateDict) =>
  JSON.stringify([...state].map(([name, { data }]) => [name, [...data].map(String)]));

/** The state without what belongs to the best model: that of a run that keeps none. */
const training = (state: StateDict) =>
  bits(new Map([...state].filter(([name]) => !/best/.test(name))));

const cases = fc.record({
  // Ties, and now and then NaN, which is never the best.
  table: fc.array(
    fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: -3, max: 3 }) },
      { weight: 1, arbitrary: fc.constant(NaN) },
    ),
    { minLength: 13, maxLength: 13 },
  ),
  every: fc.integer({ min: 1, max: 3 }),
  patience: fc.constantFrom(1, 2, 4, Infinity),
  best: fc.constantFrom<BestOptions>(
    { metric: 'loss', direction: 'min' }, { metric: 'loss', direction: 'max' },
    { metric: 'score', direction: 'max' },
  ),
});
const STEPS = 12;

describe('the best model', () => {
  test('is that of a plain loop, and training goes on as if it had never been given back', async () => {
    await fc.assert(fc.asyncProperty(
      cases, fc.array(fc.integer({ min: 1, max: STEPS }), { maxLength: 4 }),
      async ({ table, every, patience, best }, stops) => {
        const { model, trainer } = makeRun(table, { every, patience, best });
        const plain = makeRun(table, { every, patience, best, keepBest: false });
        for (const steps of [...stops.sort((a, b) => a - b), STEPS]) {
          const expected = reference(table, steps, every, patience, best);
          expect(await trainer.fit(steps)).toBe(await plain.trainer.fit(steps));
          expect(trainer.step).toBe(expected.step);
          expect(trainer.best).toEqual(
            expected.best && { ...best, ...expected.best, epoch: trainer.best?.epoch },
          );
          const at = expected.best?.step ?? expected.step;
          expect([model.steps.item(), model.calls.item()]).toEqual([at, at]);
          // Checkpoints have the last state under the names of the model.
          const state = trainer.stateDict();
          expect(training(state)).toBe(training(plain.trainer.stateDict()));
          expect(state.get('model.steps')?.item()).toBe(expected.step);
          expect(state.get('best.steps')?.item()).toBe(expected.best?.step);
          expect(state.get('best.calls')?.item()).toBe(expected.best?.step);
          expect(plain.model.steps.item()).toBe(expected.step);
        }
      },
    ), { numRuns: runs(60) });
  });

  test('is known again after a resume at every step', async () => {
    await fc.assert(fc.asyncProperty(cases, async ({ table, every, patience, best }) => {
      const validation = { every, patience, best };
      const states: StateDict[] = [];
      const whole: ReturnType<typeof makeRun> = makeRun(table, validation, {
        callbacks: [() => states.push(whole.trainer.stateDict())],
      });
      const reason = await whole.trainer.fit(STEPS);
      const end = bits(whole.trainer.stateDict());
      states.push(whole.trainer.stateDict());
      for (const state of states) {
        const resumed = makeRun(table, validation);
        resumed.trainer.loadStateDict(state);
        expect(await resumed.trainer.fit(STEPS)).toBe(reason);
        expect(bits(resumed.trainer.stateDict())).toBe(end);
        expect(resumed.trainer.best).toEqual(whole.trainer.best);
        expect(resumed.model.steps.item()).toBe(whole.model.steps.item());
      }
    }), { numRuns: runs(15) });
  });

  const falling = [0, 5, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9];

  it('is given back whoever ends training', async () => {
    let isBroken = false;
    const listeners = new Map<string, () => void>();
    const host = {
      stdout: { write: () => true },
      once: (signal: string, listener: () => void) => listeners.set(signal, listener),
      off: (signal: string) => listeners.delete(signal),
    };
    const ends: Record<string, (run: () => ReturnType<typeof makeRun>) => () => unknown> = {
      'the last epoch': () => () => undefined,
      'stop()': (run) => () => run().trainer.stop(),
      'a signal': () => () => listeners.get('SIGTERM')?.(),
      'an error in a callback': () => () => {
        throw new Error('enough');
      },
      'an error in a step': () => () => void (isBroken = true),
    };
    for (const [name, end] of Object.entries(ends)) {
      isBroken = false;
      const run: ReturnType<typeof makeRun> = makeRun(falling, {}, {
        host,
        schedule: () => (isBroken ? NaN : 1),
        callbacks: [({ step }) => step === 6 && end(() => run)()],
      });
      await run.trainer.fit({ epochs: 1 }).catch(() => undefined);
      isBroken = false;
      expect(run.model.steps.item(), name).toBe(3);
      expect(run.trainer.step, name).toBe(name === 'the last epoch' ? 7 : 6);
      expect(await run.trainer.fit(9), name).toBe('done');
      expect(run.trainer.stateDict().get('model.steps')?.item()).toBe(9);
    }
  });

  it('is a copy: neither training nor the user changes it, nor does it change them', async () => {
    const { model, trainer } = makeRun(falling, {});
    await trainer.fit(5);
    const state = trainer.stateDict();
    await trainer.fit(8);
    expect([state.get('best.steps')?.item(), state.get('model.steps')?.item()]).toEqual([3, 5]);
    expect(trainer.stateDict().get('best.steps')?.item()).toBe(3);
    // What is changed in the model between two calls stays, and is told of.
    model.steps.assign(tensor(0));
    await trainer.fit(9);
    expect(warnings.mock.calls.flat()).toEqual([
      'Trainer: steps was changed since fit gave the model its best values; ' +
        'training goes on with the changed values',
    ]);
    expect(trainer.stateDict().get('model.steps')?.item()).toBe(1);
    expect(trainer.stateDict().get('model.calls')?.item()).toBe(9);
  });

  it('is the same compiled, with moments, and for the model of the next job', async () => {
    const points =
      Array.from({ length: 20 }, (_, i) => ({ x: [i / 10 - 1], y: [Math.sin(3 * i)] }));
    const run = (keepBest: boolean) => {
      manualSeed(4);
      const model = new Linear(1, 1);
      const seen: [number, string][] = [];
      const trainer = new Trainer<{ x: Tensor; y: Tensor }>({
        model,
        optimizer: new AdamW(model.parameters(), { lr: 0.3 }),
        data: new DataLoader(points, { batchSize: 8, shuffle: true }),
        loss: ({ x, y }) => ({ loss: mseLoss(model.forward(x), y) }),
        validation: { data: new DataLoader(points, { batchSize: 7 }), every: 2, keepBest },
        callbacks: [({ validation }) => {
          if (validation) seen.push([validation.loss, bits(model.stateDict())]);
        }],
      });
      return { model, trainer, seen };
    };
    const [kept, plain] = [run(true), run(false)];
    for (const end of [5, 12, 13, 20]) {
      await kept.trainer.fit(end);
      await plain.trainer.fit(end);
      expect(training(kept.trainer.stateDict())).toBe(training(plain.trainer.stateDict()));
      const lowest = Math.min(...kept.seen.map(([loss]) => loss));
      expect(bits(kept.model.stateDict())).toBe(kept.seen.find(([loss]) => loss === lowest)?.[1]);
      expect(kept.trainer.evaluate(new DataLoader(points, { batchSize: 7 })).loss).toBe(lowest);
    }
    expect(kept.seen).toEqual(plain.seen);
  });
});

describe('checkpoints', () => {
  const table = [0, 5, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9];

  it('of before, with six numbers and no best model, are continued', async () => {
    const old = new Map(makeRun(table, { keepBest: false }).trainer.stateDict());
    // Seed, epoch, index; step; best loss, evaluations since.
    old.set('trainer.position', tensor([0, 0, 8, 4, 1, 1], { dtype: 'f64' }));
    old.set('model.steps', tensor(4));
    const patient = makeRun(table, { keepBest: false, patience: 3 });
    patient.trainer.loadStateDict(old);
    expect(await patient.trainer.fit(12)).toBe('patience');
    expect([patient.trainer.step, warnings.mock.calls.length]).toEqual([6, 0]);
    // Without the model of the loss of 1, the best of those to come is kept.
    const keeping = makeRun(table, {});
    keeping.trainer.loadStateDict(old);
    expect(warnings.mock.calls.flat()).toEqual([
      'Trainer: the checkpoint does not hold the best model; the best is sought anew',
    ]);
    await keeping.trainer.fit(8);
    expect(keeping.model.steps.item()).toBe(5);
    // Before the first evaluation there is nothing to forget, whatever judges.
    warnings.mockClear();
    const fresh = new Map(makeRun(table, { keepBest: false }).trainer.stateDict());
    const highest = makeRun(table, { best: { metric: 'loss', direction: 'max' } });
    highest.trainer.loadStateDict(fresh);
    await highest.trainer.fit(4);
    expect([highest.model.steps.item(), warnings.mock.calls.length]).toEqual([1, 0]);
  });

  it('of another judge are continued, and told of', async () => {
    const first = makeRun(table, {});
    await first.trainer.fit(4);
    const second = makeRun(table, { best: { metric: 'score', direction: 'max' } });
    second.trainer.loadStateDict(first.trainer.stateDict());
    expect(warnings.mock.calls.flat()).toEqual([
      'Trainer: the checkpoint was judged by loss (min), not score (max); the best is sought anew',
    ]);
    await second.trainer.fit(6);
    expect(second.model.steps.item()).toBe(5);
    // A trainer that keeps no best model leaves it out.
    const third = makeRun(table, { keepBest: false });
    third.trainer.loadStateDict(first.trainer.stateDict());
    await third.trainer.fit(6);
    expect(third.model.steps.item()).toBe(6);
  });

  it('whose best model does not fit are refused, with what differs', async () => {
    const { trainer } = makeRun(table, {});
    await trainer.fit(4);
    const state = new Map(trainer.stateDict());
    state.delete('best.calls');
    state.set('best.steps', tensor([1, 2]));
    const before = bits(trainer.stateDict());
    expect(() => trainer.loadStateDict(state)).toThrow(
      'Trainer.loadStateDict:\n  best.steps is f32[2], expected f32[]\n  best.calls is missing',
    );
    expect(bits(trainer.stateDict())).toBe(before);
  });
});

describe('best', () => {
  it('may be a part of a metric', async () => {
    const model = new Linear(1, 2);
    const x = tensor([[1], [-1], [2]]);
    const seen: (number | undefined)[] = [];
    const trainer = new Trainer({
      model,
      optimizer: new SGD(model.parameters(), { lr: 0.1 }),
      data: () => x,
      loss: (x: Tensor) => ({ loss: model.forward(x).square().mean() }),
      compile: false,
      validation: {
        data: [x], every: 1,
        predict: (x: Tensor) =>
          ({ outputs: model.forward(x), targets: tensor([0, 1, 0], { dtype: 'i32' }) }),
        metrics: { f1: f1(2), accuracy: accuracy(), confusion: confusionMatrix(2) },
        best: { metric: 'f1.macro', direction: 'max' },
      },
      callbacks: [({ validation }) => seen.push(validation?.f1.macro)],
    });
    await trainer.fit(3);
    expect(trainer.best?.value).toBe(Math.max(...seen.map((value) => value ?? NaN)));
    expect(trainer.best).toMatchObject({ metric: 'f1.macro', direction: 'max' });
  });

  it.each<[Validation, string]>([
    [
      { best: { metric: 'acuracy', direction: 'max' } },
      "fit: step 1: validation: best: metric is 'acuracy', expected one of loss, score",
    ],
    [
      { best: { metric: 'loss.macro', direction: 'max' } },
      "best: metric is 'loss.macro', but an evaluation gives numbers for loss, score",
    ],
  ])('names a number that there is: %j', async (validation, message) => {
    const { trainer } = makeRun([0, 1, 2], validation);
    await expect(trainer.fit(1)).rejects.toThrow(message);
    expect(trainer.step).toBe(0);
  });

  it.each<[object, string]>([
    [{ metric: 'loss' }, 'Trainer: validation: best: direction is missing'],
    [{ metric: 'loss', direction: 'up' }, "direction is 'up', expected 'min' or 'max'"],
    [{ direction: 'min' }, 'Trainer: validation: best: metric is missing, expected a string'],
  ])('is checked: %j', (best, message) => {
    expect(() => makeRun([0, 1], { best: best as BestOptions })).toThrow(message);
  });

  it('is shown and logged, also of a run that is resumed', async () => {
    const table = [0, 5, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9];
    const kept: StateDict[] = [];
    const run = (resume: boolean) => {
      const [lines, written] = [new Array<string>(), new Array<string>()];
      const { trainer } = makeRun(table, {}, {
        resume,
        checkpoints: { save: (_step, state) => void kept.push(state), load: () => kept.at(-1) },
        log: { write: (line) => lines.push(line) },
        host: { stdout: { write: (text) => written.push(text) }, once: () => 0, off: () => 0 },
      });
      const events = () => lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ event }) => event !== undefined);
      return { trainer, events, text: () => written.join('') };
    };
    const first = run(false);
    await first.trainer.fit(4);
    expect(first.text()).toContain('\nThe model is the best one: loss 1.00 after step 3\n');
    const second = run(true);
    await second.trainer.fit(5);
    expect(second.text()).toMatch(/^Resumed: step 4, epoch 0.62, best loss 1.00 after step 3\n/);
    const best = { metric: 'loss', direction: 'min', value: 1, step: 3, epoch: 6 / 13 };
    expect(second.events()[1]).toMatchObject({ event: 'resume', step: 4, best });
    expect(second.events()[2]).toMatchObject({ event: 'end', step: 5, reason: 'done', best });
  });
});

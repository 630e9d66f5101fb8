/**
 * Averages in the model when `fit` ends, compared with updates by hand; training goes on without.
 */
import {
  AdamW, DataLoader, Linear, mseLoss, type StateDict, type StepRecord, Trainer, type TrainerOptions,
  WeightAverage,
} from '@mambagrad/nn';
import { manualSeed, type Tensor } from '@mambagrad/tensor';
import { describe, expect, it, test } from 'vitest';

interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}
const points = Array.from({ length: 20 }, (_, i) => ({ x: [i / 10 - 1], y: [Math.sin(3 * i)] }));
const validationData = () => new DataLoader(points, { batchSize: 7 });
const STEPS = 9;

type How = TrainerOptions<Batch>['compile'];

/** A run with an average, by the option or by hand, or without one. */
function makeRun(
  how: How, kind: 'option' | 'by hand' | 'none', keepBest = false,
  options: Partial<TrainerOptions<Batch>> = {},
) {
  manualSeed(4);
  const model = new Linear(1, 1);
  const average = new WeightAverage(model, { decay: 0.9 });
  const records: StepRecord[] = [];
  const byHand: number[] = [];
  const weights: string[] = [];
  const trainer = new Trainer<Batch>({
    model,
    optimizer: new AdamW(model.parameters(), { lr: 0.3 }),
    data: new DataLoader(points, { batchSize: 8, shuffle: true }),
    loss: ({ x, y }) => ({ loss: mseLoss(model.forward(x), y) }),
    compile: how,
    ...(kind === 'option' && {
      average, validation: { data: validationData(), every: 2, keepBest },
    }),
    ...options,
    callbacks: [
      (record) => {
        records.push(record);
        if (kind !== 'by hand') return;
        average.update();
        if (record.step % 2 > 0) return;
        byHand.push(average.use(() => trainer.evaluate(validationData()).loss));
        average.use(() => weights.push(bits(model.stateDict())));
      },
      ...(options.callbacks ?? []),
    ],
  });
  return { model, trainer, average, records, byHand, weights };
}

const bits = (state: StateDict) =>
  JSON.stringify([...state].map(([name, { data }]) => [name, [...data].map(String)]));
const without = (state: StateDict) =>
  bits(new Map([...state].filter(([name]) => !/best|average|position/.test(name))));

describe.each([[false], [{}]] as const)('an average (%j)', (how) => {
  it('is that of updates by hand, and changes nothing in training', async () => {
    const [run, hand, plain] =
      [makeRun(how, 'option'), makeRun(how, 'by hand'), makeRun(how, 'none')];
    for (const steps of [0, 5, STEPS]) {
      for (const { trainer } of [run, hand, plain]) await trainer.fit(steps);
      expect(bits(run.average.stateDict())).toBe(bits(hand.average.stateDict()));
      expect(without(run.trainer.stateDict())).toBe(without(plain.trainer.stateDict()));
      expect(run.records.flatMap(({ validation }) => validation?.loss ?? [])).toEqual(hand.byHand);
      // The model has the averages, of which there are none before the first step.
      const expected = steps === 0 ? bits(plain.model.stateDict())
        : hand.average.use(() => bits(hand.model.stateDict()));
      expect(bits(run.model.stateDict())).toBe(expected);
    }
    expect(hand.byHand).toHaveLength(4);
  });

  it('is what the best model is made of', async () => {
    const [run, hand] = [makeRun(how, 'option', true), makeRun(how, 'by hand')];
    await run.trainer.fit(STEPS);
    await hand.trainer.fit(STEPS);
    const best = hand.byHand.indexOf(Math.min(...hand.byHand));
    expect(run.trainer.best).toMatchObject({ value: hand.byHand[best], step: 2 * best + 2 });
    expect(bits(run.model.stateDict())).toBe(hand.weights[best]);
    expect(run.trainer.evaluate(validationData()).loss).toBe(hand.byHand[best]);
  });

  test('runs with it are the same, resumed at every step', async () => {
    const states: StateDict[] = [];
    const whole: ReturnType<typeof makeRun> = makeRun(how, 'option', true, {
      callbacks: [() => states.push(whole.trainer.stateDict())],
    });
    await whole.trainer.fit(STEPS);
    states.push(whole.trainer.stateDict());
    for (const [i, state] of states.entries()) {
      if (how && i % 3 > 0) continue;
      const resumed = makeRun(how, 'option', true);
      resumed.trainer.loadStateDict(state);
      await resumed.trainer.fit(STEPS);
      expect(bits(resumed.trainer.stateDict())).toBe(bits(whole.trainer.stateDict()));
      expect(bits(resumed.model.stateDict())).toBe(bits(whole.model.stateDict()));
    }
  });

  it('is undone with a step that fails, and what samples are made of', async () => {
    let isBroken = false;
    const seen: string[] = [];
    const run: ReturnType<typeof makeRun> = makeRun(how, 'option', false, {
      data: () => {
        const [{ x, y }] = [...new DataLoader(points, { batchSize: 20 })];
        return { x: isBroken ? x.mul(NaN) : x, y };
      },
      samples: {
        every: 1,
        make: async () => {
          await Promise.resolve();
          seen.push(bits(run.model.stateDict()));
          return '';
        },
      },
      callbacks: [
        () => expect(run.average.use(() => bits(run.model.stateDict()))).toBe(seen.at(-1)),
      ],
    });
    await run.trainer.fit(3);
    const before = bits(run.trainer.stateDict());
    isBroken = true;
    await expect(run.trainer.fit(5)).rejects.toThrow('fit: step 4: ');
    expect(bits(run.trainer.stateDict())).toBe(before);
    isBroken = false;
    await run.trainer.fit(5);
    expect(seen).toHaveLength(5);
  });
});

/** Epochs: training ends exactly where one does, and goes on from anywhere in one. */
import {
  type Batches, cosineDecay, DataLoader, type LoaderState, SGD, type StateDict, type StepRecord,
  Trainer, type TrainerOptions,
} from '@mambagrad/nn';
import { defaultGenerator, manualSeed, normal, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { runs } from '../../support/soak.ts';
import { expectSameState, Scalar } from '../../support/trainers.ts';

/** What a run did: the sums of the batches of each step, and its records. */
interface Run {
  readonly trainer: Trainer<Tensor>;
  readonly records: StepRecord[];
}

/** A run in which the value depends on every batch and on noise from the default generator. */
function makeRun(
  data: Batches<Tensor> | (() => Tensor), options: Partial<TrainerOptions<Tensor>> = {},
): Run {
  const model = new Scalar(0.5, 'f32');
  const records: StepRecord[] = [];
  const trainer = new Trainer<Tensor>({
    model,
    optimizer: new SGD(model.parameters(), { lr: 1e-5, momentum: 0.9 }),
    data,
    loss: (batch) =>
      ({ loss: model.value.mul(batch.mean()).add(normal([])).square(), sum: batch.sum() }),
    compile: false,
    ...options,
    callbacks: [(record) => records.push(record), ...(options.callbacks ?? [])],
  });
  return { trainer, records };
}

/**
 * Loaders of each kind: shuffled, in buckets, of a function, and one that draws while it collates.
 */
const kinds = ['array', 'shuffled', 'buckets', 'function', 'noisy'] as const;
type Kind = (typeof kinds)[number];

function loaderOf(
  kind: Kind, count: number, batchSize: number, dropLast: boolean,
): DataLoader<number, Tensor> {
  const samples = Array.from({ length: count }, (_, i) => i + 1);
  const collate = (some: readonly number[]): Tensor => {
    const x = tensor([...some]);
    return kind === 'noisy' ? x.add(normal(x.shape)) : x;
  };
  if (kind === 'function') {
    return new DataLoader<number, Tensor>(() => samples, { batchSize, dropLast, collate });
  }
  return new DataLoader<number, Tensor>(samples, {
    batchSize, dropLast, collate, shuffle: kind !== 'array',
    ...(kind === 'buckets' && { bucketBy: (x: number) => x % 3, buckets: [0, 1] }),
  });
}

const cases = fc.record({
  kind: fc.constantFrom(...kinds),
  count: fc.integer({ min: 1, max: 13 }),
  batchSize: fc.integer({ min: 1, max: 5 }),
  accumulate: fc.integer({ min: 1, max: 4 }),
  dropLast: fc.boolean(),
}).filter(({ count, batchSize, dropLast, kind }) =>
  !dropLast || (kind === 'buckets' ? count >= 3 * batchSize : count >= batchSize),
);
type Case = { kind: Kind; count: number; batchSize: number; accumulate: number; dropLast: boolean };

/** The number of batches in each step of an epoch, from a plain loop over a loader of that kind. */
function stepsOfAnEpoch({ kind, count, batchSize, accumulate, dropLast }: Case): number {
  const batches = [...loaderOf(kind, count, batchSize, dropLast)].length;
  return Math.ceil(batches / accumulate);
}

function start(
  given: Case, options: Partial<TrainerOptions<Tensor>> = {},
): Run & { loader: DataLoader<number, Tensor> } {
  manualSeed(5);
  const loader = loaderOf(given.kind, given.count, given.batchSize, given.dropLast);
  return { loader, ...makeRun(loader, { accumulate: given.accumulate, ...options }) };
}

describe('fit({ epochs })', () => {
  it('takes the steps of a plain loop over the data, for every loader and accumulation', async () => {
    await fc.assert(fc.asyncProperty(cases, fc.integer({ min: 0, max: 3 }), async (
      given, epochs,
    ) => {
      const { trainer, records, loader } = start(given);
      expect(await trainer.fit({ epochs })).toBe('done');
      // The reference: each epoch by itself, in groups of `accumulate` batches.
      manualSeed(5);
      const plain = loaderOf(given.kind, given.count, given.batchSize, given.dropLast);
      const sizes: number[] = [];
      for (let epoch = 0; epoch < epochs; epoch++) {
        const counts = Array.from(plain, (batch) => batch.numel);
        for (let i = 0; i < counts.length; i += given.accumulate) {
          sizes.push(counts.slice(i, i + given.accumulate).length);
        }
      }
      expect(records.length).toBe(sizes.length);
      expect(trainer.step).toBe(epochs * stepsOfAnEpoch(given));
      expect(loader.state()).toEqual({ seed: 0, epoch: epochs, index: 0 });
      if (epochs > 0) expect(records.at(-1)?.epoch).toBe(epochs);
      const fractions = records.map(({ epoch = NaN }) => epoch);
      fractions.forEach((epoch, i) => {
        expect(epoch).toBeGreaterThanOrEqual(fractions[i - 1] ?? 0);
        expect(epoch).toBeLessThanOrEqual(epochs);
      });
      expect(await trainer.fit({ epochs })).toBe('done');
      expect(records.length).toBe(sizes.length);
    }), { numRuns: runs(25) });
  });

  it('tells schedules how many steps the run has, wherever it is resumed', async () => {
    await fc.assert(fc.asyncProperty(cases, fc.nat(4), async (given, before) => {
      const totals: (number | undefined)[] = [];
      const { trainer } = start(given, {
        schedule: (_step, total) => {
          totals.push(total);
          return 1;
        },
      });
      const length = 3 * stepsOfAnEpoch(given);
      await trainer.fit(before);
      await trainer.fit({ epochs: 3 });
      const expected = given.kind === 'function' ? undefined : length;
      const counts = totals.map((_, i) => (i < before ? before : expected));
      expect(totals).toEqual(counts);
    }), { numRuns: runs(15) });
    const { trainer } = makeRun(() => tensor([1]), { schedule: cosineDecay() });
    await trainer.fit(2);
    await expect(trainer.fit(Infinity)).rejects.toThrow(
      'cosineDecay: steps is missing, and the run has no',
    );
  });

  it('sees every sample once in an epoch', async () => {
    const given =
      { kind: 'shuffled', count: 7, batchSize: 2, accumulate: 1, dropLast: false } as const;
    const { trainer, records } = start(given);
    await trainer.fit({ epochs: 3 });
    for (const epoch of [0, 1, 2]) {
      const sums = records.slice(4 * epoch, 4 * epoch + 4).map(({ metrics }) => metrics['sum']);
      expect(sums.reduce((total, sum) => total + sum)).toBe(28);
    }
  });

  it('is the same run from every step on, and however it is called', async () => {
    await fc.assert(fc.asyncProperty(cases, async (given) => {
      const states: StateDict[] = [];
      const whole: Run =
        start(given, { callbacks: [() => states.push(whole.trainer.stateDict())] });
      await whole.trainer.fit({ epochs: 3 });
      const end = whole.trainer.stateDict();
      for (const [i, state] of states.entries()) {
        const again = start(given);
        defaultGenerator.manualSeed(i);
        again.trainer.loadStateDict(state);
        expect(await again.trainer.fit({ epochs: 3 })).toBe('done');
        expectSameState(again.trainer.stateDict(), end);
        expect(again.records).toEqual(whole.records.slice(i + 1));
      }
      const inParts = start(given);
      for (const epochs of [1, 2, 2, 3]) await inParts.trainer.fit({ epochs });
      expectSameState(inParts.trainer.stateDict(), end);
    }), { numRuns: runs(12) });
  });

  it('ends an epoch that steps have begun', async () => {
    const given =
      { kind: 'array', count: 10, batchSize: 2, accumulate: 2, dropLast: false } as const;
    const { trainer, records, loader } = start(given);
    await trainer.fit(2);
    await trainer.fit({ epochs: 1 });
    expect(records.map(({ epoch }) => epoch)).toEqual([0.4, 0.8, 1]);
    await trainer.fit({ steps: 6 });
    // Steps reach from one epoch into the next.
    expect(loader.state()).toEqual({ seed: 0, epoch: 2, index: 2 });
    // An epoch whose batches have all been taken by steps is over without another one.
    const full = start({ ...given, accumulate: 1 });
    await full.trainer.fit(5);
    expect(full.loader.state()).toEqual({ seed: 0, epoch: 0, index: 10 });
    expect(await full.trainer.fit({ epochs: 1 })).toBe('done');
    expect(full.trainer.step).toBe(5);
  });

  it('draws ahead without a trace: nobody sees it, and errors come in their own step', async () => {
    // The third batch throws. Steps 1 and 2 must be taken, and saved, before.
    let isBroken = true;
    const source = function* () {
      yield* [1, 2];
      if (isBroken) throw new Error('the disk is full');
      yield 3;
    };
    manualSeed(5);
    const collate = (some: readonly number[]) => tensor([...some]).add(normal([some.length]));
    const positions: LoaderState[] = [];
    const counters: unknown[] = [];
    const loader = new DataLoader<number, Tensor>(source, { collate });
    const { trainer } = makeRun(loader, {
      callbacks: [() => {
        positions.push(loader.state());
        counters.push(defaultGenerator.state.toArray());
      }],
    });
    await expect(trainer.fit({ epochs: 1 })).rejects.toThrow('fit: step 3: the disk is full');
    expect(trainer.step).toBe(2);
    expect(positions.map(({ index }) => index)).toEqual([1, 2]);
    // A run by steps, which draws nothing ahead, has the same counters.
    manualSeed(5);
    const bySteps: unknown[] = [];
    const other = makeRun(new DataLoader<number, Tensor>(source, { collate }), {
      callbacks: [() => bySteps.push(defaultGenerator.state.toArray())],
    });
    await other.trainer.fit(2);
    expect(counters).toEqual(bySteps);
    isBroken = false;
    expect(await trainer.fit({ epochs: 1 })).toBe('done');
    expect(trainer.step).toBe(3);
  });

  it('refuses data without epochs, data without batches, and what is no number of epochs', async () => {
    const { trainer } = makeRun(() => tensor([1]));
    await expect(trainer.fit({ epochs: 1 })).rejects.toThrow(
      'fit: epochs are given, but the data is a function, which has none; give steps, or make',
    );
    vi.spyOn(console, 'warn').mockImplementationOnce(() => undefined);
    const empty = makeRun(new DataLoader<number, Tensor>([], { collate: (x) => tensor([...x]) }));
    await expect(empty.trainer.fit({ epochs: 2 })).rejects.toThrow('step 1: the data has no batch');
    for (const epochs of [NaN, -1, 0.5]) {
      await expect(empty.trainer.fit({ epochs })).rejects.toThrow(
        /^fit: epochs is .*expected a who/,
      );
    }
    await expect(trainer.fit({})).rejects.toThrow('fit: neither steps nor epochs are given');
    await expect(trainer.fit({ steps: 1, epochs: 1 })).rejects.toThrow(
      'fit: both steps and epochs',
    );
  });

  it('shows how far the epochs are, and how long it will take if the data can know', async () => {
    const show = async (kind: Kind) => {
      const written: string[] = [];
      const host =
        { stdout: { write: (text: string) => written.push(text) }, once: () => 0, off: () => 0 };
      const { trainer } = start(
        { kind, count: 10, batchSize: 4, accumulate: 1, dropLast: false }, { host },
      );
      await trainer.fit(1);
      written.length = 0;
      await trainer.fit({ epochs: 2 });
      return written.map((line) => line.replace(/ {2}loss.*\n$/, ''));
    };
    expect(await show('array')).toEqual([
      'step 2/6  epoch 0.80/2', 'step 3/6  epoch 1.00/2', 'step 4/6  epoch 1.40/2',
      'step 5/6  epoch 1.80/2', 'step 6/6  epoch 2.00/2',
    ]);
    expect((await show('function')).at(-1)).toBe('step 6  epoch 2.00/2');
  });
});

describe('validation.everyEpochs', () => {
  it('comes after the last step of an epoch, however steps and epochs lie', async () => {
    await fc.assert(fc.asyncProperty(
      cases, fc.integer({ min: 1, max: 3 }), fc.boolean(),
      async (given, everyEpochs, isBySteps) => {
        const validation = { data: [tensor([1])], everyEpochs };
        const { trainer, records } = start(given, { validation });
        await trainer.fit(isBySteps ? { steps: 9 } : { epochs: 4 });
        // The reference: the number of batches taken after each step.
        const batches =
          [...loaderOf(given.kind, given.count, given.batchSize, given.dropLast)].length;
        let [taken, expected] = [0, new Array<boolean>()];
        for (const { step } of records) {
          const before = Math.floor(taken / batches);
          const left = batches - (taken % batches);
          taken += isBySteps ? given.accumulate : Math.min(given.accumulate, left);
          const after = Math.floor(taken / batches);
          expected[step - 1] = Math.floor(after / everyEpochs) > Math.floor(before / everyEpochs);
        }
        expect(records.map(({ validation }) => validation !== undefined)).toEqual(expected);
      },
    ), { numRuns: runs(25) });
  });

  it('can be had beside steps', async () => {
    const given =
      { kind: 'array', count: 10, batchSize: 2, accumulate: 1, dropLast: false } as const;
    const validation = { data: [tensor([1])], every: 3, everyEpochs: 1 };
    const { trainer, records } = start(given, { validation });
    await trainer.fit(11);
    const at = records.filter(({ validation }) => validation).map(({ step }) => step);
    expect(at).toEqual([3, 5, 6, 9, 10]);
  });
});

it('ends the loop over a source when it goes back to another place in the data', async () => {
  const open = new Set<number>();
  let opened = 0;
  const source = function* (): Generator<number> {
    const number = opened++;
    open.add(number);
    try {
      for (let i = 0; i < 6; i++) yield i;
    } finally {
      open.delete(number);
    }
  };
  const { trainer } = makeRun(new DataLoader(source, { batchSize: 2 }));
  await trainer.fit(1);
  expect(open.size).toBe(1);
  trainer.loadStateDict(trainer.stateDict());
  expect(open.size).toBe(0);
  await trainer.fit({ epochs: 3 });
  expect(open.size).toBe(0);
  expect(trainer.step).toBe(9);
});

describe('data of another kind', () => {
  it('has epochs if it has a position', async () => {
    // Only what `Batches` asks for: the sizes are unknown.
    class Counting {
      #state = { seed: 0, epoch: 0, index: 0 };
      state() {
        return this.#state;
      }
      load(state: LoaderState) {
        this.#state = { ...state };
      }
      *[Symbol.iterator]() {
        const { epoch, index } = this.#state;
        for (let i = index; i < 3; i++) {
          this.#state = { seed: 0, epoch, index: i + 1 };
          yield tensor([i]).add(normal([1]));
        }
        this.#state = { seed: 0, epoch: epoch + 1, index: 0 };
      }
    }
    const run = () => (manualSeed(5), makeRun(new Counting()));
    const { trainer, records } = run();
    const states: StateDict[] = [];
    for (let step = 1; step <= 5; step++) {
      await trainer.fit(step);
      states.push(trainer.stateDict());
    }
    await trainer.fit({ epochs: 2 });
    expect(records.map(({ epoch }) => epoch)).toEqual([0, 0, 0, 1, 1, 2]);
    for (const state of states) {
      const resumed = run();
      resumed.trainer.loadStateDict(state);
      await resumed.trainer.fit({ epochs: 2 });
      expectSameState(resumed.trainer.stateDict(), trainer.stateDict());
    }
    const whole = run();
    await whole.trainer.fit({ epochs: 2 });
    expectSameState(whole.trainer.stateDict(), trainer.stateDict());
    expect(whole.records.map(({ epoch }) => epoch)).toEqual([0, 0, 1, 1, 1, 2]);
  });
});

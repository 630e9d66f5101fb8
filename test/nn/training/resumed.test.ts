/** Checkpoints of a training run, and that it goes on from them as if it had never stopped. */
import {
  type CheckpointStore, DataLoader, SGD, type StateDict, type StepRecord, Trainer,
} from '@mambagrad/nn';
import { checkpointFolder, openSafetensors } from '@mambagrad/nn/node';
import { defaultGenerator, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { surviveKills, trainInProcess } from '../../../bench/support/kill.ts';
import { type Batch, makeTrainer } from '../../../bench/support/training.ts';
import { eachInFolder } from '../../support/folder.ts';
import { runs } from '../../support/soak.ts';
import { expectSameState, Scalar, scalarTrainer } from '../../support/trainers.ts';

let folder = '';
eachInFolder((made) => {
  folder = made;
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

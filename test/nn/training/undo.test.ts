/** A step that fails, in whatever way, leaves everything as it was, bit for bit. */
import {
  AdamW, Buffer, cosineDecay, DataLoader, Dropout, Linear, Module, type StateDict, Trainer,
  type TrainerOptions,
} from '@mambagrad/nn';
import {
  defaultGenerator, manualSeed, noGrad, normal, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, test, vi } from 'vitest';

beforeEach(() => void vi.spyOn(console, 'warn').mockImplementation(() => undefined));

/**
 * A batch: inputs, an index that is looked up, the weight of the batch, and a scale of the loss.
 */
interface Batch {
  readonly x: Tensor;
  readonly index: Tensor;
  readonly count: Tensor;
  readonly scale: Tensor;
}

class Model extends Module {
  readonly layer = new Linear(3, 4);
  readonly frozen = new Linear(4, 4);
  readonly dropout = new Dropout(0.25);
  readonly unused = new Linear(2, 2);
  /** How often it was in training. */
  readonly calls = new Buffer(zeros([1], { dtype: 'i32' }));
  /** A running mean of what it saw. */
  readonly mean = new Buffer(zeros([4]));

  forward(x: Tensor): Tensor {
    const h = this.dropout.forward(this.frozen.forward(this.layer.forward(x)));
    if (this.training) {
      noGrad(() => {
        this.calls.assign(this.calls.add(1));
        this.mean.assign(this.mean.mul(0.9).add(h.detach().mean(0).mul(0.1)));
      });
    }
    return h;
  }
}

/** What goes wrong, at the batch in which it does. */
const failures = {
  'a loss that is NaN': { scale: NaN },
  'a loss that is infinite': { scale: Infinity },
  'a gradient that is NaN': { scale: 0 },
  'a count that is NaN': { count: NaN },
  'a count below 0': { count: -1 },
  'an index out of range': { index: 7 },
  'data that throws': { isBroken: true },
  'a batch of another shape': { width: 2 },
} as const;
interface Failure {
  readonly scale?: number;
  readonly count?: number;
  readonly index?: number;
  readonly isBroken?: boolean;
  readonly width?: number;
}

type How = TrainerOptions<Batch>['compile'];

/** A run in which batch number `at` is wrong, for as long as `trouble.is` is set. */
function makeRun(
  how: How, failure: Failure, at: number, options: Partial<TrainerOptions<Batch>> = {},
) {
  manualSeed(2);
  const model = new Model();
  for (const parameter of model.frozen.parameters()) parameter.requiresGrad = false;
  const trouble = { is: true };
  const samples = Array.from({ length: 12 }, (_, i) => i);
  const data = new DataLoader<number, Batch>(samples, {
    batchSize: 1,
    collate: ([i]) => {
      const wrong: Failure = trouble.is && i === at ? failure : {};
      if (wrong.isBroken) throw new Error('the disk is full');
      const { index = i % 4, count = 1 + (i % 3), scale = 1, width = 3 } = wrong;
      return {
        // Noise, so that data draws from the generator that dropout draws from.
        x: normal([2, width]),
        index: tensor([index], { dtype: 'i32' }),
        count: tensor(count),
        scale: tensor(scale),
      };
    },
  });
  const trainer = new Trainer<Batch>({
    model,
    optimizer: new AdamW(
      [...model.layer.parameters(), ...model.frozen.parameters(), ...model.unused.parameters()],
      { lr: 0.01 },
    ),
    data,
    loss: ({ x, index, count, scale }) => {
      const h = model.forward(x).indexSelect(1, index);
      // With a scale of 0 the loss is 0, and its gradient 0/0.
      return { loss: h.mul(scale).square().mean().sqrt(), count };
    },
    schedule: cosineDecay(20, 0.1),
    compile: how,
    ...options,
  });
  return { trainer, model, data, trouble };
}

const bits = (state: StateDict) => JSON.stringify([...state].map(([name, { data }]) => (
  [name, [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]]
)));

describe.each([[false], [{}], [{ backend: 'js' }]] as const)('a step (%j)', (how) => {
  test.each(Object.entries(failures))('of %s changes nothing, and can be taken again', async (_name, failure) => {
    // Steps of one batch, and of two, of which either is wrong.
    for (const [accumulate, at] of [[1, 0], [1, 2], [2, 3]] as const) {
      const step = Math.floor(at / accumulate);
      const { trainer, data, trouble } = makeRun(how, failure, at, { accumulate });
      await trainer.fit(step);
      const [before, position] = [bits(trainer.stateDict()), data.state()];
      for (let attempt = 0; attempt < 2; attempt++) {
        await expect(trainer.fit(step + 2)).rejects.toThrow(`fit: step ${step + 1}: `);
        // A parameter that misses a step gets a count of steps, which is part of the state then.
        const after = new Map(trainer.stateDict());
        if (!before.includes('optimizer.missed')) after.delete('optimizer.missed');
        expect(bits(after)).toBe(before);
        expect([trainer.step, data.state()]).toEqual([step, position]);
      }
      trouble.is = false;
      await trainer.fit(step + 3);
      const undisturbed = makeRun(how, {}, -1, { accumulate });
      await undisturbed.trainer.fit(step + 3);
      expect(bits(trainer.stateDict())).toBe(bits(undisturbed.trainer.stateDict()));
    }
  });

  test('of a loss, an optimizer or a validation that throws changes nothing', async () => {
    const validation = { data: [], every: 2 };
    const inLoss = { is: false };
    const model = new Model();
    class Failing extends AdamW {
      protected override updateRule(steps: Tensor): ReturnType<AdamW['updateRule']> {
        const rule = super.updateRule(steps);
        let count = 0;
        return (...args) => {
          if (inLoss.is && count++ === 1) throw new Error('no update');
          return rule(...args);
        };
      }
    }
    const failing = makeRun(how, {}, -1, { validation });
    await failing.trainer.fit(1);
    const before = bits(failing.trainer.stateDict());
    await expect(failing.trainer.fit(2)).rejects.toThrow(
      'fit: step 2: evaluate: the data has no batch',
    );
    expect(bits(failing.trainer.stateDict())).toBe(before);
    const trainer = new Trainer<Tensor>({
      model,
      optimizer: new Failing(model.layer.parameters(), { lr: 0.1 }),
      data: () => normal([2, 3]),
      loss: (x) => ({ loss: model.forward(x).square().mean() }),
      compile: how,
    });
    inLoss.is = true;
    const start = bits(trainer.stateDict());
    await expect(trainer.fit(1)).rejects.toThrow('fit: step 1: no update');
    expect(bits(trainer.stateDict())).toBe(start);
    inLoss.is = false;
    expect(await trainer.fit(3)).toBe('done');
  });

  it('may have batches that weigh nothing', async () => {
    for (const accumulate of [1, 2, 3]) {
      const { trainer } = makeRun(how, { count: 0 }, 1, { accumulate });
      expect(await trainer.fit(2)).toBe('done');
    }
  });
});

describe('a good step', () => {
  it('has the bits of a plain loop: of a step that is undone nowhere', async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.boolean(), async (
      accumulate, isClipped,
    ) => {
      const options = { accumulate, ...(isClipped && { maxNorm: 0.01 }) };
      const eager = makeRun(false, {}, -1, options);
      await eager.trainer.fit(4);
      const { model, data } = makeRun(false, {}, -1);
      const optimizer = new AdamW(
        [...model.layer.parameters(), ...model.frozen.parameters(), ...model.unused.parameters()],
        { lr: 0.01 },
      );
      const schedule = cosineDecay(20, 0.1);
      const batches = data[Symbol.iterator]();
      for (let step = 0; step < 4; step++) {
        optimizer.scheduleLr(schedule(step));
        optimizer.zeroGrad();
        const drawn = Array.from({ length: accumulate }, () => batches.next().value as Batch);
        for (const { x, index, count, scale } of drawn) {
          const loss = model.forward(x).indexSelect(1, index).mul(scale).square().mean().sqrt();
          (accumulate === 1 ? loss : loss.mul(count)).backward();
        }
        if (accumulate > 1) {
          const scale = drawn.map(({ count }) => count).reduce((a, b) => a.add(b)).reciprocal();
          for (const p of optimizer.parameters) if (p.grad) p.grad = p.grad.mul(scale);
        }
        optimizer.step(isClipped ? { maxNorm: 0.01 } : {});
      }
      const state = eager.trainer.stateDict();
      for (const [name, x] of [...model.namedParameters(), ...model.namedBuffers()]) {
        expect(state.get(`model.${name}`)?.toArray(), name).toEqual(x.toArray());
      }
      expect(state.get('generator.0')?.toArray()).toEqual(defaultGenerator.state.toArray());
    }), { numRuns: 5 });
  });
});

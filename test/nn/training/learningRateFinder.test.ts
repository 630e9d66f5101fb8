/** The learning rate range test: what it finds, and that nothing is left of it. */
import {
  AdamW, Buffer, DataLoader, Dropout, findLearningRate, LearningRateCurve,
  type LearningRateFinderOptions, Linear, Module, mseLoss, SGD, Trainer, type TrainerOptions,
  warmUp, WeightAverage,
} from '@mambagrad/nn';
import {
  defaultGenerator, Generator, manualSeed, type Tensor, tensor, uniform, zeros,
} from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { Scalar } from '../../support/trainers.ts';

/** ½λθ², which plain descent makes smaller for rates below 2/λ, and larger above. */
function parabola(curvature: number, options: LearningRateFinderOptions = {}) {
  const model = new Scalar(2);
  return findLearningRate({
    model,
    optimizer: new SGD(model.parameters(), { lr: 0.5 }),
    loss: () => ({ loss: model.value.square().mul(curvature / 2) }),
    data: () => zeros([1]),
  }, options);
}

describe('the curve', () => {
  it('is that of the steps with growing rates', () => {
    const curve = parabola(3, { from: 1e-3, to: 1, steps: 31, smoothing: 0.5 });
    let [theta, sum, weights] = [2, 0, 0];
    for (const [i, loss] of curve.losses.entries()) {
      const rate = 1e-3 * 1000 ** (i / 30);
      expect(curve.rates[i]).toBeCloseTo(rate, 12);
      expect(loss).toBeCloseTo((3 * theta ** 2) / 2, 12);
      [sum, weights] = [sum / 2 + loss, weights / 2 + 1];
      expect(curve.smoothed[i]).toBeCloseTo(sum / weights, 12);
      theta *= 1 - rate * 3;
    }
    expect(curve.losses).toHaveLength(31);
    expect(curve.diverged).toBe(false);
  });

  it('ends where it rises, and suggests a rate that is of use, whatever the scale', () => {
    for (const curvature of [0.01, 1, 300]) {
      const curve = parabola(curvature, { from: 1e-5, to: 1e5 });
      expect(curve.diverged).toBe(true);
      // Descent is fastest at 1/λ, and diverges from 2/λ on.
      const { suggestion = NaN, lowest, steepest } = curve;
      expect(suggestion * curvature).toBeGreaterThan(0.02);
      expect(suggestion * curvature).toBeLessThan(2);
      expect(suggestion).toBe(Math.max(lowest / 10, steepest));
      expect(Math.max(...curve.rates) * curvature).toBeGreaterThan(2);
    }
  });

  it('suggests nothing where every rate makes it worse', () => {
    const curve = parabola(1, { from: 3, to: 1000, steps: 20 });
    expect(curve).toMatchObject({ diverged: true, lowest: 3, suggestion: undefined });
    expect(String(curve)).toMatch(/^loss .* rates 3.0 to .*, lowest at 3.0, suggested none$/);
  });

  it('ends at a loss that is not finite, unless that is the first', () => {
    const run = (start: number) => {
      const model = new Linear(1, 1);
      model.weight.assign(tensor([[start]]));
      return findLearningRate({
        model,
        optimizer: new SGD(model.parameters()),
        loss: (x: Tensor) => ({ loss: model.forward(x).log().mean() }),
        data: () => tensor([[1]]),
      }, { from: 0.1 });
    };
    const curve = run(3);
    expect(curve.diverged).toBe(true);
    expect(curve.losses.length).toBeGreaterThan(0);
    expect(curve.losses.every(Number.isFinite)).toBe(true);
    expect(() => run(-5)).toThrow('findLearningRate: the loss of the first step is not finite');
  });

  it('has a steepest fall, which is suggested if the lowest is far off', () => {
    const rates = Array.from({ length: 40 }, (_, i) => 1e-4 * 1.2 ** i);
    // Down slowly, quickly from step 10 to 14, and then slowly up again.
    const losses =
      rates.map((_, i) => (i < 10 ? 5 - i / 10 : i < 14 ? 4 - (i - 9) / 2 : 2 + i / 100));
    const curve = new LearningRateCurve(rates, losses, losses, false);
    expect([10, 11, 12].map((i) => rates[i])).toContain(curve.steepest);
    expect(curve.lowest).toBe(rates[13]);
    expect(curve.suggestion).toBe(curve.steepest);
    const early = new LearningRateCurve([1, 20, 30], [3, 2, 4], [3, 2, 4], false);
    expect(early).toMatchObject({ lowest: 20, steepest: 1, suggestion: 2 });
    expect(new LearningRateCurve([1], [3], [3], true)).toMatchObject(
      { lowest: 1, suggestion: undefined },
    );
  });

  it('is drawn in a line', () => {
    const curve = new LearningRateCurve([0.1, 1, 10], [3, 1, 2], [3, 1, 2], false);
    expect(String(curve)).toBe(
      'loss █▁▅  rates 0.10 to 10, lowest at 1.0, suggested 0.10',
    );
  });
});

/** A model with dropout and a buffer that each forward pass moves. */
class Noisy extends Module {
  readonly layer = new Linear(2, 1, { generator: new Generator(1) });
  readonly dropout = new Dropout(0.3, { generator: new Generator(2) });
  readonly count = new Buffer(zeros([]));

  forward(x: Tensor): Tensor {
    this.count.assign(this.count.add(1));
    return this.layer.forward(this.dropout.forward(x));
  }
}

type Batch = { readonly x: Tensor; readonly z: Tensor };

function noisyRun(how: TrainerOptions<Batch>['compile']): TrainerOptions<Batch> {
  manualSeed(3);
  const samples = Array.from({ length: 10 }, (_, i) => ({ x: [i / 10, 1], z: [i] }));
  const model = new Noisy();
  return {
    model,
    optimizer: new AdamW(model.parameters(), { lr: 0.05 }),
    data: new DataLoader(samples, { batchSize: 3, shuffle: true, seed: 4 }),
    loss: ({ x, z }) => {
      const noise = uniform(z.shape, -0.1, 0.1);
      return { loss: mseLoss(model.forward(x), z.add(noise)) };
    },
    schedule: warmUp(10),
    maxNorm: 1,
    average: new WeightAverage(model),
    compile: how,
  };
}

describe('afterwards', () => {
  const bits = (trainer: Trainer<Batch>, { optimizer }: TrainerOptions<Batch>) => [
    ...Array.from(trainer.stateDict(), ([name, { data }]) => [name, ...data]),
    ['lr', optimizer.lr, optimizer.baseLr],
    ['generator', ...defaultGenerator.state.data],
    ['gradients', ...optimizer.parameters.map(({ grad }) => grad?.toArray())],
  ];

  it.each([false, {}] as const)('all is as before, bit for bit (%j)', async (how) => {
    const run = noisyRun(how);
    const trainer = new Trainer(run);
    // In the middle of an epoch, with a rate that a schedule has set.
    await trainer.fit(6);
    const before = bits(trainer, run);
    const curve = findLearningRate(run, { steps: 20 });
    expect(curve.losses.length).toBeGreaterThan(10);
    expect(bits(trainer, run)).toEqual(before);
    await trainer.fit(12);
    const undisturbed = noisyRun(how);
    const other = new Trainer(undisturbed);
    await other.fit(12);
    expect(bits(trainer, run)).toEqual(bits(other, undisturbed));
  });

  it('it is so after an error, too', async () => {
    const run = noisyRun(false);
    const trainer = new Trainer(run);
    await trainer.fit(2);
    const before = bits(trainer, run);
    let left = 5;
    const loss: typeof run.loss = (batch) => {
      if (left-- === 0) throw new Error('enough');
      return run.loss(batch);
    };
    expect(() => findLearningRate({ ...run, loss })).toThrow('enough');
    expect(bits(trainer, run)).toEqual(before);
  });

  it('the suggested rate trains', async () => {
    const model = new Linear(4, 1, { generator: new Generator(1) });
    const generator = new Generator(2);
    const run: TrainerOptions<Batch> = {
      model,
      optimizer: new SGD(model.parameters(), { lr: 1e-9 }),
      data: () => {
        const x = uniform([16, 4], -1, 1, { generator });
        return { x, z: x.sum(1, true) };
      },
      loss: ({ x, z }) => ({ loss: mseLoss(model.forward(x), z) }),
      generators: [generator],
    };
    const weights = model.weight.detach();
    const { suggestion = NaN, losses: [first] } = findLearningRate(run);
    expectSame(model.weight.detach(), weights);
    run.optimizer.lr = suggestion;
    const losses: number[] = [];
    await new Trainer({ ...run, callbacks: [({ metrics }) => losses.push(metrics.loss)] }).fit(100);
    expect(losses.at(-1)).toBeLessThan(first / 50);
  });
});

describe('arguments', () => {
  it('that make no test are refused', () => {
    expect(() => parabola(1, { from: 1, to: 1 })).toThrow('findLearningRate: from is 1, to is 1');
    expect(() => parabola(1, { steps: 1 })).toThrow('findLearningRate: steps is 1');
    expect(() => parabola(1, { smoothing: 1 })).toThrow('findLearningRate: smoothing is 1');
    expect(() => findLearningRate({} as never)).toThrow('findLearningRate: model is missing');
  });
});

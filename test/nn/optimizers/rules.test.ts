/** The update rules: each against PyTorch's runs, and by what is special to it. */
import { Adam, AdamW, clipNorm, Lion, Parameter, RMSprop, SGD } from '@mambagrad/nn';
import { compile, detectAnomaly, tensor } from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../../support/compare.ts';
import { optimizerRuns } from '../../support/golden.ts';
import { optimizers } from '../../support/optimizers.ts';

const stored = ({ shape, data }: { shape: readonly number[]; data: Float64Array }) =>
  tensor(data, { shape });

describe('golden runs', () => {
  const runs = [...optimizerRuns(), ...optimizerRuns('optimizers/runs')];
  it.each(runs)('$run: $optimizer', (run) => {
    const parameters = run.parameters[0].map((values) => new Parameter(stored(values)));
    const optimizer = optimizers[run.optimizer](parameters, run.attrs);
    const { clipNorm: maxNorm } = run;
    for (let step = 0; step < run.steps; step++) {
      const gradients = run.gradients[step].map(stored);
      if (maxNorm !== null) {
        expect(clipNorm(gradients, maxNorm).norm.item()).toBeCloseTo(run.norms[step], 10);
      }
      parameters.forEach((parameter, k) => {
        parameter.grad = gradients[k];
      });
      optimizer.step(maxNorm === null ? {} : { maxNorm });
      parameters.forEach((parameter, k) =>
        expectClose(parameter, run.parameters[step + 1][k], 1e-10),
      );
    }
  });
});

describe('SGD', () => {
  it('dampens every gradient but the first, as PyTorch does', () => {
    const parameter = new Parameter(tensor([1], { dtype: 'f64' }));
    const optimizer = new SGD([parameter], { lr: 1, momentum: 0.5, dampening: 0.25 });
    let [expected, velocity] = [1, 0];
    for (const [i, g] of [3, -2, 5].entries()) {
      optimizer.minimize(parameter.mul(g).sum());
      velocity = 0.5 * velocity + (i === 0 ? g : 0.75 * g);
      expected -= velocity;
      expect(parameter.item()).toBe(expected);
    }
  });

  it('refuses what Nesterov’s variant cannot be', () => {
    const parameters = [new Parameter(tensor([1]))];
    for (const options of [{}, { momentum: 0.9, dampening: 0.1 }]) {
      expect(() => new SGD(parameters, { ...options, nesterov: true })).toThrow(
        'SGD: nesterov takes a momentum above 0 and no dampening',
      );
    }
  });
});
describe('Adam', () => {
  it('has weight decay as the gradient of ½λθ²', () => {
    const [one, two] = [1, 2].map(() => new Parameter(tensor([1, -2], { dtype: 'f64' })));
    const first = new Adam([one], { lr: 0.1, weightDecay: 0.3 });
    const second = new Adam([two], { lr: 0.1 });
    const slope = tensor([0.5, 3], { dtype: 'f64' });
    for (let step = 0; step < 5; step++) {
      first.minimize(one.mul(slope).sum());
      second.minimize(two.mul(slope).add(two.square().mul(0.15)).sum());
      expectClose(one, two, 1e-14);
    }
  });
});

describe('AdamW', () => {
  it('may be without memory, and then goes by the sign of the gradient', () => {
    const parameter = new Parameter(tensor([1, -2], { dtype: 'f64' }));
    const optimizer = new AdamW([parameter], { lr: 0.5, betas: [0, 0], weightDecay: 0 });
    detectAnomaly(() => optimizer.minimize(parameter.mul(parameter).mul(100).sum()));
    expectClose(parameter, tensor([0.5, -1.5], { dtype: 'f64' }), 1e-9);
  });

  it('obeys a new learning rate, and leaves weight decay off where that is asked', () => {
    const decayed = new Parameter(tensor([1]));
    const kept = new Parameter(tensor([1]), { noWeightDecay: true });
    const optimizer = new AdamW([decayed, kept], { lr: 0, weightDecay: 0.5 });
    const loss = () => decayed.mul(0).add(kept.mul(0)).sum();
    optimizer.minimize(loss());
    expect([decayed.item(), kept.item()]).toEqual([1, 1]);
    optimizer.lr = 0.5;
    expect(optimizer.lr).toBe(0.5);
    optimizer.minimize(loss());
    expect([decayed.item(), kept.item()]).toEqual([0.75, 1]);
  });

  it('refuses a loss that does not depend on all parameters, unless that is meant', () => {
    const [used, unused] = [new Parameter(tensor([1])), new Parameter(tensor([1]))];
    const optimizer = new AdamW([used, unused], { weightDecay: 0 });
    expect(() => optimizer.minimize(used.sum())).toThrow(
      'AdamW.minimize: the loss does not depend on parameter 1, f32[1]; if that is meant',
    );
    optimizer.minimize(used.sum(), { allowUnused: true });
    expect(used.item()).toBeLessThan(1);
    expect(unused.item()).toBe(1);
  });

  it('takes no step where there is no gradient', () => {
    const parameter = new Parameter(tensor([1]));
    const optimizer = new AdamW([parameter]);
    optimizer.step({ maxNorm: 1 });
    expect(parameter.item()).toBe(1);
    expect(optimizer.stateDict().get('steps')?.item()).toBe(0);
  });

  it('names its state, and lists what does not fit it', () => {
    const optimizer = new AdamW([new Parameter(tensor([1, 2]))]);
    const state = new Map(optimizer.stateDict());
    expect([...state.keys()]).toEqual(['lr', 'steps', '0.mean', '0.meanSquare']);
    state.delete('lr');
    state.set('0.mean', tensor([1]));
    expect(() => optimizer.loadStateDict(state)).toThrow(
      'AdamW.loadStateDict:\n  lr is missing\n  0.mean is f32[1], expected f32[2]',
    );
  });
});

describe('RMSprop', () => {
  it('stays finite where the gradient is the same each time, and has no variance', () => {
    for (const how of [(f: () => void) => f, compile<[], void>]) {
      const parameter = new Parameter(tensor([1, 2, 3]));
      const optimizer = new RMSprop([parameter], { centered: true, alpha: 0.5, eps: 0.1 });
      const step = how(() => optimizer.minimize(parameter.mul(tensor([1e-3, 0.7, 0])).sum()));
      for (let i = 0; i < 60; i++) step();
      expect(parameter.data.every(Number.isFinite)).toBe(true);
      expect(parameter.data[2]).toBe(3);
    }
  });

  it('names its state, of which there is as little as possible', () => {
    const names = (options: object) =>
      [...new RMSprop([new Parameter(tensor([1]))], options).stateDict().keys()].slice(2);
    expect(names({})).toEqual(['0.meanSquare']);
    expect(names({ momentum: 0.5, centered: true })).toEqual(
      ['0.meanSquare', '0.mean', '0.velocity'],
    );
  });
});

describe('Lion', () => {
  it('moves each element by the rate, or not at all where nothing was ever felt', () => {
    const parameter = new Parameter(tensor([1, 2, 3]));
    const optimizer = new Lion([parameter], { lr: 0.25 });
    const minimize = (slopes: number[]) => optimizer.minimize(parameter.mul(tensor(slopes)).sum());
    minimize([1e-20, -1e20, 0]);
    expect([...parameter.data]).toEqual([0.75, 2.25, 3]);
    // A weak gradient does not turn the mean of a strong one.
    minimize([-1, 1, 0]);
    expect([...parameter.data]).toEqual([1, 2.5, 3]);
    expect([...optimizer.stateDict().keys()]).toEqual(['lr', 'steps', '0.mean']);
  });
});

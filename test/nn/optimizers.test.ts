/** The optimizers against PyTorch's runs, and what all of them share. */
import {
  Adam,
  AdamW,
  clipNorm,
  Linear,
  type Optimizer,
  Parameter,
  SGD,
  type Trained,
} from '@mambagrad/nn';
import { compile, detectAnomaly, Generator, type Tensor, tensor, uniform } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../support/compare.ts';
import { drawInteger, drawShape, drawTensor } from '../support/draw.ts';
import { optimizerRuns } from '../support/golden.ts';

const stored = ({ shape, data }: { shape: readonly number[]; data: Float64Array }) =>
  tensor(data, { shape });

type Make = (trained: Trained, options: object) => Optimizer;
const optimizers: Readonly<Record<string, Make>> = {
  sgd: (trained, options) => new SGD(trained, options),
  adam: (trained, options) => new Adam(trained, options),
  adamw: (trained, options) => new AdamW(trained, options),
};

/** Every kind of state that an optimizer can have. */
const kinds: readonly (readonly [string, (trained: Trained) => Optimizer])[] = [
  ['SGD', (trained) => new SGD(trained, { lr: 0.1, weightDecay: 0.1 })],
  ['SGD with momentum', (trained) => new SGD(trained, { lr: 0.1, momentum: 0.9, dampening: 0.3 })],
  ['SGD after Nesterov', (trained) => new SGD(trained, { momentum: 0.9, nesterov: true })],
  ['Adam', (trained) => new Adam(trained, { lr: 0.1, weightDecay: 0.1 })],
  ['AdamW', (trained) => new AdamW(trained, { lr: 0.1, betas: [0, 0.5] })],
];

describe('golden runs', () => {
  it.each(optimizerRuns())('$run: $optimizer', (run) => {
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

/** Two layers with gradients of different sizes, and their loss. */
function problem(generator = new Generator(7)) {
  const layers = [new Linear(3, 2, { generator }), new Linear(2, 2, { generator })];
  const forward = (x: Tensor) => layers.reduce((y, layer) => layer.forward(y), x);
  return {
    layers,
    parameters: layers.flatMap((layer) => layer.parameters()),
    loss: (x: Tensor) => forward(x).square().mean(),
  };
}
const inputs = Array.from({ length: 6 }, (_, i) =>
  uniform([4, 3], -1, 1, { generator: new Generator(i) }),
);

describe.each(kinds)('%s', (_name, make) => {
  it('does the same by minimize and by backward with step, clipped or not', () => {
    for (const options of [{}, { maxNorm: 0.1 }]) {
      const [one, two] = [problem(), problem()];
      const [first, second] = [make(one.parameters), make(two.parameters)];
      for (const x of inputs) {
        first.minimize(one.loss(x), options);
        second.zeroGrad();
        two.loss(x).backward();
        second.step(options);
      }
      two.parameters.forEach((parameter, i) => expectSame(parameter, one.parameters[i]));
      expect(one.parameters[0].grad).toBeUndefined();
    }
  });

  it('goes on from its saved state bit for bit', () => {
    const [whole, stopped, resumed] = [problem(), problem(), problem(new Generator(8))];
    const train = (optimizer: Optimizer, { loss }: typeof whole, batches: readonly Tensor[]) => {
      for (const x of batches) optimizer.minimize(loss(x));
    };
    train(make(whole.parameters), whole, inputs);
    const before = make(stopped.parameters);
    before.lr = 0.1;
    train(before, stopped, inputs.slice(0, 3));
    const model = stopped.layers.map((layer) => layer.stateDict());
    const saved = { optimizer: before.stateDict(), model };
    // What is saved does not change any more.
    train(before, stopped, inputs.slice(3));
    const after = make(resumed.parameters);
    resumed.layers.forEach((layer, i) => layer.loadStateDict(saved.model[i]));
    after.loadStateDict(saved.optimizer);
    expect(after.lr).toBe(Math.fround(0.1));
    train(after, resumed, inputs.slice(3));
    stopped.parameters.forEach((parameter, i) => expectSame(resumed.parameters[i], parameter));
    expect([...after.stateDict().values()].map((value) => value.toArray())).toEqual(
      [...before.stateDict().values()].map((value) => value.toArray()),
    );
  });

  it('does the same compiled', () => {
    const [eager, compiled] = [problem(), problem()];
    const [first, second] = [make(eager.parameters), make(compiled.parameters)];
    const step = compile((x: Tensor) => second.minimize(compiled.loss(x), { maxNorm: 0.2 }));
    for (const x of inputs) {
      first.lr *= 0.9;
      second.lr *= 0.9;
      first.minimize(eager.loss(x), { maxNorm: 0.2 });
      step(x);
    }
    compiled.parameters.forEach((p, i) => expectClose(p, eager.parameters[i], 1e-5));
  });
});

describe('parameter groups', () => {
  it('have rates and decays of their own; the rates keep their proportion', () => {
    const make = (options = {}) => new Parameter(tensor([1], { dtype: 'f64' }), options);
    const [plain, fast, undecayed] = [make(), make(), make({ noWeightDecay: true })];
    const groups = [plain, { params: [fast, undecayed], lr: 0.4, weightDecay: 0.5 }];
    const optimizer = new SGD(groups, { lr: 0.1, weightDecay: 0.25 });
    const loss = () => plain.add(fast).add(undecayed).sum();
    optimizer.minimize(loss());
    const expected = [1 - 0.1 * 1.25, 1 - 0.4 * 1.5, 1 - 0.4];
    [plain, fast, undecayed].forEach((p, i) => expect(p.item()).toBeCloseTo(expected[i], 14));
    optimizer.lr = 0.05;
    for (const parameter of [plain, fast, undecayed]) parameter.assign(make());
    optimizer.minimize(loss());
    const halved = [1 - 0.05 * 1.25, 1 - 0.2 * 1.5, 1 - 0.2];
    [plain, fast, undecayed].forEach((p, i) => expect(p.item()).toBeCloseTo(halved[i], 14));
  });

  it('refuses no parameters, one given twice, and a proportion to 0', () => {
    const parameter = new Parameter(tensor([1]));
    expect(() => new AdamW([])).toThrow('AdamW: there are no parameters to train');
    expect(() => new AdamW([{ params: [] }])).toThrow('AdamW: there are no parameters to train');
    expect(() => new Adam([parameter, { params: [parameter] }])).toThrow(
      'Adam: a parameter is given twice',
    );
    expect(() => new SGD([{ params: [parameter], lr: 1 }], { lr: 0 })).toThrow(
      'SGD: lr is 0, but not for all groups',
    );
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
    expect(() => optimizer.minimize(used.sum())).toThrow('does not depend on input 1');
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

describe('clipNorm', () => {
  it('scales all gradients by one factor, to the norm asked for and never up', () => {
    fc.assert(
      fc.property(fc.gen(), fc.double({ min: 1e-3, max: 20, noNaN: true }), (g, maxNorm) => {
        const count = drawInteger(g, 1, 3);
        const gradients = Array.from({ length: count }, () => drawTensor(g, drawShape(g)));
        const all = gradients.flatMap(({ data }) => [...data]);
        const expected = Math.hypot(...all);
        const { clipped, norm } = clipNorm(gradients, maxNorm);
        expect(norm.item()).toBeCloseTo(expected, 12);
        const factor = Math.min(1, maxNorm / (expected + 1e-6));
        clipped.forEach((found, i) => expectClose(found, gradients[i].mul(factor), 1e-14));
      }),
    );
  });
});

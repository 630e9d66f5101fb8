/** The optimizers against PyTorch's runs, and what all of them share. */
import {
  Adam,
  AdamW,
  clipNorm,
  globalNorm,
  Linear,
  Lion,
  type Optimizer,
  Parameter,
  RMSprop,
  Sequential,
  SGD,
  type Trained,
} from '@mambagrad/nn';
import {
  compile, detectAnomaly, Generator, ones, type Tensor, tensor, uniform,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { drawInteger, drawShape, drawTensor } from '../../support/draw.ts';
import { optimizerRuns } from '../../support/golden.ts';
import { runs } from '../../support/soak.ts';

const stored = ({ shape, data }: { shape: readonly number[]; data: Float64Array }) =>
  tensor(data, { shape });

type Make = (trained: Trained, options: object) => Optimizer;
const optimizers: Readonly<Record<string, Make>> = {
  sgd: (trained, options) => new SGD(trained, options),
  adam: (trained, options) => new Adam(trained, options),
  adamw: (trained, options) => new AdamW(trained, options),
  rmsprop: (trained, options) => new RMSprop(trained, options),
  lion: (trained, options) => new Lion(trained, options),
};

/** Every kind of state that an optimizer can have. */
const kinds: readonly (readonly [string, (trained: Trained) => Optimizer])[] = [
  ['SGD', (trained) => new SGD(trained, { lr: 0.1, weightDecay: 0.1 })],
  ['SGD with momentum', (trained) => new SGD(trained, { lr: 0.1, momentum: 0.9, dampening: 0.3 })],
  ['SGD after Nesterov', (trained) => new SGD(trained, { momentum: 0.9, nesterov: true })],
  ['Adam', (trained) => new Adam(trained, { lr: 0.1, weightDecay: 0.1 })],
  ['AdamW', (trained) => new AdamW(trained, { lr: 0.1, betas: [0, 0.5] })],
  ['RMSprop', (trained) => new RMSprop(trained, { lr: 0.1, alpha: 0.9, weightDecay: 0.1 })],
  ['centered RMSprop with momentum', (trained) => new RMSprop(trained, { centered: true, momentum: 0.5, eps: 0.1 })],
  ['Lion', (trained) => new Lion(trained, { lr: 0.1, weightDecay: 0.1 })],
];

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

describe('large and small gradients', () => {
  const f64 = { dtype: 'f64' } as const;
  const anyNumber = fc.double({ min: 0.5, max: 1, noNaN: true });

  it('have a norm wherever it is a float32, with the bits of a plain sum where that works', () => {
    const exponent = fc.integer({ min: -140, max: 120 });
    fc.assert(
      fc.property(fc.array(anyNumber, { minLength: 1, maxLength: 20 }), exponent, (numbers, e) => {
        const values = numbers.map((x, i) => (i % 2 ? -1 : 1) * x * 2 ** e);
        const x = tensor(values);
        const exact = Math.hypot(...x.data);
        for (const norm of [globalNorm, compile((all: Tensor[]) => globalNorm(all))]) {
          const found = norm([x.narrow(0, 0, 1), x.narrow(0, 1, x.numel - 1)]).item();
          // The least number is 2^-149, so small ones have fewer digits.
          expect(Math.abs(found - exact)).toBeLessThanOrEqual(1e-6 * exact + 2 ** -149);
        }
        const plain = x.square().sum().sqrt();
        if (Math.abs(e) < 40) expectSame(globalNorm([x]), plain);
      }),
      { numRuns: runs(60) },
    );
  });

  it('have a norm in f64 beyond the roots of its range, and none of NaN and infinities', () => {
    for (const size of [1e-200, 1e-160, 1, 1e160, 1e300]) {
      expect(globalNorm([tensor([3 * size, 4 * size], f64)]).item() / size).toBeCloseTo(5, 12);
    }
    expect(globalNorm([]).item()).toBe(0);
    expect(globalNorm([ones([0]), tensor([0, -0])]).item()).toBe(0);
    for (const wrong of [NaN, Infinity, -Infinity]) {
      expect(globalNorm([tensor([1, wrong])]).item()).toBe(Math.abs(wrong));
    }
    expect(() => globalNorm(ones([2]) as never)).toThrow('globalNorm: tensors is f32[2]');
  });

  it('have a norm with a gradient', () => {
    for (const size of [1e-30, 1e-3, 1, 1e12, 1e25]) {
      const x = tensor([3 * size, -4 * size]);
      x.requiresGrad = true;
      globalNorm([x]).backward();
      expectClose(x.grad ?? ones([]), tensor([0.6, -0.8]), 1e-6);
    }
  });

  it('are clipped to the norm asked for, and not to 0', () => {
    for (const size of [1e20, 1e-25, 3e37]) {
      const gradients = [tensor([3 * size]), tensor([4 * size])];
      const { clipped, norm } = clipNorm(gradients, 1);
      expect(norm.item() / size).toBeCloseTo(5, 5);
      if (size > 1) clipped.forEach((g, i) => expect(g.item()).toBeCloseTo([0.6, 0.8][i], 5));
      else clipped.forEach((g, i) => expectSame(g, gradients[i]));
    }
    for (const maxNorm of [0, -1, NaN]) {
      expect(() => clipNorm([ones([1])], maxNorm)).toThrow(`clipNorm: maxNorm is ${maxNorm}`);
    }
    const same = ones([1]).mul(1e6);
    expectSame(clipNorm([same], Infinity).clipped[0], same);
  });

  it.each([1e19, 1e20, 5e20, 1e-15])('of %d move by the rate in Adam’s first step', (size) => {
    for (const how of [(f: () => void) => f, compile<[], void>]) {
      const parameter = new Parameter(tensor([1, 1]));
      const optimizer = new Adam([parameter], { lr: 0.25, eps: 0 });
      how(() => optimizer.minimize(parameter.mul(tensor([size, -size])).sum()))();
      expectClose(parameter, tensor([0.75, 1.25]), 1e-5);
    }
  });
});

describe.each(kinds)('%s with frozen parameters', (_name, make) => {
  /** Gradients 1, 2, … for two parameters, the first of which is frozen in some steps. */
  const run = (isFrozen: (step: number) => boolean, how: (f: () => void) => () => void) => {
    const [frozen, other] = [1, 2].map((x) => new Parameter(tensor([x], { dtype: 'f32' })));
    const optimizer = make([frozen, other]);
    const slope = new Parameter(tensor([0]));
    slope.requiresGrad = false;
    const step = how(() => optimizer.minimize(frozen.add(other).mul(slope).sum()));
    const byBackward = how(() => {
      optimizer.zeroGrad();
      frozen.add(other).mul(slope).sum().backward();
      optimizer.step();
    });
    for (let i = 0; i < 6; i++) {
      slope.assign(tensor([i + 1]));
      frozen.requiresGrad = !isFrozen(i);
      const before = frozen.item();
      if (i % 2 === 0) step();
      else byBackward();
      if (isFrozen(i)) expect(frozen.item()).toBe(before);
    }
    return { frozen: frozen.item(), other: other.item() };
  };

  it('leaves them and their moments as they are, and goes on when they are free', () => {
    for (const how of [(f: () => void) => f, compile<[], void>]) {
      const { frozen, other } = run((step) => step === 1 || step === 4, how);
      // As if it had been alone, and the steps without it had not been.
      const alone = new Parameter(tensor([1]));
      const optimizer = make([alone]);
      for (const i of [0, 2, 3, 5]) optimizer.minimize(alone.mul(i + 1).sum());
      expect(frozen).toBeCloseTo(alone.item(), 5);
      expect(other).toBeCloseTo(run(() => false, how).other, 5);
    }
  });
});

describe('an optimizer', () => {
  const parameter = () => new Parameter(tensor([1]));

  it('refuses rates, decays and moments out of their range', () => {
    const wrong: [Make, object, string][] = [
      [optimizers['sgd'], { lr: NaN }, 'SGD: lr is NaN'],
      [optimizers['adam'], { lr: -1 }, 'Adam: lr is -1'],
      [optimizers['adamw'], { weightDecay: -0.1 }, 'AdamW: weightDecay is -0.1'],
      [optimizers['adam'], { betas: [0.9] }, 'Adam: betas is [0.9]'],
      [optimizers['adamw'], { betas: [0.9, 1] }, 'AdamW: betas is [0.9, 1]'],
      [optimizers['adamw'], { eps: NaN }, 'AdamW: eps is NaN'],
      [optimizers['rmsprop'], { alpha: 1 }, 'RMSprop: alpha is 1'],
      [optimizers['rmsprop'], { momentum: -1 }, 'RMSprop: momentum is -1'],
      [optimizers['rmsprop'], { centered: 1 }, 'RMSprop: centered is 1'],
      [optimizers['lion'], { betas: [1, 0.9] }, 'Lion: betas is [1, 0.9]'],
      [optimizers['sgd'], { momentum: -1 }, 'SGD: momentum is -1'],
      [optimizers['sgd'], { dampening: 1.01 }, 'SGD: dampening is 1.01'],
      [optimizers['sgd'], { learningRate: 1 }, "SGD: there is no option 'learningRate'"],
      [optimizers['adamw'], { beta: [0.9, 0.9] }, "did you mean 'betas'?"],
    ];
    for (const [make, options, message] of wrong) {
      expect(() => make([parameter()], options)).toThrow(message);
    }
    const optimizer = new SGD([parameter()]);
    for (const lr of [NaN, -1, Infinity]) {
      expect(() => (optimizer.lr = lr)).toThrow(`SGD: lr is ${lr}`);
    }
    expect(() => optimizer.step({ maxNorm: NaN })).toThrow('SGD.step: maxNorm is NaN');
    expect(() => optimizer.minimize(ones([]), { maxNrm: 1 } as never)).toThrow("'maxNorm'");
  });

  it('has the defaults that it documents, and takes the ends of their ranges', () => {
    const loss = (x: Tensor) => x.square().mul(3).sum();
    const train = (make: (trained: Trained) => Optimizer) => {
      const x = new Parameter(tensor([1, -2, 0.5]));
      const optimizer = make([x]);
      for (let i = 0; i < 4; i++) optimizer.minimize(loss(x));
      return x;
    };
    const adam = { betas: [0.9, 0.999], eps: 1e-8, lr: 1e-3 } as const;
    const sgd = { lr: 1e-3, weightDecay: 0, momentum: 0, dampening: 0, nesterov: false };
    const pairs: [(t: Trained) => Optimizer, (t: Trained) => Optimizer][] = [
      [(t) => new SGD(t), (t) => new SGD(t, sgd)],
      [(t) => new Adam(t), (t) => new Adam(t, { ...adam, weightDecay: 0 })],
      [(t) => new AdamW(t), (t) => new AdamW(t, { ...adam, weightDecay: 0.01 })],
      [(t) => new RMSprop(t), (t) => new RMSprop(t, {
        lr: 0.01, alpha: 0.99, eps: 1e-8, momentum: 0, centered: false, weightDecay: 0,
      })],
      [(t) => new Lion(t), (t) => new Lion(t, { lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 })],
      [(t) => new AdamW(t, { lr: undefined, betas: undefined }), (t) => new AdamW(t)],
    ];
    for (const [left, written] of pairs) expectSame(train(left), train(written));
    // With a dampening of 1 the first gradient is all there is.
    const x = new Parameter(tensor([1]));
    const optimizer = new SGD([x], { lr: 1, momentum: 0.5, dampening: 1 });
    for (const g of [1, 100, 100]) optimizer.minimize(x.mul(g).sum());
    expect(x.item()).toBe(1 - 1 - 0.5 - 0.25);
  });

  it('takes parameters that it can train', () => {
    const model = new Sequential(new Linear(1, 1));
    expect(() => new AdamW(model as never)).toThrow(
      'AdamW: parameters are a Sequential, expected an array of parameters, or of groups ' +
        '{ params, lr, weightDecay }: model.parameters()',
    );
    expect(() => new AdamW([{ params: [ones([1])], LR: 1 } as never])).toThrow(
      "AdamW: parameters[0]: there is no option 'LR'; did you mean 'lr'?",
    );
    expect(() => new SGD([{ params: [parameter()], lr: NaN }])).toThrow('lr is NaN');
    expect(() => new SGD([parameter().add(1)])).toThrow('parameter 0, f32[1], is the result of an');
    expect(() => new SGD([ones([1], { dtype: 'i32' })])).toThrow('i32[1], has no gradient');
    expect(() => new SGD([ones([1]), ones([1], { dtype: 'f64' })])).toThrow(
      'SGD: parameter 1, f64[1], is not f32 as parameter 0 is',
    );
  });

  it('warns once of leaves that it does not hold', () => {
    const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const [held, other] = [parameter(), new Parameter(ones([2, 3]))];
    const optimizer = new SGD([held]);
    for (let i = 0; i < 3; i++) optimizer.minimize(held.mul(other).sum());
    expect(warnings.mock.calls).toEqual([
      [expect.stringContaining('SGD.minimize: the loss depends on f32[2, 3], which the optimizer')],
    ]);
    other.requiresGrad = false;
    new SGD([held]).minimize(held.mul(other).sum());
    expect(warnings).toHaveBeenCalledTimes(1);
    warnings.mockRestore();
  });

  it('keeps the steps that parameters have missed, once any has', () => {
    const make = () => new Adam([1, 2].map((x) => new Parameter(tensor([x]))), { lr: 0.1 });
    const step = (optimizer: Adam, isFrozen: boolean) => {
      const [a, b] = optimizer.parameters;
      a.requiresGrad = !isFrozen;
      optimizer.minimize(a.add(b).square().sum());
    };
    const [whole, stopped, uneven] = [make(), make(), make()];
    for (const isFrozen of [false, true, true]) {
      step(whole, isFrozen);
      step(stopped, isFrozen);
    }
    const names = ['lr', 'steps', 'missed', '0.mean', '0.meanSquare', '1.mean', '1.meanSquare'];
    expect([...stopped.stateDict().keys()]).toEqual(names);
    const resumed = make();
    resumed.loadStateDict(stopped.stateDict());
    resumed.parameters.forEach((x, i) => x.assign(stopped.parameters[i]));
    for (const optimizer of [whole, resumed]) step(optimizer, false);
    whole.parameters.forEach((x, i) => expectSame(x, resumed.parameters[i]));
    // And back to one that has missed none.
    step(uneven, true);
    uneven.loadStateDict(make().stateDict());
    expect(uneven.stateDict().get('missed')?.toArray()).toEqual([0, 0]);
    expect(uneven.stateDict().get('steps')?.item()).toBe(0);
  });
});

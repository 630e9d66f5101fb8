/** All that optimizers share: groups, frozen parameters, their state, and what they refuse. */
import {
  Adam, AdamW, Linear, Lion, type Optimizer, Parameter, RMSprop, Sequential, SGD, type Trained,
} from '@mambagrad/nn';
import { compile, Generator, ones, type Tensor, tensor, uniform } from '@mambagrad/tensor';
import { describe, expect, it, vi } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { kinds, type Make, optimizers } from '../../support/optimizers.ts';

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

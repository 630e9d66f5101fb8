/** Freezing: by name, at any time, at no cost, and as part of a run that is stopped and resumed. */
import {
  AdamW, Dropout, Linear, Lion, Module, mseLoss, type Optimizer, type Parameter, parameterGroups,
  RMSprop, Sequential, SGD, summary, Trainer, type TrainerOptions,
} from '@mambagrad/nn';
import { compile, Generator, ones, type Tensor, tensor, uniform, zeros } from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../../support/compare.ts';

/** Two layers in a list, and a head. */
class Model extends Module {
  readonly layers: readonly [Linear, Linear];
  readonly dropout = new Dropout(0.1, { generator: new Generator(9) });
  readonly head: Linear;

  constructor(seed = 1) {
    super();
    const generator = new Generator(seed);
    this.layers = [new Linear(3, 4, { generator }), new Linear(4, 4, { generator })];
    this.head = new Linear(4, 1, { generator });
  }

  forward(x: Tensor): Tensor {
    const [first, second] = this.layers;
    return this.head.forward(this.dropout.forward(second.forward(first.forward(x).tanh()).tanh()));
  }
}

const frozenOf = (model: Module) =>
  model.namedParameters().filter(([, x]) => x.isFrozen).map(([name]) => name);

describe('names', () => {
  it('select a parameter, all below a module, one name of any, or what a function says', () => {
    const cases: [Parameters<Module['freeze']>[0], string[]][] = [
      ['head.weight', ['head.weight']],
      ['head', ['head.weight', 'head.bias']],
      ['layers.1', ['layers.1.weight', 'layers.1.bias']],
      ['layers.*.bias', ['layers.0.bias', 'layers.1.bias']],
      ['*.weight', ['head.weight']],
      [/bias$/, ['layers.0.bias', 'layers.1.bias', 'head.bias']],
      [/weight/g, ['layers.0.weight', 'layers.1.weight', 'head.weight']],
      [
        (name, { ndim }) => name.startsWith('layers') && ndim === 2,
        ['layers.0.weight', 'layers.1.weight'],
      ],
    ];
    for (const [which, names] of cases) {
      const model = new Model();
      expect(frozenOf(model.freeze(which))).toEqual(names);
      expect(frozenOf(model.unfreeze(which))).toEqual([]);
      const others = model.namedParameters()
        .map(([name]) => name).filter((x) => !names.includes(x));
      expect(frozenOf(model.freeze().unfreeze(which))).toEqual(others);
    }
  });

  it('that match nothing are a mistake', () => {
    const model = new Model();
    for (const which of ['layer', 'head.weight.data', 'layers.*.*.x', '', /x$/, () => false]) {
      expect(() => model.freeze(which)).toThrow(
        /^freeze: which is .* matches none of the parameters: layers.0.weight, /,
      );
    }
    expect(() => model.unfreeze('hed')).toThrow("unfreeze: which is 'hed', which matches none");
    expect(() => model.freeze(3 as never)).toThrow('freeze: which is 3, expected');
    expect(frozenOf(model)).toEqual([]);
  });

  it('are not needed for a part, or for one parameter', () => {
    const model = new Model();
    model.layers[0].freeze();
    model.head.bias?.freeze();
    expect(frozenOf(model)).toEqual(['layers.0.weight', 'layers.0.bias', 'head.bias']);
    expect(frozenOf(model.to('f64'))).toHaveLength(3);
    expect(summary(model).split('\n').slice(-2).map((line) => line.split(/\s+/))).toEqual(
      [['total', '41'], ['frozen', '17']],
    );
    expect(summary(model.unfreeze())).not.toContain('frozen');
  });
});

describe('frozen parameters', () => {
  const x = uniform([8, 3], -1, 1, { generator: new Generator(3) });

  it('cost no work in the backward pass', () => {
    const products = (model: Model) => {
      const optimizer = new SGD(model.parameters());
      const step = compile(() => optimizer.minimize(model.forward(x).square().mean()));
      step();
      return step.listing().match(/ = matmul/g)?.length;
    };
    // Forward 3; backward 3 for weights and 2 for inputs.
    expect(products(new Model())).toBe(8);
    expect(products(new Model().freeze('layers.0'))).toBe(6);
    expect(products(new Model().freeze('layers'))).toBe(4);
    expect(products(new Model().freeze('layers.1'))).toBe(7);
  });

  const optimizers: [string, (parameters: Parameter[]) => Optimizer][] = [
    ['AdamW', (all) => new AdamW(all, { lr: 0.1, weightDecay: 0.5 })],
    ['SGD', (all) => new SGD(all, { lr: 0.1, momentum: 0.9, weightDecay: 0.5 })],
    ['RMSprop', (all) => new RMSprop(all, { momentum: 0.9, centered: true, weightDecay: 0.5 })],
    ['Lion', (all) => new Lion(all, { lr: 0.1, weightDecay: 0.5 })],
  ];

  it.each(optimizers)('keep themselves and their moments under %s, bit for bit', (_name, make) => {
    for (const how of [(f: () => void) => f, compile<[], void>]) {
      const model = new Model();
      const optimizer = make(model.parameters());
      const step = how(() => optimizer.minimize(model.forward(x).square().mean(), { maxNorm: 1 }));
      step();
      model.freeze('layers');
      const isOfLayers = (name: string) => /^[0-3]\./.test(name) || name.startsWith('layers');
      const kept = () => [...model.stateDict(), ...optimizer.stateDict()]
        .filter(([name]) => isOfLayers(name)).map(([name, { data }]) => [name, [...data]]);
      const [before, head] = [kept(), model.head.weight.data[0]];
      for (let i = 0; i < 3; i++) step();
      expect(kept()).toEqual(before);
      expect(model.head.weight.data[0]).not.toBe(head);
      model.unfreeze();
      step();
      for (const [i, [, values]] of kept().entries()) expect(values).not.toEqual(before[i][1]);
    }
  });

  it('that are all there is leave nothing to train', () => {
    const model = new Model().freeze();
    const optimizer = new AdamW(model.parameters());
    const loss = () => model.forward(x).square().mean();
    const message = 'all parameters are frozen; unfreeze() those that are to learn';
    for (const how of [(f: () => void) => f, compile<[], void>]) {
      expect(how(() => optimizer.minimize(loss()))).toThrow(`AdamW.minimize: ${message}`);
      expect(how(() => optimizer.step())).toThrow(`AdamW.step: ${message}`);
      const step = how(() => optimizer.minimize(loss()));
      model.unfreeze('head');
      step();
      model.freeze();
      expect(step).toThrow(`AdamW.minimize: ${message}`);
    }
  });
});

type Batch = { readonly x: Tensor; readonly y: Tensor };

function makeTrainer(model: Model, options: Partial<TrainerOptions<Batch>> = {}): Trainer<Batch> {
  const generator = new Generator(5);
  return new Trainer<Batch>({
    model,
    optimizer: new AdamW(model.parameters(), { lr: 0.05, weightDecay: 0.1 }),
    data: () => {
      const x = uniform([4, 3], -1, 1, { generator });
      return { x, y: x.sum(1, true) };
    },
    loss: ({ x, y }) => ({ loss: mseLoss(model.forward(x), y) }),
    generators: [generator],
    ...options,
  });
}

describe('a trainer', () => {
  it.each([false, {}] as const)('sees what is frozen and unfrozen on the way (%j)', async (how) => {
    const model = new Model().freeze('layers');
    const values: Tensor[] = [];
    const trainer = makeTrainer(model, {
      compile: how,
      callbacks: [({ step }) => {
        values.push(tensor(model.layers[0].weight.data));
        if (step === 3) model.unfreeze();
        if (step === 6) model.freeze('layers.0');
      }],
    });
    await trainer.fit(8);
    const moved = values.slice(1).map((x, i) => x.sub(values[i]).abs().max().item() > 0);
    expect(moved).toEqual([false, false, true, true, true, false, false]);
  });

  it('resumes with what was frozen then, and goes on bit for bit', async () => {
    const at: Record<number, Map<string, Tensor>> = {};
    const start = (options: Partial<TrainerOptions<Batch>> = {}) => {
      const model = new Model().freeze('layers');
      const trainer = makeTrainer(model, {
        ...options,
        callbacks: [({ step }) => {
          at[step] = new Map(trainer.stateDict());
          if (step === 3) model.unfreeze('layers.1');
          if (step === 5) model.unfreeze();
        }],
      });
      return { model, trainer };
    };
    const whole = start();
    await whole.trainer.fit(8);
    const expected = whole.trainer.stateDict();
    expect(at[2].get('trainer.frozen')?.toArray()).toEqual([1, 1, 1, 1, 0, 0]);
    expect(expected.get('trainer.frozen')?.toArray()).toEqual([0, 0, 0, 0, 0, 0]);
    for (const from of [2, 4, 7]) {
      const { trainer } = start();
      trainer.loadStateDict({ ...at }[from]);
      await trainer.fit(8);
      const found = trainer.stateDict();
      expect([...found.keys()]).toEqual([...expected.keys()]);
      for (const [name, value] of expected) expectSame(found.get(name) ?? zeros([]), value);
    }
  });

  it('has no flags where nothing was ever frozen, and leaves parameters as they are then', async () => {
    const trainer = makeTrainer(new Model());
    await trainer.fit(1);
    const saved = trainer.stateDict();
    expect(saved.has('trainer.frozen')).toBe(false);
    const model = new Model().freeze('head');
    const other = makeTrainer(model);
    other.loadStateDict(saved);
    expect(frozenOf(model)).toEqual(['head.weight', 'head.bias']);
    const wrong = new Map(other.stateDict()).set('trainer.frozen', ones([2], { dtype: 'i32' }));
    expect(() => trainer.loadStateDict(wrong)).toThrow('trainer.frozen is i32[2], expected i32[6]');
  });

  it('refuses to train where all is frozen', async () => {
    for (const how of [false, {}] as const) {
      await expect(makeTrainer(new Model().freeze(), { compile: how }).fit(1)).rejects.toThrow(
        'fit: step 1: the optimizer: all parameters are frozen; unfreeze() those that are to learn',
      );
    }
  });
});

describe('parameterGroups', () => {
  it('puts each parameter into the first group that it matches, and the rest into a last', () => {
    const model = new Model();
    const [first, second] = model.layers;
    const groups = parameterGroups(model, [
      { match: 'layers.0', lr: 0.25 }, { match: /bias$/, weightDecay: 0 },
    ]);
    expect(groups).toEqual([
      { params: [first.weight, first.bias], lr: 0.25 },
      { params: [second.bias, model.head.bias], weightDecay: 0 },
      { params: [second.weight, model.head.weight] },
    ]);
    const optimizer = new SGD(groups, { lr: 0.5 });
    const before = model.stateDict();
    optimizer.minimize(model.parameters().map((x) => x.sum()).reduce((a, b) => a.add(b)));
    const moved = model.namedParameters()
      .map(([name, x]) => before.get(name)?.sub(x).mean().item().toFixed(3));
    expect(moved).toEqual(['0.250', '0.250', '0.500', '0.500', '0.500', '0.500']);
    expect(parameterGroups(model, [])).toEqual([{ params: model.parameters() }]);
    expect(parameterGroups(model, [{ match: () => true }])).toHaveLength(1);
  });

  it('refuses groups that would be empty, and what are no groups', () => {
    const model = new Sequential(new Linear(1, 1));
    const wrong: [unknown, string][] = [
      [
        [{ match: 'head' }],
        "parameterGroups: groups[0].match is 'head', which matches none of the",
      ],
      [
        [{ match: '0' }, { match: /bias/ }],
        'groups[1].match is /bias/, which matches none of the parameters: none',
      ],
      [[{ lr: 1 }], 'parameterGroups: groups[0]: match is missing'],
      [[{ match: '0', lr: -1 }], 'lr is -1'],
      [{ match: '0' }, 'parameterGroups: groups are'],
    ];
    for (const [groups, message] of wrong) {
      expect(() => parameterGroups(model, groups as never)).toThrow(message);
    }
  });
});

/** What a module knows of the tree below it: names, modes, state, dtype, and a table of it. */
import {
  Buffer,
  Dropout,
  Embedding,
  Linear,
  Module,
  Parameter,
  RMSNorm,
  Sequential,
  summary,
} from '@mambagrad/nn';
import {
  compile, Generator, ones, type Tensor, tensor, withoutValues, zeros,
} from '@mambagrad/tensor';
import { describe, expect, it, vi } from 'vitest';
import { expectSame } from '../../support/compare.ts';

class Pair extends Module {
  readonly first = new Linear(2, 3);
  readonly mean = new Buffer(zeros([3]));
  readonly rest = [new Linear(3, 1, { bias: false }), new RMSNorm(3)];
  readonly tied: Parameter = this.first.weight;
  readonly seen = new Buffer(tensor([7], { dtype: 'i32' }));
  readonly constant = ones([2]);
  /** Modules may know each other. */
  readonly self: Module = this;
}

const names = (entries: readonly (readonly [string, unknown])[]) => entries.map(([name]) => name);

describe('Module', () => {
  it('lists parameters, buffers and modules by path, in order, each once', () => {
    const model = new Pair();
    expect(names(model.namedParameters())).toEqual([
      'first.weight',
      'first.bias',
      'rest.0.weight',
      'rest.1.weight',
    ]);
    expect(names(model.namedBuffers())).toEqual(['mean', 'seen']);
    expect(names(model.namedModules())).toEqual(['', 'first', 'rest.0', 'rest.1']);
    expect(model.parameters()).toHaveLength(4);
    expect(model.parameterCount()).toBe(6 + 3 + 3 + 3);
  });

  it('lists generators, each once', () => {
    const [one, two] = [new Generator(1), new Generator(2)];
    const dropout = (generator: Generator) => new Dropout(0.5, { generator });
    const model = new Sequential(dropout(two), new Dropout(), dropout(one), dropout(two));
    expect(model.generators()).toEqual([two, one]);
    expect(model.generators()[0]).toBe(two);
  });

  it('is trained or used, as a whole or in part', () => {
    const model = new Pair();
    const modes = () => model.namedModules().map(([, { training }]) => training);
    expect(modes()).toEqual([true, true, true, true]);
    expect(model.eval()).toBe(model);
    expect(modes()).toEqual([false, false, false, false]);
    model.rest[1].train();
    expect(modes()).toEqual([false, false, false, true]);
    expect(model.train()).toBe(model);
    expect(modes()).toEqual([true, true, true, true]);
  });

  it('is in eval for a function, but not for one that goes on later', () => {
    const model = new Pair();
    expect(model.inEval(() => model.training)).toBe(false);
    expect(() => model.inEval(async () => model.training)).toThrow('inEval: the function is async');
    const later: PromiseLike<never> = { then: () => Promise.reject(new Error('not called')) };
    expect(() => model.inEval(() => later)).toThrow('inEval: the function is async');
    expect(model.training).toBe(true);
  });

  it('changes dtype as a whole; what is tied stays tied, what is frozen frozen', () => {
    const model = new Pair();
    model.rest[0].weight.requiresGrad = false;
    model.to('f64');
    expect(model.parameters().map(({ dtype }) => dtype)).toEqual(['f64', 'f64', 'f64', 'f64']);
    expect(model.tied).toBe(model.first.weight);
    expect(model.rest[0].weight.requiresGrad).toBe(false);
    expect(model.rest[1].weight.noWeightDecay).toBe(true);
    expect([model.mean.dtype, model.seen.dtype]).toEqual(['f64', 'i32']);
    expect(model.namedBuffers()).toHaveLength(2);
    expect(model.first.forward(ones([1, 2], { dtype: 'f64' })).dtype).toBe('f64');
  });
});

describe('the fields of a module', () => {
  class Kept extends Module {
    readonly byName = new Map<unknown, unknown>([
      ['first', new Linear(2, 1, { bias: false })], [7, new Parameter(ones([1]))],
      [Symbol('other'), new RMSNorm(3)],
    ]);
    readonly all = new Set<unknown>([new Buffer(ones([4])), new Parameter(ones([5])), 'text']);
    readonly parts = {
      left: new Linear(1, 1, { bias: false }), inner: [{ x: new Parameter(ones([6])) }],
    };
    readonly bare = Object.assign(Object.create(null) as object, { y: new Parameter(ones([8])) });
    readonly config = { sizes: [1, 2], nothing: null, when: new Date(0), itself: this as unknown };
  }

  it('may be Maps, Sets and plain objects, which are trained, saved and converted', () => {
    const model = new Kept();
    const parameters = [
      'byName.first.weight', 'byName.7', 'byName.2.weight', 'all.1', 'parts.left.weight',
      'parts.inner.0.x', 'bare.y',
    ];
    expect(names(model.namedParameters())).toEqual(parameters);
    expect(names(model.namedBuffers())).toEqual(['all.0']);
    expect(names(model.namedModules())).toEqual(
      ['', 'byName.first', 'byName.2', 'parts.left'],
    );
    const state = model.stateDict();
    const other = new Kept();
    other.loadStateDict(new Map([...state].map(([name, x]) => [name, x.mul(2)])));
    for (const [name, x] of other.stateDict()) expectSame(x, (state.get(name) ?? x).mul(2));
    model.to('f64').eval();
    expect(names(model.namedParameters())).toEqual(parameters);
    expect(model.parameters().every(({ dtype }) => dtype === 'f64')).toBe(true);
    expect([...model.all].map((x) => (x instanceof Parameter ? 'p' : typeof x))).toEqual(
      ['object', 'p', 'string'],
    );
    expect(model.namedBuffers()[0][1].dtype).toBe('f64');
    expect(model.parts.left.training).toBe(false);
    for (const layer of Object.values(model.parts)) Object.freeze(layer);
    expect(() => model.to('f32')).toThrow(/the field '\w+' is frozen and cannot be replaced/);
    expect(() => model.to('i32')).toThrow("to: dtype is 'i32', expected 'f32' or 'f64'");
    expect(() => model.train(1 as never)).toThrow('train: training is 1, expected true or false');
  });

  it('have different paths', () => {
    class Twice extends Module {
      readonly ['a.b'] = new Parameter(ones([1]));
      readonly a: object;

      constructor(inner: Parameter | Buffer) {
        super();
        this.a = { b: inner };
      }
    }
    const same = new Twice(new Parameter(ones([2])));
    for (const use of [() => same.parameters(), () => same.stateDict()]) {
      expect(use).toThrow("Twice: two fields have the path 'a.b'; rename one of them");
    }
    const mixed = new Twice(new Buffer(ones([2])));
    expect(mixed.parameters()).toHaveLength(1);
    expect(() => mixed.stateDict()).toThrow("stateDict: two tensors have the name 'a.b'");
    expect(() => mixed.loadStateDict(new Map())).toThrow("two tensors have the name 'a.b'");
  });

  it('that are plain tensors with gradients are warned of, once', () => {
    const warnings = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    class Forgetful extends Module {
      readonly scale = ones([2]);
      readonly shift = ones([3]);
    }
    const model = new Forgetful();
    model.scale.requiresGrad = true;
    for (let i = 0; i < 3; i++) expect(model.parameters()).toEqual([]);
    expect(warnings.mock.calls).toEqual([
      [expect.stringContaining("Module: the field 'scale' is f32[2] that requires gradients but")],
    ]);
    warnings.mockRestore();
  });
});

describe('the state of a module', () => {
  it('goes from one to another, and is a copy', () => {
    const [from, to] = [new Pair(), new Pair()];
    from.mean.assign(tensor([1, 2, 3]));
    from.seen.assign(tensor([9], { dtype: 'i32' }));
    const state = from.stateDict();
    expect([...state.keys()].sort()).toEqual(
      ['first.bias', 'first.weight', 'mean', 'rest.0.weight', 'rest.1.weight', 'seen'],
    );
    const values = [...state].map(([name, value]) => [name, value.toArray()]);
    const { weight } = to.first;
    to.loadStateDict(state);
    expect(to.first.weight).toBe(weight);
    expectSame(to.seen, from.seen);
    from.mean.assign(zeros([3]));
    to.first.weight.assign(zeros([3, 2]));
    expect([...state].map(([name, value]) => [name, value.toArray()])).toEqual(values);
    expect([...state.values()].some(({ requiresGrad }) => requiresGrad)).toBe(false);
  });

  it('goes to a module that was built without values, whatever its size', () => {
    const generator = new Generator(1);
    const before = generator.state.toArray();
    const large = withoutValues(() => new Linear(2 ** 20, 2 ** 20, { generator }));
    expect(large.parameterCount()).toBe(2 ** 40 + 2 ** 20);
    expect(generator.state.toArray()).toEqual(before);
    expect(() => large.weight.data).toThrow('made in withoutValues and has been given no value');
    const [sketch, model] = [withoutValues(() => new Pair()), new Pair()];
    expect(() => sketch.first.forward(ones([1, 2]))).toThrow('has been given no value');
    sketch.loadStateDict(model.stateDict());
    const x = tensor([[1, 2]]);
    expectSame(sketch.first.forward(x), model.first.forward(x));
    sketch.first.forward(x).sum().backward();
    expect(sketch.first.weight.grad?.toArray()).toEqual([[1, 2], [1, 2], [1, 2]]);
  });

  it('is read by a compiled function made before', () => {
    const [from, to] = [new Linear(2, 2), new Linear(2, 2)];
    const f = compile((x: Tensor) => to.forward(x));
    const x = ones([1, 2]);
    f(x);
    to.loadStateDict(from.stateDict());
    expectSame(f(x), from.forward(x));
  });

  it('is refused with everything that is wrong with it, and nothing changes', () => {
    const model = new Linear(2, 3, { generator: new Generator(1) });
    const before = model.stateDict();
    const wrong = new Map([
      ['weight', zeros([2, 3])],
      ['scale', zeros([3])],
      ['__proto__', zeros([])],
    ]);
    expect(() => model.loadStateDict(wrong)).toThrow(
      'loadStateDict:\n  bias is missing\n  scale is unexpected\n  __proto__ is unexpected\n  ' +
        'weight is f32[2, 3], expected f32[3, 2]',
    );
    expect(() => model.loadStateDict({ weight: zeros([3, 2]) } as never)).toThrow(
      'loadStateDict: values is { weight }, expected a Map of tensors by name',
    );
    expect(() => model.loadStateDict(before, { srict: false } as never)).toThrow("'strict'");
    const arrays = new Map([['weight', [[1]]], ['bias', null]]) as never;
    expect(() => model.loadStateDict(arrays)).toThrow(/weight is \[\[…\]\], expected f32\[3, 2\]/);
    const other = new Map([
      ['bias', zeros([3])],
      ['weight', zeros([3, 2], { dtype: 'f64' })],
    ]);
    for (const strict of [true, false]) {
      expect(() => model.loadStateDict(other, { strict })).toThrow(
        /^loadStateDict:\n  weight is f64\[3, 2], expected f32\[3, 2]$/,
      );
    }
    for (const [name, value] of model.stateDict()) expectSame(value, before.get(name) ?? zeros([]));
  });

  it('may have other names if that is said', () => {
    const model = new Linear(2, 3);
    const before = model.weight.detach();
    const values = new Map([['bias', ones([3])], ['scale', ones([3])]]);
    model.loadStateDict(values, { strict: false });
    expect(model.bias?.toArray()).toEqual([1, 1, 1]);
    expectSame(model.weight, before);
  });
});

describe('summary', () => {
  it('is a table of modules, their own parameters and the total', () => {
    class Reader extends Module {
      readonly embedding = new Embedding(100, 16);
      readonly blocks = [new Sequential(new Linear(16, 2), new RMSNorm(2))];
      readonly scales = [new Parameter(ones([2])), new Parameter(ones([]))];
      readonly head: Parameter = this.embedding.weight;
    }
    expect(summary(new Reader())).toBe(
      [
        'layer       type        parameters                 count',
        '────────────────────────────────────────────────────────',
        '            Reader      scales.0 [2], scales.1 []      3',
        'embedding   Embedding   weight [100, 16]           1,600',
        'blocks.0    Sequential                                 0',
        'blocks.0.0  Linear      weight [2, 16], bias [2]      34',
        'blocks.0.1  RMSNorm     weight [2]                     2',
        '────────────────────────────────────────────────────────',
        'total                                              1,639',
      ].join('\n'),
    );
  });
});

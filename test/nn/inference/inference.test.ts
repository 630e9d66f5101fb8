/**
 * Any module in use: what `predict` and `step` give is what `forward` gives, whatever happens to
 * it.
 */
import { Mamba, Mamba2Block, MambaBlock } from '@mambagrad/mamba';
import {
  compileForInference, compileInEval, Dropout, GRU, Linear, LSTM, Module, mseLoss, Parameter, SGD,
  Sequential,
} from '@mambagrad/nn';
import {
  concat, Generator, manualSeed, ones, stack, Tensor, tensor, TensorError, uniform, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { runs } from '../../support/soak.ts';

beforeEach(() => void manualSeed(1));

/** Two inputs and two results, as trees; with dropout, and a count of how often it is traced. */
class Pair extends Module {
  readonly first = new Linear(3, 4);
  readonly dropout = new Dropout(0.5);
  traces = 0;

  forward({ x, parts }: { readonly x: Tensor; readonly parts: readonly Tensor[] }, scale = 1) {
    this.traces += 1;
    const h = this.dropout.forward(this.first.forward(x).tanh());
    return { sum: parts.reduce((sum, part) => sum.add(part), h).mul(scale), all: [h, x] };
  }
}

const inputs = (batch: number) =>
  ({ x: uniform([batch, 3], -1, 1), parts: [ones([batch, 4]), uniform([4], 0, 1)] });

/** A recurrent module of a user: a running mean, made of parameters and a state that is a tree. */
class Running extends Module {
  readonly decay = new Parameter(tensor([0.5, 0.9]));
  readonly head = new Linear(2, 1);

  initialState(batch: number) {
    return { mean: zeros([batch, 2]), seen: [zeros([batch])] };
  }

  step(x: Tensor, { mean, seen: [count] }: ReturnType<Running['initialState']>) {
    const next = mean.mul(this.decay).add(x.mul(this.decay.neg().add(1)));
    return { y: this.head.forward(next), state: { mean: next, seen: [count.add(1)] } };
  }

  forward(x: Tensor): Tensor {
    let state = this.initialState(x.shape[0]);
    return stack(x.unbind(1).map((step) => {
      const result = this.step(step, state);
      state = result.state;
      return result.y;
    }), 1);
  }
}

describe('predict', () => {
  test('gives what forward gives in eval, for trees of any batch, whatever mode the module is in', () => {
    const model = new Pair();
    const use = compileForInference(model);
    fc.assert(fc.property(fc.nat(2), fc.boolean(), fc.constantFrom(1, 2), (
      batch, isTraining, scale,
    ) => {
      const input = inputs(batch);
      model.eval();
      const expected = model.forward(input, scale);
      model.train(isTraining);
      const found = use.predict(input, scale);
      expectClose(found.sum, expected.sum, 1e-6);
      expectClose(found.all[0], expected.all[0], 1e-6);
      expect(found.all[1]).toBe(input.x);
      expect([found.sum.requiresGrad, model.training, model.dropout.training]).toEqual(
        [false, isTraining, isTraining],
      );
    }), { numRuns: runs(30) });
  });

  test('is traced once for each shape, and not again for other modes or weights', () => {
    const model = new Pair();
    const use = compileForInference(model);
    const input = inputs(2);
    use.prepare(input);
    const { traces } = model;
    const results = [
      () => model.train(), () => model.eval(), () => model.loadStateDict(model.stateDict()),
    ].map((change) => {
      change();
      return use.predict(input).sum;
    });
    expectSame(results[0], results[1]);
    expect(model.traces).toBe(traces);
    use.predict(inputs(3));
    expect(model.traces).toBeGreaterThan(traces);
  });

  test('sees weights that are trained, loaded, moved or replaced', () => {
    class Net extends Module {
      readonly layers = [new Linear(3, 2), new Linear(2, 1)];
      readonly byName = new Map([['scale', new Parameter(ones([1]))]]);
      forward(x: Tensor): Tensor {
        const y = this.layers.reduce((h, layer) => layer.forward(h), x);
        return y.mul(this.byName.get('scale') ?? 0);
      }
    }
    const model = new Net();
    const use = compileForInference(model);
    const x = uniform([4, 3], -1, 1);
    let before = use.predict(x);
    const optimizer = () => new SGD(model.parameters(), { lr: 0.1 });
    const changes: Record<string, () => unknown> = {
      trained: () => optimizer().minimize(mseLoss(model.forward(x), ones([4, 1]))),
      loaded: () => model.loadStateDict(new Net().stateDict()),
      'replaced in an array': () => (model.layers[1] = new Linear(2, 1)),
      'replaced in a Map': () => model.byName.set('scale', new Parameter(tensor([3]))),
      'replaced deep down': () =>
        Object.assign(model.layers[0], { weight: new Parameter(uniform([2, 3], -1, 1)) }),
    };
    for (const [name, change] of Object.entries(changes)) {
      change();
      const after = use.predict(x);
      expectClose(after, model.forward(x).detach(), 1e-6);
      expect(String(after), name).not.toBe(String(before));
      before = after;
    }
    model.to('f64');
    expectSame(use.predict(x.cast('f64')), model.forward(x.cast('f64')).detach());
  });

  test('draws the numbers that forward draws, and prepare draws none', () => {
    class Sampler extends Module {
      readonly generator = new Generator(7);
      forward(p: Tensor): Tensor {
        return uniform([50], 0, 1, { generator: this.generator }).mul(p);
      }
    }
    const [a, b] = [new Sampler(), new Sampler()];
    const use = compileForInference(a).prepare(zeros([50]));
    for (let call = 0; call < 3; call++) {
      expectSame(use.predict(ones([50]).mul(0.5)), b.forward(ones([50]).mul(0.5)));
    }
  });

  test('keeps as many programs as it is told', () => {
    const model = new Pair();
    const use = compileForInference(model, { maxPrograms: 1 });
    for (const batch of [2, 3, 2]) use.predict(inputs(batch));
    expect(model.traces).toBe(3);
    expect(() => compileForInference(model, { maxPrograms: 0 })).toThrow(
      'compileForInference: maxPrograms is 0',
    );
  });
});

describe('step', () => {
  test('after step gives what forward gives for the whole sequence, of layers, blocks, models and own modules', () => {
    const batchFirst = { batchFirst: true, numLayers: 2 } as const;
    const [gru, lstm] = [new GRU(2, 3, batchFirst), new LSTM(2, 3, batchFirst)];
    const [block, block2] =
      [new MambaBlock({ hiddenSize: 2 }), new Mamba2Block({ hiddenSize: 8, headDim: 4 })];
    const [own, model] =
      [new Running(), new Mamba({ embedDim: 2, hiddenSize: 4, numLayers: 2, pool: 'none' })];
    const [layers, others] =
      [[gru, lstm as unknown as GRU], [block, own, model, block2] as unknown as MambaBlock[]];
    const [useLayers, useOthers] = [
      layers.map((layer) => compileForInference(layer)),
      others.map((other) => compileForInference(other)),
    ];
    /** The results of all steps, from one state to the next. */
    const inSteps = <State>(
      x: Tensor, step: (x: Tensor, state?: State) => readonly [Tensor, State],
    ) => {
      let state: State | undefined;
      return stack(x.unbind(1).map((each) => {
        const [y, next] = step(each, state);
        state = next;
        return y;
      }), 1);
    };
    fc.assert(fc.property(fc.integer({ min: 1, max: 6 }), (length) => {
      const x = uniform([2, length, 2], -1, 1);
      useLayers.forEach((use, i) => {
        const steps = inSteps<never>(x, (each, state) => {
          const result = use.step(each, state);
          return [result.output, result.state as never];
        });
        expectClose(steps, layers[i].forward(x).output.detach(), 1e-5);
      });
      useOthers.forEach((use, i) => {
        const input = others[i] === block2 as unknown ? concat([x, x, x, x], 2) : x;
        const steps = inSteps<never>(input, (each, state) => {
          const { y, state: next } = use.step(each, state);
          return [y, next as never];
        });
        expectClose(steps, others[i].forward(input).detach(), 1e-5);
      });
    }), { numRuns: runs(6) });
  });

  test('goes on from a state that was kept, however often, and changes none', () => {
    const use = compileForInference(new Running()).prepareStep(zeros([1, 2]));
    const { state } = use.step(tensor([[1, 2]]));
    const kept = state.mean.toArray();
    const [first, again] = [3, 3].map((x) => use.step(tensor([[x, x]]), state));
    expectSame(first.y, again.y);
    expect(state.mean.toArray()).toEqual(kept);
    expect(first.state.seen[0].toArray()).toEqual([2]);
    expectSame(use.initialState(1).mean, zeros([1, 2]));
  });

  test('is there for recurrent modules alone', () => {
    expect('step' in compileForInference(new Linear(2, 1))).toBe(false);
    expect('step' in compileForInference(new Sequential(new Linear(2, 1)))).toBe(false);
  });
});

test('errors name the class and the method that was called', () => {
  const linear = compileForInference(new Linear(2, 1));
  expect(() => linear.predict(ones([1, 3]))).toThrow(
    'Linear.predict: Linear: x is f32[1, 3], expected f32[..., 2]',
  );
  expect(() => linear.prepare(ones([1, 3]))).toThrow('Linear.prepare: Linear: x is f32[1, 3]');
  const gru = compileForInference(new GRU(2, 3));
  expect(() => gru.predict(ones([1, 3]))).toThrow(
    'GRU.predict: x is f32[1, 3], expected f32[length, batch, 2]',
  );
  expect(() => gru.step(ones([1, 3]))).toThrow('GRU.step: x is f32[1, 3], expected f32[batch, 2]');
  expect(() => gru.step(ones([1, 2]), gru.initialState(2))).toThrow(
    'GRU.step: state.h is f32[1, 2, 3], expected f32[1, 1, 3]',
  );
  expect(() => gru.step(1 as never)).toThrow('GRU.step: x is 1, expected a tensor [batch, ...]');
  expect(() => gru.initialState(-1)).toThrow('GRU.initialState: batch is -1');
  const both = compileForInference(new GRU(2, 3, { bidirectional: true }));
  expect(() => both.step(ones([1, 2]))).toThrow(/^GRU\.step: the layer is bidirectional/);
  expect(() => compileForInference({ forward: () => 0 } as never)).toThrow(
    'compileForInference: module is { forward }, expected a Module with a forward method',
  );
  class Failing extends Module {
    forward(): Tensor {
      throw new RangeError('mine');
    }
  }
  expect(() => compileForInference(new Failing()).predict()).toThrow(new RangeError('mine'));
  const model = new Mamba({ embedDim: 2, hiddenSize: 4 });
  expect(() => compileForInference(model).step(ones([1, 3]))).toThrow(TensorError);
});

test('any function of a module can be compiled for inference', () => {
  const model = new Pair();
  const encode = compileInEval(model, (x: Tensor) => model.dropout.forward(model.first.forward(x)));
  const x = uniform([2, 3], -1, 1);
  expectClose(encode(x), model.first.forward(x).detach(), 1e-6);
  expect(encode.inspect(x).kernels().length).toBeGreaterThan(0);
  expect(() => compileInEval(model, 3 as never)).toThrow(
    'compileInEval: f is 3, expected a function',
  );
  expect(() => compileInEval({} as never, () => 0)).toThrow(
    'compileInEval: module is {}, expected a Module',
  );
});

/** Averages of weights: their definition, and that they are put in and out without a trace. */
import {
  Linear, Module, Parameter, type StateDict, WeightAverage, type WeightAverageOptions,
} from '@mambagrad/nn';
import { compile, Generator, tensor, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { drawShape, drawTensor } from '../../support/draw.ts';

class Model extends Module {
  readonly a: Parameter;
  readonly b: Parameter;

  constructor(a: Tensor, b: Tensor = a) {
    super();
    this.a = new Parameter(a);
    this.b = new Parameter(b);
  }
}

const inside = (average: WeightAverage, model: Model) =>
  average.use(() => [tensor(model.a.data), tensor(model.b.data)]);

describe('the average', () => {
  it('is that of the formula, over any weights', () => {
    const decays = fc.double({ min: 0, max: 0.99, noNaN: true });
    fc.assert(
      fc.property(fc.gen(), decays, fc.boolean(), fc.nat(15), (g, decay, warmUp, updates) => {
        const shape = drawShape(g, { maxRank: 2 });
        const model = new Model(drawTensor(g, shape));
        const average = new WeightAverage(model, { decay, warmUp });
        let expected = [...model.a.data];
        for (let n = 0; n < updates; n++) {
          model.a.assign(drawTensor(g, shape));
          average.update();
          const d = n === 0 ? 0 : warmUp ? Math.min(decay, (1 + n) / (10 + n)) : decay;
          expected = expected.map((x, i) => d * x + (1 - d) * model.a.data[i]);
        }
        const weights = tensor(model.a.data, { shape });
        const found = average.use(() => tensor(model.a.data, { shape }));
        expectClose(found, { shape, data: expected }, 1e-13);
        expectSame(model.a.detach(), weights);
      }),
      { numRuns: 60 },
    );
  });

  it('is the same compiled, where it is part of the step', () => {
    const states = [false, true].map((isCompiled): StateDict => {
      const model = new Linear(3, 2, { generator: new Generator(1) });
      const average = new WeightAverage(model, { decay: 0.9 });
      const move = (x: Tensor): Tensor => {
        for (const parameter of model.parameters()) parameter.assign(parameter.mul(0.9).add(x));
        average.update();
        // In a compiled function, too, the averages are there and gone again.
        return average.use(() => model.forward(tensor([[1, 2, 3]])));
      };
      const step = isCompiled ? compile(move) : move;
      for (let i = 0; i < 12; i++) {
        const y = step(tensor(Math.sin(i)));
        expectClose(y, average.use(() => model.forward(tensor([[1, 2, 3]]))), 1e-6);
      }
      return average.stateDict();
    });
    const [eager, compiled] = states;
    expect([...eager.keys()]).toEqual(['updates', 'weights.weight', 'weights.bias']);
    expect(compiled.get('updates')?.item()).toBe(12);
    for (const [name, value] of eager) expectClose(value, compiled.get(name) ?? value, 1e-6);
  });

  it('of what does not change, or is frozen, is that, bit for bit', () => {
    for (const how of [(f: () => void) => f, compile<[], void>]) {
      const model = new Model(tensor([0.1, 1 / 3, -7e-5]), tensor([1, 2, 3]));
      const average = new WeightAverage(model);
      const update = how(() => average.update());
      for (let i = 0; i < 20; i++) {
        model.b.assign(model.b.mul(1.1));
        update();
      }
      const [a, b] = inside(average, model);
      expectSame(a, model.a.detach());
      expect(b.data[0]).toBeLessThan(model.b.data[0]);
      model.b.freeze();
      update();
      expectSame(inside(average, model)[1], model.b.detach());
      // From there it goes on when it is unfrozen.
      model.b.unfreeze();
      model.b.assign(model.b.mul(2));
      update();
      const [, on] = inside(average, model);
      expect(on.data[0]).toBeGreaterThan(model.b.data[0] / 2);
      expect(on.data[0]).toBeLessThan(model.b.data[0]);
    }
  });
});

describe('use', () => {
  const start = (options: WeightAverageOptions = { decay: 0.5, warmUp: false }) => {
    const model = new Model(tensor([0, 0]));
    const average = new WeightAverage(model, options);
    average.update();
    model.a.assign(tensor([4, 8]));
    average.update();
    return { model, average };
  };

  it('puts the weights back after an error, and after a promise', async () => {
    const { model, average } = start();
    expect(() => average.use(() => {
      expect([...model.a.data]).toEqual([2, 4]);
      throw new Error('x');
    })).toThrow('x');
    expect([...model.a.data]).toEqual([4, 8]);
    const pending = average.use(async () => {
      await Promise.resolve();
      return [...model.a.data];
    });
    expect([...model.a.data]).toEqual([2, 4]);
    expect(await pending).toEqual([2, 4]);
    expect([...model.a.data]).toEqual([4, 8]);
    await expect(average.use(() => Promise.reject(new Error('y')))).rejects.toThrow('y');
    // As clients of databases have them: an object whose method `then` starts the work.
    const later: PromiseLike<number[]> = {
      then: (resolve) => Promise.resolve([...model.a.data]).then(resolve),
    };
    expect(await average.use(() => later)).toEqual([2, 4]);
    expect([...model.a.data]).toEqual([4, 8]);
  });

  it('refuses what would mix averages with weights, compiled or not', () => {
    const { model, average } = start();
    const update = compile(() => average.update());
    update();
    const message = 'the model has the averages already, in `use`';
    average.use(() => {
      expect(() => average.update()).toThrow(`WeightAverage.update: ${message}`);
      expect(update).toThrow(`WeightAverage.update: ${message}`);
      expect(() => average.use(() => 0)).toThrow(`WeightAverage.use: ${message}`);
      expect(() => average.apply()).toThrow(`WeightAverage.apply: ${message}`);
      // What is saved are the averages, in use or not.
      expect(average.stateDict().get('weights.a')?.toArray()).toEqual([3, 6]);
    });
    update();
    expect([...model.a.data]).toEqual([4, 8]);
    expect(average.stateDict().get('weights.a')?.toArray()).toEqual([3.5, 7]);
  });

  it('is for a while, apply for good', () => {
    const { model, average } = start();
    average.apply();
    expect([...model.a.data]).toEqual([2, 4]);
    model.a.assign(tensor([10, 10]));
    expect(average.stateDict().get('weights.a')?.toArray()).toEqual([2, 4]);
  });
});

describe('its state', () => {
  it('goes on bit for bit in another, and what is saved does not change', () => {
    const draw = (i: number) => tensor([Math.sin(i), Math.cos(i), i]);
    const make = () => {
      const model = new Model(tensor([1, 2, 3]), tensor([5]));
      return { model, average: new WeightAverage(model, { decay: 0.8 }) };
    };
    const [whole, resumed] = [make(), make()];
    const run = ({ model, average }: typeof whole, from: number, to: number) => {
      for (let i = from; i < to; i++) {
        model.a.assign(draw(i));
        average.update();
      }
    };
    run(whole, 0, 5);
    const saved = whole.average.stateDict();
    run(whole, 5, 9);
    resumed.average.loadStateDict(saved);
    run(resumed, 5, 9);
    const [found, expected] = [resumed.average.stateDict(), whole.average.stateDict()];
    for (const [name, value] of expected) expectSame(found.get(name) ?? tensor([]), value);
    expect(() => resumed.average.loadStateDict(new Map())).toThrow(
      'WeightAverage.loadStateDict:\n  updates is missing\n  weights.a is missing',
    );
  });

  it('needs a model with parameters, and a decay below 1', () => {
    class None extends Module {}
    expect(() => new WeightAverage(new None())).toThrow(
      'WeightAverage: the model has no parameters',
    );
    expect(() => new WeightAverage([] as never)).toThrow('WeightAverage: model is []');
    const model = new Model(tensor([1]));
    expect(() => new WeightAverage(model, { decay: 1 })).toThrow('WeightAverage: decay is 1');
    expect(() => new WeightAverage(model).use(3 as never)).toThrow('WeightAverage.use: f is 3');
  });
});

/** Losses: PyTorch's golden values, finite differences, definitions by loops, and corners. */
import {
  binaryCrossEntropyWithLogits, crossEntropy, huberLoss, klDivergence, l1Loss, mseLoss, nllLoss,
} from '@mambagrad/nn';
import { compile, gradcheck, ones, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { expectClose, expectSame, leaf, valueAndGradients } from '../../support/compare.ts';
import { drawIndices, drawShape, drawTensor } from '../../support/draw.ts';
import { opCases } from '../../support/golden.ts';
import { type Call, expectGolden, expectGoldenCompiled } from '../../support/goldenCase.ts';
import { odd, ways } from '../../support/nonFinite.ts';
import { runs } from '../../support/soak.ts';

const f64 = { dtype: 'f64' } as const;
const i32 = { dtype: 'i32' } as const;

const calls: Readonly<Record<string, Call>> = {
  l1Loss: (options, [x, z]) => l1Loss(x, z, options),
  huberLoss: (options, [x, z]) => huberLoss(x, z, options),
  crossEntropy: (options, [x, z, weight]) => crossEntropy(x, z, { ...options, weight }),
  nllLoss: (options, [x, z, weight]) => nllLoss(x, z, { ...options, weight }),
  binaryCrossEntropyWithLogits: (options, [x, z, posWeight]) =>
    binaryCrossEntropyWithLogits(x, z, { ...options, posWeight }),
  klDivergence: (options, [x, z]) => klDivergence(x, z, options),
};

describe.each(Object.entries(calls))('%s', (name, call) => {
  const cases = opCases(name, 'losses/cases');

  it('meets its golden values', () => {
    expect(cases.length).toBeGreaterThan(0);
    for (const golden of cases) expectGolden(golden, call);
  });

  it('meets them compiled, in float32', () => {
    for (const golden of cases) expectGoldenCompiled(golden, call);
  });
});

describe('masks and weights of samples', () => {
  const losses = {
    crossEntropy, nllLoss, mseLoss, l1Loss, huberLoss, klDivergence, binaryCrossEntropyWithLogits,
  };
  it.each(Object.entries(losses))('%s meets the golden values', (name, loss) => {
    const cases = opCases(name, 'losses/weighted');
    expect(cases.length).toBeGreaterThan(2);
    const call: Call = ({ names, ...options }, [x, z, ...more]) => {
      const given = (names as string[]).map((option, i) => [option, more[i]]);
      return loss(x, z, { ...options, ...Object.fromEntries(given) });
    };
    for (const golden of cases) {
      expectGolden(golden, call);
      expectGoldenCompiled(golden, call);
    }
  });
});

test('every golden case is of a loss that is tested', () => {
  const tested = Object.keys(calls).flatMap((name) => opCases(name, 'losses/cases'));
  expect(opCases(undefined, 'losses/cases')).toHaveLength(tested.length);
});

describe('gradients', () => {
  /** Calls f with a loss's options, one reduction after the other. */
  const reductions = (f: (options: { reduction: 'mean' | 'none' }) => void) => {
    for (const reduction of ['mean', 'none'] as const) f({ reduction });
  };

  it('of the losses of numbers are those of finite differences', () => {
    fc.assert(
      fc.property(fc.gen(), fc.double({ min: 0.1, max: 3, noNaN: true }), (g, delta) => {
        const shape = drawShape(g, { empty: false });
        const [x, z] = [drawTensor(g, shape), drawTensor(g, shape)];
        // Away from the kink at 0.
        const gap = x.greaterEqual(z).where(tensor(0.1, f64), -0.1);
        reductions((options) => {
          gradcheck((a, b) => huberLoss(a, b, { delta, ...options }), [x, z]);
          gradcheck((a, b) => l1Loss(a.add(gap), b, options), [x, z]);
        });
      }),
      { numRuns: runs(20) },
    );
  });

  it('of the losses of classes are, too, with weights, ignored targets and smoothing', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(0, 0.2, 1), fc.integer({ min: -1, max: 4 }),
        (g, labelSmoothing, ignoreIndex) => {
          const shape = drawShape(g, { maxRank: 2, empty: false });
          const logits = drawTensor(g, [...shape, 5]);
          const targets = drawIndices(g, shape, 5);
          const some = drawTensor(g, [5], 0.1, 2);
          for (const weight of [undefined, some.mul(tensor([1, 0, 1, 1, 1], f64))]) {
            reductions((more) => {
              const options = { weight, ignoreIndex, ...more };
              gradcheck((x) => crossEntropy(x, targets, { labelSmoothing, ...options }), [logits]);
              gradcheck((x) => nllLoss(x, targets, options), [logits]);
            });
          }
        }),
      { numRuns: runs(10) },
    );
  });

  it('of the losses of probabilities are, too', () => {
    fc.assert(
      fc.property(fc.gen(), fc.double({ min: 0, max: 3, noNaN: true }), (g, posWeight) => {
        const shape = drawShape(g, { maxRank: 2, empty: false });
        const [x, z] =
          [drawTensor(g, [...shape, 3], -4, 4), drawTensor(g, [...shape, 3], 0.1, 0.9)];
        const perClass = drawTensor(g, [3], 0, 2);
        reductions((options) => {
          for (const weight of [posWeight, perClass]) {
            gradcheck(
              (a, b) => binaryCrossEntropyWithLogits(a, b, { posWeight: weight, ...options }),
              [x, z],
            );
          }
          gradcheck((a, b) => klDivergence(a, b, options), [x, z]);
          const logTargets = true;
          gradcheck((a, b) => klDivergence(a, b.log(), { logTargets, ...options }), [x, z]);
        });
      }),
      { numRuns: runs(10) },
    );
  });
});

describe('huberLoss', () => {
  it('is the square of small errors, halved, and linear from delta on', () => {
    const x = tensor([0, 0.5, -1, 2, -3, 100], f64);
    const found = huberLoss(x, zeros([6], f64), { delta: 2, reduction: 'none' });
    expectClose(found, tensor([0, 0.125, 0.5, 2, 4, 198], f64), 1e-15);
  });

  it('pulls an infinite error by delta, as any large one', () => {
    for (const way of ways) {
      const loss = (x: Tensor) => huberLoss(x, zeros([3]), { delta: 0.5, reduction: 'sum' });
      const { value, gradients } = valueAndGradients(
        way ? compile(loss, way) : loss, [tensor([Infinity, -Infinity, 0.25])], 'f32',
      );
      expect(value.item()).toBe(Infinity);
      const cotangent = gradients[0].data[2] / 0.25;
      expectClose(gradients[0], tensor([0.5, -0.5, 0.25]).mul(cotangent), 1e-6);
    }
  });
});

describe('nllLoss', () => {
  it('is crossEntropy without its softmax, bit for bit', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const shape = drawShape(g, { empty: false });
        const [logits, weight] = [drawTensor(g, [...shape, 4]), drawTensor(g, [4], 0, 2)];
        const options = { weight, ignoreIndex: 1 };
        const targets = drawIndices(g, shape, 4);
        expectSame(
          nllLoss(logits.logSoftmax(-1), targets, options), crossEntropy(logits, targets, options),
        );
      }),
    );
  });
});

describe('weights of classes', () => {
  it('are repetitions: a weight of 2 is every sample of the class twice', () => {
    const logits = tensor([[1, -1, 0.5], [0, 2, -1], [0.3, 0.1, 0]], f64);
    const targets = tensor([0, 2, 1], i32);
    const weight = tensor([1, 1, 2], f64);
    const twice = logits.concat([logits.narrow(0, 1, 1)], 0);
    const all = tensor([0, 2, 1, 2], i32);
    const found = crossEntropy(logits, targets, { weight });
    expectClose(found, crossEntropy(twice, all), 1e-14);
    // The same numbers as no weights at all, where all are equal.
    const equal = crossEntropy(logits, targets, { weight: ones([3], f64).mul(7) });
    expectClose(equal, crossEntropy(logits, targets), 1e-14);
  });

  it('of 0 leave classes out, whatever was predicted there', () => {
    for (const way of ways) {
      for (const labelSmoothing of [0, 0.1]) {
        const weight = tensor([1, 0, 2]);
        const loss = (x: Tensor, z: Tensor) => crossEntropy(x, z, { weight, labelSmoothing });
        const run = way ? compile(loss, way) : loss;
        const logits = tensor([[1, -Infinity, 2], [0, -Infinity, 1], [3, -Infinity, 1]]);
        const { value, gradients } =
          valueAndGradients(run, [logits, tensor([0, 1, 2], i32)], 'f32');
        expect(Number.isFinite(value.item())).toBe(true);
        expect(gradients[0].data.every(Number.isFinite)).toBe(true);
        const plain = nllLoss(logits, tensor([0, 1, 2], i32), { weight, reduction: 'none' });
        expect([...plain.data]).toEqual([-1, 0, -2]);
      }
    }
  });

  it('that are all 0, or of targets that are all ignored, make a mean of 0', () => {
    const logits = tensor([[1, 2], [3, -1]]);
    for (const [weight, targets] of [[zeros([2]), [0, 1]], [ones([2]), [-100, -100]]] as const) {
      for (const labelSmoothing of [0, 0.5]) {
        const loss = (x: Tensor, z: Tensor) => crossEntropy(x, z, { weight, labelSmoothing });
        for (const run of [loss, compile(loss)]) {
          const { value, gradients } =
            valueAndGradients(run, [logits, tensor(targets, i32)], 'f32');
          expect(value.item()).toBe(0);
          expectSame(gradients[0].abs(), zeros([2, 2]));
        }
      }
      const log = logits.logSoftmax(-1);
      expect(nllLoss(log, tensor(targets, i32), { weight }).item()).toBe(0);
    }
  });

  it('are refused unless they are finite constants from 0, one for each class', () => {
    const [logits, targets] = [zeros([2, 3]), tensor([0, 1], i32)];
    const wrong: [Tensor, string][] = [
      [ones([2]), 'weight is f32[2], expected one number for each class, f32[3]'],
      [ones([3], f64), 'weight is f64[3], expected one number for each class, f32[3]'],
      [leaf(ones([3]), 'f32'), 'weight requires gradients, expected a constant; use detach()'],
    ];
    for (const [weight, message] of wrong) {
      expect(() => crossEntropy(logits, targets, { weight })).toThrow(`crossEntropy: ${message}`);
      expect(() => nllLoss(logits, targets, { weight })).toThrow(`nllLoss: ${message}`);
    }
    const loss = (weight: Tensor) => crossEntropy(logits, targets, { weight });
    const binary = (posWeight: Tensor) =>
      binaryCrossEntropyWithLogits(logits, ones([2, 3]), { posWeight });
    for (const [f, name] of [
      [loss, 'crossEntropy: element 1 of weight'], [compile(loss), 'element 1 of weight'],
      [binary, 'binaryCrossEntropyWithLogits: element 1 of posWeight'],
      [compile(binary), 'element 1 of posWeight'],
    ] as const) {
      expect(f(ones([3])).item()).toBeGreaterThan(0);
      for (const bad of [-1, NaN, Infinity]) {
        expect(() => f(tensor([1, bad, 1]))).toThrow(`${name} is not a finite number from 0`);
      }
    }
  });
});

describe('targets', () => {
  it('that are no class are refused, compiled or not', () => {
    const loss = (x: Tensor, z: Tensor) => nllLoss(x, z);
    for (const f of [loss, compile(loss)]) {
      expect(f(zeros([2, 3]), tensor([0, 2], i32)).item()).toBe(0);
      for (const bad of [3, -1]) {
        expect(() => f(zeros([2, 3]), tensor([0, bad], i32))).toThrow(`nllLoss: index ${bad}`);
      }
    }
    expect(() => nllLoss(zeros([2, 3]), zeros([2, 3], i32))).toThrow(
      'nllLoss: log probabilities are f32[2, 3], targets i32[2, 3]; expected [..., classes] and',
    );
    expect(() => nllLoss(zeros([]), zeros([], i32))).toThrow('expected [..., classes]');
  });

  it('that are no probabilities are refused, compiled or not', () => {
    const plain = (x: Tensor, z: Tensor) => klDivergence(x, z);
    const logs = (x: Tensor, z: Tensor) => klDivergence(x, z, { logTargets: true });
    for (const compiled of [false, true]) {
      const [f, g] = compiled ? [compile(plain), compile(logs)] : [plain, logs];
      expect(f(zeros([2]), tensor([0.5, 0.5])).item()).toBeCloseTo(-Math.LN2, 6);
      expect(g(zeros([2]), tensor([0.5, 0.5]).log()).item()).toBeCloseTo(-Math.LN2, 6);
      for (const bad of [-1e-6, 1.01, NaN, Infinity]) {
        const message = 'klDivergence: element 1 of targets is not between 0 and 1';
        expect(() => f(zeros([2]), tensor([0.5, bad]))).toThrow(message);
      }
      for (const bad of [0.01, NaN, Infinity]) {
        const message = 'klDivergence: element 1 of targets is not at most 0';
        expect(() => g(zeros([2]), tensor([-1, bad]))).toThrow(message);
      }
    }
  });

  it('that are ignored let no NaN or ∞ through', () => {
    const targets = tensor([1, -100], i32);
    for (const bad of odd) {
      const x = tensor([[-1, -0.5, -2], [bad, bad, bad]]);
      const clean = tensor([[-1, -0.5, -2], [0, 0, 0]]);
      for (const weight of [undefined, tensor([1, 2, 1])]) {
        const loss = (log: Tensor) => nllLoss(log, targets, { weight });
        const [found, expected] = [x, clean].map((each) => valueAndGradients(loss, [each], 'f32'));
        expectSame(found.value, expected.value);
        expectSame(found.gradients[0], expected.gradients[0]);
      }
    }
  });
});

describe('klDivergence', () => {
  it('is Σ z (log z − log p), 0 if both are equal, and at least 0', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const shape = drawShape(g, { maxRank: 2, empty: false });
        const [x, y] = [0, 1].map(() => drawTensor(g, [...shape, 4], -3, 3).logSoftmax(-1));
        const found = klDivergence(x, y.exp(), { reduction: 'none' });
        expect(found.shape).toEqual(shape);
        expectClose(found, y.exp().mul(y.sub(x)).sum(-1), 1e-12);
        expect(found.data.every((each) => each >= -1e-15)).toBe(true);
        expectClose(klDivergence(x, y, { logTargets: true, reduction: 'none' }), found, 1e-12);
        expect(klDivergence(y, y, { logTargets: true }).item()).toBe(0);
      }),
    );
  });

  it('has a term of 0 where the target is 0, whatever was predicted', () => {
    const targets = tensor([[0, 1, 0], [0.5, 0.5, 0]]);
    const logits = tensor([[-Infinity, -0.25, -1], [-1, -1, -Infinity]]);
    const expected = (0.25 + (1 - Math.LN2)) / 2;
    for (const logTargets of [false, true]) {
      const given = logTargets ? targets.log() : targets;
      for (const way of ways) {
        const loss = (x: Tensor, z: Tensor) => klDivergence(x, z, { logTargets });
        const run = way ? compile(loss, way) : loss;
        const { value, gradients } = valueAndGradients(run, [logits, given], 'f32');
        expect(value.item()).toBeCloseTo(expected, 6);
        expect(gradients.every(({ data }) => data.every(Number.isFinite))).toBe(true);
      }
    }
    // What was thought impossible and happened costs ∞.
    expect(klDivergence(tensor([-Infinity, 0]), tensor([0.5, 0.5])).item()).toBe(Infinity);
  });
});

describe('binaryCrossEntropyWithLogits', () => {
  it('is 0 for logits of ±∞ that are right, and ∞ for those that are wrong', () => {
    const logits = tensor([Infinity, -Infinity, 1]);
    for (const posWeight of [1, 2]) {
      const loss = (x: Tensor, z: Tensor) =>
        binaryCrossEntropyWithLogits(x, z, { posWeight, reduction: 'none' });
      for (const way of ways) {
        const run = way ? compile(loss, way) : loss;
        const right = valueAndGradients(run, [logits, tensor([1, 0, 0])], 'f32');
        expect([...right.value.data.slice(0, 2)]).toEqual([0, 0]);
        expect([...right.gradients[0].abs().data.slice(0, 2)]).toEqual([0, 0]);
        expect([...run(logits, tensor([0, 1, 0])).data.slice(0, 2)]).toEqual([Infinity, Infinity]);
      }
    }
  });
});

describe('posWeight', () => {
  it('as a number is the same as a tensor of it, and 1 the same as none', () => {
    const [x, z] = [tensor([[1, -2], [0.5, 3]]), tensor([[1, 0], [0.25, 1]])];
    const loss = (posWeight?: number | Tensor) => binaryCrossEntropyWithLogits(x, z, { posWeight });
    expectSame(loss(2.5), loss(ones([2, 2]).mul(2.5)));
    expectSame(loss(1), loss());
    expectClose(loss(ones([2])), loss(), 1e-6);
    // Without positive targets only negative ones are left, even where a logit is −∞.
    const sure = tensor([[-Infinity, 1]]);
    const none = binaryCrossEntropyWithLogits(sure, ones([1, 2]), { posWeight: 0 });
    expect(none.item()).toBe(0);
  });

  it('is refused unless it broadcasts to the logits', () => {
    const x = zeros([2, 3]);
    for (const [posWeight, shown] of [
      [ones([2]), 'f32[2]'], [ones([1, 2, 3]), 'f32[1, 2, 3]'], [ones([3], f64), 'f64[3]'],
    ] as const) {
      expect(() => binaryCrossEntropyWithLogits(x, x, { posWeight })).toThrow(
        `binaryCrossEntropyWithLogits: posWeight is ${shown}, logits are f32[2, 3]; expected the`,
      );
    }
    expect(() => binaryCrossEntropyWithLogits(x, x, { posWeight: -1 })).toThrow('posWeight is -1');
    expect(() => binaryCrossEntropyWithLogits(x, x, { posWeight: leaf(ones([3]), 'f32') })).toThrow(
      'posWeight requires gradients',
    );
  });
});

test('a batch without a number has no mean; its sum is 0', () => {
  const empty = zeros([0, 3]);
  const none = zeros([0], i32);
  const losses: [string, (reduction?: 'sum' | 'none') => Tensor][] = [
    ['l1Loss', (reduction) => l1Loss(empty, empty, { reduction })],
    ['huberLoss', (reduction) => huberLoss(empty, empty, { reduction })],
    ['klDivergence', (reduction) => klDivergence(empty, empty, { reduction })],
    ['nllLoss', (reduction) => nllLoss(empty, none, { reduction })],
    ['crossEntropy', (reduction) => crossEntropy(empty, none, { reduction, weight: ones([3]) })],
  ];
  for (const [name, loss] of losses) {
    expect(() => loss()).toThrow(`${name}: the batch is empty`);
    expect(loss('sum').item()).toBe(0);
    expect(loss('none').numel).toBe(0);
  }
});

test('shapes that would broadcast are refused', () => {
  for (const [name, loss] of Object.entries({ l1Loss, huberLoss, klDivergence })) {
    expect(() => loss(ones([3]), ones([3, 1]))).toThrow(
      `${name}: predictions are f32[3], targets f32[3, 1]; expected the same shape and dtype`,
    );
  }
  expect(() => klDivergence(zeros([]), zeros([]))).toThrow(
    'klDivergence: log probabilities are f32[]; expected [..., classes]',
  );
});

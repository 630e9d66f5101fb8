/** Metrics: however a set is cut into batches, they are those of one batch of everything. */
import {
  accuracy, confusionMatrix, f1, meanAbsoluteError, measure, type Metric, MetricTotal, perplexity,
  type Predictions, topK,
} from '@mambagrad/nn';
import {
  compile, Generator, integers, normal, ones, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { runs } from '../../support/soak.ts';

/** A set of positions: scores of classes, the right class, and whether it is masked out. */
interface Position {
  readonly scores: readonly number[];
  readonly target: number;
  readonly isIn: number;
}

const IGNORED = -7;

/** Few different scores, so that there are ties. */
const sets = fc.integer({ min: 1, max: 6 }).chain((classes) => fc.record({
  classes: fc.constant(classes),
  k: fc.integer({ min: 1, max: classes }),
  positions: fc.array(fc.record({
    scores: fc.array(fc.integer({ min: -3, max: 3 }), { minLength: classes, maxLength: classes }),
    target: fc.oneof(
      { weight: 5, arbitrary: fc.nat(classes - 1) }, { weight: 1, arbitrary: fc.constant(IGNORED) },
    ),
    isIn: fc.constantFrom(1, 1, 1, 0),
  }), { minLength: 1, maxLength: 40 }),
  cuts: fc.array(fc.nat(40), { maxLength: 6 }),
}));

/** The parts of a set between cuts, of which some may be empty. */
function cutAt(positions: readonly Position[], cuts: readonly number[]): Position[][] {
  const ends = [...cuts.map((cut) => cut % (positions.length + 1)), positions.length];
  ends.sort((a, b) => a - b);
  return ends.map((end, i) => positions.slice(ends[i - 1] ?? 0, end));
}

function batchOf(positions: readonly Position[], classes: number, hasMask: boolean): Predictions {
  const count = positions.length;
  const outputs =
    tensor(positions.flatMap(({ scores }) => [...scores]), { shape: [count, classes] });
  const targets = tensor(positions.map(({ target }) => target), { shape: [count], dtype: 'i32' });
  const mask = tensor(positions.map(({ isIn }) => isIn), { shape: [count], dtype: 'i32' });
  return hasMask ? { outputs, targets, mask } : { outputs, targets };
}

/** What plain loops say of a set. */
function reference(all: readonly Position[], classes: number, k: number, hasMask: boolean) {
  const counted = all.filter(({ target, isIn }) => target !== IGNORED && (!hasMask || isIn === 1));
  const best = (scores: readonly number[]) => scores.indexOf(Math.max(...scores));
  const order = (scores: readonly number[]) => (
    scores.map((score, i) => ({ score, i })).sort((a, b) => b.score - a.score || a.i - b.i)
  );
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  let [right, among, loss, error] = [0, 0, 0, 0];
  for (const { scores, target } of counted) {
    matrix[target][best(scores)]++;
    if (best(scores) === target) right++;
    if (order(scores).slice(0, k).some(({ i }) => i === target)) among++;
    loss -= scores[target] - Math.log(scores.reduce((sum, x) => sum + Math.exp(x), 0));
    error += Math.abs(scores[0] - target);
  }
  const f1s = matrix.map((row, c) => {
    const truePositives = row[c];
    const predicted = matrix.reduce((sum, other) => sum + other[c], 0);
    const actual = row.reduce((sum, x) => sum + x, 0);
    const [precision, recall] = [truePositives / predicted, truePositives / actual];
    const score = truePositives === 0 ? 0 : (2 * precision * recall) / (precision + recall);
    return { score, occurs: predicted + actual > 0 };
  });
  const occurring = f1s.filter(({ occurs }) => occurs);
  return {
    count: counted.length,
    accuracy: right / counted.length,
    topK: among / counted.length,
    matrix,
    macro: occurring.reduce((sum, { score }) => sum + score, 0) / occurring.length,
    perClass: f1s.map(({ score }) => score),
    perplexity: Math.exp(loss / counted.length),
    error: error / counted.length,
  };
}

const isClose = (found: number, expected: number) =>
  expect(Math.abs(found - expected)).toBeLessThanOrEqual(1e-5 * Math.abs(expected) + 1e-12);

/** The result of a metric by batches whose sums a compiled function computes. */
function measureCompiled<Result>(metric: Metric<Result>, batches: readonly Predictions[]): Result {
  const total = new MetricTotal(metric);
  const sums = compile((batch: Predictions) => metric.sums(batch));
  for (const { mask, ...batch } of batches) total.addSums(sums(mask ? { ...batch, mask } : batch));
  return total.result();
}

describe('metrics of classes', () => {
  const compiledRuns = { left: 6 };
  test('are those of a plain loop, whatever the batches are, compiled or not', () => {
    fc.assert(fc.property(sets, fc.boolean(), ({ classes, k, positions, cuts }, hasMask) => {
      const expected = reference(positions, classes, k, hasMask);
      fc.pre(expected.count > 0);
      const parts = cutAt(positions, cuts).map((part) => batchOf(part, classes, hasMask));
      const whole = [batchOf(positions, classes, hasMask)];
      const options = { ignoreIndex: IGNORED };
      const ways = [[measure, parts], [measure, whole]] as const;
      const more = compiledRuns.left-- > 0 ? [[measureCompiled, parts]] as const : [];
      for (const [by, batches] of [...ways, ...more]) {
        expect(by(accuracy(options), batches)).toBe(expected.accuracy);
        expect(by(topK(k, options), batches)).toBe(expected.topK);
        expect(by(confusionMatrix(classes, options), batches)).toEqual(expected.matrix);
        const { macro, micro, perClass } = by(f1(classes, options), batches);
        isClose(macro, expected.macro);
        isClose(micro, expected.accuracy);
        perClass.forEach((score, c) => isClose(score, expected.perClass[c]));
        isClose(by(perplexity(options), batches), expected.perplexity);
      }
      // Counts are whole numbers, so results are the same to the last bit.
      expect(measure(f1(classes, options), parts)).toEqual(measure(f1(classes, options), whole));
      // Predicted classes instead of scores.
      const predicted =
        parts.map(({ outputs, ...rest }) => ({ ...rest, outputs: outputs.argmax(-1) }));
      expect(measure(accuracy(options), predicted)).toBe(expected.accuracy);
      expect(measure(confusionMatrix(classes, options), predicted)).toEqual(expected.matrix);
    }), { numRuns: runs(60) });
  });

  test('have the values that scikit-learn gives', () => {
    // y_true = [0, 1, 2, 2, 2, 0], y_pred = [0, 0, 2, 1, 2, 0]
    const batch = {
      outputs: tensor([0, 0, 2, 1, 2, 0], { dtype: 'i32' }),
      targets: tensor([0, 1, 2, 2, 2, 0], { dtype: 'i32' }),
    };
    expect(measure(confusionMatrix(3), [batch])).toEqual([[2, 0, 0], [1, 0, 0], [0, 1, 2]]);
    const { macro, micro, perClass } = measure(f1(3), [batch]);
    expect(perClass).toEqual([0.8, 0, 0.8]);
    expect(macro).toBeCloseTo(0.5333333333333333, 15);
    expect(micro).toBeCloseTo(0.6666666666666666, 15);
    // A fourth class that does not occur weighs nothing.
    expect(measure(f1(4), [batch])).toEqual({ macro, micro, perClass: [0.8, 0, 0.8, 0] });
  });

  test('take any number of axes before the classes, and none', () => {
    const outputs = tensor([[[1, 2], [4, 3]], [[0, 9], [5, 5]]]);
    const targets = tensor([[1, 0], [1, 1]], { dtype: 'i32' });
    expect(measure(accuracy(), [{ outputs, targets }])).toBe(0.75);
    const mask = tensor([[1, 1], [1, 0]]);
    expect(measure(accuracy(), [{ outputs, targets, mask }])).toBe(1);
    expect(measure(accuracy(), [{ outputs: tensor([1, 3]), targets: tensor(1, { dtype: 'i32' }) }]))
      .toBe(1);
    expect(
      measure(perplexity(), [{ outputs: zeros([5, 7]), targets: zeros([5], { dtype: 'i32' }) }]),
    )
      .toBeCloseTo(7, 5);
    expect(
      measure(topK(2), [{ outputs: zeros([2, 3]), targets: tensor([1, 2], { dtype: 'i32' }) }]),
    ).toBe(0.5);
  });
});

describe('meanAbsoluteError', () => {
  test('is that of a plain loop, whatever the batches are', () => {
    fc.assert(fc.property(sets, fc.boolean(), ({ positions, cuts }, hasMask) => {
      const counted = positions.filter(({ isIn }) => !hasMask || isIn === 1);
      fc.pre(counted.length > 0);
      const expected =
        counted.reduce((sum, { scores, target }) => sum + Math.abs(scores[0] - target), 0);
      const batch = (part: readonly Position[]): Predictions => {
        const [outputs, targets] =
          [part.map(({ scores }) => scores[0]), part.map(({ target }) => target)];
        const mask = tensor(part.map(({ isIn }) => isIn), { shape: [part.length, 1] });
        const shape = [part.length, 1];
        const both = { outputs: tensor(outputs, { shape }), targets: tensor(targets, { shape }) };
        return hasMask ? { ...both, mask } : both;
      };
      const parts = cutAt(positions, cuts).map(batch);
      expect(measure(meanAbsoluteError(), parts)).toBeCloseTo(expected / counted.length, 9);
      expect(measure(meanAbsoluteError(), [batch(positions)])).toBeCloseTo(
        expected / counted.length, 9,
      );
    }), { numRuns: runs(40) });
  });
});

describe('what a mask leaves out', () => {
  it('may be NaN, infinite, or no class at all', () => {
    const outputs = tensor([[1, 2], [NaN, Infinity], [3, 1]]);
    const targets = tensor([1, 99, 0], { dtype: 'i32' });
    const mask = tensor([1, 0, 1], { dtype: 'i32' });
    for (const by of [measure, measureCompiled]) {
      const batch = [{ outputs, targets, mask }];
      expect(by(accuracy(), batch)).toBe(1);
      expect(by(topK(1), batch)).toBe(1);
      expect(by(confusionMatrix(2), batch)).toEqual([[1, 0], [0, 1]]);
      expect(by(f1(2), batch).macro).toBe(1);
      isClose(
        by(perplexity(), batch),
        Math.exp((Math.log1p(Math.exp(-1)) + Math.log1p(Math.exp(-2))) / 2),
      );
      const numbers = { outputs: tensor([1, NaN, 3]), targets: tensor([2, 0, 5]), mask };
      expect(by(meanAbsoluteError(), [numbers])).toBe(1.5);
    }
  });
});

describe('a mask', () => {
  /** A shape of up to three axes, of which the mask has the first; some of its sizes are 1. */
  const anyShape = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });
  const shapes = anyShape.chain((shape) => fc.record({
    shape: fc.constant(shape),
    maskShape: fc.nat(shape.length).chain((ndim) => fc.tuple(
      ...shape.slice(0, ndim).map((size) => fc.constantFrom(size, size, 1)),
    )),
    seed: fc.nat(),
    isCompiled: fc.boolean(),
  }));

  it('of the first axes of the targets is the same as that mask in their shape', () => {
    const all: readonly Metric<unknown>[] = [accuracy(), topK(2), confusionMatrix(3), f1(3)];
    fc.assert(fc.property(shapes, ({ shape, maskShape, seed, isCompiled }) => {
      const by = isCompiled ? measureCompiled : measure;
      const generator = new Generator(seed);
      const outputs = normal([...shape, 3], 0, 1, { generator });
      const targets = integers(shape, 0, 3, generator);
      const mask = integers(maskShape, 0, 2, generator);
      fc.pre(mask.data.some((value) => value === 1));
      const ones = shape.slice(maskShape.length).map(() => 1);
      const whole = mask.reshape([...maskShape, ...ones]).broadcastTo(shape);
      const both = <Result>(metric: Metric<Result>, batch: Predictions) =>
        [mask, whole].map((each) => by(metric, [{ ...batch, mask: each }]));
      for (const metric of all) {
        const [found, expected] = both(metric, { outputs, targets });
        expect(found).toEqual(expected);
      }
      const numbers = outputs.narrow(-1, 0, 1).squeeze(-1);
      const sums = [
        both(perplexity(), { outputs, targets }),
        both(meanAbsoluteError(), { outputs: numbers, targets: targets.cast('f32') }),
      ];
      for (const [found = NaN, expected = NaN] of sums) {
        // The loops of a program depend on the mask's shape, and with them the order of a sum.
        const rounding = isCompiled ? 1e-6 * Math.abs(expected) : 0;
        expect(Math.abs(found - expected)).toBeLessThanOrEqual(rounding);
      }
    }), {
      numRuns: runs(30),
      examples: [[{ shape: [3, 2], maskShape: [3], seed: 0, isCompiled: true }]],
    });
  });

  it('of steps leaves out all features of a step', () => {
    const outputs = tensor([[[1, 2], [3, NaN]], [[5, 6], [7, 8]]]);
    const targets = tensor([[[2, 4], [0, 0]], [[5, 6], [7, 7]]]);
    const mask = tensor([[1, 0], [1, 1]], { dtype: 'i32' });
    expect(measure(meanAbsoluteError(), [{ outputs, targets, mask }])).toBe(4 / 6);
    const features = tensor([1, 0], { shape: [1, 1, 2] });
    expect(measure(meanAbsoluteError(), [{ outputs, targets, mask: features }])).toBe(1);
  });
});

describe('errors', () => {
  const classes = (...values: number[]) => tensor(values, { dtype: 'i32' });
  const all: readonly [string, Metric<unknown>][] = [
    ['accuracy', accuracy()], ['topK', topK(2)], ['confusionMatrix', confusionMatrix(3)],
    ['f1', f1(3)], ['perplexity', perplexity()],
  ];

  it.each(all)('%s refuses sets without samples, NaN, and what are no classes', (name, metric) => {
    for (const by of [measure, measureCompiled]) {
      const three = ones([2, 3]);
      const empty = { outputs: zeros([0, 3]), targets: zeros([0], { dtype: 'i32' }) };
      const ignored = { outputs: three, targets: classes(-100, -100) };
      const masked = { outputs: three, targets: classes(0, 1), mask: zeros([2]) };
      for (const batches of [[empty], [empty, ignored], [masked]]) {
        expect(() => by(metric, batches)).toThrow(`${name}: there are no samples: all batches are`);
      }
      expect(() => by(metric, [])).toThrow('MetricTotal: there is no batch');
      for (const wrong of [3, -1, 2 ** 30]) {
        expect(() => by(metric, [{ outputs: three, targets: classes(wrong, 1) }])).toThrow(
          `${name}: of 2 positions, 1 have a target or a prediction that is not one of the classes`,
        );
      }
      const nan = tensor([[1, 2, 3], [1, NaN, 3]]);
      expect(() => by(metric, [{ outputs: nan, targets: classes(0, 1) }])).toThrow(
        `${name}: of 2 positions, 1 are NaN`,
      );
      const one = { outputs: three, targets: classes(0, 1) };
      expect(() => by(metric, [one, { outputs: nan, targets: classes(0, -100) }])).not.toThrow();
    }
  });

  it.each(all)('%s refuses wrong shapes and dtypes', (name, metric) => {
    const outputs = ones([2, 3]);
    const wrong: [Partial<Record<keyof Predictions, unknown>>, string][] = [
      [{ outputs, targets: classes(1, 2, 0) }, `${name}: outputs are f32[2, 3], targets i32[3]`],
      [{ outputs, targets: ones([2]) }, 'targets f32[2]'],
      [{ outputs: 3, targets: classes(1) }, `${name}`],
      [{ outputs, targets: [1, 2] }, `${name}: targets is [1, 2], expected a tensor`],
      [
        { outputs, targets: classes(1, 2), mask: ones([3]) },
        `${name}: mask is f32[3], expected the shape of the targets, [2], or of their first axes`,
      ],
      [
        { outputs, targets: classes(1, 2), mask: ones([2, 1]) },
        `${name}: mask is f32[2, 1], expected`,
      ],
      [
        { outputs, targets: classes(1, 2), mask: [1, 1] },
        `${name}: mask is [1, 1], expected the shape`,
      ],
    ];
    for (const [batch, message] of wrong) {
      expect(() => measure(metric, [batch as unknown as Predictions])).toThrow(message);
    }
  });

  it('name the number of classes', () => {
    const targets = classes(0);
    expect(() => measure(confusionMatrix(4), [{ outputs: ones([1, 3]), targets }])).toThrow(
      'confusionMatrix: outputs are f32[1, 3], targets i32[1]; expected scores [..., 4] or classes',
    );
    expect(() => measure(confusionMatrix(4), [{ outputs: classes(4), targets }])).toThrow(
      '1 have a',
    );
    expect(() => measure(topK(4), [{ outputs: ones([1, 3]), targets }])).toThrow(
      'topK: outputs are f32[1, 3], expected scores of at least k = 4 classes',
    );
    for (const wrong of [0, 1.5, NaN]) {
      expect(() => topK(wrong)).toThrow('topK: k is');
      expect(() => f1(wrong)).toThrow('f1: classes is');
    }
    expect(() => measure(perplexity(), [{ outputs: targets, targets }])).toThrow('expected logits');
    expect(() => measure({} as never, [])).toThrow('MetricTotal: metric is {}, expected a metric');
  });

  it('of numbers', () => {
    const by = (outputs: Tensor, targets: Tensor) =>
      () => measure(meanAbsoluteError(), [{ outputs, targets }]);
    expect(by(ones([2]), ones([2, 1]))).toThrow(
      'meanAbsoluteError: outputs are f32[2], targets f32[2, 1]',
    );
    expect(by(classes(1), classes(1))).toThrow('expected the same shape and dtype, f32 or f64');
    expect(by(tensor([NaN, 1]), ones([2]))).toThrow('meanAbsoluteError: of 2 positions, 1 are NaN');
    expect(by(zeros([0]), zeros([0]))).toThrow('meanAbsoluteError: there are no samples');
  });
});

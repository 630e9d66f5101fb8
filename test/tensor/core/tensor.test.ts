/** Creation, reading, printing, comparisons, dtypes, and the errors that a user meets. */
import {
  arange,
  concat,
  eye,
  full,
  fullLike,
  Generator,
  linspace,
  ones,
  onesLike,
  ops,
  stack,
  tensor,
  TensorError,
  where,
  zeros,
  zerosLike,
} from '@mambagrad/tensor';
import * as library from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { drawInteger, drawShape, drawTensor } from '../../support/draw.ts';

describe('creation', () => {
  it('reads what toArray gives', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        // An empty axis hides the sizes of those after it.
        const x = drawTensor(g, drawShape(g, { empty: false }));
        expectSame(tensor(x.toArray(), { dtype: 'f64' }), x);
      }),
    );
  });

  it('copies typed arrays and keeps their dtype', () => {
    const array = Int32Array.of(1, 2, 3, 4);
    const x = tensor(array, { shape: [2, 2] });
    array[0] = 9;
    expect(x.dtype).toBe('i32');
    expect(x.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it('makes constants and ranges', () => {
    expect(full([2], 7).toArray()).toEqual([7, 7]);
    expect(zeros([0, 2]).toArray()).toEqual([]);
    expect(ones([], { dtype: 'i32' }).item()).toBe(1);
    expect(arange(1, 2, 0.25).toArray()).toEqual([1, 1.25, 1.5, 1.75]);
    expect(arange(3, 0, -1).toArray()).toEqual([3, 2, 1]);
    expect(arange(3, 0).numel).toBe(0);
    expect(arange(3).toArray()).toEqual([0, 1, 2]);
    const integers = arange(2, { dtype: 'i32' });
    expect([integers.dtype, integers.toArray()]).toEqual(['i32', [0, 1]]);
    // A stop that is given and missing, such as a misspelt field, is not a range from 0.
    expect(() => arange(5, undefined)).toThrow('arange: stop is missing');
    expect(() => arange(NaN)).toThrow('arange: stop is NaN, expected a number');
    expect(() => arange(5, { dtype: 'i32' } as never, 2)).toThrow('arange: stop is');
  });

  it('makes the identity, even steps, and the likes of another tensor', () => {
    expect(eye(2).toArray()).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(eye(1, 3, { dtype: 'i32' }).toArray()).toEqual([[1, 0, 0]]);
    expect(linspace(0, 1, 5).toArray()).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(linspace(0.1, 0.7, 4, { dtype: 'f64' }).data[3]).toBe(0.7);
    expect(linspace(2, 3, 1).toArray()).toEqual([2]);
    const x = tensor([[1, 2]], { dtype: 'i32' });
    expect([zerosLike(x), onesLike(x), fullLike(x, 7)].map(String)).toEqual([
      'i32[1, 2]\n[[0, 0]]',
      'i32[1, 2]\n[[1, 1]]',
      'i32[1, 2]\n[[7, 7]]',
    ]);
    expect(zerosLike(x, { dtype: 'f64' }).dtype).toBe('f64');
  });

  it.each([
    [() => tensor([[1, 2], [3]]), 'tensor: from[1] is an array of 1, expected an array of 2'],
    [() => tensor([1, [2]]), 'tensor: from[1] is an array of 1, expected a number'],
    [() => tensor([1, 2, 3], { shape: [2] }), 'tensor: 3 numbers do not fill the shape [2]'],
    [() => tensor([1.5], { dtype: 'i32' }), 'tensor: 1.5 (element 0) is not an i32'],
    [
      () => zeros([2, -1]),
      'zeros: [2, -1] is not a shape: size 1 is -1, expected a whole number from 0',
    ],
    [() => arange(0, 1, 0), 'arange: cannot count from 0 to 1 in steps of 0'],
  ])('refuses what is no tensor (%#)', (make, message) => {
    expect(make).toThrow(TensorError);
    expect(make).toThrow(message);
  });
});

describe('printing', () => {
  it('aligns columns and nests brackets as NumPy does', () => {
    expect(String(tensor([[1, -2.5], [10, 0.125]]))).toBe(
      'f32[2, 2]\n[[ 1.0000, -2.5000],\n [10.0000,  0.1250]]',
    );
    expect(String(tensor([[[1], [2]], [[3], [4]]], { dtype: 'i32' }))).toBe(
      'i32[2, 2, 1]\n[[[1],\n  [2]],\n\n [[3],\n  [4]]]',
    );
  });

  it('shows special values, whole numbers and wide ranges briefly', () => {
    expect(String(tensor([NaN, Infinity, -Infinity, 1.5]))).toBe(
      'f32[4] [   nan,    inf,   -inf, 1.5000]',
    );
    expect(String(tensor([1, 2, 3]))).toBe('f32[3] [1., 2., 3.]');
    expect(String(tensor([1e-9, 1], { dtype: 'f64' }))).toBe('f64[2] [1.0000e-9, 1.0000e+0]');
    expect(String(tensor(3))).toBe('f32[] 3.');
    expect(String(zeros([0, 3]))).toBe('f32[0, 3]\n[]');
  });

  it('leaves the middle out of what is large', () => {
    expect(String(arange(0, 2000, 1, { dtype: 'i32' }))).toBe(
      'i32[2000] [   0,    1,    2, ..., 1997, 1998, 1999]',
    );
  });
});

describe('operators of JavaScript', () => {
  it('are refused where they would make NaN, and join text', () => {
    const x = tensor([1, 2]);
    const uses: ((x: never) => unknown)[] = [
      (x) => -x, (x) => x * 2, (x) => x / 2, (x) => x < 1, (x) => 1 >= x, (x) => Math.max(x, 0),
      (x) => Number(x),
    ];
    for (const use of uses) {
      expect(() => use(x as never)).toThrow(
        'a tensor, f32[2], is used as a number: operators such as * and < do not apply to it; ' +
          'use mul, less and so on, or item() for the number in it',
      );
    }
    expect(`${x}` + x).toBe('f32[2] [1., 2.]f32[2] [1., 2.]');
  });
});

describe('comparisons and selection', () => {
  const pairs = [
    ['equal', (a: number, b: number) => a === b],
    ['greater', (a: number, b: number) => a > b],
    ['less', (a: number, b: number) => a < b],
    ['greaterEqual', (a: number, b: number) => a >= b],
    ['lessEqual', (a: number, b: number) => a <= b],
  ] as const;

  it.each(pairs)('%s is what the language says, ties, zeros and NaN included', (name, holds) => {
    const values = [-Infinity, -1, -0, 0, 1, Infinity, NaN];
    const a = tensor(values, { dtype: 'f64' }).unsqueeze(1);
    const b = tensor(values, { dtype: 'f64' });
    const expected = values.map((first) => values.map((second) => Number(holds(first, second))));
    expect(ops[name](a, b).toArray()).toEqual(expected);
  });

  it('where picks, without touching what it does not pick', () => {
    const picked = where(tensor([1, 0], { dtype: 'i32' }), tensor([1, NaN]), 5);
    expect(picked.toArray()).toEqual([1, 5]);
  });

  it('cast cuts towards zero, and integers wrap as 32-bit ones do', () => {
    expect(tensor([1.9, -1.9, NaN]).cast('i32').toArray()).toEqual([1, -1, 0]);
    const large = tensor([0x7fffffff, 65537], { dtype: 'i32' });
    expect(large.add(1).toArray()).toEqual([-0x80000000, 65538]);
    expect(large.mul(large).toArray()).toEqual([1, 131073]);
  });
});

describe('ties, zeros and infinities', () => {
  it('share gradients evenly, and stay out of what they do not concern', () => {
    const a = tensor([1, 2, 2], { dtype: 'f64', requiresGrad: true });
    a.max().backward();
    expect(a.grad?.toArray()).toEqual([0, 0.5, 0.5]);
    const b = tensor([0, 2], { dtype: 'f64', requiresGrad: true });
    b.pow(0).sum().backward();
    expect(b.grad?.toArray()).toEqual([0, 0]);
    const c = tensor([-Infinity, 0, 1], { dtype: 'f64', requiresGrad: true });
    c.softmax().square().sum().backward();
    expect(c.grad?.data.every(Number.isFinite)).toBe(true);
  });

  it('softmax, logsumexp and softplus neither overflow nor lose small numbers', () => {
    const x = tensor([-1e30, 0, 1e30]);
    expect(x.softmax().toArray()).toEqual([0, 0, 1]);
    expect(tensor([1000, 1000]).logsumexp().item()).toBeCloseTo(1000 + Math.LN2, 4);
    expect(tensor([-80, 200]).softplus().toArray()).toEqual([Math.fround(Math.exp(-80)), 200]);
  });

  it('NaN comes through', () => {
    const x = tensor([1, NaN]);
    for (const y of [x.max(), x.min(), x.sum(), x.relu().sum(), x.maximum(2).sum()]) {
      expect(y.item()).toBeNaN();
    }
  });
});

describe('sums', () => {
  it('of a million float32 terms are exact to the last bit but one', () => {
    const x = full([1_000_000], 0.1);
    expect(x.sum().item()).toBeCloseTo(1e6 * Math.fround(0.1), 1);
  });

  it('agree with a plain fold over any axes', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const x = drawTensor(g, drawShape(g, { minRank: 2, maxRank: 2 }));
        const [rows, columns] = x.shape;
        const at = (i: number, j: number) => x.data[i * columns + j];
        const total = (count: number, term: (i: number) => number) =>
          Array.from({ length: count }, (_, i) => term(i)).reduce((sum, value) => sum + value, 0);
        const perColumn = Array.from({ length: columns }, (_, j) => total(rows, (i) => at(i, j)));
        const perRow = Array.from({ length: rows }, (_, i) => total(columns, (j) => at(i, j)));
        expect(x.sum(0).toArray()).toEqual(perColumn);
        expect(x.sum(1).toArray()).toEqual(perRow);
      }),
    );
  });
});

describe('matmul', () => {
  it('is the triple loop', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [rows, inner, columns] = [9, 7, 9].map((max) => drawInteger(g, 0, max));
        const a = drawTensor(g, [rows, inner]);
        const b = drawTensor(g, [inner, columns]);
        const expected = Array.from({ length: rows * columns }, (_, at) => {
          let total = 0;
          for (let k = 0; k < inner; k++) {
            const i = Math.floor(at / columns);
            total += a.data[i * inner + k] * b.data[k * columns + (at % columns)];
          }
          return total;
        });
        const options = { shape: [rows, columns], dtype: 'f64' } as const;
        expectSame(a.matmul(b), tensor(expected, options));
      }),
    );
  });
});

describe('errors name the op, the argument, the shapes, and what would be right', () => {
  const a = ones([2, 3]);
  const i = tensor([0, 1], { dtype: 'i32' });
  const messages: [() => unknown, string][] = [
    [
      () => a.matmul(ones([4, 5])),
      'matmul: inner dimensions differ: a is f32[2, 3], b is f32[4, 5] (3 ≠ 4)',
    ],
    [
      () => ones([2, 1, 3]).matmul(ones([3, 3, 1])),
      'matmul: batch axes do not broadcast: a is f32[2, 1, 3], b is f32[3, 3, 1]',
    ],
    [
      () => a.matmul(tensor(1)),
      'matmul: a is f32[2, 3], b is f32[]; both need an axis, use mul for scalars',
    ],
    [
      () => a.add(ones([2])),
      'add: shapes do not broadcast: a is f32[2, 3], b is f32[2]; from the last axis on, sizes ' +
        'must be equal or 1',
    ],
    [
      () => a.add(i),
      'add: dtypes differ: a is f32[2, 3], b is i32[2]; use cast to make them equal',
    ],
    [() => i.exp(), 'exp: x is i32[2], expected f32 or f64; use cast first'],
    [() => i.div(2), 'div: a is i32[2], expected f32 or f64; use cast first'],
    [() => i.add(0.5), 'add: 0.5 is not an i32; use cast on the tensor beside it first'],
    [() => where(a, 1, 2), "where: condition is f32[2, 3], expected i32; use cast('i32') first"],
    [() => a.sum(2), 'sum: axis 2 is out of range for 2 axes: expected -2 to 1'],
    [() => a.sum([0, -2]), 'sum: axis 0 is named twice in [0, -2]'],
    [
      () => tensor(1).softmax(),
      'softmax: axis -1 is out of range for 0 axes: a 0-d tensor has none',
    ],
    [
      () => zeros([0, 3]).max(0),
      'max: axis 0 of f32[0, 3] is empty; the max of zero elements is undefined',
    ],
    [
      () => zeros([0]).mean(),
      'mean: axis 0 of f32[0] is empty; the mean of zero elements is undefined',
    ],
    [() => a.reshape([4]), 'reshape: f32[2, 3] has 6 elements, [4] has 4'],
    [
      () => a.reshape([-1, 4]),
      'reshape: [-1, 4] leaves no single size for the −1, from f32[2, 3]',
    ],
    [() => a.squeeze(0), 'squeeze: axis 0 of f32[2, 3] has size 2, not 1'],
    [() => a.permute([0]), 'permute: [0] does not name each of the 2 axes of f32[2, 3]'],
    [
      () => a.broadcastTo([3, 3]),
      'broadcastTo: f32[2, 3] does not broadcast to [3, 3]; from the last axis on, sizes must be ' +
        'equal or 1 in x',
    ],
    [() => a.slice([0], [3]), 'slice: position 3 is outside axis 0 of f32[2, 3]'],
    [() => a.slice([0], [1], [0]), 'slice: step[0] is 0, expected a whole number from 1'],
    [
      () => a.slice([0, 0, 0], []),
      'slice: start [0, 0, 0], stop [], step [] name more axes than f32[2, 3] has',
    ],
    [
      () => a.narrow(1, 2, 2),
      'narrow: start is 2 and length 2, expected at most 3 together, ' +
        'the size of axis 1 of f32[2, 3]',
    ],
    [
      () => a.pad([1], [1]),
      'pad: before is [1], expected 2 numbers, one an axis',
    ],
    [
      () => a.pad([-1, 0], [-2, 0]),
      'pad: more is cut off than axis 0 of f32[2, 3] holds',
    ],
    [
      () => a.split([1, 1], 1),
      'split: sizes [1, 1] do not add up to 3, axis 1 of f32[2, 3]',
    ],
    [() => a.split(0), 'split: sizes is 0, expected a whole number from 1'],
    [() => concat([]), 'concat: expected at least one tensor, got none'],
    [
      () => concat([a, ones([2, 2])]),
      'concat: tensor 1 is f32[2, 2], the first is f32[2, 3]; only axis 0 may differ',
    ],
    [() => stack([a, ones([2])]), 'stack: tensor 1 has shape [2], the first [2, 3]'],
    [
      () => a.gather(1, tensor([[3]], { dtype: 'i32' })),
      'gather: index 3 (element 0) is out of range for axis 1 of [2, 3]: expected 0 to 2',
    ],
    [
      () => a.gather(1, i),
      'gather: index is i32[2], x is f32[2, 3]; expected as many axes, none longer than in x but ' +
        'axis 1',
    ],
    [
      () => a.scatterAdd(0, tensor([[0]], { dtype: 'i32' }), a),
      'scatterAdd: source is f32[2, 3], index is i32[1, 1]; expected the same shape',
    ],
    [() => a.sumTo([4]), 'sumTo: [4] does not broadcast to f32[2, 3]'],
    [
      () => i.oneHot(1),
      'oneHot: index 1 (element 1) is out of range for axis 1 of [2, 1]: expected 0 to 0',
    ],
    [() => a.clamp({ min: 2, max: 1 }), 'clamp: min 2 is above max 1'],
    [
      () => a.var(0, { correction: 2 }),
      'var: correction is 2 and there are 2 elements; expected a correction below that',
    ],
    [() => a.norm(0, { p: 0 }), 'norm: p is 0, expected a number above 0 or Infinity'],
    [() => a.chunk(0), 'chunk: count is 0, expected a whole number from 1'],
    [() => a.tile([-1]), 'tile: counts[0] is -1, expected a whole number from 0'],
    [() => a.roll(0.5, 0), 'roll: shift is 0.5, expected a whole number'],
    [() => i.triu(), 'triu: x is i32[2], expected rows and columns as its last axes'],
    [
      () => a.topk(4),
      'topk: k is 4, expected a whole number up to 3, axis 1 of f32[2, 3]',
    ],
    [
      () => zeros([0]).argmax(),
      'argmax: axis 0 of f32[0] is empty; the argmax of zero elements is undefined',
    ],
    [() => a.item(), 'item: f32[2, 3] has 6 elements, expected one'],
    [
      () => a.narrow(0, -1, 1),
      'narrow: start is -1, expected a whole number from 0',
    ],
  ];

  /** Calls as they are written by mistake, which the types refuse. */
  const [op, like, m] = [ops, library, a] as unknown as Record<string, (...args: unknown[]) => 0>[];
  const mistakes: [() => unknown, string][] = [
    [() => m.clamp(0, 1), 'clamp: options are 0, expected { min, max }'],
    [
      () => m.mean(-1, { keepDims: true }),
      'mean: keepDims is { keepDims }, expected true or false',
    ],
    [
      () => like.tensor([1, 2], [2]),
      'tensor: options are [2], expected { dtype, requiresGrad, shape }',
    ],
    [() => like.zeros(3), 'zeros: shape is 3, expected an array of sizes such as [2, 3]'],
    [
      () => like.zeros([2, undefined]),
      'zeros: [2, undefined] is not a shape: size 1 is undefined, expected a whole number from 0',
    ],
    [() => m.reshape(3, 2), 'reshape: shape is 3, expected an array of sizes such as [2, 3]'],
    [() => like.concat(a, a), 'concat: tensors is f32[2, 3], expected an array of tensors'],
    [() => m.concat(a), 'concat: others is f32[2, 3], expected an array of tensors'],
    [
      () => like.zeros([2], { dtype: 'float32' }),
      "zeros: dtype is 'float32', expected 'f32' or 'f64' or 'i32'",
    ],
    [
      () => like.ones([2], { requireGrad: true }),
      "ones: there is no option 'requireGrad'; did you mean 'requiresGrad'?",
    ],
    [() => m.cast('int32'), "cast: dtype is 'int32', expected 'f32' or 'f64' or 'i32'"],
    [() => m.add('1'), "add: b is '1', expected a tensor or a number"],
    [() => m.matmul(3), 'matmul: b is 3, expected a tensor'],
    [() => op.exp(3), 'exp: x is 3, expected a tensor'],
    [() => like.where(true, a, a), 'where: condition is true, expected a tensor'],
    [() => m.argmax([0, 1]), 'argmax: axis is [0, 1], expected -2 to 1'],
    [() => m.sum({ axis: 0 }), 'sum: axis is { axis }, expected -2 to 1'],
    [() => m.sum(0, 1), 'sum: keepDims is 1, expected true or false'],
    [() => m.permute(1, 0), 'permute: order is 1, expected an array of axes'],
    [() => m.slice(0, 1), 'slice: start is 0, expected an array of whole numbers'],
    [() => m.assign(3), 'assign: the value is 3, expected a tensor, f32[2, 3]'],
    [
      () => Object.assign(m, { grad: tensor(1) }),
      'grad: it is f32[], expected f32[2, 3] or undefined',
    ],
    [() => Object.assign(m, { requiresGrad: 1 }), 'requiresGrad: it is 1, expected true or false'],
    [() => like.grad(a, a), 'grad: inputs is f32[2, 3], expected an array of tensors'],
    [() => like.noGrad(a), 'noGrad: body is f32[2, 3], expected a function'],
    [
      () => like.jacobian(() => undefined, a),
      'jacobian: the result of the function is missing, expected a tensor',
    ],
    [
      () => like.associativeScan(() => a, [a]),
      'associativeScan: what combine gave is f32[2, 3], expected an array of tensors',
    ],
    [() => like.einsum('ij'), "einsum: 'ij': it names 1 operands, 0 are given"],
    [() => like.uniform([2], { dtype: 'f64' }), 'uniform: low is { dtype }, expected a number'],
    [
      () => new Generator('7' as unknown as number),
      "manualSeed: seed is '7', expected a whole number from 0",
    ],
  ];

  it.each([...messages, ...mistakes])('%s', (call, message) => {
    expect(call).toThrow(TensorError);
    expect(call).toThrow(new TensorError(message));
  });
});

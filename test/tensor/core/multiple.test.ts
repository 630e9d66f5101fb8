/**
 * Primitives with several results, lowered in each of the ways there are: what is computed and
 * differentiated is the same in all of them, and in eager mode, whichever results are used.
 */
import * as k from '@mambagrad/kernel';
import {
  compile, detectAnomaly, formatGraph, formatTree, grad, gradcheck, noGrad, ones, type Shape,
  type Spec, tensor, type Tensor, TensorError, withoutValues,
} from '@mambagrad/tensor';
import {
  type ApplyMulti, defineMultiPrimitive, definePrimitive, type Elements, type LoweringOfAll,
} from '@mambagrad/tensor/extend';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSame, leaf } from '../../support/compare.ts';
import { expectAllSame, twins, withGradients } from '../../support/compiled.ts';
import { type Draw, drawInteger } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

type Lower = (inputs: readonly Spec[], count: number, outputs: readonly Spec[]) => LoweringOfAll;

/**
 * Of x [R, C]: x², where it is positive (i32), the sums of its rows [R], and the double of its
 * first `count` rows. Exact in float32 for small whole numbers.
 */
function defineParts(name: string, lower?: Lower): ApplyMulti<number> {
  return defineMultiPrimitive<number>({
    name,
    infer: ([{ shape, dtype }], count) => [
      { shape, dtype },
      { shape, dtype: 'i32' },
      { shape: [shape[0]], dtype },
      { shape: [count, shape[1]], dtype },
    ],
    compute: ([x], [square, isPositive, sums, doubled]) => {
      const columns = x.shape[1];
      for (let i = 0; i < x.data.length; i++) {
        square.data[i] = x.data[i] ** 2;
        isPositive.data[i] = Number(x.data[i] > 0);
        sums.data[Math.floor(i / columns)] += x.data[i];
        if (i < doubled.data.length) doubled.data[i] = 2 * x.data[i];
      }
    },
    gradient: ([ofSquare, , ofSums, ofDoubled], _results, [x], count) => [
      () => {
        const parts = [
          ofSquare?.mul(x).mul(2),
          ofSums?.unsqueeze(1).broadcastTo(x.shape),
          ofDoubled?.mul(2).pad([0, 0], [x.shape[0] - count, 0]),
        ].filter((part) => part !== undefined);
        return parts.reduce((sum, part) => sum.add(part));
      },
    ],
    ...(lower && { lower }),
  });
}

const one = (condition: k.Expr): k.Expr =>
  k.select(condition, k.constant('i32', 1), k.constant('i32', 0));

/** Each result by itself. */
const byResult: Lower = () => [
  { map: (x) => k.mul(x, x) },
  { map: (x) => one(k.greater(x, 0)) },
  { fold: k.sum, axes: [1] },
  { element: (index, x) => k.mul(x.at(index), 2) },
];

/** One kernel for all. */
const byKernel: Lower = ([{ shape: [rows, columns] }], count) => ({
  kernel: ([x], [square, isPositive, sums, doubled]) => {
    const total = k.variable('total', 'f32');
    const place = (i: k.Expr, j: k.Expr) => k.add(k.mul(i, columns), j);
    const ofRow = (i: k.Expr) => [
      k.set(total, 0),
      k.loop('j', columns, (j) => [
        k.store(square, place(i, j), k.mul(x.at([i, j]), x.at([i, j]))),
        k.store(isPositive, place(i, j), one(k.greater(x.at([i, j]), 0))),
        k.set(total, k.add(total, x.at([i, j]))),
      ]),
      k.store(sums, i, total),
    ];
    return [
      k.loop('i', rows, ofRow),
      k.loop('i', count, (i) => k.loop('j', columns, (j) =>
        k.store(doubled, place(i, j), k.mul(x.at([i, j]), 2)),
      )),
    ];
  },
});

const parts: Record<string, ApplyMulti<number>> = {
  'a lowering for each result': defineParts('test.parts.each', byResult),
  'one kernel for all results': defineParts('test.parts.kernel', byKernel),
  'a reference loop': defineParts('test.parts.loop'),
};

const [byEach] = Object.values(parts);

/** A matrix of small whole numbers. */
function drawMatrix(g: Draw, [rows, columns]: Shape): Tensor {
  const values = Array.from({ length: rows * columns }, () => drawInteger(g, -9, 9));
  return tensor(values, { shape: [rows, columns], dtype: 'f32' });
}

describe.each(Object.entries(parts))('an op with several results and %s', (_how, apply) => {
  it('gives the same bits eagerly and compiled, with gradients, whichever results are used', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const shape = [drawInteger(g, 0, 5), drawInteger(g, 0, 6)];
        const count = drawInteger(g, 0, shape[0]);
        const x = leaf(drawMatrix(g, shape), 'f32');
        // Some are returned as they are, some computed with, some twice, some not at all.
        const uses = Array.from({ length: drawInteger(g, 1, 5) }, () => (
          { result: drawInteger(g, 0, 3), isPlain: drawInteger(g, 0, 1) === 1 }
        ));
        const run = (input: Tensor): Tensor[] => {
          const results = apply([input.add(1)], count);
          return uses.map(({ result, isPlain }) =>
            isPlain ? results[result] : results[result].mul(3),
          );
        };
        const body = uses.some(({ result }) => result !== 1) ? withGradients(run) : run;
        expectAllSame(twins(body)(x), body(x));
      }),
      { numRuns: runs(60) },
    );
  });

  it('has right first and second derivatives', () => {
    const x = tensor([[1, -2, 3], [0.5, 4, -1]], { dtype: 'f64' });
    const loss = (input: Tensor): Tensor => {
      const [square, , sums, doubled] = apply([input], 1);
      return square.mul(sums.unsqueeze(1)).sum().add(doubled.exp().mul(sums.narrow(0, 0, 1)).sum());
    };
    expect(gradcheck(loss, [x])).toBeLessThan(1e-7);
    const first = (input: Tensor) => grad(loss(input), [input], { createGraph: true })[0];
    expect(gradcheck(first, [x])).toBeLessThan(1e-6);
  });

  it('gives state its new value, in place or not', () => {
    const body = (state: Tensor, sums: Tensor) => (x: Tensor): Tensor => {
      const [square, , ofRows] = apply([x.add(state)], 1);
      state.assign(square);
      sums.assign(sums.add(ofRows));
      return square.sub(1);
    };
    const states = [0, 1, 2].map(() => [ones([2, 3]), ones([2])] as const);
    const [eager, wasm, js] = states.map(([state, sums], i) => {
      const f = body(state, sums);
      return i === 0 ? f : compile(f, { backend: i === 1 ? 'wasm' : 'js' });
    });
    for (const x of [tensor([[1, 2, 3], [0, -1, 1]]), tensor([[-3, 0, 2], [1, 1, -5]])]) {
      const expected = eager(x);
      for (const f of [wasm, js]) expectSame(f(x), expected);
      for (const [state, sums] of states) {
        expectSame(state, states[0][0]);
        expectSame(sums, states[0][1]);
      }
    }
  });

  it('has results of shapes alone in withoutValues, and of f64', () => {
    const shapes = withoutValues(() => apply([ones([2, 3])], 1).map(({ shape }) => [...shape]));
    expect(shapes).toEqual([[2, 3], [2, 3], [2], [1, 3]]);
    const f = compile((x: Tensor) => [...apply([x], 1)]);
    const x = tensor([[0.1, 2, -3]], { dtype: 'f64' });
    expectAllSame(f(x), [...apply([x], 1)]);
  });
});

describe('the gradient rule of several results', () => {
  const seen: string[][] = [];
  const pair = defineMultiPrimitive<null>({
    name: 'test.pair',
    infer: ([x]) => [x, x],
    compute: ([x], outputs) =>
      outputs.forEach(({ data }, i) => data.set(x.data.map((v) => v * (i + 2)))),
    gradient: ([a, b], results, [x]) => {
      seen.push([a, b, ...results].map((one) => one?.toArray() + ''));
      return [() => x.mul(0).add(a?.mul(2) ?? 0).add(b?.mul(3) ?? 0)];
    },
  });

  it('is called once, when the cotangents of all results are complete', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const [a, b] = pair([x], null);
    seen.length = 0;
    const [g] = grad(b.mul(a).add(b).sum(), [x]);
    expect(seen).toEqual([['3,6', '3,5', '2,4', '3,6']]);
    expect(g.toArray()).toEqual([15, 27]);
  });

  it('gets undefined for a result that nothing depends on', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    for (const [i, cotangents] of [['1,1', 'undefined'], ['undefined', '1,1']].entries()) {
      seen.length = 0;
      expect(grad(pair([x], null)[i].sum(), [x])[0].toArray()).toEqual([i + 2, i + 2]);
      expect(seen).toEqual([[...cotangents, '2,4', '3,6']]);
    }
  });

  it('gives gradients with respect to the results, too', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const [a, b] = pair([x], null);
    const [ofA, ofB, ofX] = grad(a.mul(b).sum(), [a, b, x]);
    expect([ofA, ofB, ofX].map((g) => g.toArray())).toEqual([[3, 6], [2, 4], [12, 24]]);
    expect(() => grad(a.sum(), [b])).toThrow('the output does not depend on input 0');
  });

  it('counts results of i32 as constants, and notices if they were overwritten', () => {
    const x = tensor([[3, 1, 2]], { requiresGrad: true });
    const { values, indices } = x.sort();
    expect([values.requiresGrad, indices.requiresGrad, indices.node]).toEqual(
      [true, false, undefined],
    );
    indices.assign(tensor([[0, 0, 0]], { dtype: 'i32' }));
    expect(() => grad(values.sum(), [x])).toThrow(
      'backward: sort needs the value that its result 1, i32[1, 3]',
    );
    expect(noGrad(() => x.sort()).values.node).toBeUndefined();
  });
});

describe('several results', () => {
  const x = tensor([[3, 1, 2]], { requiresGrad: true });

  it('are one line of a graph, and of a listing', () => {
    const { values, indices } = x.topk(2);
    const y = values.mul(indices.cast('f32')).sum();
    expect(formatGraph(y)).toBe(
      [
        '%0 = leaf(requiresGrad)  f32[1, 3]',
        '%1, %2 = sort(%0, axis=1, descending=true, count=2)  f32[1, 2], i32[1, 2]',
        '%3 = constant  f32[1, 2]',
        '%4 = mul(%1, %3)  f32[1, 2]',
        '%5 = sum(%4, axes=[0, 1], keepDims=false)  f32[]',
      ].join('\n'),
    );
    const [square, , sums] = byEach([x], 1);
    expect(formatTree(square.add(sums))).toBe(
      [
        '%0 = add()  f32[1, 3]',
        '  %1 = test.parts.each(1)[0]  f32[1, 3]',
        '    %2 = leaf(requiresGrad)  f32[1, 3]',
        '  %3 = test.parts.each(1)[2]  f32[1]',
        '    %2',
      ].join('\n'),
    );
    const f = compile((a: Tensor) => a.topk(2).values);
    f(x);
    expect(f.listing()).toBe(
      [
        '%0 = argument 0  f32[1, 3]',
        '%1, %2 = sort(%0, axis=1, descending=true, count=2)  f32[1, 2], i32[1, 2]',
        'return %1',
      ].join('\n'),
    );
  });

  it('are computed once for equal inputs, and not at all if none is used', () => {
    const f = compile((a: Tensor) => {
      a.neg().sort();
      return [a.sort().values, a.sort().indices];
    });
    expect(f(x).map((one) => one.toArray())).toEqual([[[1, 2, 3]], [[1, 2, 0]]]);
    expect(f.listing().match(/sort/g)).toHaveLength(1);
    expect(f.listing()).not.toContain('neg');
  });

  it('that are lowered each by itself are only those that are used', () => {
    const f = compile((a: Tensor) => byEach([a], 1)[0].add(1));
    f(x);
    expect(f.explain()).toMatch(
      /^\d+ operations {2}24 bytes {2}f32\[1, 3\] → f32\[1, 3\] .*\n1 kernel/,
    );
  });

  it('of which a kernel makes one that nobody reads have memory for it while it runs', () => {
    const f = compile((a: Tensor) => {
      const [square] = parts['one kernel for all results']([a], 64);
      return square.add(1).sum(0).exp();
    });
    const big = ones([64, 64]);
    expectSame(f(big), big.add(1).sum(0).exp());
    // The argument, four results of the kernel, and the result: in all cases less than seven.
    expect(f.arenaBytes()).toBeLessThan(7 * 4 * 64 * 64);
  });

  it('are searched by detectAnomaly, which says which result it is', () => {
    const broken = defineMultiPrimitive<null>({
      name: 'test.broken',
      infer: ([a]) => [a, { shape: [2], dtype: a.dtype }],
      compute: (_inputs, [, second]) => void second.data.set([1, NaN]),
    });
    expect(() => detectAnomaly(() => broken([x], null))).toThrow(
      'detectAnomaly: test.broken gave NaN at [1] of result 1, f32[2]\n  input 0: f32[1, 3]',
    );
    // An infinity that follows from a given one is let through.
    const infinite = tensor([[Infinity, 2, 1]]);
    expect(detectAnomaly(() => byEach([infinite], 1)[3].toArray())).toEqual([[Infinity, 4, 2]]);
    expect(() => detectAnomaly(() => byEach([tensor([[2e38, 1]])], 1))).toThrow(
      'test.parts.each gave Infinity at [0, 0] of result 0, f32[1, 2]',
    );
  });

  it('are told apart by a checked function', () => {
    let calls = 0;
    const f = compile((a: Tensor) => {
      const results = byEach([a], 1);
      return results[calls++ === 0 ? 0 : 3].add(1);
    }, { check: true });
    f(x);
    expect(() => f(x)).toThrow(
      'input 0 of add (step 1) is result 3 of test.parts.each (step 0), ' +
        'and was result 0 of test.parts.each (step 0)',
    );
  });
});

describe('defineMultiPrimitive', () => {
  let count = 0;
  const primitive = (change: object) => ({
    name: `test.multi${(count += 1)}`,
    infer: ([x]: readonly Tensor[]): readonly Spec[] => [x, x],
    compute: () => {},
    ...change,
  });

  it('refuses what is misspelt or missing, and a name that is taken', () => {
    const define = (change: object) => () => defineMultiPrimitive<null>(primitive(change));
    expect(define({ compute: undefined })).toThrow('defineMultiPrimitive: compute is missing');
    expect(define({ sharesData: true })).toThrow("there is no option 'sharesData'");
    expect(define({ name: 'sort' })).toThrow("there is a primitive named 'sort' already");
    expect(() => definePrimitive<null>({ ...primitive({ name: 'test.pair' }) } as never)).toThrow(
      "there is a primitive named 'test.pair' already",
    );
  });

  it('names the op, and the result, if the shape rule gives no list of shapes and dtypes', () => {
    for (const [infer, message] of [
      [
        { shape: [], dtype: 'f32' },
        'its result is f32[], expected an array of { shape, dtype }, at',
      ],
      [[], 'its result is [], expected an array of { shape, dtype }, at least one'],
      [undefined, 'its result is missing, expected an array'],
      [[ones([2]), undefined], 'result 1 is missing, expected { shape, dtype }'],
      [[ones([2]), { shape: [2] }], 'dtype of result 1 is missing'],
      [[{ shape: [-1], dtype: 'f32' }, ones([2])], 'shape of result 0 is [-1], expected'],
    ] as const) {
      const given = primitive({ infer: () => infer });
      const apply = defineMultiPrimitive<null>(given);
      const start = `infer of ${given.name}: `;
      expect(() => apply([ones([1])], null)).toThrow(start + message);
      expect(() => apply([ones([1])], null)).toThrow(TensorError);
    }
  });

  it('names the op, and the result, if there is not one lowering for each, or it is wrong', () => {
    for (const [lowering, message] of [
      [[{ map: k.exp }], 'it has 1 for the 2 results; expected one for each, or a kernel for all'],
      [{ map: k.exp }, "there is no option 'map'; expected kernel, bound"],
      [{ kernel: 1 }, 'kernel is 1, expected a function'],
      [[{ map: k.exp }, { maps: k.exp }], "there is no option 'maps'; did you mean 'map'?"],
      [[{ map: k.exp }, { map: () => 3 }], 'result 1: map gives 3, expected an f32'],
      [
        { kernel: ([x]: Elements[]) => [k.store(k.buffer('y', 'f32', 1), 0, x.at([]))] },
        'it reads input 0 at',
      ],
      [{ kernel: () => [], bound: { input: 0, size: 1 } }, 'bound is of input 0'],
    ] as const) {
      const given = primitive({ lower: () => lowering });
      const apply = defineMultiPrimitive<null>(given);
      const f = compile((x: Tensor) => [...apply([x], null)]);
      const start = `lowering of ${given.name}`;
      expect(() => f(ones([2]))).toThrow(start);
      expect(() => f(ones([2]))).toThrow(message);
    }
  });

  it('makes ops whose index is checked before their kernel runs', () => {
    const look = defineMultiPrimitive<null>({
      name: 'test.look',
      infer: ([x, index]) => [{ shape: index.shape, dtype: x.dtype }, { shape: [], dtype: 'i32' }],
      compute: ([x, index], [y, most]) => index.data.forEach((place: number, i: number) => {
        if (place < 0 || place >= x.data.length) {
          throw new TensorError(`look: ${place} is out of range`);
        }
        y.data[i] = x.data[place];
        most.data[0] = Math.max(most.data[0], place);
      }),
      lower: ([x, { shape: [length] }]) => ({
        kernel: ([from, index], [y, most]) => [
          k.store(most, 0, k.constant('i32', 0)),
          k.loop('i', length, (i) => [
            k.store(y, i, from.at([k.min(k.max(index.at([i]), 0), x.shape[0] - 1)])),
            k.store(most, 0, k.max(k.load(most, 0), index.at([i]))),
          ]),
        ],
        bound: { input: 1, size: x.shape[0] },
      }),
    });
    const body = (x: Tensor, index: Tensor) => [...look([x, index], null)];
    const f = twins(body);
    const [x, index] = [tensor([5, 6, 7]), tensor([2, 0, 1, 1], { dtype: 'i32' })];
    expectAllSame(f(x, index), body(x, index));
    expect(() => f(x, index.add(1))).toThrow('look: 3 is out of range');
  });
});

/**
 * `checkPrimitive` finds what can be wrong with an op: each of these has one mistake, is right in
 * all else, and is named with what was found and what was expected. The same ops without a mistake
 * pass.
 */
import * as k from '@mambagrad/kernel';
import { TensorError } from '@mambagrad/tensor';
import { checkPrimitive } from '@mambagrad/tensor/extend';
import { describe, expect, it } from 'vitest';
import {
  everyPair, kernelOf, type Mutant, pair, product, rowKernel, rows, rowSum, twoResults, x, y,
} from './wrongOps.ts';

describe('an op without a mistake', () => {
  it('passes, and the report says for which inputs', () => {
    const { checked, refused } = checkPrimitive(product(), [x, y]);
    expect(checked.slice(0, 3)).toEqual([
      'f32[2, 3], f32[2, 3]', 'f32[0, 3], f32[0, 3]', 'f32[1, 3], f32[1, 3]',
    ]);
    expect(checked).toContain('f32[0, 0], f32[0, 0]');
    expect(refused).toContain('f64[2, 3], f32[2, 3]');
    expect(refused).toContain('f32[3, 3], f32[2, 3]');
    expect(checkPrimitive(rowSum(), [x]).refused).toContain('f32[3]');
    const kernel = rowSum({
      lower: ([{ shape: [rows, length] }]) => rowKernel(length, rows, () => []),
    });
    expect(checkPrimitive(kernel, [x]).checked).toContain('f32[5, 3]');
    expect(checkPrimitive(twoResults(), [x]).checked).toContain('f32[2, 0]');
  });
});

let calls = 0;

const mutants: readonly Mutant[] = [
  // Gradients.
  [
    'a wrong gradient',
    pair({ gradient: (g, _y, [a, b]) => [() => g.mul(a).mul(b), () => g.mul(a.square())] }),
    'gradients: gradcheck: element 0 of input 0, f64[2, 3], has the gradient -0.75, finite ' +
      'differences say -1.5…',
  ],
  [
    'a wrong second derivative: a gradient that is right, and a constant',
    pair({
      gradient: (g, _y, [a, b]) => [() => g.mul(a.mul(b).detach()).mul(2), () => g.mul(a.square())],
    }),
    'secondGradients: gradcheck: element …',
  ],
  [
    'a gradient that is left out',
    pair({ gradient: (g, _y, [a, b]) => [() => g.mul(a).mul(b).mul(2)] }),
    'its gradient rule gave [a function], which has nothing for input 1, …',
  ],
  [
    'a gradient that is denied',
    pair({ gradient: (g, _y, [a, b]) => [() => g.mul(a).mul(b).mul(2), null] }),
    'gradients: gradcheck: element … of input 1, f64[2, 3], has the gradient 0, …',
  ],
  [
    'no gradient rule',
    pair({ gradient: undefined as never }),
    'values: the result, f64[2, 3], has no gradient; give the primitive a gradient rule',
  ],
  [
    'a gradient of a wrong shape',
    rows({ gradient: (g) => [() => g] }),
    '(f32[2, 3]): reference: mutant.rowSum…: its gradient rule gave the shape [2] for input 0, ' +
      'f32[2, 3]',
  ],
  [
    'a gradient of a wrong dtype',
    rows(
      { gradient: (g, _y, [{ shape }]) => [() => g.unsqueeze(1).broadcastTo(shape).cast('f32')] },
    ),
    'its gradient rule gave f32[2, 3] for input 0, f64[2, 3]',
  ],
  [
    'a gradient where it should be a constant',
    () => checkPrimitive(product(), [x, y], { constant: true }),
    'values: the result, f64[2, 3], requires gradients, and the option constant is true',
  ],

  // Lowerings.
  [
    'a wrong lowering',
    pair({ lower: () => ({ map: (a, b) => k.mul(a, b) }) }),
    'guarded: element 3 of result 0, f32[2, 3], is 6 in JavaScript under guard, expected 18',
  ],
  [
    'a lowering that loses digits',
    pair({ lower: () => ({ map: (a, b) => k.mul(k.sub(k.add(k.mul(a, a), 1e6), 1e6), b) }) }),
    'guarded: element … of result 0, f32[2, 3], is … in JavaScript under guard, expected …',
  ],
  [
    'a lowering whose name is misspelt',
    pair({ lower: () => ({ maps: (a: k.Expr, b: k.Expr) => k.mul(k.mul(a, a), b) }) as never }),
    "guarded: lowering of mutant.product…: there is no option 'maps'; did you mean 'map'?",
  ],
  [
    'a lowering that reads beyond its input',
    rows({
      lower: ([{ shape: [, length] }]) => ({
        element: ([i], a) => {
          const all = Array.from({ length: length + 1 }, (_, j) => a.at([i, j]));
          return all.reduce((sum, each) => k.add(sum, each));
        },
      }),
    }),
    'guarded: kernel mutant_rowSum…: load x from 3 to 6, but it has 6 elements',
  ],
  [
    'a lowering that reads out of range, where no index says so, and does not use it',
    pair({
      lower: ([{ shape }]) => ({
        element: (index, a, b) => {
          const last = index.length - 1;
          const at = index[last];
          const next =
            k.min(typeof at === 'number' ? k.constant('i32', at + 1) : k.add(at, 1), shape[last]);
          const beside = a.at(index.with(last, next));
          const here = k.mul(k.mul(a.at(index), a.at(index)), b.at(index));
          return k.select(k.less(next, 0), beside, here);
        },
      }),
    }),
    'guarded: kernel mutant_product…: reads element 6 of x, which has 6 elements',
  ],
  [
    'a kernel that leaves elements unwritten',
    rows({
      lower: ([{ shape: [count, length] }]) => ({
        kernel: (inputs, output, epilogue) => {
          const all = rowKernel(length, count - 1, () => []) as { kernel: Function };
          return all.kernel(inputs, output, epilogue) as k.Statements;
        },
      }),
    }),
    'guarded: …kernel mutant_rowSum…: leaves element 1 of … unwritten',
  ],
  [
    'rounds of which one needs the result of another, which threads may not have yet',
    rows({
      compute: ([{ shape: [count, length], data }], output) => {
        for (let row = 0, sum = 0; row < count; row++) {
          for (let i = 0; i < length; i++) sum += data[row * length + i];
          output.data[row] = sum;
        }
      },
      gradient: (g, _y, [{ shape }]) => [
        () => g.flip().cumsum(0).flip().unsqueeze(1).broadcastTo(shape),
      ],
      lower: kernelOf((sum, i, load) =>
        k.when(k.greater(i, 0), k.set(sum, k.add(sum, load(k.sub(i, 1))))),
      ),
    }),
    'guarded: kernel mutant_rowSum…: reads element 0 of … in iteration 1 of a parallel loop, ' +
      'and iteration 0 has written it',
  ],
  [
    'a sum that all rounds add to, in whatever order they come',
    rows({
      infer: ([{ shape, dtype }]) => {
        if (shape.length !== 2 || dtype === 'i32') throw new TensorError('total: wrong input');
        return { shape: [1], dtype };
      },
      compute: ([{ data }], output) => {
        data.forEach((each: number) => (output.data[0] += each));
      },
      gradient: (g, _y, [{ shape }]) => [() => g.broadcastTo(shape)],
      lower: ([{ shape: [count, length] }]) => ({
        kernel: ([a], output) => [
          k.store(output, 0, k.constant('f32', 0)),
          k.parallel('row', count, (i) => k.loop('j', length, (j) =>
            k.store(output, 0, k.add(k.load(output, 0), a.at([i, j]))),
          )),
        ],
      }),
    }),
    'guarded: kernel mutant_rowSum…: writes element 0 of x_2 in iteration 1 of a parallel loop, ' +
      'and iteration 0 has written it',
  ],
  [
    'a reduction that depends on the order in which it combines',
    rows({
      compute: ([{ shape: [, length], data }], output) =>
        output.data.forEach((_: number, row: number) => {
          for (let i = 0; i < length; i++) output.data[row] -= data[row * length + i];
        }),
      gradient: (g, _y, [{ shape }]) => [() => g.neg().unsqueeze(1).broadcastTo(shape)],
      lower: () => ({ fold: { combine: k.sub, identity: 0 }, axes: [1] }),
    }),
    '(f32[2, 5]): guarded: element … of result 0, f32[2], is … in JavaScript under guard, ' +
      'expected …',
  ],
  [
    'scratch memory that is read before anybody wrote it',
    rows({
      lower: kernelOf((sum, i) => k.set(sum, k.add(sum, k.load(k.scratch('left', 'f32', 8), i)))),
    }),
    'guarded: …kernel mutant_rowSum…: reads element 0 of left before it is written',
  ],

  // Shape rules.
  [
    'a wrong shape rule',
    rows({ infer: ([{ shape, dtype }]) => ({ shape: [shape[1]], dtype }) }),
    'reads [6], which is no element of input 0, f32[2, 3]; expected 0 to 5',
  ],
  [
    'a shape rule that takes any two shapes',
    pair({
      infer: ([a, b]) => {
        if (a.dtype !== b.dtype || a.dtype === 'i32') throw new TensorError('product: wrong dtype');
        return { shape: a.shape, dtype: a.dtype };
      },
    }),
    '(f32[2, 2, 3], f32[2, 3]): reference: the reference loop of mutant.product… reads [6], ' +
      'which is no element of input 1',
  ],
  [
    'a shape rule that stumbles where an axis is missing',
    rows({
      infer: ([{ shape, dtype }]) => {
        const isWrong = shape.length > 2 || dtype === 'i32';
        if (isWrong || !shape[1].toFixed()) throw new TensorError('rowSum: wrong input');
        return { shape: [shape[0]], dtype };
      },
    }),
    '(f32[3]): wrong inputs: it throws TypeError: …, expected a TensorError that says what is ' +
      'wrong',
  ],
  [
    'a dtype that is always f32',
    rows({
      infer: ([{ shape, dtype }]) => {
        if (shape.length !== 2 || dtype === 'i32') throw new TensorError('rowSum: wrong input');
        return { shape: [shape[0]], dtype: 'f32' };
      },
      gradient: (g, _y, [{ shape, dtype }]) => [
        () => g.cast(dtype).unsqueeze(1).broadcastTo(shape),
      ],
    }),
    'float32: result 0 is f32[2] in float32, and f32[2] of float64 inputs; ' +
      'expected the dtype of the inputs',
  ],
  [
    'that f32 and f64 are taken beside each other',
    pair({
      infer: ([a, b]) => {
        const isRight = a.dtype !== 'i32' && b.dtype !== 'i32' && `${a.shape}` === `${b.shape}`;
        if (!isRight) throw new TensorError('product: wrong input');
        return { shape: a.shape, dtype: a.dtype };
      },
    }),
    '(f64[2, 3], f32[2, 3]): wrong inputs: it takes f32 beside f64, expected an error',
  ],
  [
    'a result that shares data that it does not fit',
    rows({ sharesData: true }),
    'mutant.rowSum… shares the data of f32[2, 3], which does not fit the result, f32[2]',
  ],

  // Several results.
  [
    'a second result that is wrong in a kernel',
    () => checkPrimitive(twoResults({
      lower: ([{ shape: [count, length] }]) => ({
        kernel: ([a], [squares, firsts]) => k.parallel('row', count, (i) => [
          k.loop('j', length, (j) =>
            k.store(squares, k.rowMajor([i, j], [length]), k.mul(a.at([i, j]), a.at([i, j]))),
          ),
          k.store(firsts, i, k.mul(a.at([i, length - 1]), 3)),
        ]),
      }),
    }), [x]),
    'guarded: element … of result 1, f32[2], is … in JavaScript under guard, expected …',
  ],
  [
    'the gradient of a second result that is left out',
    () => checkPrimitive(twoResults({
      gradient: ([g], _results, [a]) => [() => (g ?? a.mul(0)).mul(a).mul(2)],
    }), [x]),
    'gradients: gradcheck: element … of input 0, f64[2, 3], has the gradient …',
  ],
  [
    'a second result that nobody writes',
    () => checkPrimitive(twoResults({
      lower: ([{ shape: [count, length] }]) => ({
        kernel: ([a], [squares]) => k.loop('i', count, (i) => k.loop('j', length, (j) =>
          k.store(squares, k.rowMajor([i, j], [length]), k.mul(a.at([i, j]), a.at([i, j]))),
        )),
      }),
    }), [x]),
    'guarded: …kernel mutant_twoResults…: leaves element 0 of x_3 unwritten',
  ],

  // Reference loops.
  [
    'a loop that changes its input',
    pair({
      compute: everyPair((data, i, a, b) => {
        a.data[i] **= 2;
        data[i] = a.data[i] * b.data[i];
      }),
    }),
    'reference: the reference loop of mutant.product… writes [0], an element of input 0, f32[2, ' +
      '3]; inputs must stay as they are',
  ],
  [
    'a loop that changes its input, by a method of its array',
    rows({
      compute: ([{ shape: [, length], data }], output) =>
        output.data.forEach((_: number, row: number) => {
          const own = data.subarray(row * length, (row + 1) * length).sort();
          own.forEach((each: number) => (output.data[row] += each));
        }),
    }),
    'reference: the op changes element 3 of input 0, f32[2, 3], from 3 to -0.125; ' +
      'inputs must stay as they are',
  ],
  [
    'a loop that writes beyond its result',
    rows({
      compute: ([{ shape: [count, length], data }], output) => {
        for (let row = 0; row <= count; row++) {
          let sum = 0;
          for (let i = 0; i < length && row < count; i++) sum += data[row * length + i];
          output.data[row] = sum;
        }
      },
    }),
    'reference: the reference loop of mutant.rowSum… writes [2], ' +
      'which is no element of result 0, f32[2]; expected 0 to 1',
  ],
  [
    'a loop that leaves elements unwritten',
    pair(
      { compute: everyPair((data, i, a, b) => i > 0 && (data[i] = a.data[i] ** 2 * b.data[i])) },
    ),
    'gradients: gradcheck: element 0 of input …, finite differences say 0',
  ],
  [
    'a loop that gives another result when it runs again',
    pair({
      compute: everyPair((data, i, a, b) => {
        data[i] = a.data[i] ** 2 * b.data[i] + 1e-9 * calls++;
      }),
    }),
    'reference: the reference loop of mutant.product… gave … as element … when it ran again',
  ],
];

describe('checkPrimitive finds', () => {
  it.each(mutants)('%s', (_mistake, check, message) => {
    let found: unknown;
    try {
      check();
    } catch (error) {
      found = error;
    }
    if (process.env['SHOW']) console.log(String(found));
    expect(found).toBeInstanceOf(TensorError);
    const pattern = message.split('…').map((part) => part.replace(/[[\](){}.*+?^$|\\]/g, '\\$&'));
    expect((found as Error).message).toMatch(new RegExp(pattern.join('[^]*')));
  });
});

/**
 * Calls of every op of the table, with shapes that are empty, odd, and large enough for threads.
 */
import {
  associativeScan, einsum, linearScan, listOps, normal, ops, type ScanAlgorithm, type Shape,
  type Tensor, uniform, bernoulli, integers, manualSeed, permutation, compile,
} from '@mambagrad/tensor';
import { type Case, floats, inAllWays, indices } from './cases.ts';

interface Call {
  readonly inputs: readonly Tensor[];
  readonly apply: (...inputs: Tensor[]) => unknown;
}

type Op = (...args: never[]) => unknown;
const table = { ...ops, ...listOps } as unknown as Readonly<Record<string, Op>>;

/** Calls of an op, each with other arguments after the tensors. */
function calls(
  name: string, inputs: readonly (readonly Tensor[])[], ...rest: readonly (readonly unknown[])[]
): Call[] {
  const op = table[name] as (...args: unknown[]) => unknown;
  const others = rest.length > 0 ? rest : [[]];
  return inputs.flatMap((tensors) =>
    others.map((args) => ({ inputs: tensors, apply: (...given) => op(...given, ...args) })),
  );
}

const pointwise: readonly Shape[] = [[], [0, 3], [7], [3, 1, 5], [33, 67], [300, 130]];
const filled: readonly Shape[] = [[7], [4, 5, 6], [33, 67], [3, 3001], [2001, 5]];
const pairs: readonly (readonly [Shape, Shape])[] = [
  [[], []], [[0, 3], [3]], [[7], []], [[3, 1, 5], [4, 1]], [[33, 67], [67]], [[300, 130], [300, 1]],
];

const unary = (low = -2, high = 2) => (name: string) =>
  calls(name, pointwise.map((shape) => [floats(shape, low, high)]));

const binary = (low = -2, high = 2) => (name: string) =>
  calls(name, pairs.map(([a, b]) => [floats(a, low, high), floats(b, low, high, 5)]));

/** The same for i32, too. */
const comparison = (name: string) => [
  ...binary()(name),
  ...calls(name, pairs.map(([a, b]) => [indices(a, 5), indices(b, 5, 7)])),
];

const reduction = (name: string) => [
  ...calls(name, filled.map((shape) => [floats(shape)]), [], [[0]], [[-1], true]),
  ...calls(name, [[floats([4, 5, 6])]], [[0, 2]], [[1]]),
];

const variance = (name: string) =>
  calls(name, filled.map((shape) => [floats(shape)]), [[0]], [[-1], { correction: 0 }]);

const argReduction = (name: string) =>
  calls(name, filled.map((shape) => [floats(shape)]), [], [0], [-1, true]);

const along = (name: string) => calls(name, filled.map((shape) => [floats(shape)]), [0], [-1]);

const sorting = (name: string) =>
  calls(name, filled.map((shape) => [floats(shape)]), [], [{ axis: 0, descending: true }]);

/** Calls on one matrix and one block, with arguments for each. */
const moving = (matrix: readonly unknown[][], block: readonly unknown[][]) => (name: string) => [
  ...calls(name, [[floats([33, 67])]], ...matrix),
  ...calls(name, [[floats([2, 3, 4])]], ...block),
];

const products: readonly (readonly [Shape, Shape])[] = [
  [[5], [5]], [[3, 5], [5]], [[5], [5, 7]], [[3, 5], [5, 7]], [[0, 5], [5, 2]], [[3, 0], [0, 2]],
  [[2, 1, 3, 5], [4, 5, 6]], [[1, 300], [300, 64]], [[40, 1100], [1100, 50]], [[64, 64], [64, 64]],
  [[129, 33], [33, 70]], [[16, 5000], [5000, 9]],
];

const makers: Readonly<Record<string, (name: string) => Call[]>> = {
  ...each('neg abs sign exp expm1 square sin cos tanh erf floor ceil round relu silu', unary()),
  ...each('sigmoid softplus flatten detach isNaN isFinite', unary(-5, 5)),
  ...each('log sqrt rsqrt reciprocal', unary(0.1, 3)),
  log1p: unary(-0.8, 3),
  gelu: (name) => calls(
    name, pointwise.map((shape) => [floats(shape)]), [], [{ approximate: 'tanh' }],
  ),
  clamp: (name) => calls(
    name, pointwise.map((shape) => [floats(shape)]), [{ min: -0.7, max: 0.5 }], [{ min: 0 }],
  ),
  cast: (name) => [
    ...calls(name, pointwise.map((shape) => [floats(shape)]), ['i32'], ['f32']),
    ...calls(name, pointwise.map((shape) => [indices(shape, 9)]), ['f32']),
  ],
  ...each('add sub mul maximum minimum', comparison),
  ...each('equal notEqual greater less greaterEqual lessEqual', comparison),
  ...each('div pow', binary(0.3, 2)),
  where: (name) => calls(name, pairs.map(([a, b]) => [indices(b, 2), floats(a), floats(b)])),
  maskedFill: (name) => calls(name, pairs.map(([a, b]) => [floats(a), indices(b, 2)]), [3]),
  ...each('sum mean max min logsumexp prod', reduction),
  ...each('var std', variance),
  norm: (name) => [1, 2, 3, Infinity].flatMap((p) =>
    calls(name, filled.map((shape) => [floats(shape)]), [[0], { p }], [undefined, { p }]),
  ),
  ...each('argmax argmin', argReduction),
  ...each('softmax logSoftmax cumsum cumprod', along),
  ...each('argsort sort', sorting),
  topk: (name) => calls(name, filled.map((shape) => [floats(shape)]), [3, 0], [2]),
  sumTo: moving([[[67]], [[33, 1]], [[]]], [[[3, 1]], [[2, 3, 4]]]),
  matmul: (name) => calls(name, products.map(([a, b]) => [floats(a), floats(b, -2, 2, 5)])),
  reshape: moving([[[67, 33]], [[-1]]], [[[4, -1, 1]]]),
  unsqueeze: moving([[0], [-1]], [[1]]),
  squeeze: (name) => calls(name, [[floats([1, 5, 1])]], [], [[0]]),
  permute: moving([[[1, 0]]], [[[2, 0, 1]]]),
  transpose: moving([[0, 1]], [[-1, 0]]),
  broadcastTo: (name) => calls(name, [[floats([3, 1])]], [[3, 70]], [[2, 3, 5]]),
  flip: moving([[], [[1]]], [[[0, 2]]]),
  slice: moving([[[1, 2], [30, 67], [2, 3]]], [[[0, 1, 1], [2, 3, 4], [1, 1, 2]]]),
  narrow: moving([[0, 3, 20], [1, 60, 7]], [[-1, 1, 2]]),
  pad: moving(
    [[[1, 2], [3, 4], { value: 1 }], [[-2, 0], [0, -5], { spread: [1, 2] }]],
    [[[0, 1, 2], [0, 0, 1]]],
  ),
  split: moving([[10, 0], [30, 1]], [[2, -1]]),
  chunk: moving([[4, 0], [3, 1]], [[2, -1]]),
  unbind: moving([[0]], [[-1]]),
  tile: moving([[[2, 3]]], [[[2, 1, 1, 2]]]),
  repeatInterleave: moving([[3, 0], [2, 1]], [[2, -1]]),
  roll: moving([[5, 0], [-9, 1]], [[1, -1]]),
  ...each('triu tril', moving([[0], [-3]], [[1]])),
  ...each('concat stack', (name) => {
    const list = [floats([33, 67]), floats([33, 67], -1, 1, 5), floats([33, 67], 0, 1, 6)];
    const op = table[name] as unknown as (inputs: Tensor[], axis: number) => Tensor;
    return [0, -1].map((axis) => ({ inputs: list, apply: (...given) => op(given, axis) }));
  }),
  gather: (name) => [0, 1].flatMap((axis) =>
    indexed(name, axis, [33, 67], indices([20, 50], 33), []),
  ),
  scatterAdd: (name) => [0, 1].flatMap((axis) =>
    indexed(name, axis, [33, 67], indices([20, 50], 33), [floats([20, 50], -1, 1, 5)]),
  ),
  indexSelect: (name) => [0, 1].flatMap((axis) =>
    indexed(name, axis, [33, 67], indices([4, 25], 33), []),
  ),
  oneHot: (name) => calls(name, [[indices([4, 9], 5)], [indices([0, 2], 5)]], [5], [7, 'f32']),
  linearScan: () => scans(),
};

function each(names: string, make: (name: string) => Call[]): Record<string, typeof make> {
  return Object.fromEntries(names.split(' ').map((name) => [name, make]));
}

/** An op that takes an axis and an index after its first tensor. */
function indexed(
  name: string, axis: number, shape: Shape, index: Tensor, more: readonly Tensor[],
): Call[] {
  const op = table[name] as (...args: unknown[]) => unknown;
  const apply = (x: Tensor, at: Tensor, ...rest: Tensor[]) => op(x, axis, at, ...rest);
  return [{ inputs: [floats(shape), index, ...more], apply }];
}

const algorithms: readonly ScanAlgorithm[] = ['sequential', 'blelloch', 'hillisSteele', 'chunked'];

function scans(): Call[] {
  const inputs = [floats([3, 70, 5], -1, 1), floats([3, 70, 5]), floats([3, 5])];
  const reset = indices([3, 70, 1], 2);
  return algorithms.flatMap((algorithm) => [false, true].flatMap((reverse) => [
    {
      inputs,
      apply: (a: Tensor, b: Tensor, initialState: Tensor) =>
        linearScan(a, b, { axis: 1, reverse, algorithm, initialState }),
    },
    {
      inputs: inputs.slice(0, 2),
      apply: (a: Tensor, b: Tensor) => linearScan(a, b, { axis: 1, reverse, algorithm, reset }),
    },
  ]));
}

/** Functions made of ops that are not in the table. */
const others: Readonly<Record<string, Call[]>> = {
  einsum: ['ij,jk->ik', 'ij,jk->k', 'ij,kl->il'].map((equation) => ({
    inputs: [floats([13, 13]), floats([13, 13], -1, 1, 5)],
    apply: (a: Tensor, b: Tensor) => einsum(equation, a, b),
  })),
  associativeScan: (['blelloch', 'hillisSteele'] as const).flatMap((algorithm) =>
    [false, true].map((reverse) => ({
      inputs: [floats([37, 3], -1, 1), floats([37, 3])],
      apply: (a: Tensor, b: Tensor) => associativeScan(
        ([a1, b1], [a2, b2]) => [a1.mul(a2), a2.mul(b1).add(b2)], [a, b],
        { axis: 0, reverse, algorithm },
      ),
    })),
  ),
  fused: [{
    inputs: [floats([30, 70]), floats([70])],
    apply: (x: Tensor, y: Tensor) => [
      x.mul(y).add(1).silu().sum(0), x.softmax(-1).mul(y),
      x.matmul(x.transpose(0, 1)).tanh().max(1),
    ],
  }],
};

/** Random numbers of every kind, from one seed. */
function draws(): unknown {
  return [
    uniform([7, 33]), uniform([300], -1, 1, { dtype: 'f64' }), normal([501]),
    bernoulli([99], 0.3), integers([45], -3, 1000),
  ];
}

/** The cases of all ops. Throws if there is an op without any. */
export function* opCases(): Iterable<Case> {
  const missing = Object.keys(table).filter((name) => makers[name] === undefined);
  if (missing.length > 0) throw new Error(`bits: there is no call of ${missing.join(', ')}`);
  for (const name of Object.keys(table).sort()) {
    for (const [i, { inputs, apply }] of makers[name](name).entries()) {
      yield* inAllWays(`${name} ${i}`, apply, inputs);
    }
  }
  for (const [name, list] of Object.entries(others)) {
    for (const [i, { inputs, apply }] of list.entries()) {
      yield* inAllWays(`${name} ${i}`, apply, inputs);
    }
  }
  yield ['random eager', () => (manualSeed(5), [draws(), permutation(40)])];
  for (const backend of ['wasm', 'js'] as const) {
    const program = compile(draws, { deterministic: true, backend });
    yield [`random ${backend}`, () => (manualSeed(5), [program(), program()])];
  }
}

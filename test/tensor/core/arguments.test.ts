/**
 * Wrong arguments are errors: every public function, called rightly but for one argument or option,
 * throws a TensorError in its own name, before anything is computed.
 */
import * as library from '@mambagrad/tensor';
import { Generator, Tensor, tensor, TensorError } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';

type AnyFunction = (...args: unknown[]) => unknown;

const exported = library as unknown as Record<string, AnyFunction>;

const f64 = { dtype: 'f64' } as const;
const matrix = tensor([[1, 2, 3], [4, 5, 6]], f64);
const leaf = () => tensor([1, 2], { ...f64, requiresGrad: true });
const index = tensor([[0, 1, 1]], { dtype: 'i32' });
const mask = index.equal(1);
const vector = tensor([1, 2, 3], f64);
const creating = { dtype: 'f32', requiresGrad: true };
const drawing = { dtype: 'f64', generator: new Generator(1) };
const square = (x: Tensor) => x.square().sum();
const plus: library.Combine = ([a], [b]) => [a.add(b)];

/** For each function, a call that is right, with all arguments and options. */
const calls: Readonly<Record<string, () => readonly unknown[]>> = {
  tensor: () => [[1, 2], { ...creating, shape: [2, 1] }],
  full: () => [[2], 7, creating],
  zeros: () => [[2], creating],
  ones: () => [[2], creating],
  arange: () => [0, 3, 1, creating],
  linspace: () => [0, 1, 3, creating],
  eye: () => [2, 3, creating],
  fullLike: () => [vector, 7, creating],
  zerosLike: () => [vector, creating],
  onesLike: () => [vector, creating],
  uniform: () => [[2], 0, 2, drawing],
  normal: () => [[2], 0, 2, drawing],
  integers: () => [[2], 0, 5, new Generator(1)],
  bernoulli: () => [[2], 0.5, drawing],
  permutation: () => [5, new Generator(1)],
  noGrad: () => [() => 1],
  enableGrad: () => [() => 1],
  detectAnomaly: () => [() => 1],
  withoutValues: () => [() => 1],
  guard: () => [() => 1],
  manualSeed: () => [7],
  grad: () => {
    const x = leaf();
    return [square(x), [x], { cotangent: tensor(2, f64), createGraph: true, allowUnused: true }];
  },
  backward: () => [square(leaf()), { cotangent: tensor(2, f64), createGraph: true }],
  valueAndGrad: () => [square, { createGraph: true, allowUnused: true }],
  jacobian: () => [square, vector, { createGraph: true, allowUnused: true }],
  hessianVectorProduct: () => [square, vector, vector, { createGraph: true, allowUnused: true }],
  gradcheck: () => [square, [vector], { tolerance: 1e-3, step: 1e-4 }],
  formatGraph: () => [vector],
  formatTree: () => [vector],
  associativeScan: () => [plus, [vector], { axis: 0, reverse: true, algorithm: 'hillisSteele' }],
  scanPairs: () => ['chunked', 5, 2],
  linearScan: () => [
    vector, vector,
    {
      axis: 0, reverse: true, algorithm: 'chunked', chunkSize: 2, initialState: tensor(1, f64),
      reset: tensor([0, 1, 0], { dtype: 'i32' }),
    },
  ],
  einsum: () => ['i,i->', vector, vector],
  concat: () => [[vector, vector], 0],
  stack: () => [[vector, vector], 0],
  ...Object.fromEntries(
    ['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum', 'equal', 'notEqual', 'greater',
      'less', 'greaterEqual', 'lessEqual', 'matmul'].map((name) => [name, () => [vector, vector]]),
  ),
  ...Object.fromEntries(
    ['neg', 'abs', 'sign', 'exp', 'expm1', 'log', 'log1p', 'sqrt', 'rsqrt', 'reciprocal', 'square',
      'sin', 'cos', 'tanh', 'erf', 'floor', 'ceil', 'round', 'relu', 'sigmoid', 'softplus', 'silu',
      'isNaN', 'isFinite', 'flatten', 'detach',
      'stopGradient'].map((name) => [name, () => [vector]]),
  ),
  ...Object.fromEntries(
    ['sum', 'mean', 'max', 'min', 'logsumexp', 'prod', 'argmax', 'argmin'].map((name) => [
      name, () => [matrix, 1, true],
    ]),
  ),
  ...Object.fromEntries(
    ['softmax', 'logSoftmax', 'cumsum', 'cumprod', 'unbind', 'squeeze', 'unsqueeze', 'flip'].map(
      (name) => [name, () => [vector.unsqueeze(0), 0]],
    ),
  ),
  clamp: () => [vector, { min: 0, max: 1 }],
  gelu: () => [vector, { approximate: 'tanh' }],
  where: () => [mask, vector, vector],
  maskedFill: () => [vector, mask, 7],
  cast: () => [vector, 'f32'],
  var: () => [matrix, 1, { correction: 0, keepDims: true }],
  std: () => [matrix, 1, { correction: 0, keepDims: true }],
  norm: () => [matrix, 1, { p: 1, keepDims: true }],
  argsort: () => [vector, { axis: 0, descending: true }],
  sort: () => [vector, { axis: 0, descending: true }],
  topk: () => [matrix, 1, 0],
  sumTo: () => [matrix, [3]],
  reshape: () => [matrix, [3, 2]],
  permute: () => [matrix, [1, 0]],
  transpose: () => [matrix, 0, 1],
  broadcastTo: () => [vector, [2, 3]],
  slice: () => [matrix, [0], [1], [1]],
  narrow: () => [matrix, 0, 0, 1],
  pad: () => [vector, [1], [1], { value: 7, spread: [1] }],
  split: () => [vector, [1, 2], 0],
  chunk: () => [vector, 2, 0],
  tile: () => [vector, [2]],
  repeatInterleave: () => [vector, 2, 0],
  roll: () => [vector, 1, 0],
  triu: () => [matrix, 1],
  tril: () => [matrix, 1],
  gather: () => [matrix, 0, index, { caller: 'gather' }],
  scatterAdd: () => [matrix, 0, index, matrix.narrow(0, 0, 1), { caller: 'scatterAdd' }],
  indexSelect: () => [matrix, 0, index, { caller: 'indexSelect' }],
  oneHot: () => [index, 2, 'f64'],
};

/** What is right for no argument of any function; what a function does not use is not told here. */
const junk = (): readonly unknown[] => [
  'bogus', null, { colour: 1 }, () => 0, true, NaN, [NaN], [{}], new Map(), 1n, [[[]]],
];

/** Numbers that an element may be, and flags, are right where such are wanted. */
function isRight(value: unknown, instead: unknown, name: string): boolean {
  if (typeof value === 'boolean') return typeof instead === 'boolean';
  if (typeof value === 'function') return typeof instead === 'function';
  const takesNumbers = /^(add|sub|mul|div|pow|maximum|minimum|where|full|fullLike|maskedFill|pad)$/;
  const isElement = takesNumbers.test(name) || /equal|greater|less/i.test(name);
  return typeof instead === 'number' && isElement && (value === 7 || value instanceof Tensor);
}

function expectError(call: () => unknown, name: string): void {
  let result: unknown;
  try {
    result = call();
  } catch (error) {
    expect(error).toBeInstanceOf(TensorError);
    const { message } = error as Error;
    expect(message).toMatch(new RegExp(`^${name}: \\S`));
    expect(message.length).toBeLessThan(400);
    return;
  }
  expect.fail(`${name} took it, and gave ${String(result)}`);
}

/** What errors call a function that has two names. */
const nameOf = (name: string) => (name === 'stopGradient' ? 'detach' : name);

const isOptions = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

describe.each(Object.entries(calls))('%s', (name, argumentsOf) => {
  const call = exported[name];

  it('takes what is right', () => {
    expect(() => call(...argumentsOf())).not.toThrow();
  });

  it('takes nothing else', () => {
    argumentsOf().forEach((value, i) => {
      for (const instead of junk()) {
        if (isRight(value, instead, name)) continue;
        expectError(() => call(...argumentsOf().with(i, instead)), nameOf(name));
      }
    });
  });

  it('takes no wrong options, and undefined for none', () => {
    const last = argumentsOf().length - 1;
    const given = argumentsOf()[last];
    if (!isOptions(given)) return;
    const withOptions = (options: unknown) => () => call(...argumentsOf().with(last, options));
    for (const [key, value] of Object.entries(given)) {
      for (const instead of [...junk(), {}, [], Symbol('a')]) {
        if (isRight(value, instead, name) || (key === 'caller' && instead === 'bogus')) continue;
        if (key === 'spread' && Array.isArray(instead) && instead.length === 0) continue;
        expectError(withOptions({ ...given, [key]: instead }), name);
      }
      expect(withOptions({ [`${key}x`]: value })).toThrow(`did you mean '${key}'?`);
      expect(withOptions({ [key]: undefined })).not.toThrow();
    }
    // To clamp to nothing is a mistake.
    if (name !== 'clamp') expect(withOptions(undefined)).not.toThrow();
  });
});

test('every function of the package is called here, or takes no arguments that it can check', () => {
  const others = [
    // Tested with what they are about.
    'compile', 'formatKernels', 'formatMemory', 'formatStages', 'setThreads', 'startThreads',
    'closeThreads', 'whyOneThread', 'describe', 'threefry2x32', 'scan',
    // Classes.
    'Generator', 'Tensor', 'TensorError',
  ];
  const functions = Object.keys(exported).filter((name) => typeof exported[name] === 'function');
  expect([...Object.keys(calls), ...others].sort()).toEqual(functions.sort());
});

describe('errors stay short', () => {
  it('whatever they show', () => {
    const cyclic: unknown[] = [1];
    cyclic.push(cyclic);
    let deep: unknown[] = [];
    for (let depth = 0; depth < 100_000; depth++) deep = [deep];
    const large = [
      new Array(1000).fill(1), 'x'.repeat(200_000), new Float32Array(2000), deep, cyclic,
      Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`key${i}`, i])),
      Array.from({ length: 100 }, () => 'x'.repeat(1000)), library.zeros([3000]),
    ];
    for (const [name, argumentsOf] of Object.entries(calls)) {
      argumentsOf().forEach((_, i) => {
        for (const value of large) {
          try {
            exported[name](...argumentsOf().with(i, value));
          } catch (error) {
            expect(error, `${name}, argument ${i}`).toBeInstanceOf(TensorError);
            expect((error as Error).message.length).toBeLessThan(700);
          }
        }
      });
    }
  });

  it('in properties of anything at all', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.entries(calls)), fc.nat(3), fc.anything(), (
        [name, argumentsOf], place, value,
      ) => {
        const args = argumentsOf();
        try {
          exported[name](...args.with(place % args.length, value));
        } catch (error) {
          expect(error, name).toBeInstanceOf(TensorError);
          expect((error as Error).message.length).toBeLessThan(700);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/**
 * No pass and no kernel changes a bit of what is rounded exactly: elementwise chains of such ops
 * give what they give eagerly for every float, NaN (whichever), −0, infinities and denormals
 * included, whether what is between is stored or not.
 */
import { compile, type CompileOptions, ops, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { expectAllSame } from '../../support/compiled.ts';
import { runs } from '../../support/soak.ts';

const floats = fc.oneof(
  fc.constantFrom(
    0, -0, 1, -1, 0.5, 1.5, 2.5, -2.5, NaN, Infinity, -Infinity, 2 ** -149, -(2 ** -149), 2 ** -127,
    2 ** -126, 3.4028234663852886e38, -3.4028234663852886e38, 2 ** 23, 2 ** 23 + 1, 2 ** 22 + 0.5,
    2 ** 31, -(2 ** 31), 2 ** 31 - 128,
  ),
  fc.float(),
  fc.float({ min: -4, max: 4 }),
);
const integers = fc.oneof(fc.constantFrom(0, 1, -1, 2 ** 31 - 1, -(2 ** 31)), fc.integer());

type Op = (...args: Tensor[]) => Tensor;
/** What an op takes: a letter each for f32 (f), i32 (i), or either, both the same (x). */
type Entry = readonly [taken: 'f' | 'i' | 'x' | 'ff' | 'xx' | 'ixx', op: Op];

const each = (taken: Entry[0], names: readonly (keyof typeof ops)[]): Record<string, Entry> =>
  Object.fromEntries(names.map((name) => [name, [taken, ops[name] as unknown as Op]]));

const table: Readonly<Record<string, Entry>> = {
  ...each('f', ['sqrt', 'floor', 'ceil', 'round', 'relu', 'reciprocal']),
  ...each('x', ['neg', 'abs', 'sign', 'square', 'isNaN', 'isFinite', 'flip', 'detach']),
  ...each('ff', ['div']),
  ...each('xx', ['add', 'sub', 'mul', 'maximum', 'minimum']),
  ...each('xx', ['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual']),
  ...each('ixx', ['where']),
  toFloat: ['i', (x) => x.cast('f32')],
  toInteger: ['f', (x) => x.cast('i32')],
  clamp: ['f', (x) => x.clamp({ min: -1, max: 2 })],
  timesOne: ['x', (x) => x.mul(1)],
  plusZero: ['x', (x) => x.add(0)],
  plusMinusZero: ['f', (x) => x.add(-0)],
  timesZero: ['x', (x) => x.mul(0)],
  timesMinusOne: ['x', (x) => x.mul(-1)],
  half: ['f', (x) => x.div(2)],
  third: ['f', (x) => x.div(3)],
  minusItself: ['x', (x) => x.sub(x)],
  maskedFill: ['f', (x) => x.maskedFill(x.less(0), -0)],
  largest: ['x', (x) => (x.ndim > 0 ? x.max(-1, true) : x)],
  smallest: ['x', (x) => (x.ndim > 0 ? x.min(-1, true) : x)],
};

/** An op, and where its arguments come from: numbers that are taken modulo what there is. */
type Step = readonly [op: string, a: number, b: number, c: number];
const names = fc.constantFrom(...Object.keys(table));
const step: fc.Arbitrary<Step> = fc.tuple(names, fc.nat(9), fc.nat(9), fc.nat(9));

/** Inputs that all broadcast to [2, width]. */
const inputs = fc.integer({ min: 1, max: 9 }).chain((width) => {
  const shape = fc.constantFrom([2, width], [width], [2, 1], [1], []);
  const input = shape.chain((sizes) => {
    const length = sizes.reduce((product, size) => product * size, 1);
    const of = (numbers: fc.Arbitrary<number>, dtype: 'f32' | 'i32') =>
      fc.array(numbers, { minLength: length, maxLength: length }).map((values) =>
        tensor(dtype === 'f32' ? Float32Array.from(values) : Int32Array.from(values), {
          shape: sizes,
        }),
      );
    return fc.oneof({ weight: 3, arbitrary: of(floats, 'f32') }, of(integers, 'i32'));
  });
  return fc.array(input, { minLength: 1, maxLength: 4 });
});

/** The results of all steps; one that finds nothing of the kind that it takes is left out. */
function replay(steps: readonly Step[], given: readonly Tensor[]): Tensor[] {
  const values = [...given];
  for (const [name, ...numbers] of steps) {
    const [taken, op] = table[name];
    const args: Tensor[] = [];
    for (const [i, letter] of [...taken].entries()) {
      const like = letter === 'x' && taken[i - 1] === 'x' ? args[i - 1]?.dtype : undefined;
      const dtype = like ?? { f: 'f32', i: 'i32', x: undefined }[letter];
      const fitting = values.filter((value) => dtype === undefined || value.dtype === dtype);
      if (fitting.length > 0) args.push(fitting[numbers[i] % fitting.length]);
    }
    if (args.length === taken.length) values.push(op(...args));
  }
  return values.slice(given.length);
}

const variants: Readonly<Record<string, CompileOptions>> = {
  'in WebAssembly': {},
  'in WebAssembly, deterministic': { deterministic: true },
  'in JavaScript': { backend: 'js' },
};

describe.each(Object.entries(variants))('a chain of exact ops, %s', (_name, options) => {
  it.each([
    ['all results stored', (results: Tensor[]) => results],
    ['only the last one', (results: Tensor[]) => results.slice(-1)],
  ])('gives the bits of eager ops, %s', (_which, keep) => {
    fc.assert(
      fc.property(inputs, fc.array(step, { minLength: 1, maxLength: 16 }), (given, steps) => {
        const body = (...args: Tensor[]) => keep(replay(steps, args));
        expectAllSame(compile(body, options)(...given), body(...given));
      }),
      { numRuns: runs(100) },
    );
  });

  it('gives the bits of eager ops where numbers are known while tracing', () => {
    fc.assert(
      fc.property(inputs, fc.array(step, { minLength: 1, maxLength: 16 }), (given, steps) => {
        const numbers = given.map(({ data: [value], dtype }) => ({ value, dtype }));
        const body = (x: Tensor) => {
          const constants = numbers.map(({ value, dtype }) => tensor(value, { dtype }));
          const results = replay(steps, [...constants, x]);
          return [...results, ...results.map((result) => result.cast(x.dtype).add(x))];
        };
        expectAllSame(compile(body, options)(given[0]), body(given[0]));
      }),
      { numRuns: runs(100) },
    );
  });
});

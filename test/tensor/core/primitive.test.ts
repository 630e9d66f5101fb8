/**
 * The door through which ops come: what is wrong with a primitive is said there, or in its name
 * when it is used, instead of being skipped or showing in the numbers.
 */
import * as k from '@mambagrad/kernel';
import {
  compile, detectAnomaly, enableGrad, noGrad, ones, type Tensor, tensor, TensorError, valueAndGrad,
  withoutValues,
} from '@mambagrad/tensor';
import {
  definePrimitive, type Lowering, primitiveNames, type SinglePrimitive,
} from '@mambagrad/tensor/extend';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

let count = 0;
const primitive = (change: object = {}): SinglePrimitive<null> => ({
  name: `test.primitive${(count += 1)}`,
  infer: ([x]) => x,
  compute: ([x], output) => output.data.set(x.data),
  ...change,
});

describe('definePrimitive', () => {
  it('takes names that are safe in code that is generated, and no others', () => {
    expect(primitiveNames().filter((name) => !/^\w+(\.\w+)*$/.test(name))).toEqual([]);
    const wrong =
      ['', 'a b', '1a', 'a.', 'a-b', 'n(){globalThis.isRun = true}; function z', 'é', 4];
    for (const name of wrong) {
      expect(() => definePrimitive(primitive({ name }))).toThrow(/^definePrimitive: name is /);
    }
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (name) => {
        fc.pre(!/^[A-Za-z]\w*(\.\w+)*$/.test(name));
        expect(() => definePrimitive(primitive({ name }))).toThrow(TensorError);
      }),
    );
  });

  it('makes no kernel of a name that is more than a name', () => {
    expect(() => k.kernel('n(){}; function z', [], [])).toThrow('kernel: the name is');
  });

  it.each(['wasm', 'js'] as const)('makes kernels of ops with dots in their names, %s', (backend) => {
    const twice = definePrimitive(primitive({
      compute: ([x]: { data: Float32Array }[], output: { data: Float32Array }) =>
        output.data.set(x.data.map((value) => 2 * value)),
      lower: () => ({ map: (x: k.Expr) => k.mul(x, 2) }),
    }));
    const f = compile((x: Tensor) => twice([x], null), { backend });
    expect(f(tensor([1, 2])).toArray()).toEqual([2, 4]);
  });

  it('refuses what is misspelt, missing, or no function', () => {
    for (const [change, message] of [
      [{ gradiant: () => [] }, "there is no option 'gradiant'; did you mean 'gradient'?"],
      [{ compute: undefined }, 'compute is missing, expected a function'],
      [{ infer: { shape: [] } }, 'infer is { shape }, expected a function'],
      [{ lower: { map: k.exp } }, 'lower is { map }, expected a function'],
      [{ sharesData: 1 }, 'sharesData is 1, expected true or false'],
    ] as const) {
      expect(() => definePrimitive(primitive(change))).toThrow(`definePrimitive: ${message}`);
    }
    expect(() => definePrimitive(undefined as never)).toThrow(
      'definePrimitive: options are undefined',
    );
  });

  it('names the op whose shape rule gives no shape or dtype', () => {
    for (const [spec, message] of [
      [{ shape: [2], dtype: 'float32' }, "dtype is 'float32', expected 'f32' or 'f64' or 'i32'"],
      [
        { shape: [2.5], dtype: 'f32' },
        'shape is [2.5], expected an array of sizes, whole numbers from 0',
      ],
      [{ shape: [undefined], dtype: 'f32' }, 'shape is [undefined], expected an array'],
      [{ dtype: 'f32' }, 'shape is missing, expected an array'],
      [[2], 'shape is missing, expected'],
      [undefined, 'its result is missing, expected { shape, dtype }'],
    ] as const) {
      const given = primitive({ infer: () => spec });
      const apply = definePrimitive(given);
      expect(() => apply([ones([1])], null)).toThrow(`infer of ${given.name}: ${message}`);
    }
  });
});

describe('a lowering', () => {
  const x = ones([2, 3]);

  /** The message of the error that compiling an op with this lowering throws, after its name. */
  function problemOf(
    lowering: unknown, inputs: readonly Tensor[] = [x], infer?: () => object,
  ): string {
    const given = primitive({ lower: () => lowering as Lowering, ...(infer && { infer }) });
    const apply = definePrimitive(given);
    const f = compile((...args: Tensor[]) => apply(args, null).add(1));
    try {
      f(...inputs);
    } catch (error) {
      expect(error).toBeInstanceOf(TensorError);
      const { message } = error as Error;
      const start = `lowering of ${given.name}: `;
      expect(message.slice(0, start.length)).toBe(start);
      return message.slice(start.length);
    }
    return 'none';
  }

  it('that is right is taken', () => {
    expect(problemOf({ map: k.exp })).toBe('none');
    expect(problemOf({ move: (index: unknown[]) => index })).toBe('none');
    expect(problemOf({ element: (index: k.Expr[], a: { at: Function }) => a.at(index) })).toBe(
      'none',
    );
    const fold = { fold: { combine: k.add, identity: 0 }, axes: [1] };
    expect(problemOf(fold, [x], () => ({ shape: [2], dtype: 'f32' }))).toBe('none');
    expect(problemOf(fold, [x], () => ({ shape: [2, 1], dtype: 'f32' }))).toBe('none');
    expect(problemOf(undefined)).toBe('none');
  });

  it.each<[string, unknown, string]>([
    ['a misspelt kind', { maps: k.exp }, "there is no option 'maps'; did you mean 'map'?"],
    ['none', {}, 'it is {}, expected one with map, move, element, fold, kernel'],
    ['a function', k.exp, 'options are the function exp'],
    ['two kinds', { map: k.exp, move: (i: unknown) => i }, 'it has map and move, expected one'],
    [
      'an option of another kind', { map: k.exp, axes: [0] },
      "there is no option 'axes'; expected map",
    ],
    ['a map that is no function', { map: 3 }, 'map is 3, expected a function'],
    ['a map of an i32', { map: () => k.constant('i32', 3) }, 'map gives of the type i32'],
    [
      'a map that gives a number', { map: () => 3 },
      'map gives 3, expected an f32 of the loop language',
    ],
    ['a map that gives nothing', { map: () => undefined }, 'map gives undefined, expected an f32'],
    ['a map that throws', { map: (a: k.Expr) => k.and(a, 1) }, ''],
    [
      'a move of too few positions', { move: () => [0] },
      'move gives an index of 1 positions, expected 2',
    ],
    ['a move of none', { move: () => undefined }, 'move gives undefined, expected an index of 2'],
    [
      'a move to undefined', { move: ([i]: unknown[]) => [i, undefined] },
      'move gives an index whose position 1 is undefined',
    ],
    [
      'an element that reads with too few indices',
      { element: ([i]: unknown[], a: { at: Function }) => a.at([i]) },
      'it reads input 0 at an index of 1 positions, expected 2, one for each axis of [2, 3]',
    ],
    [
      'an element that reads with too many indices',
      { element: (index: unknown[], a: { at: Function }) => a.at([...index, 0]) },
      'it reads input 0 at an index of 3 positions, expected 2',
    ],
    [
      'an element that reads at a value that is no i32',
      { element: ([i]: unknown[], a: { at: Function }) => a.at([i, a.at([i, 0])]) },
      'it reads input 0 at an index whose position 1 is of the type f32',
    ],
    [
      'a kernel that reads with too few indices',
      { kernel: ([a]: { at: Function }[], y: k.Buffer) => [k.store(y, 0, a.at([0]))] },
      'it reads input 0 at an index of 1 positions, expected 2',
    ],
    [
      'a bound of no input', { element: () => k.constant('f32', 0), bound: { input: 3, size: 2 } },
      'bound is of input 3',
    ],
    [
      'a bound of f32', { element: () => k.constant('f32', 0), bound: { input: 0, size: 2 } },
      'bound is of input 0',
    ],
    ['a fold without axes', { fold: { combine: k.add, identity: 0 } }, 'axes is missing'],
    [
      'a fold along no axis', { fold: { combine: k.add, identity: 0 }, axes: [2] },
      'axes are [2], expected',
    ],
    [
      'a fold of another shape', { fold: { combine: k.add, identity: 0 }, axes: [1] },
      'a fold of [2, 3] along axes [1] does not give the result',
    ],
  ])('that is %s is an error in the name of the op', (_what, lowering, message) => {
    const found = problemOf(lowering);
    expect(found).not.toBe('none');
    expect(found).toContain(message);
  });

  it('with inputs that do not fit it is an error in the name of the op', () => {
    const other = ones([3, 2]);
    expect(problemOf({ map: (a: k.Expr, b: k.Expr) => k.add(a, b) }, [x, other])).toContain(
      'input 1, f32[3, 2], does not broadcast to the result, f32[2, 3]',
    );
    expect(problemOf({ move: (index: unknown) => index }, [x, other])).toContain(
      'a move has one input, and there are 2',
    );
  });
});

describe('a function that is not over when it has returned', () => {
  const a = tensor([1, 2], { requiresGrad: true });
  const modes: Record<string, (body: () => never) => unknown> = {
    noGrad, enableGrad, withoutValues, detectAnomaly,
    compile: (body) => compile(body)(),
  };

  it.each(Object.entries(modes))('is an error in %s', (name, run) => {
    const bodies = {
      async: async () => a.mul(2),
      thenable: () => ({ then: () => {} }),
      *generator() { yield a.mul(2); },
      async *asyncGenerator() { yield a.mul(2); },
      iterator: () => [a].values(),
    };
    for (const body of [bodies.async, bodies.thenable]) {
      expect(() => run(body as never)).toThrow(`${name}: the function is async`);
    }
    for (const body of [bodies.generator, bodies.asyncGenerator, bodies.iterator]) {
      expect(() => run(body as never)).toThrow(`${name}: the function gives a generator`);
    }
  });

  it('is an error where a tensor is expected', () => {
    expect(() => valueAndGrad(function* () { yield a; } as never)(a)).toThrow();
  });

  it('and a function that is none are errors in the name of what was called', () => {
    expect(() => noGrad(a as never)).toThrow('noGrad: body is f32[2], expected a function');
    expect(() => enableGrad(undefined as never)).toThrow('enableGrad: body is missing');
  });

  it('is none if it gives an array', () => {
    expect(noGrad(() => Array.from([a].values(), (x) => x.mul(2).requiresGrad))).toEqual([false]);
  });
});

/**
 * Calls, one after the other. Most are like the one before, and a call does little beside its
 * kernels; so whatever changes between two calls must be noticed: arguments, modes, settings and
 * state, in whichever way it is changed.
 */
import {
  compile, type CompileOptions, noGrad, ones, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  ArgumentReader, mapTensors, rebuilder,
} from '../../../packages/tensor/src/compile/trace/tree.ts';
import { type Draw, drawInteger } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** A few tensors as state, and functions of them, which are compiled if there are options. */
function makeWorld(options?: CompileOptions) {
  const run = <Args extends unknown[], Result>(f: (...args: Args) => Result) =>
    options ? compile(f, options) : f;
  const [a, b] = [tensor([1, 2]), tensor([3, 4])];
  const step = run(({ x, y }: { x: Tensor; y: Tensor }, index: Tensor, scale: number) => {
    const picked = a.gather(0, index);
    // If y is x, it has the new value.
    x.assign(x.add(1));
    const result = y.sum().cast('f32').add(a).add(picked).mul(scale);
    b.assign(b.add(a));
    const settings = [a.mul(1).requiresGrad, b.requiresGrad, x.requiresGrad];
    return { result, grad: a.grad?.add(1), a, x, all: [settings, { scale }, [b.mul(2)]] };
  });
  const other = run(() => void a.assign(b.sub(a)));
  return { a, b, step, other, last: zeros([2]) };
}

type World = ReturnType<typeof makeWorld>;

const from = <T>(g: Draw, ...values: T[]): T => values[drawInteger(g, 0, values.length - 1)];

/** Something that happens between two calls, to a world. */
function drawChange(g: Draw): (world: World) => void {
  const value = drawInteger(g, -5, 5);
  const changes: ((world: World) => void)[] = [
    ({ a }) => a.assign(tensor([value, 7])),
    ({ b }) => b.assign(zeros([2])),
    // Eagerly they would share an array without mul(1), and writing to one would change both.
    ({ a, b }) => a.assign(b.mul(1)),
    ({ a }) => void (a.data[0] = value),
    ({ b }) => void (b.data[1] = value),
    ({ last }) => void (last.data[0] = value),
    ({ a }) => void (a.requiresGrad = !a.requiresGrad),
    ({ b }) => void (b.requiresGrad = !b.requiresGrad),
    ({ a }) => void (a.grad = value < 0 ? undefined : tensor([value, 0])),
    ({ other }) => other(),
  ];
  return drawInteger(g, 0, 2) === 0 ? () => undefined : from(g, ...changes);
}

/** A call; in two of three of the ways in which it can be unusual it is as usual. */
function drawCall(g: Draw): (world: World) => unknown {
  const dtype = from(g, 'f32', 'f32', 'i32');
  const size = from(g, 2, 2, 3);
  const numbers = Array.from({ length: size }, () => drawInteger(g, -9, 9));
  const source = from(g, 'new', 'new', 'x', 'a', 'last');
  const index = tensor([drawInteger(g, 0, 5) % 3], { dtype: 'i32' });
  const scale = from(g, 1, 1, 1, 0, -0, NaN);
  const [isReversed, isRecorded] = [from(g, false, true), from(g, true, true, false)];
  const requiresGrad = dtype === 'f32' && from(g, false, false, true);
  return (world) => {
    const x = tensor(numbers, { dtype, requiresGrad });
    const { a, b, step, last } = world;
    const y = { new: tensor(numbers), x, a, last }[source];
    const call = () => step(isReversed ? { y, x } : { x, y }, index, scale);
    try {
      const { result, ...others } = isRecorded ? call() : noGrad(call);
      expect([others.a, others.x]).toEqual([a, x]);
      expect([others.a === a, others.x === x]).toEqual([true, true]);
      world.last = result.detach();
      return mapTensors([result, others, b, x], (each) => each.toArray());
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('gather: index 2')) throw error;
      return mapTensors(['fails', a, b, x], (each) => each.toArray());
    }
  };
}

describe.each<CompileOptions>([{ backend: 'wasm' }, { backend: 'js' }])('calls, %o', (options) => {
  it('do what the function does, whatever has changed since the one before', () => {
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const worlds = [makeWorld(), makeWorld(options)];
        for (let i = 0; i < 12; i++) {
          const [change, call] = [drawChange(g), drawCall(g)];
          const [expected, found] = worlds.map((world) => {
            change(world);
            return call(world);
          });
          expect(found).toEqual(expected);
        }
      }),
      { numRuns: runs(15) },
    );
  });

  it('see state that changes after memory has grown', () => {
    const [state, large] = [tensor([1, 2]), compile((x: Tensor) => x.flip(0).add(1), options)];
    const f = compile((x: Tensor) => state.add(x), options);
    for (const size of [1, 1e5, 4e6]) {
      large(ones([size]));
      state.data[0] = size;
      expect(f(ones([2])).toArray()).toEqual([size + 1, 3]);
      state.assign(tensor([-size, 2]));
      expect(f(ones([2])).toArray()).toEqual([1 - size, 3]);
    }
  });

  it('take results of earlier calls, and leave them alone', () => {
    const f = compile((x: Tensor, y: Tensor) => x.add(y).mul(2), options);
    const results = [1, 2, 3].map((value) => {
      const x = tensor([value, value]);
      const first = f(x, x);
      return [f(first, x), f(x, first), first, x].map((each) => each.data[0]);
    });
    expect(results).toEqual([[10, 10, 4, 1], [20, 20, 8, 2], [30, 30, 12, 3]]);
  });
});

/** Arguments without tensors, with what is easily taken for something else. */
const trees = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(0, -0, 1, NaN, null, undefined, true, '', '0', 'x', 'number 1', '[]'),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('x', 'y', '0', '__proto__'), tie('tree'), { maxKeys: 3 }),
  ),
})).tree;

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The same, with the keys of objects in another order. */
function reversed(tree: unknown): unknown {
  if (Array.isArray(tree)) return tree.map(reversed);
  if (!isPlainObject(tree)) return tree;
  const entries = Object.entries(tree).reverse();
  return Object.fromEntries(entries.map(([key, part]) => [key, reversed(part)]));
}

/** The same with objects that have a prototype, whatever they had. */
function plain(tree: unknown): unknown {
  return mapTensors(tree, (each) => each);
}

describe('signatures of arguments', () => {
  it('are equal for equal arguments only, whatever was read before', () => {
    fc.assert(
      fc.property(fc.array(fc.array(trees, { maxLength: 3 }), { maxLength: 6 }), (calls) => {
        const reader = new ArgumentReader();
        const read = [...calls, ...calls.toReversed(), ...calls.map((args) => args.map(reversed))];
        const found = read.map((args) => reader.read(args).signature);
        found.forEach((signature, i) => {
          expect(new ArgumentReader().read(read[i]).signature).toBe(signature);
          const others = found.map((other) => other === signature);
          const args = plain(read[i]);
          expect(others).toEqual(read.map((other) => isDeepStrictEqual(plain(other), args)));
        });
      }),
    );
  });

  it('tell shapes, dtypes, gradients, places and modes apart', () => {
    const [x, y] = [ones([2, 3]), ones([2, 3])];
    const calls: unknown[][] = [
      [x], [x, x], [x, y], [[x, y]], [{ x, y }], [x, y, 1], [ones([3, 2])], [ones([6])],
      [ones([2, 3, 1])], [ones([])], [zeros([2, 3], { dtype: 'i32' })], [x, ones([])],
      [ones([2, 3], { requiresGrad: true })], [2, 3], [], [[]], [{}], ['f32'],
    ];
    const reader = new ArgumentReader();
    const signatures = calls.flatMap((args) => [
      reader.read(args).signature, noGrad(() => reader.read(args).signature),
    ]);
    expect(new Set(signatures).size).toBe(2 * calls.length);
    expect(reader.read([{ y: y, x: x }]).tensors).toEqual([x, y]);
    expect(reader.read([y, [x, y]]).tensors).toEqual([y, x]);
  });
});

describe('results', () => {
  it('are rebuilt as they were, with other tensors', () => {
    fc.assert(
      fc.property(fc.array(trees), fc.nat(), (parts, count) => {
        const tree = parts.map((part, i) => ((i + count) % 2 ? [part, zeros([i])] : { part }));
        const rebuild = rebuilder(tree, ({ shape }) => zeros(shape));
        const names = parts.map((_, i) => `tensor ${i}`);
        let next = 0;
        const expected = mapTensors(tree, () => names[next++]);
        for (let call = 0; call < 2; call++) expect(rebuild(names)).toStrictEqual(expected);
        expect(rebuild(names)).not.toBe(rebuild(names));
      }),
    );
  });
});

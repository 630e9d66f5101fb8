/** Code that is written as bytes at once, and read again for its text. */
import * as k from '@mambagrad/kernel';
import {
  assembled, call, callPushed, type Code, CodeWriter, f32, Module, type Statements,
  type WasmFunction,
} from '@mambagrad/wasm';
import { describe, expect, test } from 'vitest';
import { decode } from '../../../packages/wasm/src/assembler/decode.ts';

/** Kernels with all that the emitter writes: loops, branches, lanes, constants, products. */
function kernels(): k.Kernel[] {
  const [x, y] = [k.buffer('x', 'f32', 100), k.buffer('y', 'f32', 100)];
  const [index, n] = [k.buffer('index', 'i32', 100), k.variable('n', 'i32')];
  const map = (name: string, f: (value: k.Expr, i: k.Expr) => k.Expr): k.Kernel =>
    k.kernel(name, [x, y], k.vectorized('i', 99, (i) => k.store(y, i, f(k.load(x, i), i))));
  const at = (row: k.Operand, column: k.Operand): k.Operand => k.plus(k.times(row, 10), column);
  return [
    map('exp', k.exp),
    map('sin', k.sin),
    map('bits', (value, i) => k.toFloat(k.shiftRight(k.and(k.toBits(value), i), 3))),
    map('clamp', (value) => k.select(k.not(k.less(value, -0)), k.min(k.max(value, -1e20), 1e9), 0)),
    k.kernel('gather', [x, y, index, n], k.vectorized('i', n, (i) => [
      k.store(y, k.load(index, i), k.mulAdd(k.load(x, k.load(index, i)), 2, 1)),
      k.when(k.any(k.equal(k.load(index, i), 0)), k.store(y, 0, 1), k.store(y, 1, 300)),
    ])),
    k.kernel('sum', [x, y], k.reducePartials(
      { buffer: x, count: 10, length: 10, stride: 10 }, k.sum, y,
    )),
    k.kernel('product', [x, y], k.multiply({
      a: (row, depth) => k.load(x, at(row, depth)),
      b: (depth, column) => k.load(x, at(column, depth)),
      y, indexOf: at, rows: 10, columns: 10, depth: 10,
    })),
  ];
}

/** Code that refers to no variable. */
const none = { locals: [], globals: [] };

/** A module of one function with this code. */
function bytesWith(like: WasmFunction, code: readonly Code[]): Uint8Array {
  const module = new Module();
  module.functionLike(like, 'f', code as Statements);
  return module.bytes();
}

describe('code as bytes', () => {
  for (const kernel of kernels()) {
    test(`is read as it was written: ${kernel.name}`, () => {
      for (const { run } of k.addRegions(new Module(), kernel, { fuse: true })) {
        // Vector constants are loaded first, from globals of the module.
        const bytes = run.code.flatMap((part) => (part.assembled ? [part.assembled] : []));
        expect(bytes).toHaveLength(2);
        const like = run as unknown as WasmFunction;
        const read = decode(bytes[1], { locals: run.locals, globals: [] });
        expect(read.length).toBeGreaterThan(0);
        expect(read.every((part) => part.assembled === undefined)).toBe(true);
        expect(bytesWith(like, read)).toEqual(bytesWith(like, [assembled(bytes[1])]));
      }
    });
  }

  test('reads globals, pushes the arguments of calls, and is printed as trees are', () => {
    const made = [true, false].map((isAssembled) => {
      const module = new Module();
      const half = module.global('half', 'f32', 0.5);
      const given = { x: 'f32', y: 'f32' } as const;
      const scale = module.function('scale', given, 'f32', ({ x, y }) => [f32.mul(x, y)]);
      const f = module.function('f', { x: 'f32' }, 'f32', ({ x }) => [
        isAssembled
          ? callPushed(scale, new CodeWriter().get(x).global(half).all())
          : call(scale, { x, y: half }),
      ]);
      module.export(f);
      return module;
    });
    const [written, tree] = made;
    expect(written.bytes()).toEqual(tree.bytes());
    expect(written.wat()).toBe(tree.wat());
    expect(written.wat()).toContain('(call $scale (local.get $x) (global.get $half))');
    expect(written.instantiate<{ f: (x: number) => number }>().f(3)).toBe(1.5);
  });

  test('have numbers of any size', () => {
    const numbers = [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, 2 ** 31 - 1, -(2 ** 31)];
    for (const number of numbers) {
      const code = new CodeWriter().i32(number).f32(number).i32(0).access('i32.load', 2 ** 31);
      const [integer, float, load] = decode(code.all(), none);
      expect(integer.immediates).toMatchObject([{ kind: 'literal' }]);
      const texts = [integer, float, load].map(({ instruction, immediates }) => (
        instruction + immediates.map((one) => ('text' in one ? one.text() : '')).join('')
      ));
      expect(texts).toEqual([
        `i32.const ${number}`, `f32.const ${Math.fround(number)}`, `i32.load offset=${2 ** 31}`,
      ]);
    }
  });

  test('refuses offsets that no access has', () => {
    for (const offset of [-4, 2 ** 32, NaN]) {
      expect(() => new CodeWriter().access('f32.load', offset)).toThrow(
        `f32.load: the offset is ${offset}, expected one from 0 to 2³² − 1`,
      );
    }
  });

  test('is not read where it is none', () => {
    expect(() => decode(new Uint8Array([0xfb, 0]), none)).toThrow('there is no instruction fb');
  });
});

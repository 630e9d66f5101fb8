/** The assembler refuses code that no engine would take, and parts of other modules. */
import {
  at, block, branch, call, f32, f32x4, i32, i64, i8x16, type Label, Module, set, v128,
} from '@mambagrad/wasm';
import { describe, expect, test } from 'vitest';

describe('errors', () => {
  /** A function whose code is wrong, written out. */
  const assemble = (...body: Parameters<Module['function']>): (() => Uint8Array) => () => {
    const module = new Module();
    module.function(...body);
    return module.bytes();
  };

  test('a branch to a label outside its block', () => {
    let escaped: Label | undefined;
    const build = assemble('f', {}, 'none', () => [
      block('done', (done) => {
        escaped = done;
        return [];
      }),
      escaped === undefined ? [] : branch(escaped),
    ]);
    expect(build).toThrow("function 'f': branch to label 'done' outside its block");
  });

  test('a local of another function, and a function of another module', () => {
    const module = new Module();
    const other = module.function('other', { x: 'i32' }, 'none', () => []);
    expect(assemble('f', {}, 'none', () => [set(other.locals[0], i32.const(1))])).toThrow(
      "function 'f': local 'x' is not of this function",
    );
    expect(assemble('f', {}, 'none', () => [call(other, { x: 1 })])).toThrow(
      "function 'f': function 'other' is not of this module",
    );
    expect(() => new Module().export(other)).toThrow(
      "export other: function 'other' is not of this module",
    );
  });

  test('arguments of a wrong number, name or type', () => {
    const module = new Module();
    const add = module.function('add', { x: 'f32', y: 'f32' }, 'f32', ({ x, y }) => [
      f32.add(x, y),
    ]);
    // @ts-expect-error: y is missing.
    expect(() => call(add, { x: 1 })).toThrow('call add: y: expected f32, found undefined');
    // @ts-expect-error: there is no z.
    expect(() => call(add, { x: 1, y: 2, z: 3 })).toThrow(
      'call add: there is no parameter z, only [x, y]',
    );
    // @ts-expect-error: an f32 is needed.
    expect(() => call(add, { x: 1, y: i32.const(2) })).toThrow(
      'call add: y: expected f32, found i32 (i32.const)',
    );
    // @ts-expect-error: an argument is missing.
    expect(() => f32.add(1)).toThrow('f32.add: expected 2 arguments, found 1');
    // @ts-expect-error: an f32 is needed.
    expect(() => f32.add(1, i32.const(2))).toThrow('f32.add: expected f32, found i32 (i32.const)');
    // @ts-expect-error: a number is no vector.
    expect(() => f32x4.add(f32x4.splat(1), 2)).toThrow('f32x4.add: expected v128, found 2');
    // @ts-expect-error: an i64 is a bigint.
    expect(() => i64.const(2.5)).toThrow('i64.const: 2.5 is not an integer of 64 bits');
  });

  test('a result that is missing, of another type, or left over', () => {
    // @ts-expect-error: the result is an f32.
    expect(() => new Module().function('f', { x: 'i32' }, 'f32', ({ x }) => [x])).toThrow(
      'result of function f: expected f32, found i32 (local.get)',
    );
    // @ts-expect-error: there is no result.
    expect(() => new Module().function('f', {}, 'f32', () => [])).toThrow(
      'result of function f: expected f32, found undefined',
    );
    // @ts-expect-error: the sum goes nowhere.
    expect(() => block('b', () => [i32.add(1, 2)])).toThrow(
      'block b: i32.add leaves an i32 that nothing takes; use drop',
    );
  });

  test('lanes, offsets, alignments and integers out of range', () => {
    const x = f32x4.splat(0);
    expect(() => f32x4.extract_lane(x, 4)).toThrow('lanes are [4], expected 1 from 0 to 3');
    expect(() => i8x16.shuffle(x, x, [1, 2])).toThrow('expected 16 from 0 to 31');
    expect(() => v128.load(at(0, -4))).toThrow('v128.load: the offset is -4');
    expect(() => f32.load(at(0, 0, 8))).toThrow(
      'f32.load: the alignment is 8, expected a power of two, at most 4',
    );
    expect(() => i32.atomic.load(at(0, 0, 2))).toThrow('the alignment is 2, expected 4');
    expect(() => i32.const(2 ** 32)).toThrow('i32.const: 4294967296 is not an integer of 32 bits');
    expect(() => i32.add(0, 0.5)).toThrow('i32.const: 0.5 is not an integer of 32 bits');
  });

  test('what a module can have once', () => {
    const module = new Module();
    module.memory({ min: 1 });
    module.function('f', {}, 'none', () => []);
    expect(() => module.memory({ min: 1 })).toThrow('the module has one already');
    expect(() => module.function('f', {}, 'none', () => [])).toThrow(
      'function f: the module has a function of that name already',
    );
    expect(() => module.importFunction('host', 'late', {}, 'none')).toThrow(
      'function late: it is imported after others were made, expected before',
    );
    expect(() => new Module().memory({ min: 1, shared: true })).toThrow(
      'shared memory needs a max',
    );
  });
});

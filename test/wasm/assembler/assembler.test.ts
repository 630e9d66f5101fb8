/** Modules, functions and control flow of the assembler, its text, its features. */
import {
  assembled, CodeWriter, at, block, branch, branchIf, call, drop, f32, f32x4, f64, features,
  forRange, type HostMemory, i32, i32x4, i8x16, type Label, type Local, loop, memory, Module,
  select, set, tee, unreachable, v128, webAssembly, when, words,
} from '@mambagrad/wasm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

type Unary = (x: number) => number;
type Binary = (x: number, y: number) => number;

describe('control flow', () => {
  test('forRange runs as a for loop does', () => {
    const module = new Module();
    module.export(
      module.function(
        'visit',
        { from: 'i32', to: 'i32', step: 'i32' },
        'i32',
        ({ from, to, step }, f) => {
          const [i, hash] = [f.local('i', 'i32'), f.local('hash', 'i32')];
          return [
            forRange(i, from, to, step, [set(hash, i32.add(i32.mul(hash, 31), i32.add(i, 1)))]),
            hash,
          ];
        },
      ),
    );
    const { visit } = module.instantiate<{ visit: (...range: number[]) => number }>();
    const bound = fc.integer({ min: -40, max: 40 });
    fc.assert(fc.property(bound, bound, fc.integer({ min: 1, max: 9 }), (from, to, step) => {
      let hash = 0;
      for (let i = from; i < to; i += step) hash = (Math.imul(hash, 31) + i + 1) | 0;
      expect(visit(from, to, step)).toBe(hash);
    }));
  });

  test('branches leave the block they name, however deep they are', () => {
    // Blocks in blocks, and in the innermost a branch out of the one that the argument picks.
    const depth = 7;
    const module = new Module();
    module.export(
      module.function('escape', { which: 'i32' }, 'i32', ({ which }, f) => {
        const passed = f.local('passed', 'i32');
        const nest = (labels: readonly Label[]): ReturnType<typeof block> => (
          block('same name', (end) => {
            const all = [...labels, end];
            const inner = all.length < depth
              ? nest(all)
              : loop('again', () => [
                when(1, [all.map((label, i) => branchIf(label, i32.eq(which, i)))], [unreachable]),
              ]);
            return [inner, set(passed, i32.add(passed, 1))];
          })
        );
        return [nest([]), passed];
      }),
    );
    const { escape } = module.instantiate<{ escape: Unary }>();
    const passed = Array.from({ length: depth + 1 }, (_, which) => escape(which));
    // Leaving block k skips the counting in it and in those inside.
    expect(passed).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('loops, conditions and early returns: the steps of Collatz', () => {
    const module = new Module();
    module.export(
      module.function('collatz', { start: 'i32' }, 'i32', ({ start }, f) => {
        const [n, steps] = [f.local('n', 'i32'), f.local('steps', 'i32')];
        return [
          when(i32.lt_s(start, 1), [f.return(-1)]),
          set(n, start),
          block('done', (done) => [
            loop('next', (next) => [
              branchIf(done, i32.eq(n, 1)),
              when(
                i32.and(n, 1),
                [set(n, i32.add(i32.mul(n, 3), 1))],
                [set(n, i32.shr_u(n, 1))],
              ),
              set(steps, i32.add(steps, 1)),
              branch(next),
            ]),
          ]),
          steps,
        ];
      }),
    );
    const { collatz } = module.instantiate<{ collatz: Unary }>();
    const plain = (start: number) => {
      let steps = 0;
      for (let n = start; n !== 1; steps++) n = n % 2 === 1 ? 3 * n + 1 : n / 2;
      return steps;
    };
    fc.assert(fc.property(fc.integer({ min: 1, max: 20_000 }), (start) => {
      expect(collatz(start)).toBe(plain(start));
    }));
    expect([0, -5].map(collatz)).toEqual([-1, -1]);
  });

  test('functions call themselves, each other, and imported ones; arguments go by name', () => {
    const module = new Module();
    const log = module.importFunction('host', 'log', { value: 'i32', weight: 'f32' }, 'none');
    const calls = module.export(module.global('calls', 'i32', -1));
    const factorial = module.function('factorial', { n: 'i32' }, 'i32', ({ n }, f) => [
      set(calls, i32.add(calls, 1)),
      call(log, { weight: 0.5, value: n }),
      when(i32.le_s(n, 1), [f.return(1)]),
      i32.mul(n, call(f, { n: i32.sub(n, 1) })),
    ]);
    module.export(
      module.function('choose', { n: 'i32', k: 'i32' }, 'i32', ({ n, k }) => [
        i32.div_s(
          call(factorial, { n }),
          i32.mul(call(factorial, { n: k }), call(factorial, { n: i32.sub(n, k) })),
        ),
      ]),
    );
    const logged: number[][] = [];
    const { choose, calls: counted } = module.instantiate<{
      choose: Binary;
      calls: { value: number };
    }>({ host: { log: (...values: number[]) => logged.push(values) } });
    expect(choose(5, 2)).toBe(10);
    expect(logged.map(([value]) => value)).toEqual([5, 4, 3, 2, 1, 2, 1, 3, 2, 1]);
    expect(counted.value).toBe(9);
    expect(new Set(logged.map(([, weight]) => weight))).toEqual(new Set([0.5]));
  });

  test('a function may be made while another is', () => {
    const module = new Module();
    module.export(module.function('outer', { x: 'i32' }, 'i32', ({ x }) => {
      const inner = module.function('inner', { y: 'i32' }, 'i32', ({ y }) => [i32.mul(y, 10)]);
      return [i32.add(call(module.export(inner), { y: x }), 1)];
    }));
    const { outer, inner } = module.instantiate<{ outer: Unary; inner: Unary }>();
    expect([outer(4), inner(4)]).toEqual([41, 40]);
  });

  test('select, tee and drop', () => {
    const module = new Module();
    module.export(
      module.function('larger', { x: 'i32', y: 'i32' }, 'i32', ({ x, y }, f) => {
        const best = f.local('best', 'i32');
        return [drop(tee(best, select(i32.gt_s(x, y), x, y))), best];
      }),
    );
    const { larger } = module.instantiate<{ larger: Binary }>();
    fc.assert(fc.property(fc.integer(), fc.integer(), (x, y) => {
      expect(larger(x, y)).toBe(Math.max(x, y));
    }));
  });
});

function stackOf(f: () => void): string | undefined {
  try {
    f();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.stack : undefined;
  }
}

describe('modules', () => {
  test('have a memory of their own, and can grow it', () => {
    const module = new Module();
    module.export(module.memory({ min: 1, max: 3 }));
    module.export(module.function('grow', { by: 'i32' }, 'i32', ({ by }) => [memory.grow(by)]));
    const { memory: own, grow } = module.instantiate<{ memory: HostMemory; grow: Unary }>();
    expect(own.buffer.byteLength).toBe(65536);
    expect([grow(2), grow(1), grow(0)]).toEqual([1, -1, 3]);
    expect(own.buffer.byteLength).toBe(3 * 65536);
  });

  test('name their functions in stack traces', () => {
    const module = new Module();
    const inner = module.function('stumble über', {}, 'none', () => [unreachable]);
    module.export(module.function('outer', {}, 'none', () => [call(inner, {})]));
    const { outer } = module.instantiate<{ outer(): void }>();
    expect(stackOf(outer)).toContain('stumble über');
  });

  test('take code that was written as bytes', () => {
    const code = new CodeWriter();
    const like = new Module().function('square', { to: 'i32', x: 'i32' }, 'none', (given, self) => {
      const { to, x } = given;
      const [y, i] = [self.local('y', 'f32'), self.local('i', 'i32')];
      // y = x · x as a float; from to on, y is stored as often as x says, at every fourth byte.
      code.get(x).get(x).op('i32.mul').op('f32.convert_i32_s').set(y);
      code.get(x).if().loop();
      code.get(to).get(i).i32(4).op('i32.mul').op('i32.add').get(y).access('f32.store', 0);
      code.get(i).i32(1).op('i32.add').tee(i).get(x).op('i32.lt_s').branchIf().end();
      code.else().get(to).f32(-1.5).f32(7).get(x).select().access('f32.store', 4).end();
      return [];
    });
    for (const added of [0, 5]) {
      const module = new Module();
      module.export(module.memory({ min: 1 }));
      const more = module.global('more', 'i32', added);
      const [, x] = like.locals as readonly Local<'i32'>[];
      const bytes = assembled(code.all());
      module.export(module.functionLike(like, 'run', [set(x, i32.add(x, more)), bytes]));
      type Exports = { memory: HostMemory; run: (to: number, x: number) => void };
      const { memory: own, run } = module.instantiate<Exports>();
      run(8, 3);
      const floats = new Float32Array(own.buffer);
      expect(floats.slice(2, 2 + 3 + added)).toEqual(
        new Float32Array(3 + added).fill((3 + added) ** 2),
      );
      run(80, -added);
      expect(floats.slice(20, 22)).toEqual(new Float32Array([0, 7]));
      expect(module.wat()).toContain([
        '    (local.set $y',
        '      (f32.convert_i32_s (i32.mul (local.get $x) (local.get $x))))',
        '    (if (local.get $x)',
        '      (then',
        '        (loop $next',
        '          (f32.store',
        '            (i32.add (local.get $to) (i32.mul (local.get $i) (i32.const 4)))',
        '            (local.get $y))',
        '          (br_if $next',
        '            (i32.lt_s',
        '              (local.tee $i (i32.add (local.get $i) (i32.const 1)))',
        '              (local.get $x)))))',
        '      (else',
        '        (f32.store offset=4',
        '          (local.get $to)',
        '          (select (f32.const -1.5) (f32.const 7) (local.get $x))))))',
      ].join('\n'));
    }
  });

  test('may be large', () => {
    const module = new Module();
    module.export(
      module.function('sum', {}, 'i32', (_, f) => {
        const sum = f.local('sum', 'i32');
        const terms = Array.from({ length: 100_000 }, (_, i) => set(sum, i32.add(sum, i & 0xffff)));
        return [terms, sum];
      }),
    );
    const expected = Array.from({ length: 100_000 }, (_, i) => i & 0xffff);
    expect(module.instantiate<{ sum(): number }>().sum()).toBe(
      expected.reduce((a, b) => a + b | 0),
    );
  });
});

test('the text of a kernel', () => {
  const module = new Module();
  module.importMemory('env', 'memory', { min: 1, max: 16, shared: true });
  const trace = module.importFunction('env', 'trace', { value: 'f32' }, 'none');
  const runs = module.export(module.global('runs', 'f64', -0));
  module.export(runs, 'a "ü"\n');
  module.export(
    module.function('norm', { x: 'i32', length: 'i32' }, 'f32', ({ x, length }, f) => {
      const [i, end, sum] = [f.local('i', 'i32'), f.local('end', 'i32'), f.local('sum', 'v128')];
      const value = f.local('x', 'v128'); // a second x
      return [
        set(runs, f64.add(runs, 1)),
        set(end, i32.shl(length, 2)),
        forRange(i, 0, end, 16, [
          set(value, v128.load(at(i32.add(x, i), 64))),
          set(sum, f32x4.add(sum, f32x4.mul(value, value))),
        ]),
        set(sum, f32x4.add(sum, i8x16.shuffle(sum, sum, words(2, 3, 0, 1)))),
        set(sum, f32x4.add(sum, i8x16.shuffle(sum, sum, words(1, 0, 3, 2)))),
        drop(i32.atomic.rmw.add(at(0, 4), 1)),
        when(i32.eqz(length), [f.return(0)], [
          call(trace, { value: -0 }),
          v128.store32_lane(at(x, 0, 1), i32x4.const([1, -1, 0, 2 ** 31]), 3),
        ]),
        f32.sqrt(f32x4.extract_lane(sum, 0)),
      ];
    }),
  );
  expect(webAssembly()?.validate(module.bytes())).toBe(true);
  expect(module.wat()).toMatchInlineSnapshot(`
    "(module
      (import "env" "memory" (memory $memory 1 16 shared))
      (import "env" "trace" (func $trace (param f32)))
      (global $runs (mut f64) (f64.const -0))
      (func $norm (param $x i32) (param $length i32) (result f32)
        (local $i i32) (local $end i32) (local $sum v128) (local $x_2 v128)
        (global.set $runs (f64.add (global.get $runs) (f64.const 1)))
        (local.set $end (i32.shl (local.get $length) (i32.const 2)))
        (if (i32.lt_s (local.tee $i (i32.const 0)) (local.get $end))
          (then
            (loop $i
              (local.set $x_2
                (v128.load offset=64 (i32.add (local.get $x) (local.get $i))))
              (local.set $sum
                (f32x4.add
                  (local.get $sum)
                  (f32x4.mul (local.get $x_2) (local.get $x_2))))
              (br_if $i
                (i32.lt_s
                  (local.tee $i (i32.add (local.get $i) (i32.const 16)))
                  (local.get $end))))))
        (local.set $sum
          (f32x4.add
            (local.get $sum)
            (i8x16.shuffle 8 9 10 11 12 13 14 15 0 1 2 3 4 5 6 7
              (local.get $sum)
              (local.get $sum))))
        (local.set $sum
          (f32x4.add
            (local.get $sum)
            (i8x16.shuffle 4 5 6 7 0 1 2 3 12 13 14 15 8 9 10 11
              (local.get $sum)
              (local.get $sum))))
        (drop (i32.atomic.rmw.add offset=4 (i32.const 0) (i32.const 1)))
        (if (i32.eqz (local.get $length))
          (then
            (return (f32.const 0)))
          (else
            (call $trace (f32.const -0))
            (v128.store32_lane align=1 3
              (local.get $x)
              (v128.const i32x4 1 -1 0 -2147483648))))
        (f32.sqrt (f32x4.extract_lane 0 (local.get $sum))))
      (export "runs" (global $runs))
      (export "a \\u{22}ü\\u{22}\\u{a}" (global $runs))
      (export "norm" (func $norm)))"
  `);
});

test('features are what the engine takes', () => {
  // A module of one function, which drops what the code leaves.
  const takes = (code: readonly number[], ...memory: readonly number[]) => {
    const type = [1, 4, 1, 0x60, 0, 0];
    const body = [code.length + 3, 0, ...code, 0x1a, 0x0b];
    const sections = [...type, 3, 2, 1, 0, ...memory, 10, body.length + 1, 1, ...body];
    const bytes = Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections]);
    return webAssembly()?.validate(bytes) ?? false;
  };
  const zeros = [0xfd, 0x0c, ...new Array<number>(16).fill(0)];
  expect(features()).toEqual({
    simd: takes(zeros),
    relaxedSimd: takes([...zeros, ...zeros, ...zeros, 0xfd, 0x85, 0x02]),
    threads: takes([0x41, 0, 0xfe, 0x10, 2, 0], 5, 4, 1, 3, 0, 0),
  });
  expect(features()).toBe(features());
});

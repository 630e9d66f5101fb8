/** Kernels of the kinds that a compiled program is made of, against plain loops. */
import * as k from '@mambagrad/kernel';
import type { Buffer, Kernel, Expr } from '@mambagrad/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyFloat } from './random.ts';
import { type Given, runTwins } from './twins.ts';

const { fround } = Math;

/** Numbers that are as good as random, and the same each time. */
function numbers(length: number, seed = 1): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin((i + 1) * seed * 12.9898));
}

function run(kernel: Kernel, given: Given, result: Buffer): number[] {
  return Array.from(runTwins(kernel, given).get(result) ?? []);
}

describe('reduce', () => {
  const floats = fc.array(anyFloat(), { maxLength: 19 });

  it('adds in four lanes, then the lanes in pairs, then the tail', () => {
    fc.assert(
      fc.property(floats, (row) => {
        const x = k.buffer('x', 'f32', row.length);
        const y = k.buffer('y', 'f32', 1);
        const total = k.variable('total', 'f32');
        const kernel = k.kernel('sum', [x, y], [
          k.reduce(total, row.length, { combine: k.add, identity: 0 }, (i) => k.load(x, i)),
          k.store(y, 0, total),
        ]);
        const wide = row.length - (row.length % 4);
        const lanes = [0, 0, 0, 0];
        const rounded = row.map(fround);
        for (let i = 0; i < wide; i++) lanes[i % 4] = fround(lanes[i % 4] + rounded[i]);
        let sum = fround(fround(lanes[0] + lanes[1]) + fround(lanes[2] + lanes[3]));
        for (const term of rounded.slice(wide)) sum = fround(sum + term);
        expect(run(kernel, new Map([[x, row]]), y)).toEqual([sum]);
      }),
    );
  });

  it('finds the largest, and NaN if there is one', () => {
    fc.assert(
      fc.property(floats, (row) => {
        const x = k.buffer('x', 'f32', row.length);
        const y = k.buffer('y', 'f32', 1);
        const top = k.variable('top', 'f32');
        const largest = { combine: k.maximum, identity: -Infinity };
        const kernel = k.kernel('largest', [x, y], [
          k.reduce(top, row.length, largest, (i) => k.load(x, i)),
          k.store(y, 0, top),
        ]);
        expect(run(kernel, new Map([[x, row]]), y)).toEqual([Math.max(...row.map(fround))]);
      }),
    );
  });
});

describe('elementwise', () => {
  it('broadcasts rows, columns and single elements, and reads transposed', () => {
    fc.assert(
      fc.property(fc.nat(4), fc.nat(9), (rows, columns) => {
        const names = ['row', 'column', 'one', 'turned', 'out'];
        const sizes = [columns, rows, 1, rows * columns, rows * columns];
        const [row, column, one, turned, out] = names.map((name, i) => (
          k.buffer(name, 'f32', sizes[i])
        ));
        const kernel = k.kernel('broadcast', [row, column, one, turned, out], [
          k.loop('i', rows, (i) => k.vectorized('j', columns, (j) => {
            const sum = k.add(k.load(row, j), k.mul(k.load(column, i), k.load(one, k.mul(j, 0))));
            const value = k.sub(sum, k.load(turned, k.add(k.mul(j, rows), i)));
            return k.store(out, k.add(k.mul(i, columns), j), value);
          })),
        ]);
        const given = sizes.map((size, i) => numbers(size, i + 1));
        const [r, c, [s], t] = given;
        const expected = Array.from({ length: rows * columns }, (_, at) => {
          const [i, j] = [Math.floor(at / columns), at % columns];
          return fround(fround(r[j] + fround(c[i] * s)) - t[j * rows + i]);
        });
        const buffers = [row, column, one, turned];
        const results = run(kernel, new Map(buffers.map((b, i) => [b, given[i]])), out);
        expect(results).toEqual(expected);
      }),
    );
  });

  it('gathers and scatters by indices that are loaded', () => {
    const [table, index, out] = [
      k.buffer('table', 'f32', 12), k.buffer('index', 'i32', 7), k.buffer('out', 'f32', 12),
    ];
    const kernel = k.kernel('gather', [table, index, out], [
      k.vectorized('i', 7, (i) => {
        const at = k.load(index, i);
        return k.store(out, k.sub(11, at), k.add(k.load(table, at), k.load(table, i)));
      }),
    ]);
    const places = [3, 0, 11, 4, 5, 2, 7];
    const values = numbers(12);
    const expected = new Array<number>(12).fill(0);
    places.forEach((at, i) => (expected[11 - at] = fround(values[at] + values[i])));
    expect(run(kernel, new Map<Buffer, ArrayLike<number>>([[table, values], [index, places]]), out))
      .toEqual(expected);
  });
});

/** c = a · b in tiles of 4 × 8 that stay in registers; what is left over, one by one. */
function matmul(a: Buffer, b: Buffer, c: Buffer, [M, K, N]: readonly number[]): Kernel {
  const tile = (i: Expr, j: Expr, rows: number, vectors: number) => {
    const wide = vectors > 0;
    const sums = Array.from({ length: rows }, () => (
      Array.from({ length: Math.max(vectors, 1) }, () => k.variable('sum', wide ? 'f32x4' : 'f32'))
    ));
    const from = (row: Expr, q: number) => {
      const first = k.add(row, 4 * q);
      return wide ? k.ramp(first) : first;
    };
    return [
      sums.flat().map((sum) => k.set(sum, 0)),
      k.loop('p', K, (p) => sums.map((row, r) => row.map((sum, q) => k.set(sum, k.mulAdd(
        k.load(a, k.add(k.mul(k.add(i, r), K), p)),
        k.load(b, from(k.add(k.mul(p, N), j), q)),
        sum,
      ))))),
      sums.map((row, r) => row.map((sum, q) => (
        k.store(c, from(k.add(k.mul(k.add(i, r), N), j), q), sum)
      ))),
    ];
  };
  const [rows, columns] = [M - (M % 4), N - (N % 8)];
  return k.kernel('matmul', [a, b, c], [
    k.loop('i', { to: rows, step: 4 }, (i) => [
      k.loop('j', { to: columns, step: 8 }, (j) => tile(i, j, 4, 2)),
      k.loop('j', { from: columns, to: N }, (j) => tile(i, j, 4, 0)),
    ]),
    k.loop('i', { from: rows, to: M }, (i) => k.loop('j', N, (j) => tile(i, j, 1, 0))),
  ]);
}

describe('a matmul in tiles', () => {
  it.each([[4, 3, 8], [9, 5, 19], [1, 1, 1], [3, 0, 9], [8, 2, 7]])('%i × %i × %i', (M, K, N) => {
    const [a, b, c] = [
      k.buffer('a', 'f32', M * K), k.buffer('b', 'f32', K * N), k.buffer('c', 'f32', M * N),
    ];
    const [x, y] = [numbers(M * K), numbers(K * N, 2)];
    const expected = Array.from({ length: M * N }, (_, at) => {
      let sum = 0;
      for (let p = 0; p < K; p++) {
        sum = fround(sum + fround(x[Math.floor(at / N) * K + p] * y[p * N + (at % N)]));
      }
      return sum;
    });
    expect(run(matmul(a, b, c, [M, K, N]), new Map([[a, x], [b, y]]), c)).toEqual(expected);
  });
});

describe('a scan', () => {
  it('keeps its states in scratch memory, and may run backwards', () => {
    const [L, D] = [7, 6];
    const [a, b, out] = ['a', 'b', 'out'].map((name) => k.buffer(name, 'f32', L * D));
    const h = k.scratch('h', 'f32', D);
    const reverse = (t: Expr) => k.mul(k.sub(L - 1, t), D);
    const kernel = k.kernel('scan', [a, b, out], [
      k.vectorized('d', D, (d) => k.store(h, d, 0)),
      k.loop('t', L, (t) => k.vectorized('d', D, (d) => {
        const at = k.add(reverse(t), d);
        const next = k.variable('next', d.type === 'i32' ? 'f32' : 'f32x4');
        return [
          k.set(next, k.add(k.mul(k.load(a, at), k.load(h, d)), k.load(b, at))),
          k.store(h, d, next),
          k.store(out, at, next),
        ];
      })),
    ]);
    expect(kernel.scratchBytes).toBe(64);
    const [x, y] = [numbers(L * D), numbers(L * D, 2)];
    const expected = new Array<number>(L * D);
    for (let t = L - 1; t >= 0; t--) {
      for (let d = 0; d < D; d++) {
        const before = t === L - 1 ? 0 : expected[(t + 1) * D + d];
        expected[t * D + d] = fround(fround(x[t * D + d] * before) + y[t * D + d]);
      }
    }
    expect(run(kernel, new Map([[a, x], [b, y]]), out)).toEqual(expected);
  });
});

describe('a kernel', () => {
  const x = k.buffer('x', 'f32', 10);
  const y = k.buffer('y', 'f32', 10, { at: 1024 });

  it('prints as text', () => {
    const h = k.scratch('h', 'i32', 3);
    const rate = k.variable('rate', 'f32');
    const total = k.variable('total', 'f32');
    const kernel = k.kernel('example', [x, rate], [
      k.reduce(total, 10, { combine: k.max, identity: 0 }, (i) => k.load(x, k.sub(9, i))),
      k.when(k.less(total, 0.1), [k.store(h, 0, 1)], [k.store(h, 1, k.toInteger(total))]),
      k.loop('i', { from: 1, to: 9, step: 3 }, (i) => {
        const z = k.mulAdd(k.load(x, i), rate, -0);
        return k.store(y, k.sub(k.mul(i, 1), 1), k.select(k.greater(z, 0), z, k.div(total, z)));
      }),
    ]);
    expect(k.printKernel(kernel)).toBe(`\
kernel example(x: f32[10], rate: f32)
  h: i32[3] scratch
  y: f32[10] at 1024
  let totalLanes: f32x4 = 0
  for i in 0..8 step 4
    totalLanes = max(totalLanes, x[-1 * i + 9:4 by -1])
  let total: f32 = max(max(lane(totalLanes, 0), lane(totalLanes, 1)), max(lane(totalLanes, 2), \
lane(totalLanes, 3)))
  for i in 8..10
    total = max(total, x[-1 * i + 9])
  if total < 0.1
    h[0] = 1
  else
    h[1] = toInteger(total)
  for i in 1..9 step 3
    let t1: f32 = mulAdd(x[i], rate, -0)
    y[i - 1] = select(t1 > 0, t1, total / t1)`);
    expect([...kernel.reads]).toEqual([x]);
    expect([...kernel.writes]).toEqual([h, y]);
  });

  const i = k.variable('i', 'i32');
  const v = k.variable('v', 'f32x4');
  const malformed: Record<string, readonly [() => unknown, string]> = {
    'a variable before it is set': [
      () => k.kernel('bad', [x], k.store(x, i, 1)), 'kernel bad: i is used before it is set',
    ],
    'a counter outside its loop': [
      () => {
        let left: Expr = i;
        const loop = k.loop('j', 3, (j) => {
          left = j;
          return k.store(x, j, 1);
        });
        return k.kernel('bad', [x], [loop, k.store(x, left, 1)]);
      },
      'kernel bad: j is used outside the loop or branch in which it has a value',
    ],
    'a counter that is set': [
      () => k.kernel('bad', [x], k.loop('j', 3, (j) => k.set(j, 0))),
      'kernel bad: j is a counter or an argument, and cannot be set',
    ],
    'types that differ': [
      () => k.add(k.load(x, 0), i),
      'add: expected f32, found i32; convert with toFloat or toInteger',
    ],
    'a wrong type': [() => k.sqrt(i), 'sqrt: expected f32, found i32'],
    'no value': [() => k.add(1, 2), 'add: all operands are plain numbers'],
    'four lanes for one': [() => k.store(x, 0, v), 'store x: expected f32, found f32x4'],
    'a fraction': [() => k.add(i, 0.5), 'constant: 0.5 is not an i32'],
    'an index that is not an i32': [
      () => k.load(x, k.load(x, 0)), 'load x: the index is f32, not i32',
    ],
    'an index out of bounds': [
      () => k.kernel('bad', [x], k.vectorized('j', 10, (j) => k.store(x, k.add(j, 1), 1))),
      'kernel bad: store x from 9 to 10, but it has 10 elements',
    ],
    'a negative index': [
      () => k.kernel('bad', [x], k.loop('j', 5, (j) => k.store(x, k.sub(3, j), 1))),
      'kernel bad: store x from -1 to 3, but it has 10 elements',
    ],
    'a buffer without a place': [
      () => k.kernel('bad', [], k.store(x, 0, 1)),
      'kernel bad: the buffer x is neither a parameter nor at a fixed address',
    ],
    'a mask of four for a branch': [
      () => k.when(k.less(v, 0), []), 'when: expected a mask, found maskx4',
    ],
    'a negative start': [
      () => k.loop('j', { from: -1, to: 3 }, () => []),
      'loop j: it starts from -1, expected 0 or more',
    ],
    'a name that is none': [() => k.variable('2x', 'f32'), "variable: the name is '2x'"],
  };

  it.each(Object.entries(malformed))('throws for %s', (_, [make, message]) => {
    expect(make).toThrow(message);
  });

  it('allows an index out of bounds where a condition may prevent it', () => {
    const kernel = k.kernel('guarded', [x], k.loop('j', 12, (j) => (
      k.when(k.less(j, 10), k.store(x, j, 1))
    )));
    expect(run(kernel, new Map(), x)).toEqual(new Array(10).fill(1));
  });

  it('may be named as words of JavaScript are', () => {
    const names = ['memory', 'f32', 'new', 'fround', 'x', 'x'];
    const list = names.map((name) => k.buffer(name, 'f32', 1));
    const kernel = k.kernel('function', list, list.map((one, n) => k.store(one, 0, n)));
    expect(list.map((one) => run(kernel, new Map(), one))).toEqual(list.map((_, n) => [n]));
  });
});

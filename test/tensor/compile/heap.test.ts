/**
 * The memory that programs share: what lies there stays what it is, whatever else is put there,
 * also where there is no room; and calls within calls have memory of their own.
 */
import {
  closeThreads, compile, ones, type Tensor, tensor, TensorError, uniform,
} from '@mambagrad/tensor';
import { definePrimitive } from '@mambagrad/tensor/extend';
import { webAssembly } from '@mambagrad/wasm';
import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { bytesOfPrograms, measure, nextTask } from '../../../bench/support/growth.ts';
import { Heap } from '../../../packages/tensor/src/compile/memory/heap.ts';
import { expectAllSame } from '../../support/compiled.ts';
import { runs } from '../../support/soak.ts';

afterAll(closeThreads);

/** Something that is put into a heap: an array that stays, or an arena for a call. */
const requests = fc.record({
  kind: fc.constantFrom('array', 'arena', 'arena within an arena'),
  length: fc.nat({ max: 40_000 }),
  /** Whether memory may grow for it. */
  hasRoom: fc.boolean(),
});

describe('a heap', () => {
  /** Heaps in a memory of WebAssembly, and in an array, which is copied when it grows. */
  const heaps: readonly [string, () => Heap][] = [
    ['in WebAssembly', () => new Heap()],
    ['without WebAssembly', () => {
      vi.stubGlobal('WebAssembly', undefined);
      const heap = new Heap();
      vi.unstubAllGlobals();
      return heap;
    }],
  ];

  it.each(heaps)('keeps every array as it was, also when there is no room: %s', (_, newHeap) => {
    fc.assert(
      fc.property(fc.array(requests, { maxLength: 20 }), (list) => {
        const heap = newHeap();
        const grow = heap.memory.grow.bind(heap.memory);
        let hasRoom = true;
        Object.defineProperty(heap.memory, 'grow', {
          value: (pages: number) => {
            if (!hasRoom) throw new RangeError('grow: on purpose');
            return grow(pages);
          },
        });
        const kept: {
          readonly values: Float32Array;
          readonly allocation: ReturnType<Heap['adopt']>;
        }[] = [];
        const spoil = (length: number) => (start: number) => {
          heap.view('f32', start, length).fill(NaN);
        };
        const run = (kind: string, length: number, number: number) => {
          if (kind === 'arena') return heap.withArena(4 * length, spoil(length));
          if (kind !== 'array') {
            return heap.withArena(4 * length, (outer) => {
              heap.view('f32', outer, length).fill(7);
              heap.withArena(2 * length, spoil(length >> 1));
              expect(heap.view('f32', outer, length).every((x) => x === 7)).toBe(true);
            });
          }
          const values = new Float32Array(length).fill(number);
          kept.push({ values, allocation: heap.adopt(values) });
        };
        list.forEach(({ kind, length, hasRoom: may }, number) => {
          hasRoom = may;
          try {
            run(kind, length, number);
          } catch (error) {
            expect(may).toBe(false);
            expect(error).toBeInstanceOf(TensorError);
            expect((error as Error).message).toMatch(/there is no room for \d+ bytes more/);
          }
          expect(heap.isRunning).toBe(false);
          for (const { values, allocation } of kept) expect(Buffer.compare(
            Buffer.from(values.buffer), Buffer.from(allocation.array.slice().buffer),
          )).toBe(0);
        });
      }),
      { numRuns: runs(150) },
    );
  });

  it('without WebAssembly grows by half of what there is or more, and old views end', () => {
    const heap = heaps[1][1]();
    const sizes = new Set<number>();
    const views = Array.from({ length: 300 }, () => {
      const { array } = heap.adopt(new Float32Array(2 ** 14));
      sizes.add(heap.memory.buffer.byteLength);
      return array;
    });
    expect(sizes.size).toBeLessThan(20);
    expect([views[0].length, heap.view('f32', 64, 9).length]).toEqual([0, 9]);
  });

  it('lets state have the place of an arena that is larger than is needed now', () => {
    const heap = new Heap();
    heap.withArena(2 ** 24, () => {});
    const size = heap.memory.buffer.byteLength;
    const allocations = Array.from({ length: 15 }, () => heap.adopt(new Float32Array(2 ** 18)));
    expect(allocations).toHaveLength(15);
    expect(heap.memory.buffer.byteLength).toBe(size);
  });

  it('asks for a smaller memory where the largest is refused, and says what is too much', () => {
    const host = webAssembly();
    if (host === undefined) throw new Error('there is no WebAssembly here');
    const asked: number[] = [];
    class Small extends host.Memory {
      constructor(limits: { readonly initial: number; readonly maximum: number }) {
        asked.push(limits.maximum);
        if (limits.maximum > 1000) throw new RangeError('could not allocate memory');
        super(limits);
      }
    }
    const { Memory } = host;
    Object.assign(host, { Memory: Small });
    try {
      const heap = new Heap();
      expect(asked).toEqual([65536, 32768, 16384, 8192, 4096, 2048, 1024, 512]);
      expect(heap.mostBytes).toBe(512 * 65536);
      expect(() => heap.withArena(512 * 65536, () => {})).toThrow(new RegExp(
        '^compile: there is no room for 33554432 bytes more: programs share a memory of at most ' +
          '33554432 bytes, and \\d+ are in use.*: await one between programs',
      ));
      expect(heap.withArena(2 ** 20, (start) => start)).toBeGreaterThan(0);
    } finally {
      Object.assign(host, { Memory });
    }
  });
});

describe('programs that are too large', () => {
  it('are refused by an error that names sizes, and leave others as they are', () => {
    const state = ones([3]);
    const count = compile(() => void state.assign(state.add(1)));
    count();
    const large = compile((x: Tensor) => {
      const y = x.reshape([1, -1]).add(ones([40_000, 1]));
      return y.matmul(y.transpose(0, 1)).sum();
    });
    expect(() => large(ones([40_000]))).toThrow(
      /^compile: the program needs \d{11} bytes for its values, and memory has at most 4294967296;/,
    );
    count();
    expect(state.toArray()).toEqual([3, 3, 3]);
  });

  it('say what there is no room for where an array is too long', () => {
    expect(() => ones([2 ** 40])).toThrow(/no room for f32\[1099511627776\], 4398046511104 bytes/);
    // Not even one for which the machine would have room: offsets are i32.
    expect(() => ones([2 ** 16, 2 ** 15])).toThrow('(an array has at most 2147483647)');
    const long = definePrimitive<null>({
      name: 'test.long',
      infer: () => ({ shape: [2 ** 20, 2 ** 20], dtype: 'f32' }),
      compute: () => {},
    });
    expect(() => long([ones([1])], null)).toThrow('test.long: there is no room for f32[1048576, ');
  });
});

/** An op without a kernel, whose reference loop calls a compiled function. */
let inner: (x: Tensor) => Tensor = (x) => x;
const calling = definePrimitive<null>({
  name: 'test.calling',
  infer: ([x]) => x,
  compute: ([x], output) => {
    output.data.set(inner(tensor(x.data, { shape: x.shape })).data);
  },
});

describe.each(['wasm', 'js'] as const)('a compiled function called in a reference loop, %s', (backend) => {
  const body = (x: Tensor): Tensor[] => {
    const before = x.mul(3).flip(0);
    const result = calling([before.exp()], null);
    return [result.add(before.flip(0)), before.sum(1), calling([result], null).flip(1).add(before)];
  };

  it.each([1, 3])('tasks beside the program that runs, with %i threads', (threads) => {
    const x = uniform([60, 200]);
    // Memory grows for the first, the second needs more than the outer program, the third nothing.
    const functions: ((y: Tensor) => Tensor)[] = [
      compile((y: Tensor) => y.sigmoid().matmul(ones([200, 400])).sum(1, true).mul(y).flip(0), {
        backend, threads,
      }),
      compile(
        (y: Tensor) => y.reshape([60, 1, 200]).add(ones([40, 1])).flip(1).sum(1), { backend },
      ),
      (y) => y,
    ];
    for (const each of functions) {
      inner = each;
      const expected = body(x);
      const compiled = compile(body, { backend, threads, deterministic: true });
      const reference = compile(body, { backend, threads: 1, deterministic: true });
      for (let call = 0; call < 3; call++) {
        const found = compiled(x);
        expectAllSame(found, reference(x));
        found.forEach((y, i) => {
          const most = expected[i].abs().max().item();
          expect(y.sub(expected[i]).abs().max().item()).toBeLessThan(1e-4 * most);
        });
      }
    }
  });
});

describe('a compiled function called in a reference loop, in memory that cannot be shared', () => {
  it('tasks as well, when memory grows for it', async () => {
    vi.stubGlobal('SharedArrayBuffer', undefined);
    vi.resetModules();
    const fresh = await import('@mambagrad/tensor');
    const { definePrimitive: define } = await import('@mambagrad/tensor/extend');
    for (const backend of ['wasm', 'js'] as const) {
      const large =
        fresh.compile((y: Tensor) => fresh.ones([4e6]).flip(0).sum().add(y), { backend });
      const outer = define<null>({
        name: `test.outer.${backend}`,
        infer: ([x]) => x,
        compute: ([x], output) => {
          const total = large(fresh.tensor(x.data[0])).item();
          output.data.set(x.data.map((value) => value + total));
        },
      });
      const f = fresh.compile((x: Tensor) => outer([x.mul(2)], null).add(x), { backend });
      expect(f(fresh.tensor([1, 2])).toArray()).toEqual([4e6 + 2 + 3, 4e6 + 2 + 6]);
    }
    vi.unstubAllGlobals();
    vi.resetModules();
  });
});

describe('what programs hold on to', () => {
  it('is none of the arguments of their first call, nor gradients that were there', async () => {
    const weight = tensor([1, 2], { requiresGrad: true });
    const scale = (batch: { x: Tensor }) => {
      const y = batch.x.mul(weight.grad ? 2 : 1);
      return { y, nested: [batch.x, y.add(1)] };
    };
    const step = compile(scale);
    const references = (() => {
      const x = ones([2]);
      weight.grad = ones([2]);
      expect(step({ x }).y.toArray()).toEqual([2, 2]);
      const kept = [new WeakRef(x), new WeakRef(weight.grad)];
      weight.grad = undefined;
      return kept;
    })();
    await nextTask();
    await measure();
    expect(references.map((reference) => reference.deref())).toEqual([undefined, undefined]);
    // The gradient that is gone is another than none.
    expect(step({ x: ones([2]) }).y.toArray()).toEqual([1, 1]);
  });

  it('is given back where the event loop has its turn, however much is made and dropped', async () => {
    const before = bytesOfPrograms();
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 8; i++) {
        const state = ones([2 ** 20]);
        compile(() => void state.assign(state.add(1)))();
      }
      await measure();
    }
    // 128 MiB were used in all, 32 at a time.
    expect(bytesOfPrograms() - before).toBeLessThan(50 * 2 ** 20);
  });
});

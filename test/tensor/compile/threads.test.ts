/**
 * Programs that threads share: the same bits for any number of threads, for programs cut as finely
 * as can be and for large ones; and what happens when threads die, are late, or are started anew.
 */
import { withFinestChunks } from '@mambagrad/kernel';
import {
  closeThreads, compile, normal, setThreads, type Tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { theHeap } from '../../../packages/tensor/src/compile/memory/heap.ts';
import { LOOP, RANGES } from '../../../packages/wasm/src/threads/share.ts';
import { leaf } from '../../support/compare.ts';
import { type Body, expectAllSame, withGradients } from '../../support/compiled.ts';
import { programs } from '../../support/program.ts';
import { runs } from '../../support/soak.ts';
import { onThreads, threadCounts } from '../../support/threads.ts';
import { rows } from '../ops/rows.ts';

/** How fast time passes for the watchdog: five seconds are a quarter of one at a pace of 20. */
const clock = vi.hoisted(() => ({ pace: 1 }));

vi.mock(import('../../../packages/wasm/src/threads/watchdog.ts'), async (importOriginal) => {
  const original = await importOriginal();
  class Watchdog extends original.Watchdog {
    override hasExpired(progress: string): boolean {
      let hasExpired = false;
      for (let ask = 0; ask < clock.pace && !hasExpired; ask++) {
        hasExpired = super.hasExpired(progress);
      }
      return hasExpired;
    }
  }
  return { ...original, Watchdog };
});

afterAll(closeThreads);

/** Expects the same bits of a compiled function on different numbers of threads, call by call. */
function expectSameBits(body: Body, inputs: readonly Tensor[]): void {
  const wasm = compile(body, { deterministic: true });
  const all: Body[] = [
    ...threadCounts.map((count): Body => (...args) => onThreads(count, () => wasm(...args))),
    compile(body, { backend: 'js', deterministic: true }),
  ];
  const leaves = inputs.map((input) => leaf(input, 'f32'));
  for (const given of [
    leaves, leaves.map((one) => (one.dtype === 'i32' ? one : leaf(one.mul(0.9)))),
  ]) {
    const calls = all.map((compiled) => () => compiled(...given));
    const [first, ...others] = withFinestChunks(() => calls.map((call) => call()));
    for (const other of others) expectAllSame(other, first);
  }
}

describe('the same bits on 1, 2, 3 and 8 threads', () => {
  it('of random programs and their gradients, cut finely', () => {
    fc.assert(
      fc.property(programs(), ({ inputs, run }) => expectSameBits(withGradients(run), inputs)),
      { numRuns: runs(40) },
    );
  });

  it.each(Object.keys(rows))('of %s, cut finely', (name) => {
    const row = rows[name];
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { apply, inputs } = row.draw(g);
        const value = (...args: Tensor[]) => [apply(...args)];
        expectSameBits(row.constant ? value : withGradients(value), inputs);
      }),
      { numRuns: runs(4) },
    );
  });
});

/** A program of several loops that is large enough to be shared, and what it gives. */
const size = [300, 200];
const work = (x: Tensor): Tensor[] => [x.softmax(-1).matmul(x.transpose(0, 1)), x.exp().sum(0)];
const x = normal(size);
const { threads } = theHeap();

describe('threads', () => {
  it('share what is large, and give the same bits', () => {
    const alone = compile(work, { threads: 1 });
    const shared = compile(work, { threads: 3 });
    const expected = alone(x);
    expectAllSame(shared(x), expected);
    expect(threads.workers.length).toBeGreaterThanOrEqual(2);
    for (let i = 0; i < 50; i++) expectAllSame(shared(x), expected);
    expect(shared.wat()).toContain('region_1');
  });

  it('are as many as asked for, or as there are cores', () => {
    for (const count of [0, 1.5, -1, NaN]) {
      expect(() => compile(work, { threads: count })).toThrow('a whole number from 1');
      expect(() => setThreads(count)).toThrow('a whole number from 1');
    }
    setThreads(1);
    const compiled = compile(work);
    const [expected] = compiled(x);
    setThreads(2);
    expectAllSame([compiled(x)[0]], [expected]);
    setThreads(undefined);
    expectAllSame([compiled(x)[0]], [expected]);
  });

  it('can be ended, and start anew when they are wanted', async () => {
    const compiled = compile(work, { threads: 2 });
    const expected = compiled(x);
    for (let round = 0; round < 3; round++) {
      await closeThreads();
      expect(threads.workers).toEqual([]);
      expectAllSame(compiled(x), expected);
      expectAllSame(compiled(x), expected);
      expect(threads.workers.length).toBe(1);
    }
  });

  it('are started for a program that is called, not for one that is looked at', async () => {
    await closeThreads();
    const looked = compile(work, { threads: 3 });
    expect(looked.inspect(x).stages().some(({ isShared }) => isShared)).toBe(true);
    expect(threads.workers).toEqual([]);
    const small = compile((a: Tensor) => a.add(1), { threads: 3 });
    small(zeros([4]));
    expect(threads.workers).toEqual([]);
    looked(x);
    expect(threads.workers).toHaveLength(2);
  });

  it('are started before the code is there', async () => {
    await closeThreads();
    const compiled = compile(work, { threads: 3 });
    const counts: number[] = [];
    const original = threads.share.bind(threads);
    const share = vi.spyOn(threads, 'share').mockImplementation((...given) => {
      counts.push(threads.workers.length);
      return original(...given);
    });
    compiled(x);
    share.mockRestore();
    expect(counts).toEqual([2]);
  });

  it('serve many programs in turn', () => {
    const all = Array.from({ length: 40 }, (_, i) => {
      const body = (a: Tensor) => [a.mul(i + 1).sin(), a.add(i).sum(0)];
      return [compile(body, { threads: 3 }), compile(body, { threads: 1 })] as const;
    });
    for (let round = 0; round < 3; round++) {
      for (const [shared, alone] of all) expectAllSame(shared(x), alone(x));
    }
  });

  it('leave the arena room to grow: it ends where memory does', () => {
    const { memory } = theHeap();
    const f =
      compile((a: Tensor) => a.matmul(a.transpose(0, 1)).softmax(-1).sum(0), { threads: 3 });
    const before = memory.buffer.byteLength;
    for (let rows = 400; rows <= 800; rows += 40) f(normal([rows, 3]));
    // Eleven arenas that grow, one in the place of the other.
    expect(memory.buffer.byteLength - before).toBeLessThan(f.arenaBytes() + 2 ** 21);
  });

  it('say so in the next call when one has died, and are started anew', async () => {
    const compiled = compile(work, { threads: 3 });
    const expected = compiled(x);
    await threads.workers[1].terminate();
    expect(() => compiled(x)).toThrow(
      'threads: thread 2 has ended by itself, with exit code 1; the next call starts threads anew',
    );
    expectAllSame(compiled(x), expected);
  });

  it('say so when one has failed, before the next call does anything', async () => {
    await closeThreads();
    let told = 0;
    // What a thread cannot start: it is no module.
    const failing = threads.share({}, Uint8Array.of(0, 1, 2), 1);
    const call = { arena: 0, own: 0, stride: 0, threads: 2 };
    const run = () => threads.run(failing, call, () => (told += 1));
    run();
    const start = Date.now();
    expect(() => {
      while (Date.now() - start < 10_000) run();
    }).toThrow(/^threads: thread 1 has failed: CompileError.*; the next call starts threads anew$/);
    expect(told).toBeGreaterThan(0);
    const compiled = compile(work, { threads: 2 });
    expectAllSame(compiled(x), compiled(x));
  });

  it('are not waited for when one dies between two calls, unnoticed', () => {
    const compiled = compile(work, { threads: 2 });
    const expected = compiled(x);
    void threads.workers[0].terminate();
    // Whatever it was doing: the call gives what it should.
    expectAllSame(compiled(x), expected);
  });

  it('are waited for so long when one dies in the middle of a round, and then it is an error', async () => {
    await closeThreads();
    const compiled = compile(work, { threads: 2 });
    const expected = compiled(x);
    // A thread like another, which takes rounds, if it is in time, and never does them.
    const thief = new Worker(
      `const { workerData: { memory, loop, range } } = require('node:worker_threads');
      const words = new Int32Array(memory.buffer, 0, 4096);
      const ranges = new BigInt64Array(memory.buffer, 0, 4096);
      Atomics.store(words, 49, 1);
      Atomics.notify(words, 49);
      for (let seen = Atomics.load(words, loop / 4); ; ) {
        // Asleep between loops: who computes is taken to be alive.
        Atomics.wait(words, loop / 4, seen);
        seen = Atomics.load(words, loop / 4);
        const word = Atomics.load(ranges, range / 8);
        Atomics.compareExchange(ranges, range / 8, word, word + 1n);
      }`,
      { eval: true, workerData: { memory: threads.memory, loop: LOOP, range: RANGES + 64 } },
    );
    const words = new Int32Array(threads.memory.buffer);
    Atomics.wait(words, 49, 0, 5000);
    clock.pace = 20;
    expect(() => {
      for (let i = 0; i < 10_000; i++) compiled(x);
    }).toThrow(/threads: a thread no longer answers in the middle of it; what/);
    clock.pace = 1;
    await thief.terminate();
    expectAllSame(compiled(x), expected);
  });

  it('leave those who wait for a call that throws', () => {
    const compiled = compile(
      (a: Tensor, index: Tensor) => [a.exp().sum(0), a.gather(0, index), a.sin()],
      { threads: 3 },
    );
    const index = zeros(size, { dtype: 'i32' });
    const expected = compiled(x, index);
    const wrong = index.sub(1);
    for (let i = 0; i < 5; i++) {
      expect(() => compiled(x, wrong)).toThrow('gather');
      expectAllSame(compiled(x, index), expected);
    }
  });

  it('are done without where a process may have none', () => {
    const program = `
      import { compile, normal } from '@mambagrad/tensor';
      const x = normal([300, 200]);
      const [one, two] = [1, 2].map((threads) => (
        compile((a) => a.exp().matmul(a.transpose(0, 1)).sum(), { threads })
      ));
      console.log(one(x).item() === two(x).item());`;
    // From Node 23 on the flag has no prefix.
    const flag = process.allowedNodeEnvironmentFlags.has('--permission')
      ? '--permission' : '--experimental-permission';
    const options = [flag, '--allow-fs-read=*', '--no-warnings', '--input-type=module', '-e'];
    const run = spawnSync(process.execPath, [...options, program], {
      encoding: 'utf8', timeout: 20_000,
    });
    expect([run.stdout, run.status]).toEqual(['true\n', 0]);
  });

  it('do not keep the process alive', () => {
    const program = `
      import { compile, normal } from '@mambagrad/tensor';
      const x = normal([300, 200]);
      const f = compile((a) => a.exp().matmul(a.transpose(0, 1)).sum(), { threads: 3 });
      console.log(f(x).item() === f(x).item());`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8', timeout: 20_000,
    });
    expect([run.stdout, run.status]).toEqual(['true\n', 0]);
  });
});

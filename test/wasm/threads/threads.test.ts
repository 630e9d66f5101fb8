/**
 * The thread pool by itself, with small programs: what threads tell each other through memory, and
 * that whatever a worker does late, or does wrong, or stops doing harms no other call.
 */
import {
  at, branchIf, drop, i32, type Local, loop, type Statements, unreachable, when,
} from '@mambagrad/wasm';
import { afterEach, describe, expect, it } from 'vitest';
import { collect } from '../../../bench/support/growth.ts';
import { MAY_SLEEP } from '../../../packages/wasm/src/threads/share.ts';
import { ThreadPool } from '../../../packages/wasm/src/threads/threads.ts';
import { FAILURE } from '../../../packages/wasm/src/threads/words.ts';
import { type Behaviour, type Found, moduleFor, TestPool } from '../../support/pool.ts';

let test: TestPool;
const opened: TestPool[] = [];
function open(): TestPool {
  opened.push((test = new TestPool(ThreadPool)));
  return test;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map(({ pool }) => pool.close()));
});

/** Registers a program, and gives a function that runs it. */
function programOf(number: number, behaviour?: Behaviour): {
  readonly run: (threads?: number) => Found;
  readonly release: () => void;
} {
  const { pool } = test;
  const module = moduleFor(number, behaviour);
  const program = test.share(module);
  return {
    run: (threads) => test.run(module, program, threads),
    release: () => pool.release(program),
  };
}

/** Runs a program until other threads have taken part. */
function runTogether({ run }: ReturnType<typeof programOf>): Found {
  const end = performance.now() + 20_000;
  for (;;) {
    const found = run();
    if (found.threads.size > 1) return found;
    expect(performance.now()).toBeLessThan(end);
  }
}

/** Lets the main thread spin while it waits, as that of a page does. */
function forbidSleep(): void {
  new Int32Array(test.pool.memory.buffer)[MAY_SLEEP / 4] = 0;
}

describe.each([['sleeps', () => {}], ['may only spin', forbidSleep]])(
  'workers, while the main thread %s', (_, prepare) => {
    it('take part once they are up', async () => {
      open();
      prepare();
      expect(await test.pool.start(3)).toBe(3);
      expect(test.pool.workers).toHaveLength(2);
      const { numbers } = runTogether(programOf(7));
      expect(new Set(numbers)).toEqual(new Set([7]));
    });

    it('end the call in which one fails, and others take their place', async () => {
      open();
      prepare();
      await test.pool.start(3);
      const failing = programOf(1, { traps: true });
      const message = new RegExp(
        '^threads: thread [12] has failed: RuntimeError: unreachable.* in the middle of it; what ' +
          'the call assigns to may be half changed; the next call starts threads anew$',
      );
      expect(() => runTogether(failing)).toThrow(message);
      expect(test.pool.workers).toEqual([]);
      const program = programOf(2);
      expect(new Set(program.run().numbers)).toEqual(new Set([2]));
      expect(await test.pool.start(3)).toBe(3);
      runTogether(program);
    });

    it('have left the iterations that they were in when the main thread throws', async () => {
      open();
      prepare();
      await test.pool.start(3);
      const failing = programOf(1, { more: countAndTrap });
      for (let call = 0; call < 3; call++) {
        expect(() => failing.run()).toThrow('unreachable');
        const [begun, ended] = test.own;
        expect(begun).toBeGreaterThan(0);
        expect(ended).toBe(begun);
      }
      runTogether(programOf(2));
      expect(test.pool.workers).toHaveLength(2);
    });
  },
);

/**
 * Other threads count the iterations that they begin, and some hundredths of a second later those
 * that they end; the main thread traps once one has begun.
 */
function countAndTrap({ self, own }: Readonly<Record<'self' | 'own', Local<'i32'>>>): Statements {
  const rounds = at(own, 8);
  return [
    when(self, [
      drop(i32.atomic.rmw.add(own, 1)),
      i32.store(rounds, 0),
      loop('late', (again) => [
        i32.store(rounds, i32.add(i32.load(rounds), 1)),
        branchIf(again, i32.lt_u(i32.load(rounds), 20_000_000)),
      ]),
      drop(i32.atomic.rmw.add(at(own, 4), 1)),
    ], [
      loop('wait', (again) => [branchIf(again, i32.eqz(i32.atomic.load(own)))]),
      unreachable,
    ]),
  ];
}

describe('programs in memory', () => {
  it('come and go, and their places are free again', async () => {
    open();
    await test.pool.start(3);
    const kept = programOf(1);
    const { bytes } = test.free;
    for (let number = 2; number < 200; number++) {
      const program = programOf(number, { rounds: number % 50 });
      for (let call = 0; call < number % 4; call++) {
        expect(new Set(program.run().numbers)).toEqual(new Set([number]));
      }
      program.release();
      expect(test.free.bytes).toBe(bytes);
      if (number % 7 === 0) kept.run();
    }
    runTogether(kept);
    kept.release();
    kept.release();
    expect(test.free.bytes).toBeGreaterThan(bytes);
  });

  it('are found there by workers that are started anew', async () => {
    open();
    const program = programOf(1);
    const { bytes } = test.free;
    for (let team = 0; team < 3; team++) {
      runTogether(program);
      await test.pool.close();
    }
    expect(test.free.bytes).toBe(bytes);
  });

  it('are run by the main thread alone where there is no room for them', async () => {
    open();
    await test.pool.start(3);
    test.hasRoom = false;
    const program = programOf(1);
    for (let call = 0; call < 20; call++) expect(program.run().threads).toEqual(new Set([0]));
    program.release();
    test.hasRoom = true;
    runTogether(programOf(2));
  });

  it('without loops are not put there, as other threads do not run them', () => {
    open();
    const { bytes } = test.free;
    test.pool.share({}, moduleFor(1), 0);
    expect(test.free.bytes).toBe(bytes);
  });

  it('are given back when nobody can run them any more', async () => {
    open();
    const { bytes } = test.free;
    const runOne = (): void => {
      const module = moduleFor(1);
      test.run(module, test.share(module, {}));
    };
    runOne();
    expect(test.free.bytes).toBeLessThan(bytes);
    for (let round = 0; round < 20 && test.free.bytes < bytes; round++) await collect();
    expect(test.free.bytes).toBe(bytes);
  });
});

describe('a team of workers', () => {
  it('is started ahead of a call, which then takes those that there are', () => {
    open();
    test.pool.prepare(1);
    expect(test.pool.workers).toEqual([]);
    test.pool.prepare(3);
    const workers = [...test.pool.workers];
    expect(workers).toHaveLength(2);
    test.pool.prepare(2);
    runTogether(programOf(7));
    expect(test.pool.workers).toEqual(workers);
  });

  it('is over when the pool is closed, and what it says late is not heard', async () => {
    open();
    const program = programOf(1);
    for (let team = 1; team < 6; team++) {
      expect(await test.pool.start(3)).toBe(3);
      const failure = new Int32Array(test.pool.memory.buffer, FAILURE, 1);
      failure[0] = 2 * (team - 1) + 1;
      program.run();
      // Not waited for: workers that still end must not take part in the calls that follow.
      void test.pool.close();
      expect(test.pool.workers).toEqual([]);
      program.run();
    }
  });

  it('says why a worker could not run a program', async () => {
    open();
    await test.pool.start(2);
    const module = moduleFor(1);
    const wrong = test.share(Uint8Array.of(0, 97, 115, 109, 1));
    expect(() => {
      for (let call = 0; call < 10_000; call++) test.run(module, wrong);
    }).toThrow(
      /^threads: thread 1 has failed: CompileError: WebAssembly.Module.*starts threads anew$/,
    );
  });

  it('is told of by the call after one of it has ended', async () => {
    open();
    const program = programOf(1);
    await test.pool.start(3);
    await test.pool.workers[1].terminate();
    expect(() => program.run()).toThrow('threads: thread 2 has ended by itself, with exit code 1');
    program.run();
  });

  it('is as large as was asked for', async () => {
    open();
    expect(await test.pool.start(1)).toBe(1);
    expect(test.pool.workers).toEqual([]);
    expect(await test.pool.start(4)).toBe(4);
    expect(await test.pool.start(2)).toBe(4);
  });
});

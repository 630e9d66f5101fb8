/**
 * Work sharing: how threads divide the iterations of a parallel loop, in WebAssembly. All threads
 * run the same code. The main thread leads:
 *
 *     fork      main     gives each thread a range of the iterations, and wakes those that sleep
 *     claim     all      take iterations one at a time: first from their own range, then they steal
 *                        from the ranges of others
 *     arrive    all      add the number of iterations they have completed to a counter
 *     join      main     waits until the counter has reached all iterations, and goes on
 *
 * So nobody waits for a thread that is late or busy elsewhere: the others steal its work. Which
 * thread runs an iteration changes no result.
 *
 * A range is one 64-bit word, the number of the loop and the next iteration. To claim it, a thread
 * replaces the word by its successor with compare-and-exchange, which succeeds for one thread only.
 * Loop numbers only ever grow, so a thread that comes too late finds nothing to claim. The counter
 * has the number of its loop, too: after an error the next call may begin before another thread has
 * left the loop that failed, and its iterations must not count as iterations of the new loop.
 *
 * To wait is to spin for a while, as most loops are over soon, and then to sleep until notified.
 * The main thread of a page may not sleep: if that is the one that leads, it goes on spinning.
 */
import {
  type Expression, i32, i64, memory, type Operand, type Statement, type Statements,
} from '../assembler/code.ts';
import {
  block, branch, branchIf, call, type Callable, drop, type Global, type Local, loop, set, when,
} from '../assembler/control.ts';
import type { Module } from '../assembler/module.ts';
import { CACHE_LINE } from '../common/freeList.ts';
import { WAIT_TIMEOUT_MS } from './watchdog.ts';

/** The address of the number of the current loop. Each word has a cache line to itself. */
export const LOOP: number = CACHE_LINE;
/** The address of the number of iterations that are completed, and after it that of their loop. */
export const COMPLETED: number = 2 * CACHE_LINE;
/** The address of 1 if the main thread may sleep while it waits, 0 if it may only spin. */
export const MAY_SLEEP: number = 3 * CACHE_LINE;
/** The address of the range of the first thread; those of the others follow. */
export const RANGES: number = 4 * CACHE_LINE;
/** The most threads that can share loops. */
export const MOST_THREADS = 64;
/** The address after the last range. */
export const RANGES_END: number = RANGES + CACHE_LINE * MOST_THREADS;

/** How often a waiting thread looks before it sleeps: some tenths of a millisecond. */
const SPIN_LIMIT = 200_000;
/** How long the main thread sleeps, in nanoseconds, before it asks the watchdog. */
const WAIT_TIMEOUT = BigInt(WAIT_TIMEOUT_MS) * 1_000_000n;

/** The locals of the function in which threads share loops. */
export interface Locals {
  /** The number of the thread, 0 for the main one. */
  readonly self: Local<'i32'>;
  /** The number of threads. */
  readonly threads: Local<'i32'>;
  /** The number of the loop that comes next. */
  readonly loop: Local<'i32'>;
  /** The iteration that the thread has claimed. */
  readonly iteration: Local<'i32'>;
}

/** Makes the code of a loop, which all threads run; `body` is the code of one iteration. */
export type Share = (iterations: number, locals: Locals, body: Statements) => Statements;

/** The loop that a thread is in: globals, of which each thread has its own. */
interface Current {
  /** The number of the loop, and that of its iterations. */
  readonly number: Global<'i32'>;
  readonly iterations: Global<'i32'>;
  /** The number of the thread, and that of all threads. */
  readonly self: Global<'i32'>;
  readonly threads: Global<'i32'>;
  /** How many iterations the thread has claimed; it has completed those before the latest. */
  readonly claimed: Global<'i32'>;
}

/**
 * Adds to a module the functions that parallel loops call. `watchdog` is called when the main
 * thread has waited for long.
 */
export function addWorkSharing(module: Module, watchdog: Callable<NoParameters, 'none'>): Share {
  const global = (name: string) => module.global(name, 'i32', 0);
  const current: Current = {
    number: global('number'), iterations: global('iterations'), self: global('self'),
    threads: global('threads'), claimed: global('claimed'),
  };
  const [begin, claim] = [addBegin(module, current), addClaim(module, current)];
  const end = addEnd(module, current, watchdog);
  return (iterations, { self, threads, loop: number, iteration }, body) => [
    call(begin, { number, iterations, self, threads }),
    loop('iteration', (next) => [
      set(iteration, call(claim, {})),
      when(i32.ge_s(iteration, 0), [body, branch(next)]),
    ]),
    set(number, call(end, {})),
  ];
}

/** Before a loop the main thread forks it, and the others wait for that. One thread just begins. */
function addBegin(module: Module, current: Current) {
  const [fork, awaitFork] = [addFork(module), addAwaitFork(module)];
  const parameters = { number: 'i32', iterations: 'i32', self: 'i32', threads: 'i32' } as const;
  return module.function('begin', parameters, 'none', ({ number, iterations, self, threads }) => [
    set(current.number, number),
    set(current.iterations, iterations),
    set(current.self, self),
    set(current.threads, threads),
    set(current.claimed, 0),
    when(i32.ne(threads, 1), [
      when(self, [call(awaitFork, { number })], [call(fork, { number, iterations, threads })]),
    ]),
  ]);
}

/** After a loop all threads arrive, and the main one joins them. Gives the number of the next. */
function addEnd(
  module: Module, { number, iterations, self, threads, claimed }: Current,
  watchdog: Callable<NoParameters, 'none'>,
) {
  const [arrive, join] = [addArrive(module), addJoin(module, watchdog)];
  return module.function('end', {}, 'i32', () => [
    when(i32.ne(threads, 1), [
      when(claimed, [call(arrive, { number, completed: claimed, iterations })]),
      when(i32.eqz(self), [call(join, { iterations })]),
    ]),
    i32.add(number, 1),
  ]);
}

type NoParameters = Record<string, never>;

/** The address of the range of a thread. */
function rangeOf(thread: Operand<'i32'>): Expression<'i32'> {
  return i32.add(i32.mul(thread, CACHE_LINE), RANGES);
}

/** The first iteration of a thread's range, which is the end of the range before it. */
function startOf(
  iterations: Operand<'i32'>, thread: Operand<'i32'>, threads: Operand<'i32'>,
): Expression<'i32'> {
  return i32.div_u(i32.mul(iterations, thread), threads);
}

/** The main thread gives each thread its range, and wakes those that wait for the loop. */
function addFork(module: Module) {
  const parameters = { number: 'i32', iterations: 'i32', threads: 'i32' } as const;
  return module.function('fork', parameters, 'none', ({ number, iterations, threads }, self) => {
    const thread = self.local('thread', 'i32');
    const word = (iteration: Expression<'i32'>) =>
      i64.or(i64.shl(i64.extend_i32_u(number), 32n), i64.extend_i32_u(iteration));
    return [
      i64.atomic.store(COMPLETED, word(i32.const(0))),
      loop('each', (next) => [
        i64.atomic.store(rangeOf(thread), word(startOf(iterations, thread, threads))),
        set(thread, i32.add(thread, 1)),
        branchIf(next, i32.lt_u(thread, threads)),
      ]),
      i32.atomic.store(LOOP, number),
      drop(memory.atomic.notify(LOOP, -1)),
    ];
  });
}

/** Every other thread waits until the main one has forked the loop of a number, or a later one. */
function addAwaitFork(module: Module) {
  return module.function('awaitFork', { number: 'i32' }, 'none', ({ number }, self) => {
    const [spins, current] = [self.local('spins', 'i32'), self.local('current', 'i32')];
    const isForked = i32.ge_s(i32.sub(i32.atomic.load(LOOP), number), 0);
    return [
      spinUntil(isForked, spins, [
        set(current, i32.atomic.load(LOOP)),
        when(i32.lt_s(i32.sub(current, number), 0), [
          drop(memory.atomic.wait32(LOOP, current, -1n)),
        ]),
      ]),
    ];
  });
}

/**
 * Claims an iteration from the thread's own range, or steals one; −1 if there is none left. A
 * single thread takes one after the other, which costs nothing.
 */
function addClaim(module: Module, current: Current) {
  const { number, iterations, self, threads, claimed } = current;
  return module.function('claim', {}, 'i32', (_, claim) => {
    const countOne = set(claimed, i32.add(claimed, 1));
    const [owner, iteration] = [claim.local('owner', 'i32'), claim.local('iteration', 'i32')];
    const word = claim.local('word', 'i64');
    const isOfLoop = i32.eq(i32.wrap_i64(i64.shr_u(word, 32n)), number);
    const end = startOf(iterations, i32.add(owner, 1), threads);
    const exchanged = i64.atomic.rmw.cmpxchg(rangeOf(owner), word, i64.add(word, 1n));
    return [
      when(i32.eq(threads, 1), [
        when(i32.ge_u(claimed, iterations), [claim.return(-1)]),
        countOne,
        claim.return(i32.sub(claimed, 1)),
      ]),
      set(owner, self),
      loop('each', (next) => [
        block('empty', (empty) => [
          loop('try', (again) => [
            set(word, i64.atomic.load(rangeOf(owner))),
            set(iteration, i32.wrap_i64(word)),
            branchIf(empty, i32.eqz(isOfLoop)),
            branchIf(empty, i32.ge_u(iteration, end)),
            branchIf(again, i64.ne(exchanged, word)),
            countOne,
            claim.return(iteration),
          ]),
        ]),
        set(owner, i32.add(owner, 1)),
        when(i32.eq(owner, threads), [set(owner, 0)]),
        branchIf(next, i32.ne(owner, self)),
      ]),
      -1,
    ];
  });
}

/**
 * A thread adds what it has completed to the counter, if that is still the counter of its loop; the
 * last one wakes the main thread.
 */
function addArrive(module: Module) {
  const parameters = { number: 'i32', completed: 'i32', iterations: 'i32' } as const;
  return module.function('arrive', parameters, 'none', (given, arrive) => {
    const { number, completed, iterations } = given;
    const [word, sum] = [arrive.local('word', 'i64'), arrive.local('sum', 'i64')];
    const isOfLoop = i32.eq(i32.wrap_i64(i64.shr_u(word, 32n)), number);
    const exchanged = i64.atomic.rmw.cmpxchg(COMPLETED, word, sum);
    return [
      loop('try', (again) => [
        set(word, i64.atomic.load(COMPLETED)),
        set(sum, i64.add(word, i64.extend_i32_u(completed))),
        when(isOfLoop, [
          branchIf(again, i64.ne(exchanged, word)),
          when(i32.eq(i32.wrap_i64(sum), iterations), [drop(memory.atomic.notify(COMPLETED, 1))]),
        ]),
      ]),
    ];
  });
}

/**
 * The main thread waits until all iterations are completed. It asks the watchdog after each sleep
 * that has timed out; if it may not sleep, whenever it has spun to the limit.
 */
function addJoin(module: Module, watchdog: Callable<NoParameters, 'none'>) {
  return module.function('join', { iterations: 'i32' }, 'none', ({ iterations }, self) => {
    const [spins, completed] = [self.local('spins', 'i32'), self.local('completed', 'i32')];
    const hasTimedOut = i32.eq(memory.atomic.wait32(COMPLETED, completed, WAIT_TIMEOUT), 2);
    return [
      spinUntil(i32.eq(i32.atomic.load(COMPLETED), iterations), spins, [
        set(completed, i32.atomic.load(COMPLETED)),
        when(i32.ne(completed, iterations), [
          when(i32.load(MAY_SLEEP),
            [when(hasTimedOut, [call(watchdog, {})])],
            [set(spins, 0), call(watchdog, {})]),
        ]),
      ]),
    ];
  });
}

/** Spins until a condition holds; once the limit is reached, sleeps between looks. */
function spinUntil(
  condition: Expression<'i32'>, spins: Local<'i32'>, sleep: Statements,
): Statement {
  return block('over', (over) => [
    loop('spin', (again) => [
      branchIf(over, condition),
      set(spins, i32.add(spins, 1)),
      when(i32.gt_u(spins, SPIN_LIMIT), [sleep]),
      branch(again),
    ]),
  ]);
}

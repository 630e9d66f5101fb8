/**
 * How threads share the rounds of a parallel loop, in WebAssembly. The main thread leads:
 *
 *     main     opens the loop: each thread is given a range of the rounds
 *     all      take rounds, one at a time: of their own range first, then of what others have left
 *     main     waits until all rounds are done, and goes on
 *
 * So nobody waits for a thread that is late, or busy elsewhere: the others do its share, and which
 * thread does a round changes no result. A range is one word, the number of the loop and the next
 * round; a thread takes that round by exchanging the word for the next, if it is still the same.
 * Numbers of loops only ever grow, so a thread that comes too late finds nothing to take.
 *
 * Who waits looks for a while, as all should be over soon, and then sleeps until it is woken.
 */
import {
  type Expression, i32, i64, memory, type Operand, type Statement, type Statements,
} from '../assembler/code.ts';
import {
  block, branch, branchIf, call, type Callable, drop, type Local, loop, set, when,
} from '../assembler/control.ts';
import type { Module } from '../assembler/module.ts';
import { NAP_MS } from './watchdog.ts';

/** Where the words are, each in a cache line of its own. */
export const LOOP = 64;
export const DONE = 128;
export const RANGES: number = 256;

/** At most so many threads, each with a word for its range. */
export const MOST_THREADS = 64;
export const END: number = RANGES + 64 * MOST_THREADS;

/** So often who waits looks before it sleeps: for some tenths of a millisecond. */
const LOOKS = 200_000;
/** For so many nanoseconds the main thread sleeps before it asks whether the others are alive. */
const NAP = BigInt(NAP_MS) * 1_000_000n;

/** The locals of the function in which threads share loops. */
export interface Locals {
  /** The number of the thread, 0 for the main one, and how many there are. */
  readonly self: Local<'i32'>;
  readonly threads: Local<'i32'>;
  /** The round that a thread does, and how many it has done. */
  readonly round: Local<'i32'>;
  readonly mine: Local<'i32'>;
}

/** The code of a loop, with a number of its own, for every thread: `run` does one round. */
export type Share = (
  number: Expression<'i32'>, rounds: number, locals: Locals, run: Statements,
) => Statements;

/** Adds what all loops need to a module. `watchdog` is called when the others take very long. */
export function addWorkSharing(module: Module, watchdog: Callable<NoParameters, 'none'>): Share {
  const open = addOpen(module);
  const enter = addEnter(module);
  const take = addTake(module);
  const finish = addFinish(module);
  const join = addJoin(module, watchdog);
  return (number, rounds, { self, threads, round, mine }, run) => [
    when(self, [call(enter, { number })], [call(open, { number, rounds, threads })]),
    set(mine, 0),
    block('none', (none) => [
      loop('round', (next) => [
        set(round, call(take, { number, rounds, self, threads })),
        branchIf(none, i32.lt_s(round, 0)),
        run,
        set(mine, i32.add(mine, 1)),
        branch(next),
      ]),
    ]),
    when(mine, [call(finish, { mine, rounds })]),
    when(i32.eqz(self), [call(join, { rounds })]),
  ];
}

type NoParameters = Record<string, never>;

/** Where the word of a thread's range is. */
function rangeOf(thread: Operand<'i32'>): Expression<'i32'> {
  return i32.add(i32.mul(thread, 64), RANGES);
}

/** The first round of a thread's range, where that of the thread before it ends. */
function startOf(
  rounds: Operand<'i32'>, thread: Operand<'i32'>, threads: Operand<'i32'>,
): Expression<'i32'> {
  return i32.div_u(i32.mul(rounds, thread), threads);
}

/** The main thread gives each thread its range, and wakes those that wait for the loop. */
function addOpen(module: Module) {
  const parameters = { number: 'i32', rounds: 'i32', threads: 'i32' } as const;
  return module.function('open', parameters, 'none', ({ number, rounds, threads }, self) => {
    const thread = self.local('thread', 'i32');
    const word = (round: Expression<'i32'>) =>
      i64.or(i64.shl(i64.extend_i32_u(number), 32n), i64.extend_i32_u(round));
    return [
      i32.atomic.store(DONE, 0),
      loop('each', (next) => [
        i64.atomic.store(rangeOf(thread), word(startOf(rounds, thread, threads))),
        set(thread, i32.add(thread, 1)),
        branchIf(next, i32.lt_u(thread, threads)),
      ]),
      i32.atomic.store(LOOP, number),
      drop(memory.atomic.notify(LOOP, -1)),
    ];
  });
}

/** Another thread waits until the loop is open. */
function addEnter(module: Module) {
  return module.function('enter', { number: 'i32' }, 'none', ({ number }, self) => {
    const [looks, now] = [self.local('looks', 'i32'), self.local('now', 'i32')];
    const isOpen = i32.ge_s(i32.sub(i32.atomic.load(LOOP), number), 0);
    return [
      until(isOpen, looks, [
        set(now, i32.atomic.load(LOOP)),
        when(i32.lt_s(i32.sub(now, number), 0), [
          drop(memory.atomic.wait32(LOOP, now, -1n)),
        ]),
      ]),
    ];
  });
}

/** The next round for a thread, from its own range or another's; −1 if there is none left. */
function addTake(module: Module) {
  const parameters = { number: 'i32', rounds: 'i32', self: 'i32', threads: 'i32' } as const;
  return module.function('take', parameters, 'i32', ({ number, rounds, self, threads }, own) => {
    const [whose, round] = [own.local('whose', 'i32'), own.local('round', 'i32')];
    const word = own.local('word', 'i64');
    const isOfLoop = i32.eq(i32.wrap_i64(i64.shr_u(word, 32n)), number);
    const end = startOf(rounds, i32.add(whose, 1), threads);
    const swapped = i64.atomic.rmw.cmpxchg(rangeOf(whose), word, i64.add(word, 1n));
    return [
      set(whose, self),
      loop('each', (next) => [
        block('empty', (empty) => [
          loop('try', (again) => [
            set(word, i64.atomic.load(rangeOf(whose))),
            set(round, i32.wrap_i64(word)),
            branchIf(empty, i32.eqz(isOfLoop)),
            branchIf(empty, i32.ge_u(round, end)),
            branchIf(again, i64.ne(swapped, word)),
            own.return(round),
          ]),
        ]),
        set(whose, i32.add(whose, 1)),
        when(i32.eq(whose, threads), [set(whose, 0)]),
        branchIf(next, i32.ne(whose, self)),
      ]),
      -1,
    ];
  });
}

/** A thread says how many rounds it has done; if no other is left, it wakes the main thread. */
function addFinish(module: Module) {
  const parameters = { mine: 'i32', rounds: 'i32' } as const;
  return module.function('finish', parameters, 'none', ({ mine, rounds }) => [
    when(i32.eq(i32.add(i32.atomic.rmw.add(DONE, mine), mine), rounds), [
      drop(memory.atomic.notify(DONE, 1)),
    ]),
  ]);
}

/** The main thread waits until all rounds are done. */
function addJoin(module: Module, watchdog: Callable<NoParameters, 'none'>) {
  return module.function('join', { rounds: 'i32' }, 'none', ({ rounds }, self) => {
    const [looks, done] = [self.local('looks', 'i32'), self.local('done', 'i32')];
    const timedOut = i32.eq(memory.atomic.wait32(DONE, done, NAP), 2);
    return [
      until(i32.eq(i32.atomic.load(DONE), rounds), looks, [
        set(done, i32.atomic.load(DONE)),
        when(i32.ne(done, rounds), [when(timedOut, [call(watchdog, {})])]),
      ]),
    ];
  });
}

/** Looks until something holds, and after a while does something else between looks. */
function until(holds: Expression<'i32'>, looks: Local<'i32'>, sleep: Statements): Statement {
  return block('over', (over) => [
    loop('look', (again) => [
      branchIf(over, holds),
      set(looks, i32.add(looks, 1)),
      when(i32.gt_u(looks, LOOKS), [sleep]),
      branch(again),
    ]),
  ]);
}

/**
 * A thread pool on a memory of its own, and small programs for it: in each iteration of a loop a
 * thread leaves a number, and how often the iteration was run.
 */
import {
  addWorkSharing, at, branchIf, compileModule, createMemory, FreeList, i32, instantiate, type Local,
  loop,
  MAX_PAGES, Module, PAGE_BYTES, RESERVED_BYTES, set, type Statements, unreachable, when,
} from '@mambagrad/wasm';
import { expect } from 'vitest';
import type { SharedProgram, ThreadPool } from '../../packages/wasm/src/threads/threads.ts';

const PAGES = 16;
/** The bytes of results: two words for each iteration. */
const ARENA_BYTES = 8192;
const ITERATIONS = ARENA_BYTES / 8;
/** The bytes that programs have beside their results. */
const OWN_BYTES = 64;

/** What the threads of a program do beside leaving their numbers. */
export interface Behaviour {
  /** How long an iteration takes, in rounds of a loop that does nothing. Default 100. */
  readonly rounds?: number;
  /** Whether every thread but the main one traps. Default false. */
  readonly traps?: boolean;
  /**
   * Does more at the end of an iteration, given the number of the thread, and the address of
   * `OWN_BYTES` that are 0 before a run. Default: nothing.
   */
  readonly more?: (given: Readonly<Record<'self' | 'own', Local<'i32'>>>) => Statements;
}

/** The bytes of a program that leaves `number`. */
export function moduleFor(
  number: number, { rounds = 100, traps = false, more = () => [] }: Behaviour = {},
) {
  const module = new Module();
  module.importMemory('host', 'memory', { min: 0, max: MAX_PAGES, shared: true });
  const share = addWorkSharing(module, module.importFunction('host', 'watchdog', {}, 'none'));
  const parameters = {
    arena: 'i32', own: 'i32', self: 'i32', threads: 'i32', loop: 'i32',
  } as const;
  module.export(module.function('run', parameters, 'none', (given, { local }) => {
    const iteration = local('iteration', 'i32');
    const round = local('round', 'i32');
    const place = i32.add(given.arena, i32.mul(iteration, 8));
    const body: Statements = [
      set(round, 0),
      loop('rounds', (again) => [
        set(round, i32.add(round, 1)),
        branchIf(again, i32.lt_u(round, rounds)),
      ]),
      traps ? [when(given.self, [unreachable])] : [],
      i32.store(place, i32.add(given.self, number * 100)),
      i32.store(at(place, 4), i32.add(i32.load(at(place, 4)), 1)),
      more(given),
    ];
    return share(ITERATIONS, { ...given, iteration }, body);
  }));
  return module.bytes();
}

/** What a run left. */
export interface Found {
  /** The number that each iteration left. */
  readonly numbers: readonly number[];
  /** The threads that have run some. */
  readonly threads: ReadonlySet<number>;
}

/** A pool with an allocator, and what is needed to run programs on it. */
export class TestPool {
  readonly pool: ThreadPool;
  readonly free = new FreeList(RESERVED_BYTES, PAGES * PAGE_BYTES);
  /** Whether there is room for programs. */
  hasRoom = true;
  readonly #arena: number;
  readonly #own: number;

  constructor(Pool: typeof ThreadPool) {
    const { memory } = createMemory(true);
    memory.grow(PAGES - 1);
    this.pool = new Pool(memory, (bytes) => {
      if (!this.hasRoom) throw new Error('there is no room');
      return this.#place(bytes);
    });
    this.#arena = this.#place(ARENA_BYTES).start;
    this.#own = this.#place(OWN_BYTES).start;
  }

  /** The words that programs have beside their results. */
  get own(): Int32Array {
    return new Int32Array(this.pool.memory.buffer, this.#own, OWN_BYTES / 4);
  }

  #place(bytes: number) {
    const start = this.free.allocate(bytes);
    if (start === undefined) throw new Error('the memory of the test is too small');
    // What is freed is spoilt, for whoever reads it late.
    const free = (): void => {
      new Uint8Array(this.pool.memory.buffer, start, bytes).fill(0xa5);
      this.free.free(start, bytes);
    };
    return { start, free };
  }

  /** Registers a program of the bytes of a module. */
  share(module: Uint8Array, owner: object = this): SharedProgram {
    return this.pool.share(owner, module, 1);
  }

  /** Runs a program once, and checks that each iteration was run once. */
  run(module: Uint8Array, program: SharedProgram, threads = 3): Found {
    const { memory, watchdog } = this.pool;
    const words = new Int32Array(memory.buffer, this.#arena, ARENA_BYTES / 4).fill(0);
    const host = { memory, watchdog };
    type Run = (arena: number, own: number, self: number, threads: number, loop: number) => void;
    const { run } = instantiate<{ run: Run }>(compileModule(module), { host });
    this.own.fill(0);
    const [arena, own] = [this.#arena, this.#own];
    const call = { arena, own, stride: 0, threads };
    this.pool.run(program, call, (number) => run(arena, own, 0, threads, number));
    expect(words.filter((_, i) => i % 2 === 1).every((count) => count === 1)).toBe(true);
    const left = Array.from(words).filter((_, i) => i % 2 === 0);
    return {
      numbers: left.map((word) => Math.floor(word / 100)),
      threads: new Set(left.map((word) => word % 100)),
    };
  }
}

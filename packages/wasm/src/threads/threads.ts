/**
 * The thread pool: workers that help the main thread. Each has the same memory and the same
 * modules. It waits until the main thread starts a program, then runs the same code and shares the
 * parallel loops in it (share.ts). Between programs it spins for a while, then sleeps.
 *
 * Workers are started when a program first needs them, and never keep the process alive. If one
 * dies, the call that notices throws, and the next call starts new ones.
 */
import { CACHE_LINE } from '../common/freeList.ts';
import type { HostMemory } from '../common/host.ts';
import { checkArgument, whole } from '../common/options.ts';
import { COMPLETED, LOOP, MOST_THREADS, RANGES_END } from './share.ts';
import { Watchdog } from './watchdog.ts';

/** The parts of Node that are used; the packages are compiled against the language alone. */
interface Port {
  postMessage(message: unknown): void;
}

interface NodeWorker {
  unref(): void;
  on(event: 'exit' | 'error', listener: (what: unknown) => void): void;
  terminate(): Promise<unknown>;
}

interface Node {
  readonly worker_threads: {
    readonly Worker: new (code: string, options: object) => NodeWorker;
    readonly MessageChannel: new () => { readonly port1: Port; readonly port2: Port };
    receiveMessageOnPort(port: Port): { readonly message: string } | undefined;
  };
  readonly os: { availableParallelism(): number };
  readonly fs: { readFileSync(path: string, encoding: 'utf8'): string };
}

/** A module of Node, if this is Node. */
function builtin<Name extends keyof Node>(name: Name): Node[Name] | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): Node[Name] | undefined };
  };
  return process?.getBuiltinModule?.(`node:${name}`);
}

/** The address space that we need to start threads: 32 GiB, since one memory may reserve 10. */
const LEAST_ADDRESS_SPACE = 2 ** 35;

/** Whether the address space is limited (`ulimit -v`): a worker that gets none ends the process. */
function isAddressSpaceLimited(): boolean {
  try {
    const limits = builtin('fs')?.readFileSync('/proc/self/limits', 'utf8') ?? '';
    return Number(/^Max address space +(\d+)/m.exec(limits)?.[1] ?? Infinity) < LEAST_ADDRESS_SPACE;
  } catch {
    // Not Linux, or the file may not be read.
    return false;
  }
}

/** The number of cores, or 1 where there can be no other threads. */
function countCores(): number {
  if (typeof SharedArrayBuffer !== 'function' || !builtin('worker_threads')) return 1;
  if (isAddressSpaceLimited()) return 1;
  return Math.min(builtin('os')?.availableParallelism() ?? 1, MOST_THREADS);
}

let cores: number | undefined;
let defaultCount: number | undefined;

/**
 * Sets the number of threads of compiled functions that have no `threads` option; undefined stands
 * for one for each core. Throws if the count is not a whole number from 1.
 */
export function setThreads(count: number | undefined): void {
  if (count !== undefined) checkArgument('setThreads', 'count', count, whole(1));
  defaultCount = count;
}

/** The number of threads to use, given the number that is asked for, which may be too many. */
export function threadCountFor(count: number | undefined = defaultCount): number {
  const most = (cores ??= countCores());
  return count === undefined || most === 1 ? most : Math.min(count, MOST_THREADS);
}

/** The address of the message to all threads when a program starts, after the words of share.ts. */
const MESSAGE = RANGES_END;
/** The words of the message, in order. The epoch grows by two with each message. */
const messageWords = ['epoch', 'program', 'arena', 'own', 'stride', 'threads', 'loop'] as const;
type MessageWord = (typeof messageWords)[number];
/** The bytes at the start of the memory that threads need for themselves. */
export const RESERVED_BYTES: number = MESSAGE + CACHE_LINE;

/**
 * A call of a program: the addresses of its arena and of the first thread's local memory, how many
 * bytes each thread has there, and the number of threads.
 */
export type Call = Readonly<Record<Exclude<MessageWord, 'epoch' | 'program' | 'loop'>, number>>;

/**
 * The code of a worker, as text, so that it can be started wherever this file lies. While the epoch
 * is odd the message is being written.
 */
const WORKER = `
  const { receiveMessageOnPort, workerData } = require('node:worker_threads');
  const { memory, port, self, at, count } = workerData;
  const words = new Int32Array(memory.buffer, at, count);
  const imports = { host: { memory, reference() {}, watchdog() {}, watch() {} } };
  const programs = new Map();
  let seen = 0;
  for (;;) {
    let epoch;
    for (let spins = 0; (epoch = Atomics.load(words, 0)) === seen || epoch % 2 !== 0; spins++) {
      if (spins > 20000) Atomics.wait(words, 0, epoch);
    }
    const [, program, arena, own, stride, threads, loop] = words.map((_, i) => (
      Atomics.load(words, i)
    ));
    if (Atomics.load(words, 0) !== epoch) continue;
    seen = epoch;
    try {
      for (let next; (next = receiveMessageOnPort(port)); ) {
        const { number, module } = next.message;
        if (module === undefined) programs.delete(number);
        else programs.set(number, new WebAssembly.Instance(module, imports).exports.run);
      }
      if (self < threads) {
        programs.get(program)?.(arena, own + self * stride, self, threads, loop);
      }
    } catch (error) {
      port.postMessage(String(error));
    }
  }
`;

interface Helper {
  readonly worker: NodeWorker;
  readonly port: Port;
  /** The numbers of the programs that it has the modules of. */
  readonly known: Set<number>;
}

/** A program that all threads run together. */
export interface SharedProgram {
  /** The number that tells threads which program to run. */
  readonly number: number;
  /** The compiled module, whose `run` each thread calls. */
  readonly module: object;
  /** The number of parallel loops in it. */
  readonly loops: number;
}

/** The workers that share one memory with the main thread. */
export class ThreadPool {
  /** The shared memory; its first `RESERVED_BYTES` belong to the pool. */
  readonly memory: HostMemory;
  readonly #words: Int32Array;
  #helpers: Helper[] = [];
  #isRefused = false;
  /** The reason why a worker has failed. */
  #problem: string | undefined;
  readonly #watchdog = new Watchdog();
  #programs = 0;
  readonly #registry = new FinalizationRegistry<number>((number) => this.#forget(number));

  constructor(memory: HostMemory) {
    this.memory = memory;
    this.#words = new Int32Array(memory.buffer, 0, RESERVED_BYTES / 4);
  }

  /** The workers that are running. */
  get workers(): readonly NodeWorker[] {
    return this.#helpers.map(({ worker }) => worker);
  }

  /** Registers a program, until it is released or `owner` is not reachable any more. */
  share(owner: object, module: object, loops: number): SharedProgram {
    const program = { number: (this.#programs += 1), module, loops };
    this.#registry.register(owner, program.number, program);
    return program;
  }

  /** Lets the workers drop the module of a program, which is run no more. */
  release(program: SharedProgram): void {
    this.#registry.unregister(program);
    this.#forget(program.number);
  }

  #forget(number: number): void {
    for (const { port, known } of this.#helpers) {
      if (known.delete(number)) port.postMessage({ number });
    }
  }

  /**
   * Runs a program on all threads: `run` is called on this one with the number of the first loop.
   * Throws if a worker has failed.
   */
  run(program: SharedProgram, call: Call, run: (loop: number) => void): void {
    this.#requireHealth();
    this.#start(call.threads - 1);
    for (const { port, known } of this.#helpers.slice(0, call.threads - 1)) {
      if (known.has(program.number)) continue;
      known.add(program.number);
      port.postMessage({ number: program.number, module: program.module });
    }
    const loop = (Atomics.load(this.#words, LOOP / 4) + 1) | 0;
    this.#send({ ...call, program: program.number, loop });
    try {
      run(loop);
    } catch (error) {
      // Threads that wait for a loop of this call must not wait forever.
      Atomics.store(this.#words, LOOP / 4, (loop + program.loops) | 0);
      Atomics.notify(this.#words, LOOP / 4);
      throw error;
    }
  }

  /** Writes the message to the workers, which spin on its epoch or sleep. */
  #send(message: Readonly<Record<Exclude<MessageWord, 'epoch'>, number>>): void {
    const at = (name: MessageWord): number => MESSAGE / 4 + messageWords.indexOf(name);
    Atomics.add(this.#words, at('epoch'), 1);
    for (const name of messageWords) {
      if (name !== 'epoch') Atomics.store(this.#words, at(name), message[name]);
    }
    Atomics.add(this.#words, at('epoch'), 1);
    Atomics.notify(this.#words, at('epoch'));
  }

  /** Called when the main thread has been waiting for others: throws if that is in vain. */
  readonly watchdog = (): void => {
    const progress = [LOOP, COMPLETED].map((at) => Atomics.load(this.#words, at / 4)).join();
    if (this.#watchdog.hasExpired(progress)) this.#problem ??= 'a thread no longer answers';
    this.#requireHealth(' in the middle of it; what the call assigns to may be half changed');
  };

  /** Throws if a worker has died, or has reported an error. */
  #requireHealth(when = ''): void {
    this.#helpers.forEach(({ port }, i) => {
      const message = builtin('worker_threads')?.receiveMessageOnPort(port)?.message;
      if (message !== undefined) this.#problem = `thread ${i + 1} has failed: ${message}`;
    });
    if (this.#problem === undefined) return;
    const problem = this.#problem;
    void this.close();
    throw new Error(`threads: ${problem}${when}; the next call starts threads anew`);
  }

  #start(count: number): void {
    const node = builtin('worker_threads');
    if (node === undefined || this.#isRefused) return;
    while (this.#helpers.length < count) {
      const { port1: port, port2 } = new node.MessageChannel();
      const self = this.#helpers.length + 1;
      const message = { at: MESSAGE, count: messageWords.length };
      const workerData = { memory: this.memory, port: port2, self, ...message };
      const options = { eval: true, workerData, transferList: [port2], execArgv: [] };
      let worker: NodeWorker;
      try {
        worker = new node.Worker(WORKER, options);
      } catch {
        // The process may not be allowed to have threads: the main one then works alone.
        this.#isRefused = true;
        return;
      }
      const helper = { worker, port, known: new Set<number>() };
      this.#helpers.push(helper);
      worker.unref();
      const note = (problem: string): void => {
        if (this.#helpers.includes(helper)) this.#problem ??= `thread ${self} ${problem}`;
      };
      worker.on('error', (error) => note(`has failed: ${String(error)}`));
      worker.on('exit', (code) => note(`has ended by itself, with exit code ${String(code)}`));
    }
  }

  /** Terminates all workers. */
  async close(): Promise<void> {
    const ending = this.#helpers;
    [this.#helpers, this.#problem] = [[], undefined];
    await Promise.all(ending.map(({ worker }) => worker.terminate()));
  }
}

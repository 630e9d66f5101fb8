/**
 * The threads that help the main one. Each is a worker that has the same memory and the same
 * modules; it waits until the main thread starts a program, runs the same code as that does, and
 * shares the loops in it (share.ts). Between programs it looks for the next one for a while, then
 * sleeps.
 *
 * Threads are started when a program first wants them, and never keep the process alive. When one
 * dies, the call that notices throws, and the next starts threads anew.
 */
import type { HostMemory } from '../common/host.ts';
import { checkArgument, whole } from '../common/options.ts';
import { Watchdog } from './watchdog.ts';
import { DONE, END, LOOP, MOST_THREADS } from './share.ts';

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

/** With less than this, 32 GiB, addresses are few: a memory alone may take 10. */
const FEW_ADDRESSES = 2 ** 35;

/** Whether addresses are few (`ulimit -v`): a thread for which there are none ends the process. */
function hasFewAddresses(): boolean {
  try {
    const limits = builtin('fs')?.readFileSync('/proc/self/limits', 'utf8') ?? '';
    return Number(/^Max address space +(\d+)/m.exec(limits)?.[1] ?? Infinity) < FEW_ADDRESSES;
  } catch {
    // No Linux, or it may not be read.
    return false;
  }
}

/** One for each core, or one where more cannot be had. */
function countCores(): number {
  if (typeof SharedArrayBuffer !== 'function' || !builtin('worker_threads')) return 1;
  if (hasFewAddresses()) return 1;
  return Math.min(builtin('os')?.availableParallelism() ?? 1, MOST_THREADS);
}

let cores: number | undefined;
let usual: number | undefined;

/**
 * How many threads compiled functions use that do not say so themselves; undefined: as many as
 * there are cores. Throws if it is no whole number from 1.
 */
export function setThreads(count: number | undefined): void {
  if (count !== undefined) checkArgument('setThreads', 'count', count, whole(1));
  usual = count;
}

/** How many threads to use, if so many are asked for: no more than there can be. */
export function threadCountFor(count: number | undefined = usual): number {
  const most = (cores ??= countCores());
  return count === undefined || most === 1 ? most : Math.min(count, MOST_THREADS);
}

/** What threads are told when a program starts: words behind those by which they share loops. */
const CALL = END;
const words = ['epoch', 'program', 'arena', 'own', 'stride', 'threads', 'loop'] as const;
type Told = Readonly<Record<(typeof words)[number], number>>;
/** What is below belongs to nobody else. */
export const RESERVED_BYTES: number = CALL + 64;

/** What a call needs to be told: without the epoch, which grows by two with each call. */
export type Call = Omit<Told, 'epoch' | 'program' | 'loop'>;

/**
 * What a thread does, as text: it is started from that alone, wherever this file lies. While the
 * epoch is odd the words are being changed.
 */
const WORK = `
  const { receiveMessageOnPort, workerData } = require('node:worker_threads');
  const { memory, port, self, at, count } = workerData;
  const words = new Int32Array(memory.buffer, at, count);
  const imports = { host: { memory, reference() {}, watchdog() {}, watch() {} } };
  const programs = new Map();
  let seen = 0;
  for (;;) {
    let epoch;
    for (let looks = 0; (epoch = Atomics.load(words, 0)) === seen || epoch % 2 !== 0; looks++) {
      if (looks > 20000) Atomics.wait(words, 0, epoch);
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
  /** The programs that it knows. */
  readonly known: Set<number>;
}

/** A program that threads can run together. */
export interface SharedProgram {
  /** By this number threads are told which program to run. */
  readonly number: number;
  /** The compiled module, whose `run` each thread calls. */
  readonly module: object;
  /** How many loops it shares. */
  readonly loops: number;
}

/** The threads that use one memory. */
export class ThreadPool {
  /** The shared memory, whose first `RESERVED_BYTES` bytes are theirs. */
  readonly memory: HostMemory;
  readonly #words: Int32Array;
  #helpers: Helper[] = [];
  #isRefused = false;
  /** What has happened to a thread. */
  #problem: string | undefined;
  readonly #watchdog = new Watchdog();
  #programs = 0;
  readonly #registry = new FinalizationRegistry<number>((number) => {
    for (const { port, known } of this.#helpers) {
      if (known.delete(number)) port.postMessage({ number });
    }
  });

  constructor(memory: HostMemory) {
    this.memory = memory;
    this.#words = new Int32Array(memory.buffer, 0, RESERVED_BYTES / 4);
  }

  /** The workers that run, for those who watch over them. */
  get workers(): readonly NodeWorker[] {
    return this.#helpers.map(({ worker }) => worker);
  }

  /** A program as one that can be shared, for as long as `owner` lives. */
  share(owner: object, module: object, loops: number): SharedProgram {
    const number = (this.#programs += 1);
    this.#registry.register(owner, number);
    return { number, module, loops };
  }

  /** Runs a program: `run` on this thread, given the number of its first loop. */
  run(program: SharedProgram, call: Call, run: (loop: number) => void): void {
    this.#requireHealth();
    this.#start(call.threads - 1);
    for (const { port, known } of this.#helpers.slice(0, call.threads - 1)) {
      if (known.has(program.number)) continue;
      known.add(program.number);
      port.postMessage({ number: program.number, module: program.module });
    }
    const at = (name: (typeof words)[number]) => CALL / 4 + words.indexOf(name);
    const loop = (Atomics.load(this.#words, LOOP / 4) + 1) | 0;
    const told: Omit<Told, 'epoch'> = { ...call, program: program.number, loop };
    Atomics.add(this.#words, at('epoch'), 1);
    for (const name of words) {
      if (name !== 'epoch') Atomics.store(this.#words, at(name), told[name]);
    }
    Atomics.add(this.#words, at('epoch'), 1);
    Atomics.notify(this.#words, at('epoch'));
    try {
      run(loop);
    } catch (error) {
      // Threads that wait for a loop of this call must not wait for ever.
      Atomics.store(this.#words, LOOP / 4, (loop + program.loops) | 0);
      Atomics.notify(this.#words, LOOP / 4);
      throw error;
    }
  }

  /** Called when the main thread has been waiting for the others: throws if that is in vain. */
  readonly watchdog = (): void => {
    const progress = [LOOP, DONE].map((at) => Atomics.load(this.#words, at / 4)).join();
    if (this.#watchdog.hasExpired(progress)) this.#problem ??= 'a thread no longer answers';
    this.#requireHealth(' in the middle of it; what the call assigns to may be half changed');
  };

  /** Throws if a thread has died, or says that it has failed. */
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
      const given = { memory: this.memory, port: port2, self, at: CALL, count: words.length };
      const options = { eval: true, workerData: given, transferList: [port2], execArgv: [] };
      let worker: NodeWorker;
      try {
        worker = new node.Worker(WORK, options);
      } catch {
        // A process may be forbidden to have threads: the main one does all by itself, then.
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

  /** Ends all threads. */
  async close(): Promise<void> {
    const ending = this.#helpers;
    [this.#helpers, this.#problem] = [[], undefined];
    await Promise.all(ending.map(({ worker }) => worker.terminate()));
  }
}

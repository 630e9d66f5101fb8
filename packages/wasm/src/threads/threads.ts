/**
 * The thread pool: workers that help the main thread. Each has the same memory and the same
 * programs. It waits until the main thread starts a program, then runs the same code and shares the
 * parallel loops in it (share.ts). All that they tell each other is in memory (words.ts).
 *
 * Workers are started when a program first needs them, or a little before, and never keep the
 * process alive. They are not waited for until they are up. If one dies, the call that notices
 * throws, and the next call starts new ones.
 */
import type { HostMemory } from '../common/host.ts';
import { now, sleep } from '../common/platform.ts';
import { refuseThreads, whyOneThread } from './count.ts';
import { COMPLETED, LOOP, MAY_SLEEP, RANGES, RANGES_END } from './share.ts';
import { WAIT_TIMEOUT_MS, Watchdog } from './watchdog.ts';
import {
  FAILURE, HEADER_BYTES, MESSAGE, messageWords, RESERVED_BYTES, RUNNING, UP,
} from './words.ts';
import { type Started, startWorker } from './worker.ts';

/**
 * A call of a program: the addresses of its arena and of the first thread's local memory, how many
 * bytes each thread has there, and the number of threads.
 */
export type Call = Readonly<Record<'arena' | 'own' | 'stride' | 'threads', number>>;

/** A place in the shared memory, until it is freed. */
export interface Place {
  /** Where it starts, in bytes; a multiple of 4. */
  readonly start: number;
  /** Frees it. */
  free(): void;
}

/** A program that all threads run together. */
export interface SharedProgram {
  /** The number that tells threads which program to run. */
  readonly number: number;
  /** How many bytes its module has, whose `run` each thread calls. */
  readonly bytes: number;
  /** The number of parallel loops in it. */
  readonly loops: number;
}

/** The words of a message that asks for no program. */
const NO_CALL: readonly number[] = messageWords.slice(3).map(() => 0);

/** The reason why a worker is taken for dead. */
const NO_ANSWER = 'a thread no longer answers';

/** Whether this thread may sleep: the main thread of a page may not. Found by trying. */
function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}

/** The workers that share one memory with the main thread. */
export class ThreadPool {
  /** The shared memory; its first `RESERVED_BYTES` belong to the pool. */
  readonly memory: HostMemory;
  readonly #allocate: (bytes: number) => Place;
  readonly #words: Int32Array;
  #workers: Started[] = [];
  /** The number of this team of workers; see words.ts. */
  #team = 1;
  /** The reason why a worker has failed. */
  #problem: string | undefined;
  readonly #watchdog = new Watchdog();
  #lastAsk = 0;
  #programs = 0;
  /** Where programs are in memory, by their numbers. */
  readonly #places = new Map<number, Place>();
  #drops = 0;
  readonly #registry = new FinalizationRegistry<number>((number) => this.#drop(number));

  /** `allocate` gives places in the memory, for programs; it throws if there is no room. */
  constructor(memory: HostMemory, allocate: (bytes: number) => Place) {
    this.memory = memory;
    this.#allocate = allocate;
    this.#words = new Int32Array(memory.buffer, 0, RESERVED_BYTES / 4);
    this.#words[MAY_SLEEP / 4] = Number(maySleep());
  }

  /** The workers that were started. */
  get workers(): readonly Started[] {
    return this.#workers;
  }

  /**
   * Registers a program, of which `module` has the bytes, until it is released or `owner` is not
   * reachable any more. It is put into memory at once, not in a call: then the arena of the call
   * lies there already, and what follows it keeps it from growing.
   */
  share(owner: object, module: Uint8Array, loops: number): SharedProgram {
    const program = { number: (this.#programs += 1), bytes: module.length, loops };
    this.#registry.register(owner, program.number, program);
    if (loops > 0 && whyOneThread() === undefined) this.#place(program.number, module);
    return program;
  }

  /** Puts a program into memory. Where there is no room, this thread will run it alone. */
  #place(number: number, module: Uint8Array): void {
    let place: Place;
    try {
      place = this.#allocate(HEADER_BYTES + module.length);
    } catch {
      return;
    }
    const { buffer } = this.memory;
    new Uint8Array(buffer, place.start + HEADER_BYTES, module.length).set(module);
    Atomics.store(new Int32Array(buffer, place.start, 1), 0, number);
    this.#places.set(number, place);
  }

  /** Lets the workers drop a program, which is run no more. */
  release(program: SharedProgram): void {
    this.#registry.unregister(program);
    this.#drop(program.number);
  }

  /** Gives back the place of a program, once no worker can take what is there for its code. */
  #drop(number: number): void {
    const place = this.#places.get(number);
    if (place === undefined) return;
    this.#places.delete(number);
    Atomics.store(new Int32Array(this.memory.buffer, place.start, 1), 0, 0);
    this.#drops = (this.#drops + 1) | 0;
    this.#send();
    place.free();
  }

  /**
   * Runs a program on all threads: `run` is called on this one with the number of the first loop.
   * Throws if a worker has failed. If it throws, no thread is in the program any more.
   */
  run(program: SharedProgram, call: Call, run: (loop: number) => void): void {
    this.#requireHealth();
    this.prepare(call.threads);
    const loop = (Atomics.load(this.#words, LOOP / 4) + 1) | 0;
    const { number, bytes } = program;
    const place = this.#places.get(number);
    // Without a message this thread does all iterations itself.
    if (place !== undefined && this.#workers.length > 0) {
      const { arena, own, stride, threads } = call;
      this.#send([number, place.start, bytes, arena, own, stride, threads, loop]);
    }
    try {
      run(loop);
    } catch (error) {
      this.#giveUp(loop + program.loops);
      throw error;
    }
  }

  /**
   * Ends a call that has thrown, whose loops come before the number `next`: no thread begins one of
   * its iterations any more. Those that are in one write to memory which another call may use as
   * soon as this one is over, so they are waited for.
   */
  #giveUp(next: number): void {
    for (let at = RANGES; at < RANGES_END; at += 4) Atomics.store(this.#words, at / 4, 0);
    // Threads that wait for a loop of this call must not wait forever.
    Atomics.store(this.#words, LOOP / 4, next | 0);
    Atomics.notify(this.#words, LOOP / 4);
    for (let i = 0; i < this.#workers.length && this.#problem !== NO_ANSWER; i++) {
      this.#awaitEnd(RUNNING / 4 + i);
    }
    if (this.#problem !== undefined) void this.close();
  }

  /** Waits until the worker with this word is in no program, unless it has died there. */
  #awaitEnd(word: number): void {
    const words = this.#words;
    while (Atomics.load(words, word) === this.#team) {
      if (words[MAY_SLEEP / 4] !== 0) Atomics.wait(words, word, this.#team, WAIT_TIMEOUT_MS);
      if (this.#isInVain(`end of ${word}`)) {
        this.#problem = NO_ANSWER;
        return;
      }
    }
  }

  /**
   * Writes a message to the workers, which spin on its epoch or sleep: the words from the program
   * on, in the order of `messageWords`. Without a program no worker runs anything: it only notes
   * what was dropped, or that its team has been closed.
   */
  #send(call: readonly number[] = NO_CALL): void {
    const [words, epoch] = [this.#words, MESSAGE / 4];
    Atomics.add(words, epoch, 1);
    Atomics.store(words, epoch + 1, this.#team);
    Atomics.store(words, epoch + 2, this.#drops);
    for (let i = 0; i < call.length; i++) Atomics.store(words, epoch + 3 + i, call[i]);
    Atomics.add(words, epoch, 1);
    Atomics.notify(words, epoch);
  }

  /** Called when the main thread has been waiting for others: throws if that is in vain. */
  readonly watchdog = (): void => {
    const progress = [LOOP, COMPLETED].map((at) => Atomics.load(this.#words, at / 4)).join();
    if (this.#isInVain(progress)) this.#problem ??= NO_ANSWER;
    // The workers are ended when the call has been given up: some may be in an iteration still.
    const when = ' in the middle of it; what the call assigns to may be half changed';
    const error = this.#failure(when);
    if (error !== undefined) throw error;
  };

  /**
   * Whether waiting is in vain, if `progress` is as it was. A thread that spins asks more often
   * than one that sleeps in between, which must not make the watchdog impatient.
   */
  #isInVain(progress: string): boolean {
    if (this.#words[MAY_SLEEP / 4] === 0) {
      const time = now();
      if (time - this.#lastAsk < WAIT_TIMEOUT_MS) return false;
      this.#lastAsk = time;
    }
    return this.#watchdog.hasExpired(progress);
  }

  /** The error that says why a worker has died, or has failed; undefined if none has. */
  #failure(when: string): Error | undefined {
    if (Atomics.load(this.#words, FAILURE / 4) === 2 * this.#team + 1) {
      const length = Atomics.load(this.#words, FAILURE / 4 + 1);
      const text = new Uint16Array(this.memory.buffer, FAILURE + 8, length);
      this.#problem = String.fromCharCode(...text);
    }
    if (this.#problem === undefined) return undefined;
    return new Error(`threads: ${this.#problem}${when}; the next call starts threads anew`);
  }

  /** Throws if a worker has died, or has failed; then the others are ended. */
  #requireHealth(): void {
    const error = this.#failure('');
    if (error === undefined) return;
    void this.close();
    throw error;
  }

  /**
   * Starts the workers for a number of threads, this one included, and does not wait until they are
   * up. A call does so by itself; what is known to call soon can do it before.
   */
  prepare(threads: number): void {
    const count = threads - 1;
    if (this.#workers.length >= count || whyOneThread() !== undefined) return;
    const team = this.#team;
    const refuse = (reason: string): void => {
      refuseThreads(reason);
      void this.close();
    };
    try {
      while (this.#workers.length < count) {
        const self = this.#workers.length + 1;
        const worker = startWorker({ memory: this.memory, self, team }, (event, reason) => {
          if (team !== this.#team) return;
          if (event === 'refused') refuse(reason);
          else this.#problem ??= `thread ${self} ${reason}`;
        });
        this.#workers.push(worker);
      }
    } catch (error) {
      refuse(`no worker can be started (${String(error)})`);
    }
  }

  /**
   * Starts the workers for a number of threads, and gives how many threads there are, this one
   * included, once all are up. Throws if one fails.
   */
  async start(threads: number): Promise<number> {
    this.prepare(threads);
    const isUp = (_: unknown, i: number): boolean =>
      Atomics.load(this.#words, UP / 4 + i) === this.#team;
    while (!this.#workers.every(isUp)) {
      this.#requireHealth();
      await sleep(1);
    }
    return 1 + this.#workers.length;
  }

  /** Ends all workers. */
  async close(): Promise<void> {
    const ending = this.#workers;
    [this.#workers, this.#problem] = [[], undefined];
    this.#team += 1;
    // A worker that waits ends by itself; one that computes is terminated.
    if (ending.length > 0) this.#send();
    await Promise.all(ending.map((worker) => worker.terminate()));
  }
}

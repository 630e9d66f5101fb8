/**
 * The memory of compiled programs. One WebAssembly memory is shared by all: it holds one arena,
 * which every program uses in turn, and beside it what has to last: the arrays of state, and
 * constants. An array that moves in is from then on a view of this memory; when the view is
 * garbage collected, its memory is free again.
 *
 * Calls overlap in one case only: where a reference loop calls a compiled function. The inner call
 * gets another arena while it runs.
 */
import {
  alignUp, createMemory, features, FreeList, type HostMemory, PAGE_BYTES, RESERVED_BYTES,
  ThreadPool, threadCountFor, webAssembly, whyNoModules,
} from '@mambagrad/wasm';
import { type DType, dtypeOf, type TypedArray } from '../../core/dtype.ts';
import { warn } from '../../core/host.ts';
import { type Allocation, allocations } from '../../core/memory.ts';
import { checkArgument, whole } from '../../core/options.ts';
import { failure } from '../../core/shape.ts';

/** Memory that lasts until it is freed, or nobody has the block any more. */
export interface Block {
  /** Where it starts, in bytes. */
  readonly start: number;
  /** Frees it. */
  free(): void;
}

export class Heap {
  readonly memory: HostMemory;
  /** How many bytes the memory can have at most. */
  readonly mostBytes: number;
  /** Whether the memory can be seen by other threads. */
  readonly shared: boolean;
  /** Why programs cannot be WebAssembly here, if they cannot. */
  readonly whyNoWasm: string | undefined;
  /** The threads that can share work on this memory. */
  readonly threads: ThreadPool;
  /** Where checks write that something is wrong: the first word. */
  readonly flag = 0;
  readonly #isCopied: boolean;
  readonly #free = new FreeList(RESERVED_BYTES, PAGE_BYTES);
  /** Kept from call to call, but for as long only as no array needs its place. */
  #arena = { start: 0, bytes: 0 };
  #isRunning = false;
  readonly #registry = new FinalizationRegistry<{ start: number; bytes: number }>(
    ({ start, bytes }) => this.#free.free(start, bytes),
  );

  constructor() {
    const made = createMemory(typeof SharedArrayBuffer === 'function');
    this.memory = made.memory;
    this.mostBytes = made.mostPages * PAGE_BYTES;
    this.#isCopied = !made.isForWasm;
    this.shared = !(this.memory.buffer instanceof ArrayBuffer);
    const isFit = made.isForWasm && features().simd && whyNoModules() === undefined;
    this.whyNoWasm = isFit ? undefined : reasonFor(made.isForWasm);
    this.threads = new ThreadPool(this.memory, (bytes) => this.allocate(bytes));
    const isRefused = webAssembly() !== undefined && !made.isForWasm;
    if (isRefused) warn(`compile: ${this.whyNoWasm}; programs will be JavaScript, which is slower`);
  }

  /** Whether a program is running, and what is called now is called by a reference loop of it. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Allocates memory for the values of an array, and copies them there. */
  adopt(values: TypedArray): Allocation {
    const bytes = Math.max(values.byteLength, 1);
    if (!this.#isRunning) this.#dropArena();
    const [start, dtype, { length }] = [this.#allocate(bytes), dtypeOf(values), values];
    const view = (): TypedArray => this.view(dtype, start, length);
    let array = view();
    const allocation: Allocation = {
      start,
      get array(): TypedArray {
        // When memory that is not shared grows, its old buffer has no bytes.
        if (array.buffer.byteLength === 0) allocations.set((array = view()), allocation);
        return array;
      },
    };
    allocations.set(array, allocation);
    array.set(values);
    this.#registry.register(allocation, { start, bytes });
    return allocation;
  }

  /** Allocates memory that can be freed at once, without waiting for the garbage collector. */
  allocate(bytes: number): Block {
    if (!this.#isRunning) this.#dropArena();
    const start = this.#allocate(bytes);
    const block: Block = {
      start,
      free: () => {
        if (this.#registry.unregister(block)) this.#free.free(start, bytes);
      },
    };
    this.#registry.register(block, { start, bytes }, block);
    return block;
  }

  /** Runs `body` with the start of an arena of at least `bytes` bytes. */
  withArena<T>(bytes: number, body: (start: number) => T): T {
    if (this.#isRunning) {
      const start = this.#allocate(bytes);
      try {
        return body(start);
      } finally {
        this.#free.free(start, bytes);
      }
    }
    if (bytes > this.#arena.bytes) {
      // Nothing of the old one is needed, so its place can be a part of the new one.
      this.#dropArena();
      this.#arena = { start: this.#allocate(bytes), bytes };
    }
    this.#isRunning = true;
    try {
      return body(this.#arena.start);
    } finally {
      this.#isRunning = false;
    }
  }

  view(dtype: DType, start: number, numel: number): TypedArray {
    const buffer = this.memory.buffer as ArrayBuffer;
    if (dtype === 'f32') return new Float32Array(buffer, start, numel);
    return new (dtype === 'f64' ? Float64Array : Int32Array)(buffer, start, numel);
  }

  #dropArena(): void {
    const { start, bytes } = this.#arena;
    this.#arena = { start: 0, bytes: 0 };
    this.#free.free(start, bytes);
  }

  /** A free place; where there is none memory grows, or, if it cannot, all stays as it is. */
  #allocate(bytes: number): number {
    const place = this.#free.allocate(bytes);
    if (place !== undefined) return place;
    const size = this.memory.buffer.byteLength;
    const pages = Math.ceil((alignUp(bytes) - this.#free.freeBefore(size)) / PAGE_BYTES);
    try {
      this.#grow(pages);
    } catch {
      throw failure`compile: there is no room for ${bytes} bytes more: programs share a memory of at
        most ${this.mostBytes} bytes, and ${size - this.#free.bytes} are in use, mostly by state;
        the place of state that was dropped is free again once it is collected, which takes a turn
        of the event loop: await one between programs (a timer, setImmediate)`;
    }
    this.#free.free(size, this.memory.buffer.byteLength - size);
    return this.#allocate(bytes);
  }

  /** Adds pages; more of them where memory is copied to grow, so that this happens seldom. */
  #grow(pages: number): void {
    const more = this.#isCopied ? Math.ceil(this.memory.buffer.byteLength / PAGE_BYTES / 2) : 0;
    try {
      this.memory.grow(Math.max(pages, more));
    } catch (error) {
      if (more <= pages) throw error;
      this.memory.grow(pages);
    }
  }
}

function reasonFor(hasMemory: boolean): string {
  const whyNot = whyNoModules();
  if (whyNot !== undefined) return whyNot;
  if (hasMemory) return 'WebAssembly has no vectors here';
  return 'WebAssembly gets no memory in this process, which may have too few addresses ' +
    '(ulimit -v; for each memory Node reserves 10 GB, or no more than it needs with the flag ' +
    '--disable-wasm-trap-handler)';
}

let heap: Heap | undefined;

/** The one heap, made when it is first needed. */
export function theHeap(): Heap {
  return (heap ??= new Heap());
}

/**
 * Starts the threads that compiled functions share their work with, ahead of the first call that
 * would, and waits until all are up. `count` is the number of threads, this one included; default:
 * as many as there are cores, or as `setThreads` has said. Gives how many there are: 1 where there
 * can be no others; `whyOneThread()` says why. Throws if the count is not a whole number from 1.
 *
 *     console.log(`${await startThreads()} threads`, whyOneThread() ?? '');
 *
 * In Node that only spares the first calls. In a browser, threads start while the one that has
 * asked for them is back at its event loop: a loop of calls that never awaits anything runs alone.
 */
export async function startThreads(count?: number): Promise<number> {
  if (count !== undefined) checkArgument('startThreads', 'count', count, whole(1));
  return theHeap().threads.start(threadCountFor(count));
}

/** Ends the threads that compiled functions have started; a call that wants some starts others. */
export async function closeThreads(): Promise<void> {
  await heap?.threads.close();
}

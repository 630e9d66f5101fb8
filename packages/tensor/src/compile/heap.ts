/**
 * The memory of compiled programs. One WebAssembly memory is shared by all: it holds one arena,
 * which every program uses in turn (calls never overlap), and beside it what has to last: the
 * arrays of state, and constants. An array that moves in is from then on a view of this memory;
 * when nobody has the view any more its place is free again.
 */
import {
  Gaps, type HostMemory, RESERVED, roundUp, Threads, webAssembly,
} from '@mambagrad/wasm';
import { type DType, dtypeOf, type TypedArray } from '../dtype.ts';
import { failure, TensorError } from '../shape.ts';
import { type Home, homes } from '../tensor.ts';

const PAGE = 65536;
const MOST_PAGES = 65536;

export class Heap {
  readonly memory: HostMemory;
  /** Whether the memory can be seen by other threads. */
  readonly shared: boolean = typeof SharedArrayBuffer === 'function';
  /** The threads that can share work on this memory. */
  readonly threads: Threads;
  /** Where checks write that something is wrong: the first word. */
  readonly flag = 0;
  readonly #gaps = new Gaps(RESERVED, PAGE);
  #arena = { start: 0, bytes: 0 };
  readonly #registry = new FinalizationRegistry<{ start: number; bytes: number }>(
    ({ start, bytes }) => this.#gaps.free(start, bytes),
  );

  constructor() {
    const host = webAssembly();
    if (host === undefined) throw new TensorError('compile: there is no WebAssembly here');
    this.memory = new host.Memory({ initial: 1, maximum: MOST_PAGES, shared: this.shared });
    this.threads = new Threads(this.memory);
  }

  /** A place for the values of an array, which holds them. */
  house(values: TypedArray): Home {
    const bytes = Math.max(values.byteLength, 1);
    const [start, dtype, { length }] = [this.#allocate(bytes), dtypeOf(values), values];
    const view = (): TypedArray => this.view(dtype, start, length);
    let array = view();
    const home: Home = {
      start,
      get array(): TypedArray {
        // Memory that is not shared leaves arrays of no length behind when it grows.
        if (array.length < length) homes.set((array = view()), home);
        return array;
      },
    };
    homes.set(array, home);
    array.set(values);
    this.#registry.register(home, { start, bytes });
    return home;
  }

  /** Where the arena starts, which has at least so many bytes. */
  arena(bytes: number): number {
    if (bytes > this.#arena.bytes) {
      this.#gaps.free(this.#arena.start, this.#arena.bytes);
      this.#arena = { start: this.#allocate(bytes), bytes };
    }
    return this.#arena.start;
  }

  view(dtype: DType, start: number, numel: number): TypedArray {
    const buffer = this.memory.buffer as ArrayBuffer;
    if (dtype === 'f32') return new Float32Array(buffer, start, numel);
    return new (dtype === 'f64' ? Float64Array : Int32Array)(buffer, start, numel);
  }

  #allocate(bytes: number): number {
    const place = this.#gaps.take(bytes);
    if (place !== undefined) return place;
    const size = this.memory.buffer.byteLength;
    const pages = Math.ceil(roundUp(bytes) / PAGE);
    try {
      this.memory.grow(pages);
    } catch {
      throw failure`compile: there is no room for ${bytes} bytes more, beside the ${size} in use`;
    }
    this.#gaps.free(size, pages * PAGE);
    return this.#allocate(bytes);
  }
}

let heap: Heap | undefined;

/** The one heap, made when it is first needed. */
export function theHeap(): Heap {
  return (heap ??= new Heap());
}

/** Ends the threads that compiled functions have started; a call that wants some starts others. */
export async function closeThreads(): Promise<void> {
  await heap?.threads.close();
}

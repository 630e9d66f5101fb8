/**
 * Memories that grow. The maximum of a WebAssembly memory is declared when it is made: a shared one
 * cannot do without, and the engine reserves that many addresses at once, so that growing moves
 * nothing. Bytes are taken from the machine as the memory grows.
 */
import { type HostMemory, MAX_PAGES, PAGE_BYTES, webAssembly } from './host.ts';
import { browser } from './platform.ts';

/** The smallest memory that is of use: 16 MiB. */
const LEAST_PAGES = 256;
/** The pages in a GiB. */
const GIBIBYTE = 2 ** 30 / PAGE_BYTES;

/** A memory that has one page and can grow. */
export interface GrowingMemory {
  /** The memory itself. */
  readonly memory: HostMemory;
  /** The number of pages of 64 KiB that it can grow to. */
  readonly mostPages: number;
  /** Whether WebAssembly can use it. */
  readonly isForWasm: boolean;
}

/**
 * Creates a memory, which threads can share if `shared`. Its maximum is reserved as address space,
 * which may be limited (`ulimit -v`, small devices): if `mostPages()` are refused we ask for half
 * as much, and so on. Without WebAssembly the memory is an array, which is copied to grow.
 */
export function createMemory(shared: boolean): GrowingMemory {
  const host = webAssembly();
  const inWasm = host && largest((maximum) => new host.Memory({ initial: 1, maximum, shared }));
  if (inWasm) return { ...inWasm, isForWasm: true };
  return { memory: plainMemory(), mostPages: MAX_PAGES, isForWasm: false };
}

/**
 * The largest maximum to ask for. In Node it is all that there can be, 4 GiB. A phone ends a page
 * that takes too much, without a word; an error that says what was asked for is better. So in a
 * browser the maximum is half of the machine's memory, where the browser tells: with 8 GiB or more
 * all 4 GiB, 1 GiB on a phone with 2. Firefox and Safari do not tell, and get 2 GiB; phones that
 * have fewer addresses than that refuse, and are asked for half of it.
 */
function mostPages(): number {
  const host = browser();
  if (host === undefined) return MAX_PAGES;
  const { deviceMemory = 4 } = host.navigator;
  return Math.min(Math.max((deviceMemory / 2) * GIBIBYTE, LEAST_PAGES), MAX_PAGES);
}

/** The memory that `make` gives for the largest number of pages for which it does not fail. */
function largest(
  make: (mostPages: number) => HostMemory,
): Omit<GrowingMemory, 'isForWasm'> | undefined {
  for (let most = mostPages(); most >= LEAST_PAGES; most /= 2) {
    try {
      return { memory: make(most), mostPages: most };
    } catch (error) {
      // Most engines throw a RangeError; Firefox throws the text 'out of memory'.
      if (error instanceof Error && !(error instanceof RangeError)) throw error;
    }
  }
  return undefined;
}

/** What browsers and Node have, and ECMAScript has not. */
const { structuredClone } = globalThis as unknown as {
  structuredClone(value: unknown, options: { readonly transfer: readonly ArrayBuffer[] }): unknown;
};

/**
 * An array of bytes that is replaced by a larger one to grow. The old one is detached, as that of a
 * WebAssembly memory is. It is not a resizable array: engines access these at half the speed.
 */
function plainMemory(): HostMemory {
  let buffer = new ArrayBuffer(PAGE_BYTES);
  const grow = (pages: number): number => {
    const before = buffer.byteLength;
    if (before / PAGE_BYTES + pages > MAX_PAGES) throw new RangeError('memory has 4 GiB at most');
    const larger = new ArrayBuffer(before + pages * PAGE_BYTES);
    new Uint8Array(larger).set(new Uint8Array(buffer));
    structuredClone(buffer, { transfer: [buffer] });
    buffer = larger;
    return before / PAGE_BYTES;
  };
  return {
    get buffer(): ArrayBuffer {
      return buffer;
    },
    grow,
  };
}

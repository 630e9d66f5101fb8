/**
 * The engine that runs WebAssembly. The packages are compiled against ECMAScript alone, which does
 * not declare the global `WebAssembly`: here are types for the few parts of it that we use.
 */

/** A `WebAssembly.Memory`, or a substitute for it. */
export interface HostMemory {
  /** The bytes. Read this again after `grow`, which may replace the buffer. */
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /**
   * Adds pages of 64 KiB and gives their number before. Throws a RangeError if there is no room.
   */
  grow(pages: number): number;
}

/** The imports of a module: functions and memories, by module and name. */
export type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The parts of the global `WebAssembly` that we use. */
export interface Host {
  /** Whether the bytes are a module that the engine can compile. */
  validate(bytes: Uint8Array): boolean;
  /** Compiles bytes to a module, synchronously; throws a CompileError if they are not one. */
  readonly Module: new (bytes: Uint8Array) => object;
  /** Links a module with its imports and gives its exports; throws if an import is missing. */
  readonly Instance: new (module: object, imports?: Imports) => { readonly exports: unknown };
  /** Makes a memory; sizes are in pages of 64 KiB. Throws a RangeError if there is no room. */
  readonly Memory: new (
    limits: { readonly initial: number; readonly maximum?: number; readonly shared?: boolean },
  ) => HostMemory;
}

/** The global `WebAssembly`, or undefined where there is none. */
export function webAssembly(): Host | undefined {
  return (globalThis as { WebAssembly?: Host }).WebAssembly;
}

/** The size of a page of WebAssembly memory in bytes. */
export const PAGE_BYTES = 65536;
/** The largest number of pages, 4 GiB, which is all that addresses of 32 bits reach. */
export const MAX_PAGES = 65536;
/** The smallest memory that is of use: 16 MiB. */
const LEAST_PAGES = 256;

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
 * which may be limited (`ulimit -v`, small devices): if 4 GiB are refused we ask for half as much,
 * and so on. Without WebAssembly the memory is an array, which is copied to grow.
 */
export function createMemory(shared: boolean): GrowingMemory {
  const host = webAssembly();
  const inWasm = host && largest((maximum) => new host.Memory({ initial: 1, maximum, shared }));
  if (inWasm) return { ...inWasm, isForWasm: true };
  return { memory: plainMemory(), mostPages: MAX_PAGES, isForWasm: false };
}

/** The memory that `make` gives for the largest number of pages for which it does not fail. */
function largest(
  make: (mostPages: number) => HostMemory,
): Omit<GrowingMemory, 'isForWasm'> | undefined {
  for (let mostPages = MAX_PAGES; mostPages >= LEAST_PAGES; mostPages /= 2) {
    try {
      return { memory: make(mostPages), mostPages };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
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

/** Instantiates a compiled module, and returns its exports. */
export function instantiate<Exports>(module: object, imports: Imports = {}): Exports {
  const host = webAssembly();
  if (host === undefined) throw new Error('instantiate: there is no WebAssembly here');
  return new host.Instance(module, imports).exports as Exports;
}

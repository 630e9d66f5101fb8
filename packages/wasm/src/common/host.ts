/**
 * The engine that runs WebAssembly. The packages are compiled against the language alone, where
 * the global `WebAssembly` is not declared: here are the few parts of it that are used.
 */

/** A `WebAssembly.Memory`, or what stands in for it. */
export interface HostMemory {
  /** The bytes. Read it anew after `grow`, which may replace the buffer. */
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /**
   * Adds pages of 64 KiB and gives their number before. Throws a RangeError if there is no room.
   */
  grow(pages: number): number;
}

/** Functions and memories, by module and by name. */
export type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** The parts of the global `WebAssembly` that are used here. */
export interface Host {
  /** Whether these bytes are a module that the engine can compile. */
  validate(bytes: Uint8Array): boolean;
  /** Compiles bytes to a module, at once; throws a CompileError if they are none. */
  readonly Module: new (bytes: Uint8Array) => object;
  /** Links a module with its imports and gives what it exports; throws if one is missing. */
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

/** The size of a page: memory grows by whole ones. */
export const PAGE_BYTES = 65536;

/** A memory of one page that can grow, and how many pages it may have at most. */
export interface GrowingMemory {
  /** The memory itself. */
  readonly memory: HostMemory;
  /** How many pages of 64 KiB it may grow to. */
  readonly mostPages: number;
  /** Whether WebAssembly can use it. */
  readonly isForWasm: boolean;
}

/** The most pages: 4 GiB, which is what addresses of 32 bits reach. */
const MOST_PAGES = 65536;
/** With fewer than these, 16 MiB, nothing useful can be done. */
const LEAST_PAGES = 256;

/**
 * A new memory, which threads can share if that is asked for. A process may be short of addresses
 * (`ulimit -v`, small devices), so if the largest memory is refused, half as much is asked for, and
 * so on. Where WebAssembly has none at all it is a plain array that grows. Undefined if that is
 * refused as well.
 */
export function createMemory(shared: boolean): GrowingMemory | undefined {
  const host = webAssembly();
  const inWasm = host && largest((maximum) => new host.Memory({ initial: 1, maximum, shared }));
  if (inWasm) return { ...inWasm, isForWasm: true };
  const plain = largest(plainMemory);
  return plain && { ...plain, isForWasm: false };
}

/** What `make` gives for the most pages for which it does not fail. */
function largest(
  make: (mostPages: number) => HostMemory,
): Omit<GrowingMemory, 'isForWasm'> | undefined {
  for (let mostPages = MOST_PAGES; mostPages >= LEAST_PAGES; mostPages /= 2) {
    try {
      return { memory: make(mostPages), mostPages };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return undefined;
}

/** An array that can be made longer where it lies; the language's own types do not know it yet. */
interface ResizableBuffer extends ArrayBuffer {
  resize(bytes: number): void;
}

const Resizable = ArrayBuffer as unknown as new (
  bytes: number, options: { readonly maxByteLength: number },
) => ResizableBuffer;

function plainMemory(mostPages: number): HostMemory {
  const buffer = new Resizable(PAGE_BYTES, { maxByteLength: mostPages * PAGE_BYTES });
  const grow = (pages: number): number => {
    const before = buffer.byteLength;
    buffer.resize(before + pages * PAGE_BYTES);
    return before / PAGE_BYTES;
  };
  return { buffer, grow };
}

/** Starts a compiled module, and returns what it exports. */
export function instantiate<Exports>(module: object, imports: Imports = {}): Exports {
  const host = webAssembly();
  if (host === undefined) throw new Error('instantiate: there is no WebAssembly here');
  return new host.Instance(module, imports).exports as Exports;
}

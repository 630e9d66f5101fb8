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

/** Instantiates a compiled module, and returns its exports. */
export function instantiate<Exports>(module: object, imports: Imports = {}): Exports {
  const host = webAssembly();
  if (host === undefined) throw new Error('instantiate: there is no WebAssembly here');
  return new host.Instance(module, imports).exports as Exports;
}

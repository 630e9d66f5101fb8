/**
 * The engine that runs WebAssembly. The packages are compiled against the language alone, where
 * the global `WebAssembly` is not declared: here are the few parts of it that are used.
 */

export interface HostMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  grow(pages: number): number;
}

/** Functions and memories, by module and by name. */
export type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface Host {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports?: Imports) => { readonly exports: unknown };
  readonly Memory: new (
    limits: { readonly initial: number; readonly maximum?: number; readonly shared?: boolean },
  ) => HostMemory;
}

/** The global `WebAssembly`, or undefined where there is none. */
export function webAssembly(): Host | undefined {
  return (globalThis as { WebAssembly?: Host }).WebAssembly;
}

/** Starts a compiled module, and returns what it exports. */
export function instantiate<Exports>(module: object, imports: Imports = {}): Exports {
  const host = webAssembly();
  if (host === undefined) throw new Error('instantiate: there is no WebAssembly here');
  return new host.Instance(module, imports).exports as Exports;
}

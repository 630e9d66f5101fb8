/**
 * Code generation: from bytes, by WebAssembly, or from text, by `Function`. A page can forbid
 * either by its Content-Security-Policy. Whether it does is found by trying.
 */
import { webAssembly } from './host.ts';

/** The shortest module, which every engine takes that may compile at all. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

const forbidden = (what: string, needed: string): string =>
  `${what} here: script-src of the Content-Security-Policy needs ${needed}`;

/** Why WebAssembly cannot be compiled here; undefined if it can. */
export function whyNoModules(): string | undefined {
  const host = webAssembly();
  if (host === undefined) return 'there is no WebAssembly here';
  if (!throws(() => new host.Module(EMPTY_MODULE))) return undefined;
  return forbidden('WebAssembly may not be compiled', "'wasm-unsafe-eval'");
}

/** Why functions cannot be made from text here; undefined if they can. */
export function whyNoFunctions(): string | undefined {
  if (!throws(() => new Function(''))) return undefined;
  return forbidden('functions may not be made from text', "'unsafe-eval'");
}

function throws(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch {
    return true;
  }
}

/**
 * Compiles bytes to a module, synchronously. Throws a CompileError if they are not one, and an
 * error that says why if code is forbidden, or is too long for the main thread of a page.
 */
export function compileModule(bytes: Uint8Array): object {
  const host = webAssembly();
  if (host === undefined) throw new Error('compile: there is no WebAssembly here');
  try {
    return new host.Module(bytes);
  } catch (error) {
    const reason = whyNoModules();
    if (reason !== undefined) throw new Error(`compile: ${reason}`, { cause: error });
    if (!(error instanceof RangeError)) throw error;
    throw new Error(
      `compile: ${bytes.length} bytes of code are too many for this thread; workers compile any ` +
        `number, Chromium 8 MiB in the main thread of a page, or less: ${error.message}`,
      { cause: error },
    );
  }
}

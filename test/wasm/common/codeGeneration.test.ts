/** What is said where code may not be generated, or not so much of it. */
import { compileModule, Module, webAssembly, whyNoFunctions, whyNoModules } from '@mambagrad/wasm';
import { afterEach, describe, expect, it, vi } from 'vitest';

afterEach(() => vi.unstubAllGlobals());

/**
 * Replaces the class of modules by one that throws an error if there are more than `most` bytes.
 */
function refuse(error: Error, most = -1): void {
  const host = webAssembly();
  if (host === undefined) throw new Error('there is no WebAssembly here');
  class Refusing extends host.Module {
    constructor(bytes: Uint8Array) {
      if (bytes.length > most) throw error;
      super(bytes);
    }
  }
  vi.stubGlobal('WebAssembly', Object.assign(Object.create(host) as object, { Module: Refusing }));
}

const bytes = new Module().bytes();
const larger = Uint8Array.of(...bytes, 0, 2, 1, 65);

describe('a module', () => {
  it('is compiled here', () => {
    expect(compileModule(larger)).toBeTypeOf('object');
    expect(whyNoModules()).toBeUndefined();
    expect(() => compileModule(bytes.slice(1))).toThrow('expected magic word');
  });

  it('is not where a page forbids it, and the error says what is needed', () => {
    refuse(new Error('violates the following Content Security policy'));
    const why = 'WebAssembly may not be compiled here: script-src of the Content-Security-Policy ' +
      "needs 'wasm-unsafe-eval'";
    expect(whyNoModules()).toBe(why);
    expect(() => compileModule(larger)).toThrow(`compile: ${why}`);
    expect(() => new Module().instantiate()).toThrow(`compile: ${why}`);
  });

  it('may be too long for a thread, and the error says how long it is', () => {
    refuse(new RangeError('larger than 8MB'), bytes.length);
    expect(whyNoModules()).toBeUndefined();
    expect(compileModule(bytes)).toBeTypeOf('object');
    expect(() => compileModule(larger)).toThrow(
      new RegExp(`^compile: ${larger.length} bytes of code are too many .*: larger than 8MB$`),
    );
  });

  it('is not where there is no WebAssembly', () => {
    vi.stubGlobal('WebAssembly', undefined);
    expect(whyNoModules()).toBe('there is no WebAssembly here');
    expect(() => compileModule(bytes)).toThrow('compile: there is no WebAssembly here');
  });
});

describe('a function from text', () => {
  it('is made here, and not where a page forbids it', () => {
    expect(whyNoFunctions()).toBeUndefined();
    vi.stubGlobal('Function', class {
      constructor() {
        throw new EvalError('unsafe-eval');
      }
    });
    expect(whyNoFunctions()).toBe('functions may not be made from text here: script-src of the ' +
      "Content-Security-Policy needs 'unsafe-eval'");
  });
});

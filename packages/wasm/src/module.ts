/**
 * A module under construction, from its parts to its bytes, its text, or a running instance:
 *
 *     const module = new Module();
 *     const add = module.function('add', { x: 'f32', y: 'f32' }, 'f32', ({ x, y }) => [
 *       f32.add(x, y),
 *     ]);
 *     module.export(add);
 */
import { i32, type Operand, operand } from './code.ts';
import { type Global, makeGlobal, type Parameters } from './control.ts';
import { encodeModule } from './encode.ts';
import { type BodyMaker, WasmFunction } from './function.ts';
import { type Imports, webAssembly } from './host.ts';
import type { ResultType, ValueType } from './instructions.ts';
import type { Exportable, ImportedFunction, Limits, Memory, ModuleParts, Origin } from './parts.ts';
import { printModule } from './text.ts';

export class Module {
  readonly #parts: ModuleParts = {
    imports: [],
    functions: [],
    memory: undefined,
    globals: [],
    exports: [],
    data: [],
  };

  /** A function: its parameters by name, the type of its result or none, and its code. */
  function<const P extends Parameters, const R extends ResultType>(
    name: string,
    parameters: P,
    result: R,
    body: BodyMaker<P, NoInfer<R>>,
  ): WasmFunction<P, R> {
    this.#requireNewName(name);
    const made = new WasmFunction(name, parameters, result, body);
    this.#parts.functions.push(made as unknown as WasmFunction);
    return made;
  }

  /** A function that comes from outside, as `imports[module][name]`. */
  importFunction<const P extends Parameters, const R extends ResultType>(
    module: string,
    name: string,
    parameters: P,
    result: R,
  ): ImportedFunction<P, R> {
    this.#requireNewName(name);
    const reference = { kind: 'function', name } as const;
    const made = { reference, parameters, result, origin: { module, name } };
    this.#parts.imports.push(made);
    return made;
  }

  #requireNewName(name: string): void {
    const { imports, functions } = this.#parts;
    if ([...imports, ...functions].some(({ reference }) => reference.name === name)) {
      throw new Error(`function ${name}: the module has a function of that name already`);
    }
  }

  /** The memory of the module, which is its own: it has one at most. */
  memory(limits: Limits): Memory {
    return this.#setMemory('memory', limits, undefined);
  }

  /** The memory of the module, which comes from outside, as `imports[module][name]`. */
  importMemory(module: string, name: string, limits: Limits): Memory {
    return this.#setMemory(name, limits, { module, name });
  }

  #setMemory(name: string, limits: Limits, origin: Origin | undefined): Memory {
    if (this.#parts.memory !== undefined) {
      throw new Error(`memory ${name}: the module has one already`);
    }
    if (limits.shared && limits.max === undefined) {
      throw new Error(`memory ${name}: shared memory needs a max`);
    }
    const memory: Memory = { reference: { kind: 'memory', name }, limits, origin };
    this.#parts.memory = memory;
    return memory;
  }

  /** A variable of the module, and its value at first. */
  global<T extends Exclude<ValueType, 'v128'>>(
    name: string,
    type: T,
    initial: Operand<T>,
  ): Global<T> {
    const global = makeGlobal(name, type);
    this.#parts.globals.push({ global, initial: operand(`global ${name}`, type, initial) });
    return global;
  }

  /** Bytes that are in memory from the start. */
  data(address: number, bytes: ArrayLike<number>): void {
    this.#parts.data.push({ address: i32.const(address), bytes: Array.from(bytes) });
  }

  /** Makes something visible outside, under its own name or another, and returns it. */
  export<T extends Exportable>(item: T, name: string = item.reference.name): T {
    this.#parts.exports.push({ name, reference: item.reference });
    return item;
  }

  /** The module in WebAssembly's binary format. */
  bytes(): Uint8Array {
    return Uint8Array.from(encodeModule(this.#parts));
  }

  /** The module in WebAssembly's text format. */
  wat(): string {
    return printModule(this.#parts);
  }

  /** Compiles and starts the module here and now, and returns what it exports. */
  instantiate<Exports = Record<string, unknown>>(imports: Imports = {}): Exports {
    const host = webAssembly();
    if (host === undefined) throw new Error('instantiate: there is no WebAssembly here');
    return new host.Instance(new host.Module(this.bytes()), imports).exports as Exports;
  }
}

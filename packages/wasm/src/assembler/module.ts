/**
 * The builder of modules, which become bytes, text, or a running instance:
 *
 *     const module = new Module();
 *     const add = module.function('add', { x: 'f32', y: 'f32' }, 'f32', ({ x, y }) => [
 *       f32.add(x, y),
 *     ]);
 *     module.export(add);
 */
import { compileModule } from '../common/codeGeneration.ts';
import { type Imports, instantiate, MAX_PAGES } from '../common/host.ts';
import { boolean, readOptions, type Table, whole } from '../common/options.ts';
import { type Operand, operand, type Statements } from './code.ts';
import {
  type Callable, type Global, type Parameters, statementsOf, variable,
} from './control.ts';
import { encodeModule } from './encode.ts';
import type { Item } from './immediates.ts';
import type { ResultType, ValueType } from './instructions.ts';
import {
  addFunction, type BodyMaker, type Exportable, type Limits, type Memory, type Parts,
  type WasmFunction,
} from './parts.ts';
import { printModule } from './text.ts';

const limitsOptions = {
  min: whole(0, MAX_PAGES).required(),
  max: whole(0, MAX_PAGES).optional(),
  shared: boolean.orElse(false),
} satisfies Table<Limits>;

/** A module, to which functions, memories and globals are added, which refer to each other. */
export class Module {
  readonly #parts: Parts = { imports: [], functions: [], memories: [], globals: [], exports: [] };
  readonly #counts = { function: 0, memory: 0, global: 0 };
  readonly #names = new Set<string>();

  /** Adds a function: its parameters by name, the type of its result or 'none', and its code. */
  function<const P extends Parameters, const R extends ResultType>(
    name: string, parameters: P, result: R, body: BodyMaker<P, NoInfer<R>>,
  ): WasmFunction<P, R> {
    const called = { ...this.#item('function', name), parameters, result };
    return addFunction(this.#parts.functions, called, body);
  }

  /**
   * Adds a function with the parameters, the result and the locals of another, which may be of
   * another module. The code may refer to these locals.
   */
  functionLike<P extends Parameters, R extends ResultType>(
    like: WasmFunction<P, R>, name: string, code: Statements,
  ): WasmFunction<P, R> {
    const made = { ...like, ...this.#item('function', name), code: statementsOf(name, code) };
    this.#parts.functions.push(made as unknown as WasmFunction);
    return made;
  }

  /** Imports a function, `imports[module][name]`. Imports come before all other functions. */
  importFunction<const P extends Parameters, const R extends ResultType>(
    module: string, name: string, parameters: P, result: R,
  ): Callable<P, R> {
    if (this.#parts.functions.length > 0) {
      throw new Error(`function ${name}: it is imported after others were made, expected before`);
    }
    const item = { ...this.#item('function', name), parameters, result };
    this.#parts.imports.push({ module, name, item });
    return item;
  }

  /** A new item of a kind, with the next number. */
  #item<Kind extends Exportable['kind']>(kind: Kind, name: string): Item<Kind> {
    if (kind === 'function' && this.#names.has(name)) {
      throw new Error(`function ${name}: the module has a function of that name already`);
    }
    if (kind === 'function') this.#names.add(name);
    return { kind, name, number: this.#counts[kind]++, home: this.#parts };
  }

  /** Adds a memory. A module has at most one. */
  memory(limits: Limits): Memory {
    const made = this.#newMemory('memory', limits);
    this.#parts.memories.push(made);
    return made;
  }

  /** Imports the memory of the module, `imports[module][name]`. */
  importMemory(module: string, name: string, limits: Limits): Memory {
    const item = this.#newMemory(name, limits);
    this.#parts.imports.push({ module, name, item });
    return item;
  }

  #newMemory(name: string, given: Limits): Memory {
    const limits = readOptions(`memory ${name}`, given, limitsOptions);
    if (this.#counts.memory > 0) throw new Error(`memory ${name}: the module has one already`);
    if (limits.shared && limits.max === undefined) {
      throw new Error(`memory ${name}: shared memory needs a max`);
    }
    return { ...this.#item('memory', name), limits };
  }

  /** Adds a global variable with an initial value. */
  global<T extends Exclude<ValueType, 'v128'>>(
    name: string, type: T, initial: Operand<T>,
  ): Global<T> {
    const global = variable(this.#item('global', name), type);
    this.#parts.globals.push({ global, initial: operand(`global ${name}`, type, initial) });
    return global;
  }

  /** Exports an item, under its own name or another, and returns it. */
  export<T extends Exportable>(item: T, name: string = item.name): T {
    if (item.home !== this.#parts) {
      throw new Error(`export ${name}: ${item.kind} '${item.name}' is not of this module`);
    }
    this.#parts.exports.push({ name, item });
    return item;
  }

  /** The module in WebAssembly's binary format. */
  bytes(): Uint8Array {
    return encodeModule(this.#parts);
  }

  /** The module in WebAssembly's text format. */
  wat(): string {
    return printModule(this.#parts);
  }

  /** Compiles the module, synchronously. Throws an error that says why where it is not allowed. */
  compile(): object {
    return compileModule(this.bytes());
  }

  /** Compiles and instantiates the module, synchronously, and returns its exports. */
  instantiate<Exports = Record<string, unknown>>(imports: Imports = {}): Exports {
    return instantiate<Exports>(this.compile(), imports);
  }
}

/**
 * A kernel as a WebAssembly function. A vector of four lanes is one SIMD register, a variable is a
 * local. Vector constants are brought into locals before the loops, out of mutable globals: engines
 * would otherwise build a constant anew in every round.
 */
import {
  type Expression, f32, f32x4, features, forRange, type Global, type HostMemory, i32, i32x4,
  type Local, Module, set, type Statement as Code, type Statements as Codes, v128, type ValueType,
  when,
} from '@mambagrad/wasm';
import { instruct, named } from './instructions.ts';
import type { Run } from './javascript.ts';
import type { Kernel, Parameter } from './kernel.ts';
import { isContiguous } from './memory.ts';
import { type KernelFunction, type Place, Pointers } from './pointers.ts';
import { Names } from './print.ts';
import type { Loop, Statement } from './statement.ts';
import {
  type Buffer, type Constant, type Index, lanesOf, type Operation, type Type, type Value,
  type Variable,
} from './value.ts';

export interface EmitOptions {
  /** Whether `mulAdd` of vectors is rounded once, where the engine can (relaxed SIMD). */
  readonly fuse?: boolean;
}

/** Adds a kernel to a module, as a function of the kernel's parameters and its scratch memory. */
export function addKernel(
  module: Module,
  kernel: Kernel,
  options: EmitOptions = {},
): KernelFunction {
  const names = new Names(['scratch']);
  const parameters = Object.fromEntries([
    ...kernel.parameters.map((one) => [names.of(one), parameterType(one)] as const),
    ...(kernel.scratchBytes > 0 ? [['scratch', 'i32'] as const] : []),
  ]);
  return module.function(kernel.name, parameters, 'none', (locals, self) => {
    const own = new Map(kernel.parameters.map((one) => [one, locals[names.of(one)]]));
    const pointers = new Pointers(kernel, self, own, locals.scratch);
    return new Emitter(module, self, own, pointers, options).body(kernel);
  });
}

function parameterType(parameter: Parameter): ValueType {
  return 'node' in parameter ? wasmType(parameter.type) : 'i32';
}

/** Compiles a kernel to WebAssembly, to run on a memory. */
export function compileWebAssembly(
  kernel: Kernel,
  memory: HostMemory,
  options: EmitOptions = {},
): Run {
  const module = new Module();
  const shared = !(memory.buffer instanceof ArrayBuffer);
  module.importMemory('host', 'memory', shared ? { min: 0, max: 65536, shared } : { min: 0 });
  module.export(addKernel(module, kernel, options), 'run');
  return module.instantiate<{ run: Run }>({ host: { memory } }).run;
}

function wasmType(type: Type): ValueType {
  if (lanesOf({ type }) === 4) return 'v128';
  return type === 'f32' ? 'f32' : 'i32';
}

/** The constants that functions of a module share. */
const constantsOf = new WeakMap<Module, Map<string, Global>>();

class Emitter {
  readonly #module: Module;
  readonly #self: KernelFunction;
  readonly #variables: Map<Parameter, Local>;
  readonly #pointers: Pointers;
  readonly #fuse: boolean;
  readonly #constants = new Map<string, Local>();
  /** What the statement being emitted needs done before. */
  #before: Code[] = [];

  constructor(
    module: Module,
    self: KernelFunction,
    variables: Map<Parameter, Local>,
    pointers: Pointers,
    { fuse = false }: EmitOptions,
  ) {
    this.#module = module;
    this.#self = self;
    this.#variables = variables;
    this.#pointers = pointers;
    this.#fuse = fuse && features().relaxedSimd;
  }

  body(kernel: Kernel): Codes {
    const body = this.#block(kernel.body);
    const globals = constantsOf.get(this.#module);
    const constants = [...this.#constants].map(([key, local]) => {
      const family = key.startsWith('f32') ? f32x4 : i32x4;
      return set(local, named(family, 'splat')(globals?.get(key)));
    });
    return [...constants, ...body];
  }

  #block(statements: readonly Statement[]): Code[] {
    return statements.flatMap((statement) => {
      this.#before = [];
      const code = this.#statement(statement);
      return [...this.#before, ...code];
    });
  }

  #statement(statement: Statement): Code[] {
    switch (statement.statement) {
      case 'set':
        return [set(this.#localOf(statement.variable), this.#value(statement.value))];
      case 'store':
        return this.#store(statement.buffer, statement.index, this.#value(statement.value));
      case 'loop':
        return this.#loop(statement);
      default: {
        const condition = this.#integer(statement.condition);
        const { then, otherwise } = statement;
        const [yes, no] = [then, otherwise].map((branch) => () => this.#block(branch));
        return this.#around(() => [
          when(condition, this.#pointers.apart(yes), this.#pointers.apart(no)),
        ]);
      }
    }
  }

  /** Emits statements inside a statement; what that one needs done before stays its own. */
  #around(inside: () => Code[]): Code[] {
    const before = this.#before;
    const code = inside();
    this.#before = before;
    return code;
  }

  #loop(loop: Loop): Code[] {
    const [from, to] = [loop.from, loop.to].map((bound) => (
      bound.node === 'constant' ? this.#integer(bound) : this.#hold('bound', this.#integer(bound))
    ));
    return this.#around(() => {
      const inside = () => this.#block(loop.body);
      const { body, before, after } = this.#pointers.within(loop, from, inside);
      const counter = this.#localOf(loop.counter) as Local<'i32'>;
      return [...before, forRange(counter, from, to, loop.step, [...body, ...after])];
    });
  }

  #localOf(variable: Variable): Local {
    const { name, type } = variable;
    const local = this.#variables.get(variable) ?? this.#self.local(name, wasmType(type));
    this.#variables.set(variable, local);
    return local;
  }

  /** A value that is computed before the statement, once, to be used twice. */
  #hold<T extends ValueType>(name: string, value: Expression<T>): Expression<T> {
    if (value.name === 'local.get') return value;
    const local = this.#self.local(name, value.type);
    this.#before.push(set(local, value));
    return local;
  }

  // Values

  #integer(value: Value): Expression<'i32'> {
    return this.#value(value) as Expression<'i32'>;
  }

  #value(value: Value): Expression {
    switch (value.node) {
      case 'constant':
        return this.#constant(value);
      case 'variable':
        return this.#localOf(value);
      case 'load':
        return this.#load(value.buffer, value.index);
      default:
        return this.#operation(value);
    }
  }

  #constant({ type, value }: Constant): Expression {
    if (lanesOf({ type }) === 1) return type === 'f32' ? f32.const(value) : i32.const(value);
    const kind = type === 'f32x4' ? 'f32' : 'i32';
    const key = `${kind} ${Object.is(value, -0) ? '-0' : value}`;
    const shared = constantsOf.get(this.#module) ?? new Map<string, Global>();
    constantsOf.set(this.#module, shared);
    if (!shared.has(key)) shared.set(key, this.#module.global(key, kind, value));
    const local = this.#constants.get(key) ?? this.#self.local(key, 'v128');
    this.#constants.set(key, local);
    return local;
  }

  #operation(operation: Operation): Expression {
    const { name, inputs: [first], inputs } = operation;
    if (name === 'splat' && first.node === 'load') {
      return v128.load32_splat(this.#place(first.buffer, first.index));
    }
    const hold = (held: string, value: Expression): Expression => this.#hold(held, value);
    return instruct(operation, inputs.map((x) => this.#value(x)), { fuse: this.#fuse, hold });
  }

  // Memory

  #load(buffer: Buffer, index: Index): Expression {
    const family = buffer.kind === 'f32' ? f32 : i32;
    if (index.lanes === 1) return named(family, 'load')(this.#place(buffer, index));
    if (isContiguous(index)) return v128.load(this.#place(buffer, index));
    const [first, ...others] = this.#places(buffer, index);
    return others.reduce<Expression<'v128'>>(
      (vector, place, i) => v128.load32_lane(place, vector, i + 1),
      v128.load32_zero(first),
    );
  }

  #store(buffer: Buffer, index: Index, value: Expression): Code[] {
    const family = buffer.kind === 'f32' ? f32 : i32;
    if (index.lanes === 1) {
      return [named(family, 'store')(this.#place(buffer, index), value) as unknown as Code];
    }
    const vector = value as Expression<'v128'>;
    if (isContiguous(index)) return [v128.store(this.#place(buffer, index), vector)];
    const held = this.#hold('lanes', vector);
    return this.#places(buffer, index).map((place, lane) => v128.store32_lane(place, held, lane));
  }

  #place(buffer: Buffer, index: Index): Place {
    return this.#pointers.place(buffer, index, 0, (of) => this.#integer(of));
  }

  /** The places of all lanes. Terms that are vectors are held, to be taken apart. */
  #places(buffer: Buffer, index: Index): Place[] {
    const held = new Map(
      index.terms
        .filter(({ of }) => lanesOf(of) === 4)
        .map(({ of }) => [of, this.#hold('index', this.#value(of) as Expression<'v128'>)]),
    );
    return [0, 1, 2, 3].map((lane) => (
      this.#pointers.place(buffer, index, lane, (of) => {
        const vector = held.get(of);
        return vector === undefined ? this.#integer(of) : i32x4.extract_lane(vector, lane);
      })
    ));
  }
}

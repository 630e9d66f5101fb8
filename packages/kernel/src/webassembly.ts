/**
 * A kernel as a WebAssembly function. A vector of four lanes is one SIMD register, a variable is a
 * local. Vector constants are brought into locals before the loops, out of mutable globals: engines
 * would otherwise build a constant anew in every round.
 */
import {
  type Expression, f32, f32x4, features, forRange, type HostMemory, i32, i32x4,
  type Local, Module, Names, set, type Statement as Code, type Statements as Codes, v128,
  type ValueType, when,
} from '@mambagrad/wasm';
import { instruct } from './instructions.ts';
import type { Run } from './javascript.ts';
import type { Kernel } from './kernel.ts';
import { isContiguous } from './memory.ts';
import { type KernelFunction, type Place, Pointers } from './pointers.ts';
import type { Loop, Statement } from './statement.ts';
import {
  type Constant, lanesOf, type Load, type Type, type Value, type Variable,
} from './value.ts';

export interface EmitOptions {
  /** Whether `mulAdd` of vectors is rounded once, where the engine can (relaxed SIMD). */
  readonly fuse?: boolean;
}

/** Compiles a kernel to WebAssembly, to run on a memory. */
export function compileWebAssembly(
  kernel: Kernel, memory: HostMemory, options: EmitOptions = {},
): Run {
  const module = new Module();
  const shared = !(memory.buffer instanceof ArrayBuffer);
  module.importMemory('host', 'memory', shared ? { min: 0, max: 65536, shared } : { min: 0 });
  module.export(addKernel(module, kernel, options), 'run');
  return module.instantiate<{ run: Run }>({ host: { memory } }).run;
}

/** Adds a kernel to a module, as a function of the kernel's parameters and its scratch memory. */
export function addKernel(
  module: Module, kernel: Kernel, { fuse = false }: EmitOptions = {},
): KernelFunction {
  const names = new Names(['scratch']);
  const parameters = kernel.parameters.map((one): [string, ValueType] => (
    [names.of(one), 'node' in one ? wasmType(one) : 'i32']
  ));
  if (kernel.scratchBytes > 0) parameters.push(['scratch', 'i32']);
  return module.function(kernel.name, Object.fromEntries(parameters), 'none', (given, self) => {
    const variables = new Map<object, Local>(
      kernel.parameters.map((one) => [one, given[names.of(one)]]),
    );
    const pointers = new Pointers(self, (buffer, bytes) => {
      if (buffer.at !== undefined) return i32.const(buffer.at + bytes);
      const offset = bytes + (kernel.scratch.get(buffer) ?? 0);
      const start = (variables.get(buffer) ?? given.scratch) as Local<'i32'>;
      return offset === 0 ? start : i32.add(start, offset);
    });
    const fuses = fuse && features().relaxedSimd;
    return new Emitter({ module, self, variables, pointers, fuse: fuses }).body(kernel);
  });
}

function wasmType({ type }: { readonly type: Type }): ValueType {
  if (lanesOf({ type }) === 4) return 'v128';
  return type === 'f32' ? 'f32' : 'i32';
}

/** Where a kernel is emitted to. */
interface Site {
  readonly module: Module;
  readonly self: KernelFunction;
  readonly variables: Map<object, Local>;
  readonly pointers: Pointers;
  readonly fuse: boolean;
}

class Emitter {
  readonly #site: Site;
  /** The locals of vector constants, and what gives them their values. */
  readonly #constants = new Map<string, Local>();
  readonly #first: Code[] = [];
  /** What the statement being emitted needs done before. */
  #before: Code[] = [];

  constructor(site: Site) {
    this.#site = site;
  }

  body(kernel: Kernel): Codes {
    const body = this.#block(kernel.body);
    return [this.#first, body];
  }

  /** Emits statements; what the one around them needs done before stays its own. */
  #block(statements: readonly Statement[]): Code[] {
    const outside = this.#before;
    const code = statements.flatMap((statement) => {
      this.#before = [];
      const own = this.#statement(statement);
      return [...this.#before, ...own];
    });
    this.#before = outside;
    return code;
  }

  #statement(one: Statement): Code[] {
    if (one.statement === 'loop') return this.#loop(one);
    const [value] = one.values;
    if (one.statement === 'when') {
      const [then, otherwise] = one.bodies.map((body) => (
        this.#site.pointers.apart(() => this.#block(body))
      ));
      return [when(this.#value(value), then, otherwise)];
    }
    const { target } = one;
    if (target.node === 'load') return this.#store(target, value);
    return [set(this.#localOf(target), this.#value(value))];
  }

  #loop(loop: Loop): Code[] {
    const [from, to] = loop.values.map((bound) => this.#hold('bound', this.#value<'i32'>(bound)));
    const inside = () => this.#block(loop.bodies[0]);
    const { body, before, after } = this.#site.pointers.within(loop, from, inside);
    const counter = this.#localOf(loop.counter) as Local<'i32'>;
    return [...before, forRange(counter, from, to, loop.step, [body, after])];
  }

  #localOf(variable: Variable): Local {
    const { self, variables } = this.#site;
    const local = variables.get(variable) ?? self.local(variable.name, wasmType(variable));
    variables.set(variable, local);
    return local;
  }

  /** A value that is computed before the statement, once, to be used twice. */
  #hold<E extends Expression>(name: string, value: E): E {
    if (/\.(get|const)$/.test(value.instruction)) return value;
    const local = this.#site.self.local(name, value.type);
    this.#before.push(set(local, value));
    return local as Expression as E;
  }

  // Values

  /** A value as code; the language has checked its type. */
  #value<T extends ValueType>(value: Value): Expression<T> {
    return this.#codeOf(value) as Expression<T>;
  }

  #codeOf(value: Value): Expression {
    if (value.node === 'constant') return this.#constant(value);
    if (value.node === 'variable') return this.#localOf(value);
    if (value.node === 'load') return this.#load(value);
    const { name, inputs: [first], inputs } = value;
    if (name === 'splat' && first.node === 'load') return v128.load32_splat(this.#place(first));
    return instruct(value, inputs.map((input) => this.#value<never>(input)), {
      fuse: this.#site.fuse,
      hold: (name, held) => this.#hold(name, held),
    });
  }

  #constant({ type, value }: Constant): Expression {
    if (type === 'f32') return f32.const(value);
    if (type === 'i32') return i32.const(value);
    const kind = type === 'f32x4' ? 'f32' : 'i32';
    const name = `${kind} ${Object.is(value, -0) ? '-0' : value}`;
    const known = this.#constants.get(name);
    if (known !== undefined) return known;
    const { module, self } = this.#site;
    const local = self.local(name, 'v128');
    this.#constants.set(name, local);
    this.#first.push(set(local, kind === 'f32'
      ? f32x4.splat(module.global(name, 'f32', value))
      : i32x4.splat(module.global(name, 'i32', value))));
    return local;
  }

  // Memory

  #load(from: Load): Expression {
    if (from.type === 'f32') return f32.load(this.#place(from));
    if (from.type === 'i32') return i32.load(this.#place(from));
    if (isContiguous(from.index)) return v128.load(this.#place(from));
    const [first, ...others] = this.#places(from);
    return others.reduce<Expression<'v128'>>(
      (vector, place, i) => v128.load32_lane(place, vector, i + 1),
      v128.load32_zero(first),
    );
  }

  #store(to: Load, value: Value): Code[] {
    if (to.type === 'f32') return [f32.store(this.#place(to), this.#value(value))];
    if (to.type === 'i32') return [i32.store(this.#place(to), this.#value(value))];
    if (isContiguous(to.index)) return [v128.store(this.#place(to), this.#value(value))];
    const held = this.#hold('lanes', this.#value<'v128'>(value));
    return this.#places(to).map((place, lane) => v128.store32_lane(place, held, lane));
  }

  #place(one: Load): Place {
    return this.#site.pointers.place(one, 0, (of) => this.#value(of));
  }

  /** The places of all lanes. Terms that are vectors are held, to be taken apart. */
  #places(one: Load): Place[] {
    const held = new Map<Value, Expression<'v128'>>();
    for (const { of } of one.index.terms) {
      if (lanesOf(of) === 4) held.set(of, this.#hold('index', this.#value(of)));
    }
    return [0, 1, 2, 3].map((lane) => this.#site.pointers.place(one, lane, (of) => {
      const vector = held.get(of);
      return vector === undefined ? this.#value(of) : i32x4.extract_lane(vector, lane);
    }));
  }
}

/**
 * A kernel as a WebAssembly function. A vector of four lanes is one SIMD register, a variable is a
 * local. Vector constants are brought into locals before the loops, out of mutable globals: engines
 * would otherwise build a constant anew in every round.
 */
import {
  type Expression, f32, f32x4, features, forRange, type HostMemory, i32, i32x4, i8x16, type Local,
  Module, Names, select, set, type Statement as Code, type Statements as Codes, v128,
  type ValueType, when, words,
} from '@mambagrad/wasm';
import type { Run } from './javascript.ts';
import type { Kernel } from './kernel.ts';
import { isContiguous } from './memory.ts';
import { type KernelFunction, type Place, Pointers } from './pointers.ts';
import type { Statement } from './statement.ts';
import {
  type Constant, lanesOf, type Load, type Operation, type Type, type Value, type Variable,
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

/** Instructions by their names, whatever they take: the language has checked the types. */
type Family = Readonly<Record<string, (...given: readonly unknown[]) => Expression>>;

/** The families on values of a type. One mask is 0 or 1; in a lane it is no bit or all. */
const families: Readonly<Record<Type, object>> = {
  f32, i32, mask: i32, f32x4, i32x4, maskx4: i32x4,
};

/** Where a kernel is emitted to. */
interface Site {
  readonly module: Module;
  readonly self: KernelFunction;
  readonly variables: Map<object, Local>;
  readonly pointers: Pointers;
  /** Whether `mulAdd` of vectors is rounded once. */
  readonly fuse: boolean;
}

class Emitter {
  readonly #site: Site;
  /** The locals of vector constants, and what gives them their values. */
  readonly #constants = new Map<string, Local>();
  readonly #first: Code[] = [];
  /** The block that is being emitted, as far as it is. */
  #code: Code[] = [];

  constructor(site: Site) {
    this.#site = site;
  }

  body(kernel: Kernel): Codes {
    const body = this.#block(kernel.body);
    return [this.#first, body];
  }

  #block(statements: readonly Statement[]): Code[] {
    const outside = this.#code;
    const code: Code[] = [];
    this.#code = code;
    for (const one of statements) this.#statement(one);
    this.#code = outside;
    return code;
  }

  #statement(one: Statement): void {
    const { pointers } = this.#site;
    if (one.statement === 'assign') {
      if (one.target.node === 'load') this.#store(one.target, one.values[0]);
      else this.#code.push(set(this.#localOf(one.target), this.#value(one.values[0])));
    } else if (one.statement === 'when') {
      const condition = this.#value<'i32'>(one.values[0]);
      const [then, otherwise] = one.bodies.map((body) => pointers.apart(() => this.#block(body)));
      this.#code.push(when(condition, then, otherwise));
    } else {
      const [from, to] = one.values.map((bound) => this.#hold('bound', this.#value<'i32'>(bound)));
      const inside = () => this.#block(one.bodies[0]);
      const { body, before, after } = pointers.within(one, from, inside);
      const counter = this.#localOf(one.counter) as Local<'i32'>;
      this.#code.push(...before, forRange(counter, from, to, one.step, [body, after]));
    }
  }

  #localOf(variable: Variable): Local {
    const { self, variables } = this.#site;
    const local = variables.get(variable) ?? self.local(variable.name, wasmType(variable));
    variables.set(variable, local);
    return local;
  }

  /** A value that is computed once, before the statement, to be used twice. */
  #hold<E extends Expression>(name: string, value: E): E {
    if (/\.(get|const)$/.test(value.instruction)) return value;
    const local = this.#site.self.local(name, value.type);
    this.#code.push(set(local, value));
    return local as Expression as E;
  }

  // Values

  #value<T extends ValueType>(value: Value): Expression<T> {
    return this.#codeOf(value) as Expression<T>;
  }

  #codeOf(value: Value): Expression {
    if (value.node === 'constant') return this.#constant(value);
    if (value.node === 'variable') return this.#localOf(value);
    return value.node === 'load' ? this.#load(value) : this.#operation(value);
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
    const splat = (families[type] as Family).splat(module.global(name, kind, value));
    this.#constants.set(name, local);
    this.#first.push(set(local, splat as Expression<'v128'>));
    return local;
  }

  /** Most operations have an instruction for single values and one for four lanes. */
  #operation({ name, type, inputs, detail, meaning: { wasm = '' } }: Operation): Expression {
    const [first] = inputs;
    if (name === 'splat' && first.node === 'load') return v128.load32_splat(this.#place(first));
    const given = inputs.map((input) => this.#value<never>(input));
    const [a, b, c] = given;
    if (name === 'splat' && type === 'maskx4') return i32x4.splat(i32.sub(0, a));
    const isVector = lanesOf(first) === 4;
    const places = [families[first.type], families[type], isVector ? v128 : {}] as Family[];
    for (const instruction of wasm.split(' ')) {
      const family = places.find((one) => Object.hasOwn(one, instruction));
      if (family !== undefined) return family[instruction](...given, ...detail);
    }
    if (name === 'consecutive') return i32x4.add(i32x4.splat(a), i32x4.const([0, 1, 2, 3]));
    if (name === 'shuffle') return i8x16.shuffle(a, b, words(...detail));
    if (name === 'select') return isVector ? v128.bitselect(b, c, a) : select(a, b, c);
    if (name === 'mulAdd') {
      if (!isVector) return f32.add(f32.mul(a, b), c);
      return this.#site.fuse ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
    }
    // The bits of f32 and of i32 in four lanes are the same register.
    if (name === 'bitsOf' || name === 'fromBits') return a;
    const [x, y] = [this.#hold('a', a), this.#hold('b', b)];
    const [small, large] = name === 'min' ? [y, x] : [x, y];
    return select(type === 'f32' ? f32.lt(small, large) : i32.lt_s(small, large), y, x);
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

  #store(to: Load, given: Value): void {
    const value = this.#value<never>(given);
    if (to.type === 'f32') this.#code.push(f32.store(this.#place(to), value));
    else if (to.type === 'i32') this.#code.push(i32.store(this.#place(to), value));
    else if (isContiguous(to.index)) this.#code.push(v128.store(this.#place(to), value));
    else {
      const held = this.#hold('lanes', value);
      const places = this.#places(to);
      places.forEach((place, lane) => this.#code.push(v128.store32_lane(place, held, lane)));
    }
  }

  #place(one: Load): Place {
    return this.#site.pointers.place(one, 0, (of) => this.#value(of));
  }

  /** The places of all lanes. Terms that are vectors are held, to be taken apart. */
  #places(one: Load): Place[] {
    const held = new Map<Value, Expression<'v128'>>();
    for (const { of } of one.index.terms) {
      if (lanesOf(of) === 4) held.set(of, this.#hold('index', this.#value<'v128'>(of)));
    }
    return [0, 1, 2, 3].map((lane) => this.#site.pointers.place(one, lane, (of) => {
      const vector = held.get(of);
      return vector === undefined ? this.#value(of) : i32x4.extract_lane(vector, lane);
    }));
  }
}

/**
 * A kernel as a WebAssembly function. A vector of four lanes is one SIMD register, a variable is a
 * local. Vector constants are brought into locals before the loops, out of mutable globals: engines
 * would otherwise build a constant anew in every round.
 */
import {
  call, type Expression, f32, f32x4, features, forRange, type HostMemory, i32, i32x4, i8x16,
  type Local, Module, Names, type Operand, select, set, type Statement as Code,
  type Statements as Codes, v128, type ValueType, when, words,
} from '@mambagrad/wasm';
import { boolean, readOptions, type Table } from '@mambagrad/wasm/options';
import type { Run } from './javascript.ts';
import type { Kernel } from './kernel.ts';
import { isContiguous } from './memory.ts';
import { type KernelFunction, type Place, Pointers } from './pointers.ts';
import type { Statement } from './statement.ts';
import {
  type Constant, lanesOf, type Load, type Operation, type Type, type Value, type Variable,
} from './value.ts';

/** How kernels are made into WebAssembly: options of `compileWebAssembly` and `addPhases`. */
export interface EmitOptions {
  /**
   * Whether `mulAdd` of vectors is rounded once, where the engine can (relaxed SIMD). Default
   * false.
   */
  readonly fuse?: boolean | undefined;
}

const emitOptions = { fuse: boolean.orElse(false) } satisfies Table<EmitOptions>;

/** A phase as a function: a parallel one of the first round and the one behind the last, too. */
export interface PhaseFunction {
  /**
   * Takes the kernel's parameters and, if it has any, the byte where its scratch memory starts; a
   * parallel phase also where the thread's own scratch memory starts, and the range of rounds,
   * `from` up to but not including `to`.
   */
  readonly run: KernelFunction;
  /** The number of rounds of a parallel phase; undefined where one thread does it all. */
  readonly rounds: number | undefined;
}

/** Compiles a kernel to WebAssembly, to run on a memory, in one thread. */
export function compileWebAssembly(
  kernel: Kernel, memory: HostMemory, options: EmitOptions = {},
): Run {
  const module = new Module();
  const shared = !(memory.buffer instanceof ArrayBuffer);
  module.importMemory('host', 'memory', shared ? { min: 0, max: 65536, shared } : { min: 0 });
  const phases = addPhases(module, kernel, options);
  const run = module.function('run', parametersOf(kernel), 'none', (given) => {
    const { scratch } = given as Record<string, Local<'i32'> | undefined>;
    const own = scratch ? i32.add(scratch, kernel.scratchBytes - kernel.ownBytes) : 0;
    return phases.map((phase) => callPhase(phase, Object.values(given), own, 0, phase.rounds));
  });
  module.export(run);
  return module.instantiate<{ run: Run }>({ host: { memory } }).run;
}

/** Calls a phase with what its kernel takes, and, if it is parallel, some of its rounds. */
export function callPhase(
  { run, rounds }: PhaseFunction,
  given: readonly (Expression | number)[], own: Operand<'i32'>,
  from: Operand<'i32'> = 0, to: Operand<'i32'> = 0,
): Code {
  const values = rounds === undefined ? given : [...given, own, from, to];
  const keys = Object.keys(run.parameters);
  return call(run, Object.fromEntries(keys.map((key, i) => [key, values[i] as Operand<'i32'>])));
}

/** What a kernel takes, with types: its parameters and, if it has any, its scratch memory. */
function parametersOf(kernel: Kernel): Record<string, ValueType> {
  const names = new Names(['scratch', 'own', 'from', 'to']);
  const parameters = kernel.parameters.map((one): [string, ValueType] => (
    [names.of(one), 'node' in one ? wasmType(one) : 'i32']
  ));
  if (kernel.scratchBytes > 0) parameters.push(['scratch', 'i32']);
  return Object.fromEntries(parameters);
}

/** Adds a kernel to a module, as a function for each phase. */
export function addPhases(
  module: Module, kernel: Kernel, options: EmitOptions = {},
): PhaseFunction[] {
  const { fuse } = readOptions(`kernel ${kernel.name}`, options, emitOptions);
  const fuses = fuse && features().relaxedSimd;
  return kernel.phases.map(({ body, rounds }, i) => {
    const name = kernel.phases.length > 1 ? `${kernel.name}, phase ${i}` : kernel.name;
    const more = rounds === undefined ? {} : { own: 'i32', from: 'i32', to: 'i32' } as const;
    const parameters: Record<string, ValueType> = { ...parametersOf(kernel), ...more };
    const run = module.function(name, parameters, 'none', (given, self) => {
      const locals = Object.values(given);
      const known = new Map(kernel.parameters.map((one, p) => [one, locals[p]] as const));
      return emit({ ...kernel, body }, module, self, known, given, fuses);
    });
    return { run, rounds };
  });
}

function wasmType({ type }: { readonly type: Type }): ValueType {
  if (lanesOf({ type }) === 4) return 'v128';
  return type === 'f32' ? 'f32' : 'i32';
}

/** Instructions by their names, whatever they take: the language has checked the types. */
type Family = Readonly<Record<string, (...given: readonly unknown[]) => Expression>>;

/** The families on values of a type. One mask is 0 or 1; in a lane it is no bit or all. */
const families = {
  f32, i32, mask: i32, f32x4, i32x4, maskx4: i32x4,
} as object as Readonly<Record<Type, Family>>;

/** The code of a kernel in a function, of which `locals` are at first the parameters. */
function emit(
  kernel: Kernel, module: Module, self: KernelFunction, locals: Map<object, Local>,
  { scratch, own, from: first, to: end }: Readonly<Record<string, Local>>, fuses: boolean,
): Codes {
  const sharedBytes = kernel.scratchBytes - kernel.ownBytes;
  const pointers = new Pointers(self, (buffer, bytes) => {
    if (buffer.at !== undefined) return i32.const(buffer.at + bytes);
    const place = kernel.scratch.get(buffer) ?? 0;
    const isOwn = buffer.isScratch && place >= sharedBytes;
    const offset = bytes + (isOwn ? place - sharedBytes : place);
    const start = (locals.get(buffer) ?? (isOwn ? own : scratch)) as Local<'i32'>;
    return offset === 0 ? start : i32.add(start, offset);
  });
  /** The locals of vector constants, and what gives them their values. */
  const constants = new Map<string, Local>();
  const before: Code[] = [];
  /** The block that is being emitted, as far as it is. */
  let code: Code[] = [];

  const localOf = (variable: Variable): Local => {
    const local = locals.get(variable) ?? self.local(variable.name, wasmType(variable));
    locals.set(variable, local);
    return local;
  };

  /** A value that is computed once, before the statement, to be used twice. */
  const hold = <E extends Expression>(name: string, value: E): E => {
    if (/\.(get|const)$/.test(value.instruction)) return value;
    const local = self.local(name, value.type);
    code.push(set(local, value));
    return local as Expression as E;
  };

  const constantOf = ({ type, value }: Constant): Expression => {
    if (type === 'f32') return f32.const(value);
    if (type === 'i32') return i32.const(value);
    const kind = type === 'f32x4' ? 'f32' : 'i32';
    const name = `${kind} ${Object.is(value, -0) ? '-0' : value}`;
    const known = constants.get(name);
    if (known !== undefined) return known;
    const local = self.local(name, 'v128');
    const splat = families[type].splat(module.global(name, kind, value));
    constants.set(name, local);
    before.push(set(local, splat as Expression<'v128'>));
    return local;
  };

  /** Most operations have an instruction for single values and one for four lanes. */
  const operationOf = (operation: Operation): Expression => {
    const { name, type, inputs, detail, meaning: { wasm = '' } } = operation;
    const [input] = inputs;
    if (name === 'splat' && input.node === 'load') return v128.load32_splat(placeOf(input));
    const given = inputs.map((one) => valueOf<never>(one));
    const [a, b, c] = given;
    if (name === 'splat' && type === 'maskx4') return i32x4.splat(i32.sub(0, a));
    const isVector = lanesOf(input) === 4;
    const places = [families[input.type], families[type], isVector ? v128 : {}] as Family[];
    for (const instruction of wasm.split(' ')) {
      const family = places.find((one) => Object.hasOwn(one, instruction));
      if (family !== undefined) return family[instruction](...given, ...detail);
    }
    if (name === 'consecutive') return i32x4.add(i32x4.splat(a), i32x4.const([0, 1, 2, 3]));
    if (name === 'shuffle') return i8x16.shuffle(a, b, words(...detail));
    if (name === 'select') return isVector ? v128.bitselect(b, c, a) : select(a, b, c);
    if (name === 'mulAdd' && isVector && fuses) return f32x4.relaxed_madd(a, b, c);
    if (name === 'mulAdd') return families[type].add(families[type].mul(a, b), c);
    // The bits of f32 and of i32 in four lanes are the same register.
    if (name === 'bitsOf' || name === 'fromBits') return a;
    const [x, y] = [hold('a', a), hold('b', b)];
    const [small, large] = name === 'min' ? [y, x] : [x, y];
    return select(type === 'f32' ? f32.lt(small, large) : i32.lt_s(small, large), y, x);
  };

  const placeOf = (one: Load): Place => pointers.place(one, 0, (of) => valueOf(of));

  /** The places of all lanes. Terms that are vectors are held, to be taken apart. */
  const placesOf = (one: Load): Place[] => {
    const held = new Map<Value, Expression<'v128'>>();
    for (const { of } of one.index.terms) {
      if (lanesOf(of) === 4) held.set(of, hold('index', valueOf<'v128'>(of)));
    }
    return [0, 1, 2, 3].map((lane) => pointers.place(one, lane, (of) => {
      const vector = held.get(of);
      return vector === undefined ? valueOf(of) : i32x4.extract_lane(vector, lane);
    }));
  };

  const loadOf = (from: Load): Expression => {
    if (from.type === 'f32') return f32.load(placeOf(from));
    if (from.type === 'i32') return i32.load(placeOf(from));
    if (isContiguous(from.index)) return v128.load(placeOf(from));
    const [zero, ...others] = placesOf(from);
    return others.reduce<Expression<'v128'>>(
      (vector, place, i) => v128.load32_lane(place, vector, i + 1),
      v128.load32_zero(zero),
    );
  };

  const valueOf = <T extends ValueType>(value: Value): Expression<T> => {
    const made = value.node === 'constant' ? constantOf(value)
      : value.node === 'variable' ? localOf(value)
      : value.node === 'load' ? loadOf(value)
      : operationOf(value);
    return made as Expression<T>;
  };

  const store = (to: Load, given: Value): void => {
    const value = valueOf<never>(given);
    if (to.type === 'f32') code.push(f32.store(placeOf(to), value));
    else if (to.type === 'i32') code.push(i32.store(placeOf(to), value));
    else if (isContiguous(to.index)) code.push(v128.store(placeOf(to), value));
    else {
      const held = hold('lanes', value);
      const places = placesOf(to);
      places.forEach((place, lane) => code.push(v128.store32_lane(place, held, lane)));
    }
  };

  const statement = (one: Statement): void => {
    if (one.statement === 'assign') {
      if (one.target.node === 'load') store(one.target, one.values[0]);
      else code.push(set(localOf(one.target), valueOf(one.values[0])));
    } else if (one.statement === 'when') {
      const condition = valueOf<'i32'>(one.values[0]);
      const [then, otherwise] = one.bodies.map((body) => pointers.apart(() => block(body)));
      code.push(when(condition, then, otherwise));
    } else {
      const [from, to] = one.isParallel
        ? [first as Local<'i32'>, end as Local<'i32'>]
        : one.values.map((bound) => hold('bound', valueOf<'i32'>(bound)));
      const inside = () => block(one.bodies[0]);
      const { body, before: starts, after } = pointers.within(one, from, inside);
      const counter = localOf(one.counter) as Local<'i32'>;
      code.push(...starts, forRange(counter, from, to, one.step, [body, after]));
    }
  };

  const block = (statements: readonly Statement[]): Code[] => {
    const outside = code;
    const inside: Code[] = [];
    code = inside;
    statements.forEach(statement);
    code = outside;
    return inside;
  };

  const body = block(kernel.body);
  return [before, body];
}

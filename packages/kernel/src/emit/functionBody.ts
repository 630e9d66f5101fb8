/**
 * The code of a kernel in a WebAssembly function, from the outside in:
 *
 *     blockOf            statements, one after the other
 *     addStatement       a store, an assignment, a branch or a loop
 *     valueOf            a constant, a variable, a load or an operation
 *
 * A vector of four lanes is one SIMD register, a variable is a local. Vector constants are brought
 * into locals before the loops, out of mutable globals: engines would otherwise build a constant
 * anew in every round.
 */
import {
  type Expression, f32, f32x4, forRange, i32, i32x4, i8x16, type Local, type Module, select, set,
  type Statement as Code, type Statements as Codes, v128, type ValueType, when, words,
} from '@mambagrad/wasm';
import {
  type Buffer, type Constant, type Expr, lanesOf, type Load, type Operation, type Type,
  type Variable,
} from '../language/expression.ts';
import type { Kernel } from '../language/kernel.ts';
import { isContiguous } from '../language/memory.ts';
import type { Loop, Statement } from '../language/statement.ts';
import { type KernelFunction, type Place, Pointers } from './inductionVariables.ts';

/** The function that the code is for. */
export interface Target {
  readonly module: Module;
  readonly self: KernelFunction;
  /** Its parameters by name: beside those of the kernel `scratch`, `own`, `from` and `to`. */
  readonly given: Readonly<Record<string, Local>>;
  /** The locals of the kernel's parameters. */
  readonly locals: ReadonlyMap<object, Local>;
  /** Whether `mulAdd` of vectors is a single instruction, rounded once. */
  readonly fuses: boolean;
}

/** A function while its code is written. */
interface Emission extends Target {
  /** The locals of parameters, and of the variables met so far. */
  readonly locals: Map<object, Local>;
  readonly pointers: Pointers;
  /** The locals of vector constants, and what gives them their values. */
  readonly constants: Map<string, Local>;
  readonly before: Code[];
  /** The block that is being emitted, as far as it is. */
  code: Code[];
}

/** The code of some statements of a kernel. */
export function emit(kernel: Kernel, body: readonly Statement[], target: Target): Codes {
  const { self } = target;
  const to: Emission = {
    ...target,
    locals: new Map(target.locals),
    pointers: new Pointers(self, (buffer, bytes) => addressOf(kernel, target, buffer, bytes)),
    constants: new Map(),
    before: [],
    code: [],
  };
  const code = blockOf(to, body);
  return [to.before, code];
}

/** The address so many bytes behind the start of a buffer. */
function addressOf(
  kernel: Kernel, { locals, given }: Target, buffer: Buffer, bytes: number,
): Expression<'i32'> {
  if (buffer.at !== undefined) return i32.const(buffer.at + bytes);
  const place = kernel.scratch.get(buffer) ?? 0;
  const sharedBytes = kernel.scratchBytes - kernel.threadLocalBytes;
  const isOwn = buffer.isScratch && place >= sharedBytes;
  const offset = bytes + (isOwn ? place - sharedBytes : place);
  const start = (locals.get(buffer) ?? (isOwn ? given.own : given.scratch)) as Local<'i32'>;
  return offset === 0 ? start : i32.add(start, offset);
}

/** Statements as code of their own, beside what is being emitted. */
function blockOf(to: Emission, statements: readonly Statement[]): Code[] {
  const outside = to.code;
  const inside: Code[] = [];
  to.code = inside;
  for (const one of statements) addStatement(to, one);
  to.code = outside;
  return inside;
}

function addStatement(to: Emission, one: Statement): void {
  if (one.statement === 'loop') {
    addLoop(to, one);
  } else if (one.statement === 'when') {
    const condition = valueOf<'i32'>(to, one.values[0]);
    const [then, otherwise] = one.bodies.map((body) => (
      to.pointers.apart(() => blockOf(to, body))
    ));
    to.code.push(when(condition, then, otherwise));
  } else if (one.target.node === 'load') {
    addStore(to, one.target, one.values[0]);
  } else {
    to.code.push(set(localOf(to, one.target), valueOf(to, one.values[0])));
  }
}

/** A loop; of a parallel one the rounds that the function was given. */
function addLoop(to: Emission, one: Loop): void {
  const [first, end] = one.isParallel
    ? [to.given.from as Local<'i32'>, to.given.to as Local<'i32'>]
    : one.values.map((bound) => hold(to, 'bound', valueOf<'i32'>(to, bound)));
  const inside = () => blockOf(to, one.bodies[0]);
  const { body, before, after } = to.pointers.within(one, first, inside);
  const counter = localOf(to, one.counter) as Local<'i32'>;
  to.code.push(...before, forRange(counter, first, end, one.step, [body, after]));
}

function addStore(to: Emission, target: Load, given: Expr): void {
  const value = valueOf<never>(to, given);
  if (target.type === 'f32') to.code.push(f32.store(placeOf(to, target), value));
  else if (target.type === 'i32') to.code.push(i32.store(placeOf(to, target), value));
  else if (isContiguous(target.index)) to.code.push(v128.store(placeOf(to, target), value));
  else {
    const held = hold(to, 'lanes', value);
    const places = placesOf(to, target);
    places.forEach((place, lane) => to.code.push(v128.store32_lane(place, held, lane)));
  }
}

function valueOf<T extends ValueType>(to: Emission, value: Expr): Expression<T> {
  const made = value.node === 'constant' ? constantOf(to, value)
    : value.node === 'variable' ? localOf(to, value)
    : value.node === 'load' ? loadOf(to, value)
    : operationOf(to, value);
  return made as Expression<T>;
}

function constantOf(to: Emission, { type, value }: Constant): Expression {
  if (type === 'f32') return f32.const(value);
  if (type === 'i32') return i32.const(value);
  const kind = type === 'f32x4' ? 'f32' : 'i32';
  const name = `${kind} ${Object.is(value, -0) ? '-0' : value}`;
  const known = to.constants.get(name);
  if (known !== undefined) return known;
  const local = to.self.local(name, 'v128');
  const splat = families[type].splat(to.module.global(name, kind, value));
  to.constants.set(name, local);
  to.before.push(set(local, splat as Expression<'v128'>));
  return local;
}

function localOf({ locals, self }: Emission, variable: Variable): Local {
  const local = locals.get(variable) ?? self.local(variable.name, wasmType(variable));
  locals.set(variable, local);
  return local;
}

export function wasmType({ type }: { readonly type: Type }): ValueType {
  if (lanesOf({ type }) === 4) return 'v128';
  return type === 'f32' ? 'f32' : 'i32';
}

/** A value that is computed once, before the statement, to be used twice. */
function hold<E extends Expression>(to: Emission, name: string, value: E): E {
  if (/\.(get|const)$/.test(value.instruction)) return value;
  const local = to.self.local(name, value.type);
  to.code.push(set(local, value));
  return local as Expression as E;
}

function loadOf(to: Emission, from: Load): Expression {
  if (from.type === 'f32') return f32.load(placeOf(to, from));
  if (from.type === 'i32') return i32.load(placeOf(to, from));
  if (isContiguous(from.index)) return v128.load(placeOf(to, from));
  const [zero, ...others] = placesOf(to, from);
  return others.reduce<Expression<'v128'>>(
    (vector, place, i) => v128.load32_lane(place, vector, i + 1),
    v128.load32_zero(zero),
  );
}

function placeOf(to: Emission, one: Load): Place {
  return to.pointers.place(one, 0, (of) => valueOf(to, of));
}

/** The places of all lanes. Terms that are vectors are held, to be taken apart. */
function placesOf(to: Emission, one: Load): Place[] {
  const held = new Map<Expr, Expression<'v128'>>();
  for (const { of } of one.index.terms) {
    if (lanesOf(of) === 4) held.set(of, hold(to, 'index', valueOf<'v128'>(to, of)));
  }
  return [0, 1, 2, 3].map((lane) => to.pointers.place(one, lane, (of) => {
    const vector = held.get(of);
    return vector === undefined ? valueOf(to, of) : i32x4.extract_lane(vector, lane);
  }));
}

/** Makes an instruction of whatever it takes: the language has checked the types. */
type Builder = (...given: readonly unknown[]) => Expression;

/** Instructions by their names. */
type Family = Readonly<Record<string, Builder>>;

/** The families on values of a type. One mask is 0 or 1; in a lane it is no bit or all. */
const families = {
  f32, i32, mask: i32, f32x4, i32x4, maskx4: i32x4,
} as object as Readonly<Record<Type, Family>>;

function operationOf(to: Emission, operation: Operation): Expression {
  const { name, type, inputs, detail } = operation;
  const [input] = inputs;
  if (name === 'splat' && input.node === 'load') return v128.load32_splat(placeOf(to, input));
  const given = inputs.map((one) => valueOf<never>(to, one));
  if (name === 'splat' && type === 'maskx4') return i32x4.splat(i32.sub(0, given[0]));
  const instruction = instructionOf(operation);
  return instruction ? instruction(...given, ...detail) : composed(to, operation, given);
}

/** Most operations have an instruction for single values and one for four lanes. */
function instructionOf(operation: Operation): Builder | undefined {
  const { type, inputs: [input], meaning: { wasm = '' } } = operation;
  const isVector = lanesOf(input) === 4;
  const places = [families[input.type], families[type], isVector ? v128 : {}] as Family[];
  for (const instruction of wasm.split(' ')) {
    const family = places.find((one) => Object.hasOwn(one, instruction));
    if (family !== undefined) return family[instruction];
  }
  return undefined;
}

/** An operation that takes several instructions, or other things than its operands. */
function composed(
  to: Emission, { name, type, inputs, detail }: Operation, [a, b, c]: readonly Expression<never>[],
): Expression {
  const isVector = lanesOf(inputs[0]) === 4;
  if (name === 'ramp') return i32x4.add(i32x4.splat(a), i32x4.const([0, 1, 2, 3]));
  if (name === 'shuffle') return i8x16.shuffle(a, b, words(...detail));
  if (name === 'select') return isVector ? v128.bitselect(b, c, a) : select(a, b, c);
  if (name === 'mulAdd' && isVector && to.fuses) return f32x4.relaxed_madd(a, b, c);
  if (name === 'mulAdd') return families[type].add(families[type].mul(a, b), c);
  // The bits of f32 and of i32 in four lanes are the same register.
  if (name === 'toBits' || name === 'fromBits') return a;
  const [x, y] = [hold(to, 'a', a), hold(to, 'b', b)];
  const [small, large] = name === 'min' ? [y, x] : [x, y];
  return select(type === 'f32' ? f32.lt(small, large) : i32.lt_s(small, large), y, x);
}

/**
 * The body of a WebAssembly function for the statements of a kernel, from the outside in:
 *
 *     blockOf            a block of statements
 *     addStatement       a store, an assignment, a branch or a loop
 *     valueOf            a constant, a variable, a load or an operation
 *
 * A variable is a local, and a vector of four lanes is one SIMD register. Vector constants are
 * loaded into locals before the loops, from mutable globals: engines would otherwise build each
 * constant again in every iteration.
 */
import {
  type Expression, f32, f32x4, forRange, i32, i32x4, i8x16, type Local, type Module, type Operand,
  select, set, type Statement as Code, type Statements as Codes, v128, type ValueType, when, words,
} from '@mambagrad/wasm';
import {
  type Buffer, type Constant, type Expr, isVector, lanesOf, type Load, type Operation, type Type,
  type Variable,
} from '../language/expression.ts';
import type { Kernel } from '../language/kernel.ts';
import { isContiguous } from '../language/memory.ts';
import type { Loop, Statement } from '../language/statement.ts';
import { type KernelFunction, type Place, Pointers } from './inductionVariables.ts';

/** The function that the code is emitted into. */
export interface Target {
  readonly self: KernelFunction;
  /** Its parameters by name: those of the kernel, and `scratch`, `own`, `from` and `to`. */
  readonly given: Readonly<Record<string, Local>>;
  /** The locals of the kernel's parameters. */
  readonly locals: ReadonlyMap<object, Local>;
  /** Whether `mulAdd` of vectors is a single instruction, rounded once. */
  readonly fuses: boolean;
}

/** The state of the emission of one function. */
interface Emission extends Target {
  /** The locals of the parameters, and of the variables seen so far. */
  readonly locals: Map<object, Local>;
  readonly pointers: Pointers;
  /** Vector constants by kind and value. */
  readonly constants: Map<string, VectorConstant>;
  /** The statements of the current block so far. */
  code: Code[];
}

/** A constant in all four lanes, and the local that it is loaded into. */
export interface VectorConstant {
  readonly kind: 'f32' | 'i32';
  readonly value: number;
  readonly local: Local;
}

/** The code of some statements of a kernel, and the constants that have to be loaded before it. */
interface Emitted {
  readonly constants: readonly VectorConstant[];
  readonly code: Codes;
}

/** Emits the code of some statements of a kernel. */
export function emit(kernel: Kernel, body: readonly Statement[], target: Target): Emitted {
  const { self } = target;
  const to: Emission = {
    ...target,
    locals: new Map(target.locals),
    pointers: new Pointers(self, (buffer, bytes) => addressOf(kernel, target, buffer, bytes)),
    constants: new Map(),
    code: [],
  };
  const code = blockOf(to, body);
  return { constants: [...to.constants.values()], code };
}

/** Loads a vector constant into its local, from a global of the module. */
export function loadConstant(module: Module, { kind, value, local }: VectorConstant): Code {
  const global = module.global(nameOf(kind, value), kind, value);
  return set(local, families[`${kind}x4`].splat(global) as Expression<'v128'>);
}

function nameOf(kind: string, value: number): string {
  return `${kind} ${Object.is(value, -0) ? '-0' : value}`;
}

/** The address of a byte of a buffer, given its offset. */
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

/** The code of a block inside the current one. */
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

/** A loop; a parallel one runs the iterations that the function is called for. */
function addLoop(to: Emission, one: Loop): void {
  const [first, end] = one.isParallel
    ? [to.given.from as Local<'i32'>, to.given.to as Local<'i32'>]
    : one.values.map((bound): Operand<'i32'> => (
      bound.node === 'constant' ? bound.value : hold(to, 'bound', valueOf<'i32'>(to, bound))
    ));
  const inside = () => blockOf(to, one.bodies[0]);
  const { body, before, after } = to.pointers.within(one, first, inside);
  const counter = localOf(to, one.counter) as Local<'i32'>;
  to.code.push(...before, ...forRange(counter, first, end, one.step, [body, after]));
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
  const name = nameOf(kind, value);
  const known = to.constants.get(name);
  if (known !== undefined) return known.local;
  const local = to.self.local(name, 'v128');
  to.constants.set(name, { kind, value, local });
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

/** A value that is used twice: it is computed once, before the statement. */
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

/** The places of the four lanes. Terms that are vectors are computed once for all of them. */
function placesOf(to: Emission, one: Load): Place[] {
  const held = new Map<Expr, Expression<'v128'>>();
  for (const { of } of one.index.terms) {
    if (isVector(of)) held.set(of, hold(to, 'index', valueOf<'v128'>(to, of)));
  }
  return [0, 1, 2, 3].map((lane) => to.pointers.place(one, lane, (of) => {
    const vector = held.get(of);
    return vector === undefined ? valueOf(to, of) : i32x4.extract_lane(vector, lane);
  }));
}

/** Builds an instruction. The language has checked the types of the operands. */
type Builder = (...given: readonly unknown[]) => Expression;

/** Builders by the names of the instructions. */
type Family = Readonly<Record<string, Builder>>;

/** The family for each type. A single mask is 0 or 1; in a lane, no bits or all bits are set. */
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

/** Instructions by the names of an operation's, the type of its input, and that of its result. */
const instructions = new Map<string, Builder | undefined>();

/** Most operations have an instruction for single values and one for four lanes. */
function instructionOf({ type, inputs, meaning: { wasm = '' } }: Operation): Builder | undefined {
  const input = inputs[0];
  const key = `${wasm} ${input.type} ${type}`;
  if (instructions.has(key)) return instructions.get(key);
  const places = [families[input.type], families[type], isVector(input) ? v128 : {}] as Family[];
  const named = wasm.split(' ').flatMap((instruction) => (
    places.flatMap((family) => family[instruction] ?? [])
  ));
  instructions.set(key, named[0]);
  return named[0];
}

/** An operation that is more than one instruction, or one with other operands. */
function composed(
  to: Emission, { name, type, inputs, detail }: Operation, [a, b, c]: readonly Expression<never>[],
): Expression {
  if (name === 'ramp') return i32x4.add(i32x4.splat(a), i32x4.const([0, 1, 2, 3]));
  if (name === 'shuffle') return i8x16.shuffle(a, b, words(...detail));
  if (name === 'select') return isVector(inputs[0]) ? v128.bitselect(b, c, a) : select(a, b, c);
  if (name === 'mulAdd' && isVector(inputs[0]) && to.fuses) return f32x4.relaxed_madd(a, b, c);
  if (name === 'mulAdd') return families[type].add(families[type].mul(a, b), c);
  // A bitcast of four lanes does nothing: the register is the same.
  if (name === 'toBits' || name === 'fromBits') return a;
  const [x, y] = [hold(to, 'a', a), hold(to, 'b', b)];
  const [small, large] = name === 'min' ? [y, x] : [x, y];
  return select(type === 'f32' ? f32.lt(small, large) : i32.lt_s(small, large), y, x);
}

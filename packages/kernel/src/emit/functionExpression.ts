/**
 * Values in WebAssembly: code that pushes the value of an expression, a constant, a variable, a
 * load or an operation, whose operands are pushed first.
 */
import {
  type CodeWriter, type InstructionName, isInstruction, type Local, type ValueType, words,
} from '@mambagrad/wasm';
import {
  type Constant, type Expr, isVector, lanesOf, type Load, type Operation, type Type, type Variable,
} from '../language/expression.ts';
import { isContiguous } from '../language/memory.ts';
import { type KernelFunction, type Pointers, pushAddress } from './inductionVariables.ts';

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
export interface Emission extends Target {
  /** The locals of the parameters, and of the variables seen so far. */
  readonly locals: Map<object, Local>;
  readonly pointers: Pointers;
  /** Vector constants by kind and value. */
  readonly constants: Map<string, VectorConstant>;
  /** The code of the current loop so far. */
  code: CodeWriter;
}

/** A constant in all four lanes, and the local that it is loaded into. */
export interface VectorConstant {
  readonly kind: 'f32' | 'i32';
  readonly value: number;
  readonly local: Local;
}

/** Writes code that pushes the value of an expression. */
export function push(to: Emission, value: Expr): void {
  if (value.node === 'operation') pushOperation(to, value);
  else if (value.node === 'load') pushLoad(to, value);
  else if (value.node === 'variable') to.code.get(localOf(to, value));
  else if (value.type === 'f32') to.code.f32(value.value);
  else if (value.type === 'i32') to.code.i32(value.value);
  else to.code.get(vectorConstant(to, value));
}

/** Pushes a value, and keeps it in a local, too. */
export function pushAndHold(to: Emission, name: string, value: Expr): Local {
  push(to, value);
  if (value.node === 'variable') return localOf(to, value);
  const local = to.self.local(name, wasmType(value));
  to.code.tee(local);
  return local;
}

/** The local of a constant in four lanes. */
function vectorConstant(to: Emission, { type, value }: Constant): Local {
  const kind = type === 'f32x4' ? 'f32' : 'i32';
  const name = constantName(kind, value);
  const known = to.constants.get(name);
  if (known !== undefined) return known.local;
  const local = to.self.local(name, 'v128');
  to.constants.set(name, { kind, value, local });
  return local;
}

/** The name of a vector constant: its kind and its value. */
export function constantName(kind: string, value: number): string {
  return `${kind} ${Object.is(value, -0) ? '-0' : value}`;
}

export function localOf({ locals, self }: Emission, variable: Variable): Local {
  const known = locals.get(variable);
  if (known !== undefined) return known;
  const local = self.local(variable.name, wasmType(variable));
  locals.set(variable, local);
  return local;
}

export function wasmType({ type }: { readonly type: Type }): ValueType {
  if (lanesOf({ type }) === 4) return 'v128';
  return type === 'f32' ? 'f32' : 'i32';
}

function pushLoad(to: Emission, from: Load): void {
  const { code } = to;
  if (lanesOf(from) === 1 || isContiguous(from.index)) {
    code.access(`${wasmType(from)}.load`, pushPlace(to, from));
    return;
  }
  // The address of each lane is below the vector of the lanes before it, on the stack.
  const vectors = new Map<Expr, Local>();
  const offsets = [3, 2, 1, 0].map((lane) => pushPlace(to, from, lane, vectors));
  const [zero, ...others] = offsets.reverse();
  code.access('v128.load32_zero', zero);
  others.forEach((offset, i) => code.access('v128.load32_lane', offset, i + 1));
}

/**
 * Pushes the address of an element, or of one lane, and gives the constant that the access adds.
 * Terms that are vectors are computed once for all lanes, and kept in `vectors`.
 */
export function pushPlace(
  to: Emission, one: Load, lane = 0, vectors?: Map<Expr, Local>,
): number {
  const { code } = to;
  const { address, others, offset } = to.pointers.place(one, lane);
  pushAddress(code, address);
  for (const { of, times } of others) {
    if (vectors && isVector(of)) pushLane(to, of, lane, vectors);
    else push(to, of);
    code.i32(4 * times).op('i32.mul').op('i32.add');
  }
  return offset;
}

/** Pushes a lane of a vector that is kept in a local. */
function pushLane(to: Emission, vector: Expr, lane: number, vectors: Map<Expr, Local>): void {
  const known = vectors.get(vector);
  if (known === undefined) vectors.set(vector, pushAndHold(to, 'index', vector));
  else to.code.get(known);
  to.code.op('i32x4.extract_lane', [lane]);
}

/** The family of instructions of each type; in a lane of a mask all bits are set, or none. */
const families: Readonly<Record<Type, string>> = {
  f32: 'f32', i32: 'i32', mask: 'i32', f32x4: 'f32x4', i32x4: 'i32x4', maskx4: 'i32x4',
};

function pushOperation(to: Emission, operation: Operation): void {
  const { name, type, inputs, detail } = operation;
  const { code } = to;
  const [input] = inputs;
  if (name === 'splat' && input.node === 'load') {
    code.access('v128.load32_splat', pushPlace(to, input));
    return;
  }
  if (name === 'splat' && type === 'maskx4') {
    code.i32(0);
    push(to, input);
    code.op('i32.sub').op('i32x4.splat');
    return;
  }
  const instruction = instructionOf(operation);
  if (instruction === undefined) return pushComposed(to, operation);
  for (const one of inputs) push(to, one);
  if (name.startsWith('shift')) code.i32(detail[0]).op(instruction);
  else code.op(instruction, detail);
}

/** Instructions by the names of an operation's, and the type of its input. */
const instructions = new Map<string, Map<Type, InstructionName | undefined>>();

/** Most operations have an instruction for single values and one for four lanes. */
function instructionOf({ type, inputs: [input], meaning: { wasm } }: Operation): (
  InstructionName | undefined
) {
  if (wasm === undefined) return undefined;
  const known = instructions.get(wasm) ?? new Map<Type, InstructionName | undefined>();
  instructions.set(wasm, known);
  if (!known.has(input.type)) {
    const places = [families[input.type], families[type], isVector(input) ? 'v128' : ''];
    const names = wasm.split(' ').flatMap((word) => places.map((family) => `${family}.${word}`));
    known.set(input.type, names.find(isInstruction));
  }
  return known.get(input.type);
}

/** The lanes 0, 1, 2, 3 as bytes. */
const RAMP = [0, 1, 2, 3].flatMap((i) => [i, 0, 0, 0]);

/** An operation that is more than one instruction, or one with operands in another order. */
function pushComposed(to: Emission, { name, type, inputs, detail }: Operation): void {
  const { code } = to;
  const [a, b, c] = inputs;
  const family = families[type] as 'f32' | 'f32x4';
  if (name === 'select') {
    for (const one of [b, c, a]) push(to, one);
    if (isVector(a)) code.op('v128.bitselect');
    else code.select();
  } else if (name === 'min' || name === 'max') {
    const y = pushAndHold(to, 'b', b);
    const x = pushAndHold(to, 'a', a);
    const [small, large] = name === 'min' ? [y, x] : [x, y];
    code.get(small).get(large).op(type === 'f32' ? 'f32.lt' : 'i32.lt_s').select();
  } else if (name === 'mulAdd') {
    const isFused = isVector(a) && to.fuses;
    push(to, a);
    push(to, b);
    if (!isFused) code.op(`${family}.mul`);
    push(to, c);
    code.op(isFused ? 'f32x4.relaxed_madd' : `${family}.add`);
  } else {
    // Of the others, a bitcast of four lanes does nothing: the register is the same.
    for (const one of inputs) push(to, one);
    if (name === 'ramp') code.op('i32x4.splat').op('i32x4.const', RAMP).op('i32x4.add');
    if (name === 'shuffle') code.op('i8x16.shuffle', words(...detail));
  }
}

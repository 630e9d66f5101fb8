/**
 * The values that a kernel computes with: numbers (f32, i32), the answers of comparisons (mask),
 * and four of a kind side by side, in lanes. A value is a description, not a number:
 *
 *     add(mul(x, x), 1)        x² + 1, of the type of x
 *
 * It stands for its text: each statement that uses it computes it anew, from what variables and
 * buffers hold then; within one statement it is computed once, however often it occurs.
 *
 * Every operation on f32 is rounded to float32 by itself, and every operation on i32 wraps. Plain
 * numbers take the type of what is beside them, and a single value beside a vector stands in all
 * lanes; f32, i32 and masks do not mix.
 */
export type Kind = 'f32' | 'i32' | 'mask';

/** One value of a kind, or four. */
export type Type = Kind | 'f32x4' | 'i32x4' | 'maskx4';

export type Value = Constant | Variable | Load | Operation;

/** A value, or a number that becomes a constant of the type of the values beside it. */
export type Operand = Value | number;

export interface Constant {
  readonly node: 'constant';
  readonly type: Type;
  /** The same in all lanes. */
  readonly value: number;
}

/** A register: a local variable, the counter of a loop or an argument of the kernel. */
export interface Variable {
  readonly node: 'variable';
  readonly type: Type;
  readonly name: string;
}

/** What memory holds: one element of a buffer, or one for each lane of the index. */
export interface Load {
  readonly node: 'load';
  readonly type: Type;
  readonly buffer: Buffer;
  readonly index: Index;
}

export interface Operation {
  readonly node: 'operation';
  readonly type: Type;
  readonly name: OperationName;
  readonly inputs: readonly Value[];
  /** Of a shift its distance; of `lane` and `shuffle` the lanes. */
  readonly detail: readonly number[];
}

/** A part of memory that holds numbers of one kind. */
export interface Buffer {
  readonly name: string;
  readonly kind: 'f32' | 'i32';
  /** The number of elements. */
  readonly length: number;
  /** Where it starts, in bytes; undefined: the caller says, or it is scratch. */
  readonly at: number | undefined;
  readonly isScratch: boolean;
}

/** An affine index, in elements: constant + Σ times · of, and lane k is k · step further on. */
export interface Index {
  readonly terms: readonly { readonly of: Value; readonly times: number }[];
  readonly constant: number;
  readonly step: number;
  readonly lanes: 1 | 4;
}

/** The operations, by the kinds that they take, one at a time, and give if that is another. */
const families = {
  'f32 i32': ['add', 'sub', 'mul', 'min', 'max', 'select', 'lane', 'shuffle'],
  f32: [
    'div', 'mulAdd', 'minimum', 'maximum', 'neg', 'abs', 'sqrt', 'floor', 'ceil', 'truncate',
    'nearest',
  ],
  i32: ['shiftLeft', 'shiftRight', 'shiftRightUnsigned', 'consecutive'],
  'i32 mask': ['and', 'or', 'xor', 'not'],
  'f32 i32 mask': ['splat'],
  mask: ['any'],
  'f32 i32 -> mask': ['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual'],
  'f32 -> i32': ['toInteger', 'bitsOf'],
  'i32 -> f32': ['toFloat', 'fromBits'],
} as const;

export type OperationName = (typeof families)[keyof typeof families][number];

const signatures = new Map<OperationName, string>(
  Object.entries(families).flatMap(([family, names]) => names.map((name) => [name, family])),
);

export function kindOf({ type }: { readonly type: Type }): Kind {
  return type.replace('x4', '') as Kind;
}

export function lanesOf({ type }: { readonly type: Type }): 1 | 4 {
  return type.endsWith('x4') ? 4 : 1;
}

function typeOf(kind: Kind, lanes: 1 | 4): Type {
  return lanes === 4 ? `${kind}x4` : kind;
}

/** The constant of a type. */
export function constant(type: Type, value: number): Constant {
  const kind = kindOf({ type });
  if (kind === 'mask') throw new Error(`constant: ${value} is no ${type}; compare two values`);
  if (kind === 'i32' && value !== (value | 0)) {
    throw new Error(`constant: ${value} is no i32, a whole number from -2147483648 to 2147483647`);
  }
  return { node: 'constant', type, value: kind === 'f32' ? Math.fround(value) : value | 0 };
}

const wordLike = /^[A-Za-z]\w*$/;

/** Throws unless a name can be printed and compiled. */
export function checkName(maker: string, name: string): void {
  if (!wordLike.test(name)) {
    throw new Error(`${maker}: the name is '${name}', expected a letter, then letters and digits`);
  }
}

/** A register. It lives from the first `set` to the end of the statements which that is among. */
export function variable(name: string, type: Type): Variable {
  checkName('variable', name);
  return { node: 'variable', type, name };
}

/** A value in all lanes; a vector is that already. */
export function splat(x: Value): Value {
  if (lanesOf(x) === 4) return x;
  const type = typeOf(kindOf(x), 4);
  if (x.node === 'constant') return { ...x, type };
  return { node: 'operation', type, name: 'splat', inputs: [x], detail: [] };
}

/** A value for something of the given type, or an error in the name of what takes it. */
export function fit(taker: string, type: Type, x: Operand): Value {
  const value = typeof x === 'number' ? constant(type, x) : x;
  if (value.type === type) return value;
  if (kindOf(value) === kindOf({ type }) && lanesOf(value) === 1) return splat(value);
  throw new Error(`${taker}: expected ${type}, found ${value.type}`);
}

/** The operands as values of one type. */
function unify(name: OperationName, operands: readonly Operand[]): readonly Value[] {
  const values = operands.filter((operand) => typeof operand !== 'number');
  const widest = values.find((value) => lanesOf(value) === 4) ?? values[0];
  if (widest === undefined) throw new Error(`${name}: all operands are plain numbers`);
  const strange = values.find((value) => kindOf(value) !== kindOf(widest));
  if (strange !== undefined) {
    const types = values.map(({ type }) => type).join(', ');
    throw new Error(`${name}: types differ: ${types}; convert with toFloat or toInteger`);
  }
  return operands.map((operand) => fit(name, widest.type, operand));
}

/** Applies an operation to operands of one kind. */
export function apply(
  name: OperationName,
  operands: readonly Operand[],
  detail: readonly number[] = [],
): Operation {
  const [takes, gives] = (signatures.get(name) ?? '').split(' -> ');
  const inputs = unify(name, operands);
  const kind = kindOf(inputs[0]);
  if (!takes.split(' ').includes(kind)) {
    throw new Error(`${name}: expected ${takes.replace(' ', ' or ')}, found ${inputs[0].type}`);
  }
  const type = typeOf((gives ?? kind) as Kind, lanesOf(inputs[0]));
  return { node: 'operation', type, name, inputs, detail };
}

/** An operation with a type of its own. */
export function applyAs(
  name: OperationName,
  kind: Kind,
  lanes: 1 | 4,
  inputs: readonly Value[],
  detail: readonly number[] = [],
): Operation {
  return { node: 'operation', type: typeOf(kind, lanes), name, inputs, detail };
}

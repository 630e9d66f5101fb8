/**
 * Expressions, which say what a kernel computes: numbers (f32, i32), the results of comparisons
 * (mask), and four of a kind side by side, in lanes. An expression is syntax, not a number:
 *
 *     add(mul(x, x), 1)        x² + 1, of the type of x
 *
 * Every statement that uses it evaluates it again, from what variables and buffers hold then;
 * within one statement it is evaluated once, however often it occurs.
 *
 * Every operation on f32 is rounded to float32 by itself, and every operation on i32 wraps. Plain
 * numbers take the type of what is beside them, and a single value beside a vector stands in all
 * lanes; f32, i32 and masks do not mix.
 */

/** What a value is, in one lane: a float, an integer of 32 bits, or true or false. */
export type Kind = 'f32' | 'i32' | 'mask';

/** One value of a kind, or four. */
export type Type = Kind | 'f32x4' | 'i32x4' | 'maskx4';

/** An expression: a constant, a variable, a load, or an operation on other values. */
export type Expr = Constant | Variable | Load | Operation;

/** A value, or a number that becomes a constant of the type of the values beside it. */
export type Operand = Expr | number;

export interface Constant {
  readonly node: 'constant';
  readonly type: Type;
  /** The same in all lanes. */
  readonly value: number;
}

/** A register: a local variable, the counter of a loop or an argument of the kernel. */
export interface Variable {
  /** Tells it from the other forms of a value. */
  readonly node: 'variable';
  /** The type of the numbers it holds; what it is set to has the same. */
  readonly type: Type;
  /** Its name in listings and generated code, which make it unique: two may have the same. */
  readonly name: string;
}

/** What memory holds: one element of a buffer, or one for each lane of the index. */
export interface Load {
  /** Tells it from the other forms of a value. */
  readonly node: 'load';
  /** The kind of the buffer, in one lane or four, as the index has. */
  readonly type: Type;
  /** The buffer that is read or, where the load is the target of a store, written. */
  readonly buffer: Buffer;
  /** Where in the buffer: the index of the element, or of each of the four. */
  readonly index: Index;
}

export interface Operation {
  readonly node: 'operation';
  readonly type: Type;
  readonly name: string;
  readonly inputs: readonly Expr[];
  /** Of a shift its distance; of `lane` and `shuffle` the lanes. */
  readonly detail: readonly number[];
  readonly meaning: Meaning;
}

/** All that there is to know of an operation. */
export interface Meaning {
  readonly name: string;
  /** The kinds that it takes, one at a time. */
  readonly takes: string;
  /** The kind that it gives, if that is another. */
  readonly gives?: Kind;
  /** What stands between its operands, where it has a sign. */
  readonly sign?: string;
  /** It in JavaScript, of a, b and c, if neither its sign nor its name says it. */
  readonly js?: string;
  /** The names of its instructions, at most one of them in each family of WebAssembly. */
  readonly wasm?: string;
  /** Whether it computes nothing, and only moves what there is. */
  readonly isFree?: boolean;
}

/** A part of memory that holds numbers of one kind. */
export interface Buffer {
  /** Its name in errors, listings and generated code. */
  readonly name: string;
  /** The kind of its elements, of 4 bytes each. */
  readonly kind: 'f32' | 'i32';
  /** The number of elements. */
  readonly length: number;
  /** Where it starts, in bytes; undefined: the caller says, or it is scratch. */
  readonly at: number | undefined;
  /** Whether it is scratch memory, which holds values during one call of a kernel only. */
  readonly isScratch: boolean;
}

/** An affine index, in elements: constant + Σ times · of, and lane k is k · step further on. */
export interface Index {
  readonly terms: readonly { readonly of: Expr; readonly times: number }[];
  readonly constant: number;
  readonly step: number;
}

const kinds: Readonly<Record<Type, Kind>> = {
  f32: 'f32', i32: 'i32', mask: 'mask', f32x4: 'f32', i32x4: 'i32', maskx4: 'mask',
};
const vectors = { f32: 'f32x4', i32: 'i32x4', mask: 'maskx4' } as const;

export function kindOf({ type }: { readonly type: Type }): Kind {
  return kinds[type];
}

export function lanesOf({ type }: { readonly type: Type }): 1 | 4 {
  return kinds[type] === type ? 1 : 4;
}

export function typeOf<K extends Kind>(kind: K, lanes: 1 | 4): K | (typeof vectors)[K] {
  return lanes === 4 ? vectors[kind] : kind;
}

/** The constant of a type. */
export function constant(type: Type, value: number): Constant {
  const kind = kinds[type];
  if (kind === 'mask') throw new Error(`constant: ${value} is no ${type}; compare two values`);
  if (kind === 'i32' && value !== (value | 0)) {
    throw new Error(`constant: ${value} is no i32, a whole number from -2147483648 to 2147483647`);
  }
  return { node: 'constant', type, value: kind === 'f32' ? Math.fround(value) : value | 0 };
}

/** Throws unless a name can be printed and compiled. */
export function checkName(maker: string, name: string): void {
  if (!/^[A-Za-z]\w*$/.test(name)) {
    throw new Error(`${maker}: the name is '${name}', expected a letter, then letters and digits`);
  }
}

/** A register. It lives from the first `set` to the end of the statements which that is among. */
export function variable(name: string, type: Type): Variable {
  checkName('variable', name);
  return { node: 'variable', type, name };
}

const splatting = { name: 'splat', takes: 'f32 i32 mask', wasm: 'splat', isFree: true };

/** A value in all lanes; a vector is that already. */
export function splat(x: Expr): Expr {
  if (lanesOf(x) === 4) return x;
  const type = typeOf(kindOf(x), 4);
  return x.node === 'constant' ? { ...x, type } : apply(splatting, [x], [], type);
}

/** A value for something of the given type, or an error in the name of what takes it. */
export function fit(taker: string, type: Type, x: Operand): Expr {
  const value = typeof x === 'number' ? constant(type, x) : x;
  if (value.type === type) return value;
  const isOfKind = kindOf(value) === kinds[type];
  if (isOfKind && lanesOf(value) === 1) return splat(value);
  const help = isOfKind ? '' : '; convert with toFloat or toInteger';
  throw new Error(`${taker}: expected ${type}, found ${value.type}${help}`);
}

/** Applies an operation to operands of one kind; as a rule it gives as many lanes as they have. */
export function apply(
  meaning: Meaning, operands: readonly Operand[], detail: readonly number[] = [], gives?: Type,
): Operation {
  const { name, takes } = meaning;
  const values = operands.filter((operand) => typeof operand !== 'number');
  const widest = values.find((value) => lanesOf(value) === 4) ?? values[0];
  if (widest === undefined) throw new Error(`${name}: all operands are plain numbers`);
  const kind = kindOf(widest);
  if (!takes.includes(kind)) {
    throw new Error(`${name}: expected ${takes.replaceAll(' ', ' or ')}, found ${widest.type}`);
  }
  const inputs = operands.map((operand) => fit(name, widest.type, operand));
  const type = gives ?? typeOf(meaning.gives ?? kind, lanesOf(widest));
  return { node: 'operation', type, name, inputs, detail, meaning };
}

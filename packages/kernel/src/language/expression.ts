/**
 * Expressions, the syntax trees of what a kernel computes. Their values are numbers (f32, i32), the
 * results of comparisons (mask), or vectors with four lanes of one of these:
 *
 *     add(mul(x, x), 1)        x² + 1, of the type of x
 *
 * An expression is syntax, not a number: every statement that uses it evaluates it again, from what
 * variables and buffers hold at that time. Within one statement it is evaluated once, however often
 * it occurs.
 *
 * Every operation on f32 rounds to float32, and every operation on i32 wraps. A plain number takes
 * the type of the other operand. A single value next to a vector is broadcast to all lanes. The
 * kinds f32, i32 and mask do not mix.
 */

/** The kind of a value in one lane: a float or an integer of 32 bits, or true or false. */
export type Kind = 'f32' | 'i32' | 'mask';

/** The type of a value: a single one of a kind, or a vector of four. */
export type Type = Kind | 'f32x4' | 'i32x4' | 'maskx4';

/** An expression: a constant, a variable, a load, or an operation on other expressions. */
export type Expr = Constant | Variable | Load | Operation;

/** An expression, or a number, which becomes a constant of the type of the other operand. */
export type Operand = Expr | number;

export interface Constant {
  readonly node: 'constant';
  readonly type: Type;
  /** The same in all lanes. */
  readonly value: number;
}

/** A variable, kept in a register: a local one, a loop counter, or an argument of the kernel. */
export interface Variable {
  /** The discriminant of the forms of an expression. */
  readonly node: 'variable';
  /** The type of its values. */
  readonly type: Type;
  /** Its name in listings and generated code, which number variables of the same name. */
  readonly name: string;
}

/** An element of a buffer, or one for each lane of the index. */
export interface Load {
  /** The discriminant of the forms of an expression. */
  readonly node: 'load';
  /** The kind of the buffer, with as many lanes as the index. */
  readonly type: Type;
  /** The buffer that is read, or written if the load is the target of a store. */
  readonly buffer: Buffer;
  /** The index of the element, or of each of the four. */
  readonly index: Index;
}

export interface Operation {
  readonly node: 'operation';
  readonly type: Type;
  readonly name: string;
  readonly inputs: readonly Expr[];
  /** The distance of a shift; the lanes of `lane` and `shuffle`. */
  readonly detail: readonly number[];
  readonly meaning: Meaning;
}

/** The definition of an operation, in the language and in both emitters. */
export interface Meaning {
  readonly name: string;
  /** The kinds of operands that it accepts, all of the same kind, separated by spaces. */
  readonly takes: string;
  /** The kind of its result, if it differs from that of the operands. */
  readonly gives?: Kind;
  /** Its infix sign, if it has one. */
  readonly sign?: string;
  /** Its JavaScript, of a, b and c, unless that follows from its sign or its name. */
  readonly js?: string;
  /** The names of its WebAssembly instructions, at most one in each family (f32, f32x4, …). */
  readonly wasm?: string;
  /** Whether it only moves bits, and does not count as an operation. */
  readonly isFree?: boolean;
}

/** A region of memory that holds numbers of one kind. */
export interface Buffer {
  /** Its name in errors, listings and generated code. */
  readonly name: string;
  /** The kind of its elements, of 4 bytes each. */
  readonly kind: 'f32' | 'i32';
  /** The number of elements. */
  readonly length: number;
  /** Its address in bytes; undefined if the caller passes it, or if it is scratch memory. */
  readonly at: number | undefined;
  /** Whether it is scratch memory, whose contents last for one call of the kernel only. */
  readonly isScratch: boolean;
}

/** An affine index, in elements: constant + Σ times · of, and k · step more for lane k. */
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

/** Whether an operand has four lanes. */
export function isVector(x: Operand): boolean {
  return typeof x !== 'number' && kinds[x.type] !== x.type;
}

export function typeOf<K extends Kind>(kind: K, lanes: 1 | 4): K | (typeof vectors)[K] {
  return lanes === 4 ? vectors[kind] : kind;
}

/** A constant of a type, the same in all lanes. Throws for masks, and if an i32 is out of range. */
export function constant(type: Type, value: number): Constant {
  const kind = kinds[type];
  if (kind === 'mask') throw new Error(`constant: ${value} is not a ${type}; compare two values`);
  if (kind === 'i32' && value !== (value | 0)) {
    throw new Error(
      `constant: ${value} is not an i32, a whole number from -2147483648 to 2147483647`,
    );
  }
  return { node: 'constant', type, value: kind === 'f32' ? Math.fround(value) : value | 0 };
}

/** Throws in the name of `maker` unless a name can be used in generated code. */
export function checkName(maker: string, name: string): void {
  if (!/^[A-Za-z]\w*$/.test(name)) {
    throw new Error(`${maker}: the name is '${name}', expected a letter, then letters and digits`);
  }
}

/** A new variable. Its scope is the block of its first `set`, from there on. */
export function variable(name: string, type: Type): Variable {
  checkName('variable', name);
  return { node: 'variable', type, name };
}

const splatting = { name: 'splat', takes: 'f32 i32 mask', wasm: 'splat', isFree: true };

/** A value broadcast to all four lanes; a vector stays as it is. */
export function splat(x: Expr): Expr {
  if (isVector(x)) return x;
  const type = typeOf(kindOf(x), 4);
  return x.node === 'constant' ? { ...x, type } : apply(splatting, [x], [], type);
}

/** An operand as an expression of the given type. Throws in the name of `taker` if it cannot be. */
export function fit(taker: string, type: Type, x: Operand): Expr {
  const value = typeof x === 'number' ? constant(type, x) : x;
  if (value.type === type) return value;
  const isOfKind = kindOf(value) === kinds[type];
  if (isOfKind && lanesOf(value) === 1) return splat(value);
  const help = isOfKind ? '' : '; convert with toFloat or toInteger';
  throw new Error(`${taker}: expected ${type}, found ${value.type}${help}`);
}

/** Most operations have no detail: one list for all of them. */
const none: readonly number[] = [];

/** Applies an operation to operands of one kind. By default the result has as many lanes. */
export function apply(
  meaning: Meaning, operands: readonly Operand[], detail: readonly number[] = none, gives?: Type,
): Operation {
  const { name, takes } = meaning;
  let widest: Expr | undefined;
  let isUniform = true;
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i];
    if (typeof operand === 'number') isUniform = false;
    else if (widest === undefined) widest = operand;
    else if (operand.type !== widest.type) {
      isUniform = false;
      if (isVector(operand) && !isVector(widest)) widest = operand;
    }
  }
  if (widest === undefined) throw new Error(`${name}: all operands are plain numbers`);
  const { type: taken } = widest;
  const kind = kinds[taken];
  if (!takes.includes(kind)) {
    throw new Error(`${name}: expected ${takes.replaceAll(' ', ' or ')}, found ${widest.type}`);
  }
  const inputs = isUniform
    ? (operands as readonly Expr[])
    : operands.map((operand) => fit(name, taken, operand));
  const isOfKind = meaning.gives === undefined || meaning.gives === kind;
  const type = gives ?? (isOfKind ? taken : typeOf(meaning.gives, lanesOf(widest)));
  return { node: 'operation', type, name, inputs, detail, meaning };
}

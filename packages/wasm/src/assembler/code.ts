/**
 * Code as a tree: an instruction, with the instructions that compute its operands inside it. So
 * code nests as the arithmetic does, `f32.add(f32.mul(a, x), 1)`, and TypeScript checks the types.
 *
 * The builders, `i32.add` and so on, have the names of the instructions. They take an argument for
 * each token of the table: values first, then lanes or constants. A plain number is a constant.
 */
import { type Access, type Immediate, immediateOf, type Label } from './immediates.ts';
import {
  type InstructionName, type ResultType, type Row, rows, type Signatures, type ValueType,
} from './instructions.ts';

/** A piece of code: an instruction with its operands. */
export interface Code<T extends ResultType = ResultType> {
  /** The type of the value that it leaves, or 'none'. */
  readonly type: T;
  /** Its name in the text format, such as `f32.add`. */
  readonly instruction: string;
  /** One byte; or a prefix byte and three hex digits, so that 0xfd0e4 is 0xe4 after 0xfd. */
  readonly opcode: number;
  /** The code that computes its operands, in order. */
  readonly operands: readonly Expression[];
  /** The immediates after the opcode: constants, offsets, lanes and references. */
  readonly immediates: readonly Immediate[];
  /** The label of a block, a loop or an if. */
  readonly label?: Label;
  /** The statements inside; an if has those of its `then` branch and perhaps of its `else`. */
  readonly bodies?: readonly (readonly Code[])[];
  /** The bytes of statements that stand in the place of an instruction. */
  readonly assembled?: Uint8Array;
}

/** Code that computes a value of the given type. */
export type Expression<T extends ValueType = ValueType> = Code<T>;

/** Code that leaves no value. */
export type Statement = Code<'none'>;

/** A sequence of statements; nested lists are flattened. */
export type Statements = readonly (Statement | Statements)[];

/** An operand: an expression, or a constant. */
export type Operand<T extends ValueType> = Expression<T> | Constant<T>;

type Constant<T> = T extends 'i64' ? bigint : T extends 'i32' | 'f32' | 'f64' ? number : never;

/** The place of a load or a store: an address, or one with a constant offset, as `at` makes. */
export type Address = Operand<'i32'> | Place;

interface Place extends Access {
  readonly address: Operand<'i32'>;
}

/**
 * The place `offset` bytes after an address. `align` is a power of two that divides the address, by
 * default the size of the access. It is a hint: results do not depend on it.
 */
export function at(address: Operand<'i32'>, offset: number, align?: number): Place {
  return { address, offset, align };
}

/** The sixteen byte lanes for an `i8x16.shuffle` of whole words: 0–3 of a and 4–7 of b. */
export function words(...chosen: readonly number[]): number[] {
  return chosen.flatMap((word) => [0, 1, 2, 3].map((byte) => 4 * word + byte));
}

type Arguments<Tokens> = Tokens extends `${infer First} ${infer Rest}`
  ? [...Argument<First>, ...Arguments<Rest>]
  : Argument<Tokens>;

type Argument<Token> =
  Token extends ValueType ? [value: Operand<Token>]
  : Token extends `@${string}` ? [address: Address]
  : Token extends `lane${number}` ? [lane: number]
  : Token extends 'lanes' ? [lanes: readonly number[]]
  : Token extends '=i32x4' | '=f32x4' ? [values: readonly [number, number, number, number]]
  : Token extends `=${infer Type}` ? [value: Constant<Type>]
  : [];

type Builder<S> = S extends `${infer Tokens} -> ${infer Result extends ResultType}`
  ? (...given: Arguments<Tokens>) => Code<Result>
  : never;

type FirstOf<Path> = Path extends `${infer First}.${string}` ? First : Path;
type Behind<Prefix extends string, Name> = Name extends `${Prefix}.${infer Rest}` ? Rest : never;

/** The builders of instructions whose names begin with a prefix; each further dot nests. */
export type Family<Prefix extends string> = {
  readonly [Part in FirstOf<Behind<Prefix, InstructionName>>]:
    `${Prefix}.${Part}` extends InstructionName
      ? Builder<Signatures[`${Prefix}.${Part}`]>
      : Family<`${Prefix}.${Part}`>;
};

type AnyBuilder = (...given: readonly unknown[]) => Code;

interface Nested {
  [key: string]: Nested | AnyBuilder | undefined;
}

/** What a token of the table takes: a value, an address with an offset, a constant, or nothing. */
function kindOfToken(token: string): 'value' | 'address' | 'constant' | 'nothing' {
  if (token === '00') return 'nothing';
  if (token.startsWith('@')) return 'address';
  return /^[ifv]/.test(token) ? 'value' : 'constant';
}

/** The builder of a row of the table. It takes an argument for each token except 00. */
function builderOf({ name, opcode, tokens, result }: Row): AnyBuilder {
  const kinds = tokens.map(kindOfToken);
  const count = kinds.filter((kind) => kind !== 'nothing').length;
  const places = [...tokens.keys()];
  const operandsAt = places.filter((i) => kinds[i] === 'value' || kinds[i] === 'address');
  const immediatesAt = places.filter((i) => kinds[i] !== 'value');
  return (...given) => {
    if (given.length !== count) {
      throw new Error(`${name}: expected ${count} arguments, found ${given.length}`);
    }
    // Plain loops, as modules have tens of thousands of instructions.
    const operands = new Array<Expression>(operandsAt.length);
    for (let n = 0; n < operands.length; n++) {
      const i = operandsAt[n];
      const value = given[i] as Operand<ValueType>;
      operands[n] = kinds[i] === 'value'
        ? operand(name, tokens[i] as ValueType, value)
        : operand(name, 'i32', (value as Partial<Place>).address ?? (value as Operand<'i32'>));
    }
    const immediates = new Array<Immediate>(immediatesAt.length);
    for (let n = 0; n < immediates.length; n++) {
      const i = immediatesAt[n];
      immediates[n] = immediateOf(name, tokens[i], given[i]);
    }
    return { type: result, instruction: name, opcode, operands, immediates };
  };
}

const builders: Nested = {};
for (const row of rows) {
  const path = row.name.split('.');
  const last = path.pop() ?? '';
  const place = path.reduce((inner, group) => (inner[group] ??= {}) as Nested, builders);
  place[last] = builderOf(row);
}

function family<Prefix extends string>(prefix: Prefix): Family<Prefix> {
  return builders[prefix] as Family<Prefix>;
}

/** Integers of 32 bits, and the results of comparisons, 1 or 0: `i32.add(a, b)` */
export const i32: Family<'i32'> = family('i32');
/** Integers of 64 bits, whose constants are bigints: `i64.mul(a, 3n)` */
export const i64: Family<'i64'> = family('i64');
/** Floats of 32 bits: `f32.load(at(address, 4))` */
export const f32: Family<'f32'> = family('f32');
/** Floats of 64 bits: `f64.promote_f32(x)` */
export const f64: Family<'f64'> = family('f64');
/** Vectors of 128 bits, independent of their lanes: `v128.bitselect(a, b, mask)` */
export const v128: Family<'v128'> = family('v128');
/** Vectors of sixteen bytes: `i8x16.shuffle(a, b, words(4, 5, 2, 3))` */
export const i8x16: Family<'i8x16'> = family('i8x16');
/** Vectors of four i32; a comparison sets all bits of a lane, or none: `i32x4.eq(a, b)` */
export const i32x4: Family<'i32x4'> = family('i32x4');
/** Vectors of four f32: `f32x4.mul(a, f32x4.splat(2))` */
export const f32x4: Family<'f32x4'> = family('f32x4');
/** Vectors of two f64: `f64x2.promote_low_f32x4(a)` */
export const f64x2: Family<'f64x2'> = family('f64x2');
/** The memory as a whole, and waiting on a word in it: `memory.fill(to, 0, bytes)` */
export const memory: Family<'memory'> = family('memory');
/** The fence: other threads see the writes before it before those after it: `atomic.fence()` */
export const atomic: Family<'atomic'> = family('atomic');

/** An operand as an expression. Throws in the name of `taker` if its type is wrong. */
export function operand<T extends ValueType>(
  taker: string, type: T, value: Operand<T>,
): Expression<T> {
  if (typeof value === 'object' && value.type === type) return value;
  const constant = (builders[type] as Nested).const as AnyBuilder | undefined;
  if (constant && (typeof value === 'number' || typeof value === 'bigint')) {
    return constant(value) as Expression<T>;
  }
  const found = typeof value === 'object' ? `${value.type} (${value.instruction})` : String(value);
  throw new Error(`${taker}: expected ${type}, found ${found}`);
}

/**
 * Immediates, the arguments that follow an opcode, as bytes and as text: offsets and alignments,
 * lanes, constants, and references.
 */
import type { Bytes } from './bytes.ts';

export type Immediate = Literal | Reference;

export interface Literal {
  readonly kind: 'literal';
  write(to: Bytes): void;
  /** Its text with a space before it; '' if all is as by default. */
  text(): string;
}

/** A label or an item. It has a name, but is identified by the object. */
export type Reference = Label | Item;

/** The target of branches: the end of a block, or the start of a loop. */
export interface Label {
  /** The discriminant of references. */
  readonly kind: 'label';
  /** Its name in the text format, which is made unique there; '' for none. */
  readonly name: string;
}

/** An item with a number: a local of a function, or a function, global or memory of a module. */
export interface Item<Kind = 'function' | 'global' | 'local' | 'memory'> {
  /** Its kind; the items of each kind are numbered separately. */
  readonly kind: Kind;
  /** Its name in the text format, in errors and, by default, in exports. */
  readonly name: string;
  /** Its number among the items of its kind in its home, from 0. */
  readonly number: number;
  /** The function or module that it belongs to. */
  readonly home: object;
}

/** A memory access: its offset from an address that is a multiple of `align`. */
export interface Access {
  /** The offset in bytes, from 0 to 2³² − 1. */
  readonly offset: number;
  /**
   * A power of two, at most the size of the access, which is the default. Atomic accesses take only
   * the default.
   */
  readonly align?: number | undefined;
}

/** The immediate for a token of the table. Throws in the name of `taker` if `given` is wrong. */
export function immediateOf(taker: string, token: string, given: unknown): Literal {
  if (token === '00') return literal((to) => to.push(0), () => '');
  if (token.startsWith('@')) return accessOf(taker, Number(token.slice(1)), given as Access);
  const values = [given as number].flat();
  if (token.startsWith('lane')) return lanesOf(taker, token, values);
  return constantOf(taker, token.slice(1) as keyof typeof arrays, values);
}

function literal(write: Literal['write'], text: Literal['text']): Literal {
  return { kind: 'literal', write, text };
}

function accessOf(taker: string, size: number, access: Partial<Access>): Literal {
  const { offset = 0, align = size } = access;
  if (!Number.isInteger(offset) || offset < 0 || offset >= 2 ** 32) {
    throw new Error(`${taker}: the offset is ${offset}, expected an integer from 0 to 2³² − 1`);
  }
  const isAtomic = taker.includes('atomic');
  const power = Math.log2(align);
  if (!Number.isInteger(power) || align > size || (isAtomic && align < size)) {
    const expected = isAtomic ? `${size}` : `a power of two, at most ${size}`;
    throw new Error(`${taker}: the alignment is ${align}, expected ${expected}`);
  }
  return literal(
    (to) => to.unsigned(power).unsigned(offset),
    () => (offset > 0 ? ` offset=${offset}` : '') + (align < size ? ` align=${align}` : ''),
  );
}

/** Sixteen lanes for the token `lanes`, one for `lane2` or `lane4`. */
function lanesOf(taker: string, token: string, lanes: readonly number[]): Literal {
  const [count, end] = token === 'lanes' ? [16, 32] : [1, Number(token.slice('lane'.length))];
  const isGood = lanes.every((lane) => Number.isInteger(lane) && lane >= 0 && lane < end);
  if (lanes.length !== count || !isGood) {
    throw new Error(`${taker}: lanes are [${lanes}], expected ${count} from 0 to ${end - 1}`);
  }
  return literal((to) => to.push(...lanes), () => ` ${lanes.join(' ')}`);
}

/** Typed arrays that round or wrap constants of a type as WebAssembly does. */
const arrays = {
  i32: Int32Array, i64: BigInt64Array, f32: Float32Array, f64: Float64Array,
  i32x4: Int32Array, f32x4: Float32Array,
};

/** A constant of a type: one number, or four of a vector. */
function constantOf(
  taker: string, type: keyof typeof arrays, values: readonly (number | bigint)[],
): Literal {
  const bits = type === 'i64' ? 64 : 32;
  for (const value of type.startsWith('i') ? values : []) {
    const isInteger = typeof value === 'bigint' || Number.isInteger(value);
    if (!isInteger || value < -(2 ** (bits - 1)) || value >= 2 ** bits) {
      throw new Error(`${taker}: ${value} is not an integer of ${bits} bits`);
    }
  }
  const array = new arrays[type](values as never);
  const isInteger = type === 'i32' || type === 'i64';
  return literal(
    // Floats and vectors are written as they are in memory, little-endian on every engine.
    (to) => (isInteger ? to.signed(array[0]) : to.push(...new Uint8Array(array.buffer))),
    () => Array.from<number | bigint, string>(array, textOf).join(''),
  );
}

function textOf(value: number | bigint): string {
  const text = Object.is(value, -0) ? '-0' : String(value);
  return ` ${text.replace('Infinity', 'inf').replace('NaN', 'nan')}`;
}

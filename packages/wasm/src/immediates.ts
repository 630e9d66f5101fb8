/**
 * What stands behind an opcode, as bytes and as text: addresses, lanes, constants, references.
 */
import type { Bytes } from './bytes.ts';

export type Immediate = Literal | Reference;

export interface Literal {
  write(to: Bytes): void;
  /** With a space before it; nothing if there is nothing to say. */
  text(): string;
}

/** Something with a name, known by identity: two of the same name are two. */
export type Reference = Label | Item;

/** Where a branch can go: to the end of a block, or to the start of a loop. */
export interface Label {
  readonly kind: 'label';
  readonly name: string;
}

/** What has a number in its home: a local in its function, all others in their module. */
export interface Item<Kind = 'function' | 'global' | 'local' | 'memory'> {
  readonly kind: Kind;
  readonly name: string;
  readonly number: number;
  readonly home: object;
}

/** The byte that has to be zero. */
export const zero: Literal = { write: (to) => to.byte(0), text: () => '' };

/** Where memory is read or written: the offset from the address, the alignment to rely on. */
export function accessOf(
  taker: string, size: number, { offset, align = size }: { offset: number; align?: number | undefined },
): Literal {
  if (!Number.isInteger(offset) || offset < 0 || offset >= 2 ** 32) {
    throw new Error(`${taker}: the offset is ${offset}, expected an integer from 0 to 2³² − 1`);
  }
  const isAtomic = taker.includes('atomic');
  const power = Math.log2(align);
  if (!Number.isInteger(power) || align > size || (isAtomic && align < size)) {
    const expected = isAtomic ? `${size}` : `a power of two, at most ${size}`;
    throw new Error(`${taker}: the alignment is ${align}, expected ${expected}`);
  }
  return {
    write: (to) => to.unsigned(power).unsigned(offset),
    text: () => (offset > 0 ? ` offset=${offset}` : '') + (align < size ? ` align=${align}` : ''),
  };
}

/** The lanes for a token of the table: `lanes`, or `lane` and how many there are. */
export function lanesOf(taker: string, token: string, lanes: readonly number[]): Literal {
  const [count, end] = token === 'lanes' ? [16, 32] : [1, Number(token.slice('lane'.length))];
  const isGood = lanes.every((lane) => Number.isInteger(lane) && lane >= 0 && lane < end);
  if (lanes.length !== count || !isGood) {
    throw new Error(`${taker}: lanes are [${lanes}], expected ${count} from 0 to ${end - 1}`);
  }
  return { write: (to) => to.bytes(lanes), text: () => ` ${lanes.join(' ')}` };
}

type Numbers = Int32Array | BigInt64Array | Float32Array | Float64Array;

/** Arrays that round or wrap what they hold as constants of a type are. */
const arrays: Readonly<Record<string, new (values: readonly never[]) => Numbers>> = {
  i32: Int32Array, i64: BigInt64Array, f32: Float32Array, f64: Float64Array,
  i32x4: Int32Array, f32x4: Float32Array,
};

/** A constant of a type: one number, or four of a vector. */
export function constantOf(
  taker: string, type: string, values: readonly (number | bigint)[],
): Literal {
  const bits = type === 'i64' ? 64 : 32;
  for (const value of type.startsWith('i') ? values : []) {
    const isInteger = typeof value === 'bigint' || Number.isInteger(value);
    if (!isInteger || value < -(2 ** (bits - 1)) || value >= 2 ** bits) {
      throw new Error(`${taker}: ${value} is no integer of ${bits} bits`);
    }
  }
  const array = new arrays[type](values as readonly never[]);
  const isInteger = type === 'i32' || type === 'i64';
  return {
    // Floats and vectors are as in memory: every engine puts the low byte first.
    write: (to) => (isInteger ? to.signed(array[0]) : to.bytes(new Uint8Array(array.buffer))),
    text: () => Array.from<number | bigint, string>(array, textOf).join(''),
  };
}

function textOf(value: number | bigint): string {
  const text = Object.is(value, -0) ? '-0' : String(value);
  return ` ${text.replace('Infinity', 'inf').replace('NaN', 'nan')}`;
}

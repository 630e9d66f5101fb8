/**
 * What stands behind an opcode, as bytes and as text: addresses, lanes, constants, references.
 */
import { bytesOf, signed, unsigned } from './bytes.ts';

/** A reference is a number in the bytes, which depends on the place where it stands. */
export type Immediate = Literal | Reference;

export interface Literal {
  readonly bytes: readonly number[];
  readonly text: string;
}

/** Something with a name, known by identity: two of the same name are two. */
export interface Reference {
  readonly kind: 'function' | 'global' | 'label' | 'local' | 'memory';
  readonly name: string;
}

/** Where memory is read or written: the offset from the address, the alignment to rely on. */
export function accessOf(
  taker: string,
  offset: number,
  given: number | undefined,
  size: number,
): Literal {
  const align = given ?? size;
  if (!Number.isInteger(offset) || offset < 0 || offset >= 2 ** 32) {
    throw new Error(`${taker}: the offset is ${offset}, expected an integer from 0 to 2³² − 1`);
  }
  const isAtomic = taker.includes('atomic');
  if (!Number.isInteger(Math.log2(align)) || align > size || (isAtomic && align < size)) {
    const expected = isAtomic ? `${size}` : `a power of two, at most ${size}`;
    throw new Error(`${taker}: the alignment is ${align}, expected ${expected}`);
  }
  const texts = [offset > 0 ? `offset=${offset}` : '', align < size ? `align=${align}` : ''];
  return {
    bytes: [...unsigned(Math.log2(align)), ...unsigned(offset)],
    text: texts.filter((text) => text !== '').join(' '),
  };
}

/** The lanes for a token of the table. */
export function lanesOf(taker: string, token: string, lanes: readonly number[]): Literal {
  const [count, end] = token === 'lanes' ? [16, 32] : [1, Number(token.slice('lane'.length))];
  const isGood = lanes.every((lane) => Number.isInteger(lane) && lane >= 0 && lane < end);
  if (lanes.length !== count || !isGood) {
    throw new Error(`${taker}: lanes are [${lanes}], expected ${count} from 0 to ${end - 1}`);
  }
  return { bytes: lanes, text: lanes.join(' ') };
}

/** A constant of a type: one number, or four of a vector. */
export function constantOf(
  taker: string,
  type: string,
  values: readonly (number | bigint)[],
): Literal {
  const expected = type.endsWith('x4') ? 4 : 1;
  if (values.length !== expected) {
    throw new Error(`${taker}: expected ${expected} values, found ${values.length}`);
  }
  const numbers = values.map(Number);
  if (type.startsWith('f')) {
    const array = type === 'f64' ? Float64Array.from(numbers) : Float32Array.from(numbers);
    return { bytes: bytesOf(array), text: Array.from(array, floatText).join(' ') };
  }
  const bits = type === 'i64' ? 64 : 32;
  for (const value of values) {
    const isInteger = typeof value === 'bigint' || Number.isInteger(value);
    if (!isInteger || value < -(2 ** (bits - 1)) || value >= 2 ** bits) {
      throw new Error(`${taker}: ${value} is no integer of ${bits} bits`);
    }
  }
  // From 2³¹ on an i32 is the negative number of the same bits.
  const integers = values.map((value) => BigInt.asIntN(bits, BigInt(value)));
  const vector = type === 'i32x4' ? Int32Array.from(integers, Number) : undefined;
  const bytes = vector === undefined ? integers.flatMap(signed) : bytesOf(vector);
  return { bytes, text: integers.join(' ') };
}

function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (Object.is(value, -0)) return '-0';
  return String(value).replace('Infinity', 'inf');
}

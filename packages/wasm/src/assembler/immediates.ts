/**
 * What stands behind an opcode, as bytes and as text: addresses, lanes, constants, references.
 */
import type { Bytes } from './bytes.ts';

export type Immediate = Literal | Reference;

export interface Literal {
  readonly kind: 'literal';
  write(to: Bytes): void;
  /** With a space before it; nothing if there is nothing to say. */
  text(): string;
}

/** Something with a name, known by identity: two of the same name are two. */
export type Reference = Label | Item;

/** Where a branch can go: to the end of a block, or to the start of a loop. */
export interface Label {
  /** Tells it from other things that have names. */
  readonly kind: 'label';
  /** Its name in the text format, which makes it unique; '' for none. */
  readonly name: string;
}

/** What has a number in its home: a local in its function, all others in their module. */
export interface Item<Kind = 'function' | 'global' | 'local' | 'memory'> {
  /** What it is; things of each kind are numbered by themselves. */
  readonly kind: Kind;
  /** Its name in the text format, in errors and, unless another is given, in exports. */
  readonly name: string;
  /** Its number among things of its kind in its home, from 0. */
  readonly number: number;
  /** The function or module that it belongs to, compared by identity. */
  readonly home: object;
}

/** How memory is read or written: so far behind the address, which is a multiple of `align`. */
export interface Access {
  /** In bytes, from 0 to 2³² − 1. */
  readonly offset: number;
  /**
   * A power of two, at most the size that is read or written, which is the default; atomics take no
   * other.
   */
  readonly align?: number | undefined;
}

/** What the argument for a token of the table becomes behind the opcode. */
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

/** Of `lanes` there are sixteen, of `lane4` there is one. */
function lanesOf(taker: string, token: string, lanes: readonly number[]): Literal {
  const [count, end] = token === 'lanes' ? [16, 32] : [1, Number(token.slice('lane'.length))];
  const isGood = lanes.every((lane) => Number.isInteger(lane) && lane >= 0 && lane < end);
  if (lanes.length !== count || !isGood) {
    throw new Error(`${taker}: lanes are [${lanes}], expected ${count} from 0 to ${end - 1}`);
  }
  return literal((to) => to.push(...lanes), () => ` ${lanes.join(' ')}`);
}

/** Arrays that round or wrap what they hold as constants of a type are. */
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
      throw new Error(`${taker}: ${value} is no integer of ${bits} bits`);
    }
  }
  const array = new arrays[type](values as never);
  const isInteger = type === 'i32' || type === 'i64';
  return literal(
    // Floats and vectors are as in memory: every engine puts the low byte first.
    (to) => (isInteger ? to.signed(array[0]) : to.push(...new Uint8Array(array.buffer))),
    () => Array.from<number | bigint, string>(array, textOf).join(''),
  );
}

function textOf(value: number | bigint): string {
  const text = Object.is(value, -0) ? '-0' : String(value);
  return ` ${text.replace('Infinity', 'inf').replace('NaN', 'nan')}`;
}

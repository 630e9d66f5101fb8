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
  if (token === '00') return zero;
  if (token.startsWith('@')) return accessOf(taker, Number(token.slice(1)), given as Access);
  const values = Array.isArray(given) ? (given as number[]) : [given as number];
  if (token.startsWith('lane')) return lanesOf(taker, token, values);
  return constantOf(taker, token.slice(1) as keyof typeof rounders, values);
}

/** The number of the memory, of which there is one. */
const zero: Literal = { kind: 'literal', write: (to) => to.byte(0), text: () => '' };

class MemoryAccess implements Literal {
  readonly kind = 'literal';
  readonly #offset: number;
  readonly #align: number;
  readonly #size: number;

  constructor(offset: number, align: number, size: number) {
    this.#offset = offset;
    this.#align = align;
    this.#size = size;
  }

  write(to: Bytes): void {
    to.byte(Math.log2(this.#align)).unsigned(this.#offset);
  }

  text(): string {
    const offset = this.#offset > 0 ? ` offset=${this.#offset}` : '';
    return offset + (this.#align < this.#size ? ` align=${this.#align}` : '');
  }
}

function accessOf(taker: string, size: number, access: Partial<Access>): Literal {
  const { offset = 0, align = size } = access;
  if (!Number.isInteger(offset) || offset < 0 || offset >= 2 ** 32) {
    throw new Error(`${taker}: the offset is ${offset}, expected an integer from 0 to 2³² − 1`);
  }
  const isPower = align === 1 || align === 2 || align === 4 || align === 8 || align === 16;
  const isExact = align === size || !taker.includes('atomic');
  if (!isPower || align > size || !isExact) {
    const expected = isExact ? `a power of two, at most ${size}` : `${size}`;
    throw new Error(`${taker}: the alignment is ${align}, expected ${expected}`);
  }
  return new MemoryAccess(offset, align, size);
}

class Lanes implements Literal {
  readonly kind = 'literal';
  readonly #lanes: readonly number[];

  constructor(lanes: readonly number[]) {
    this.#lanes = lanes;
  }

  write(to: Bytes): void {
    to.append(this.#lanes);
  }

  text(): string {
    return ` ${this.#lanes.join(' ')}`;
  }
}

/** Sixteen lanes for the token `lanes`, one for `lane2` or `lane4`. */
function lanesOf(taker: string, token: string, lanes: readonly number[]): Literal {
  const [count, end] = token === 'lanes' ? [16, 32] : [1, Number(token.slice('lane'.length))];
  const isGood = lanes.every((lane) => Number.isInteger(lane) && lane >= 0 && lane < end);
  if (lanes.length !== count || !isGood) {
    throw new Error(`${taker}: lanes are [${lanes}], expected ${count} from 0 to ${end - 1}`);
  }
  return new Lanes(lanes);
}

/** Rounds or wraps a constant of each type as WebAssembly does; of a vector, each lane. */
const rounders = {
  i32: (x: number) => x | 0, i32x4: (x: number) => x | 0,
  i64: (x: bigint) => BigInt.asIntN(64, x),
  f32: Math.fround, f32x4: Math.fround, f64: (x: number) => x,
};

class ConstantOf implements Literal {
  readonly kind = 'literal';
  readonly #type: keyof typeof rounders;
  readonly #values: readonly (number | bigint)[];

  constructor(type: keyof typeof rounders, values: readonly (number | bigint)[]) {
    const round = rounders[type] as (x: number | bigint) => number | bigint;
    this.#type = type;
    this.#values = values.map(round);
  }

  write(to: Bytes): void {
    const [type, values] = [this.#type, this.#values];
    if (type === 'i32' || type === 'i64') to.signed(values[0]);
    else for (const value of values) writeInMemoryOrder(type, Number(value), to);
  }

  text(): string {
    return this.#values.map(textOf).join('');
  }
}

/** Floats and vectors are written as they are in memory, little-endian on every engine. */
const scratch = new DataView(new ArrayBuffer(8));

function writeInMemoryOrder(type: 'f32' | 'f64' | 'f32x4' | 'i32x4', x: number, to: Bytes): void {
  if (type === 'f64') scratch.setFloat64(0, x, true);
  else if (type === 'i32x4') scratch.setInt32(0, x, true);
  else scratch.setFloat32(0, x, true);
  for (let i = 0; i < (type === 'f64' ? 8 : 4); i++) to.byte(scratch.getUint8(i));
}

/** A constant of a type: one number, or four of a vector. */
function constantOf(
  taker: string, type: keyof typeof rounders, values: readonly (number | bigint)[],
): Literal {
  const bits = type === 'i64' ? 64 : 32;
  for (const value of type.startsWith('i') ? values : []) {
    const isInteger = typeof value === 'bigint' || Number.isInteger(value);
    if (!isInteger || value < -(2 ** (bits - 1)) || value >= 2 ** bits) {
      throw new Error(`${taker}: ${value} is not an integer of ${bits} bits`);
    }
  }
  return new ConstantOf(type, values);
}

function textOf(value: number | bigint): string {
  const text = Object.is(value, -0) ? '-0' : String(value);
  return ` ${text.replace('Infinity', 'inf').replace('NaN', 'nan')}`;
}

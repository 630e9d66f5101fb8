/**
 * How WebAssembly writes things down: numbers in LEB128, seven bits to a byte and the eighth set if
 * more follow; lists and sections behind their length; floats and constants as they are in memory.
 */

/** An integer from 0 on. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

/** An integer of either sign: the last byte's bit 6 is repeated upwards. */
export function signed(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest < -0x40n || rest > 0x3fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest & 0x7fn)];
}

/** The elements of a typed array as they are in memory: every engine puts the low byte first. */
export function bytesOf({ buffer }: Float32Array | Float64Array | Int32Array): number[] {
  return Array.from(new Uint8Array(buffer));
}

/** Text in UTF-8. */
export function utf8(text: string): number[] {
  const escaped = encodeURIComponent(text).matchAll(/%(..)|./g);
  return Array.from(escaped, ([character, hex]) => (
    hex === undefined ? character.charCodeAt(0) : Number.parseInt(hex, 16)
  ));
}

/** Bytes behind their number. */
export function sized(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

/** Items behind their number. */
export function list(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

/** A name, behind its length in bytes. */
export function name(text: string): number[] {
  return sized(utf8(text));
}

/** A part of a module; nothing at all if it is an empty list. */
export function section(id: number, items: readonly (readonly number[])[]): number[] {
  return items.length === 0 ? [] : [id, ...sized(list(items))];
}

/** The bytes of an opcode of the table of instructions. */
export function opcodeBytes(opcode: number): number[] {
  return opcode <= 0xff ? [opcode] : [opcode >> 12, ...unsigned(opcode & 0xfff)];
}

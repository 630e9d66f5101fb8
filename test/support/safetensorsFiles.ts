/** Files in the safetensors format: those of the golden values, and headers as they are given. */
import { readFileSync } from 'node:fs';
import { locate } from './golden.ts';

/** The bytes of a file of test/golden/safetensors. */
export const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(locate(`safetensors/${name}.safetensors`)));

/** Names that a reader could take for something else than a name. */
export const hostileNames: readonly string[] = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__metadata', 'dtype'],
  ...['', ' ', '0', '1', '"', '\\', '\0', '\n', '\u007f', '\u2028', '\ufeff'],
  ...['größe/重み🐍', 'a.0.b'],
];

/** A file with this header, given as text or as an object, and this many bytes of data. */
export function fileOf(header: string | object, dataLength = 0, claimed?: bigint): Uint8Array {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  const text = new TextEncoder().encode(json);
  const length = BigUint64Array.of(claimed ?? BigInt(text.length));
  return new Uint8Array([...new Uint8Array(length.buffer), ...text, ...new Uint8Array(dataLength)]);
}

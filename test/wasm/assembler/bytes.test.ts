/** LEB128, the encoding of whole numbers: seven bits a byte, in as few bytes as there can be. */
import { Bytes } from '@mambagrad/wasm';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('LEB128', () => {
  const unsigned = (value: number) => Array.from(new Bytes().unsigned(value).all());
  const signed = (value: number | bigint) => Array.from(new Bytes().signed(value).all());
  const decode = (bytes: readonly number[], isSigned: boolean): bigint => {
    const digits = bytes.map((byte, i) => BigInt(byte & 0x7f) << BigInt(7 * i));
    const value = digits.reduce((sum, digit) => sum + digit, 0n);
    return isSigned ? BigInt.asIntN(7 * bytes.length, value) : value;
  };
  const isChained = (bytes: readonly number[]) => (
    bytes.every((byte, i) => byte >= 0x80 === i < bytes.length - 1 && byte <= 0xff)
  );

  test('gives back any integer', () => {
    const anySigned = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    fc.assert(fc.property(fc.oneof(anySigned, fc.integer().map(BigInt)), (value) => {
      expect(decode(signed(value), true)).toBe(value);
      expect(isChained(signed(value))).toBe(true);
    }));
    fc.assert(fc.property(fc.oneof(fc.maxSafeNat(), fc.nat()), (value) => {
      expect(decode(unsigned(value), false)).toBe(BigInt(value));
      expect(isChained(unsigned(value))).toBe(true);
    }));
  });

  test('takes as few bytes as there can be', () => {
    expect([0, 127, 128, 16383, 16384].map((value) => unsigned(value).length)).toEqual([
      1, 1, 2, 2, 3,
    ]);
    expect([0, 63, 64, -64, -65, 8191, 8192].map((value) => signed(value).length)).toEqual([
      1, 1, 2, 1, 2, 2, 3,
    ]);
    expect(unsigned(624485)).toEqual([0xe5, 0x8e, 0x26]);
    expect(signed(-123456)).toEqual([0xc0, 0xbb, 0x78]);
  });
});

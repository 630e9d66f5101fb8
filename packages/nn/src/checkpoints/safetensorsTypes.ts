/**
 * The element types of safetensors files, and the dtypes that they are converted to: small floats
 * to f32, which represents them exactly, and booleans and integers to i32, if they fit. An F8
 * consists of a sign, an exponent e and a mantissa m of M bits; with a bias b its value is
 *
 *     ±(1 + m / 2ᴹ) · 2ᵉ⁻ᵇ,   or if e is 0 (a denormal)   ±(m / 2ᴹ) · 2¹⁻ᵇ
 *
 * except for some bit patterns, different in each type, that mean NaN or infinity. Micikevicius et
 * al., "FP8 formats for deep learning" (2022); types with FNUZ have no infinity and no −0.
 */
import { type DType, TensorError, type TypedArray } from '@mambagrad/tensor';
import { quote } from './safetensorsHeader.ts';

/** The element types of files. */
export type SafetensorsDType =
  | 'I64' | 'U64' | 'F64' | 'C64' | 'F32' | 'I32' | 'U32' | 'BF16' | 'F16' | 'I16' | 'U16' | 'I8'
  | 'U8' | 'BOOL' | 'F8_E4M3' | 'F8_E5M2' | 'F8_E4M3FNUZ' | 'F8_E5M2FNUZ' | 'F8_E8M0' | 'F6_E2M3'
  | 'F6_E3M2' | 'F4';

/** Converts the bytes of the tensor `name` to an array of its dtype. */
type Decode = (bytes: ArrayBuffer, name: string) => TypedArray;

interface ElementType {
  /** The number of bits of an element. */
  readonly bits: number;
  /** How it is read; undefined for complex numbers and types smaller than a byte. */
  readonly reading?: { readonly dtype: DType; readonly decode: Decode };
}

const readAs = (dtype: DType) => (bits: number, decode: Decode): ElementType =>
  ({ bits, reading: { dtype, decode } });
const [f32, f64, i32] = [readAs('f32'), readAs('f64'), readAs('i32')];

/** In the order in which tensors are written, so that each is aligned to its element size. */
export const elementTypes: Readonly<Record<SafetensorsDType, ElementType>> = {
  I64: i32(64, (bytes, name) => narrow(bytes, name, true)),
  U64: i32(64, (bytes, name) => narrow(bytes, name, false)),
  F64: f64(64, (bytes) => new Float64Array(bytes)),
  C64: { bits: 64 },
  F32: f32(32, (bytes) => new Float32Array(bytes)),
  I32: i32(32, (bytes) => new Int32Array(bytes)),
  U32: i32(32, fromUnsigned),
  BF16: f32(16, fromBrainFloat),
  F16: f32(16, fromHalf),
  I16: i32(16, (bytes) => new Int32Array(new Int16Array(bytes))),
  U16: i32(16, (bytes) => new Int32Array(new Uint16Array(bytes))),
  I8: i32(8, (bytes) => new Int32Array(new Int8Array(bytes))),
  U8: i32(8, (bytes) => new Int32Array(new Uint8Array(bytes))),
  BOOL: i32(8, (bytes) => new Int32Array(new Uint8Array(bytes)).map((byte) => Number(byte !== 0))),
  F8_E4M3: f32(8, fromF8((byte) => ((byte & 0x7f) === 0x7f ? NaN : small(byte, 3, 7)))),
  F8_E5M2: f32(8, fromF8((byte) => fromHalf(Uint16Array.of(byte << 8).buffer)[0])),
  F8_E4M3FNUZ: f32(8, fromF8((byte) => (byte === 0x80 ? NaN : small(byte, 3, 8)))),
  F8_E5M2FNUZ: f32(8, fromF8((byte) => (byte === 0x80 ? NaN : small(byte, 2, 16)))),
  // Only an exponent: a power of two.
  F8_E8M0: f32(8, fromF8((byte) => (byte === 0xff ? NaN : 2 ** (byte - 127)))),
  F6_E2M3: { bits: 6 },
  F6_E3M2: { bits: 6 },
  F4: { bits: 4 },
};

/** The names of the types, in the same order. */
export const elementTypeNames = Object.keys(elementTypes) as readonly SafetensorsDType[];

/** I64 or U64 to i32: the upper half must be the sign extension of the lower half. */
function narrow(bytes: ArrayBuffer, name: string, isSigned: boolean): Int32Array {
  const halves = new Int32Array(bytes);
  return new Int32Array(halves.length / 2).map((_, i) => {
    const low = halves[2 * i];
    if (halves[2 * i + 1] === low >> 31 && (isSigned || low >= 0)) return low;
    const exact = isSigned ? new BigInt64Array(bytes) : new BigUint64Array(bytes);
    throw tooLarge(name, i, exact[i]);
  });
}

/** i32 to I64, by sign extension. */
export function widen(values: TypedArray): Int32Array<ArrayBuffer> {
  return new Int32Array(2 * values.length).map((_, i) => values[i >> 1] >> (i % 2 === 0 ? 0 : 31));
}

function fromUnsigned(bytes: ArrayBuffer, name: string): Int32Array {
  const wrong = new Int32Array(bytes).findIndex((value) => value < 0);
  if (wrong >= 0) throw tooLarge(name, wrong, new Uint32Array(bytes)[wrong]);
  return new Int32Array(bytes);
}

function tooLarge(name: string, i: number, value: number | bigint): TensorError {
  return new TensorError(`safetensors: ${quote(name)}: element ${i}, ${value}, is not an i32`);
}

/** BF16 is the upper half of an F32. */
function fromBrainFloat(bytes: ArrayBuffer): Float32Array {
  return new Float32Array(new Uint32Array(new Uint16Array(bytes)).map((bits) => bits << 16).buffer);
}

/**
 * F16 has 5 bits of exponent and 10 bits of mantissa. Shifted to the fields of an F32 they give the
 * value divided by 2¹¹² = 2^(127 − 15), the difference of the biases, also for denormals. NaN and
 * infinities need the full exponent of an F32.
 */
function fromHalf(bytes: ArrayBuffer): Float32Array {
  const bits = new Uint32Array(new Uint16Array(bytes)).map((half) => {
    const special = (half & 0x7c00) === 0x7c00 ? 0x7f800000 : 0;
    return ((half & 0x8000) << 16) | ((half & 0x7fff) << 13) | special;
  });
  return new Float32Array(bits.buffer).map((value) => value * 2 ** 112);
}

/** Converts bytes by a table of all 256 values. */
function fromF8(valueOf: (byte: number) => number): Decode {
  const values = Float32Array.from({ length: 256 }, (_, byte) => valueOf(byte));
  return (bytes) => new Float32Array(new Uint8Array(bytes)).map((byte) => values[byte]);
}

/** The value of an F8 by the formula above. */
function small(byte: number, mantissaBits: number, bias: number): number {
  const exponent = (byte & 0x7f) >> mantissaBits;
  const mantissa = (byte % 2 ** mantissaBits) / 2 ** mantissaBits;
  const magnitude = (mantissa + Number(exponent > 0)) * 2 ** (Math.max(exponent, 1) - bias);
  return byte < 0x80 ? magnitude : -magnitude;
}

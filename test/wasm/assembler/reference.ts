/**
 * What every instruction of the assembler's table that computes should give, in plain JavaScript.
 * Integers are signed numbers (i64: bigints); a vector is an Int32Array or a Float32Array of four,
 * or a Float64Array of two.
 */
import { rows } from '@mambagrad/wasm';

export type Vector = Int32Array | Float32Array | Float64Array;
export type Value = number | bigint | Vector;
export const trap = Symbol('trap');
/** Several results if the engine may choose. */
export type Reference = (...given: never[]) => Value | readonly Value[] | typeof trap;

const comparisons = {
  eq: (a: unknown, b: unknown) => a === b,
  ne: (a: unknown, b: unknown) => a !== b,
  lt: <T>(a: T, b: T) => a < b,
  gt: <T>(a: T, b: T) => a > b,
  le: <T>(a: T, b: T) => a <= b,
  ge: <T>(a: T, b: T) => a >= b,
};

/** The comparisons of a type; integers are read as signed by `_s` and as unsigned by `_u`. */
function compareAs<T>(toUnsigned: (x: T) => T): Record<string, Reference> {
  return Object.fromEntries(
    Object.entries(comparisons).flatMap(([name, test]) => [
      [name, (a: T, b: T) => Number(test(a, b))],
      [`${name}_s`, (a: T, b: T) => Number(test(a, b))],
      [`${name}_u`, (a: T, b: T) => Number(test(toUnsigned(a), toUnsigned(b)))],
    ]),
  );
}

const i32Rows = {
  ...compareAs((x: number) => x >>> 0),
  const: (x: number) => x,
  eqz: (x: number) => Number(x === 0),
  clz: Math.clz32,
  ctz: (x: number) => (x === 0 ? 32 : 31 - Math.clz32(x & -x)),
  popcnt: (x: number) => (x >>> 0).toString(2).replaceAll('0', '').length,
  extend8_s: (x: number) => (x << 24) >> 24,
  extend16_s: (x: number) => (x << 16) >> 16,
  add: (a: number, b: number) => (a + b) | 0,
  sub: (a: number, b: number) => (a - b) | 0,
  mul: Math.imul,
  div_s: (a: number, b: number) => (b === 0 || a / b === 2 ** 31 ? trap : (a / b) | 0),
  div_u: (a: number, b: number) => (b === 0 ? trap : ((a >>> 0) / (b >>> 0)) | 0),
  rem_s: (a: number, b: number) => (b === 0 ? trap : a % b | 0),
  rem_u: (a: number, b: number) => (b === 0 ? trap : (a >>> 0) % (b >>> 0) | 0),
  and: (a: number, b: number) => a & b,
  or: (a: number, b: number) => a | b,
  xor: (a: number, b: number) => a ^ b,
  shl: (a: number, b: number) => a << b,
  shr_s: (a: number, b: number) => a >> b,
  shr_u: (a: number, b: number) => (a >>> b) | 0,
  rotl: (a: number, b: number) => (a << b) | (a >>> -b),
  rotr: (a: number, b: number) => (a >>> b) | (a << -b),
  wrap_i64: (x: bigint) => Number(BigInt.asIntN(32, x)),
  trunc_f32_s: (x: number) => truncate(x, -(2 ** 31)) ?? trap,
  trunc_f32_u: (x: number) => truncate(x, 0) ?? trap,
  trunc_f64_s: (x: number) => truncate(x, -(2 ** 31)) ?? trap,
  trunc_f64_u: (x: number) => truncate(x, 0) ?? trap,
  trunc_sat_f32_s: (x: number) => saturate(x, -(2 ** 31)),
  trunc_sat_f32_u: (x: number) => saturate(x, 0),
  trunc_sat_f64_s: (x: number) => saturate(x, -(2 ** 31)),
  trunc_sat_f64_u: (x: number) => saturate(x, 0),
  reinterpret_f32: (x: number) => new Int32Array(Float32Array.of(x).buffer)[0],
};

/** The integer part, if it is one of the 2³² integers from `low` on, as a signed number. */
function truncate(x: number, low: number): number | undefined {
  const whole = Math.trunc(x);
  return whole >= low && whole < low + 2 ** 32 ? whole | 0 : undefined;
}

function saturate(x: number, low: number): number {
  return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), low), low + 2 ** 32 - 1) | 0;
}

const i64Rows = {
  ...compareAs((x: bigint) => BigInt.asUintN(64, x)),
  const: (x: bigint) => x,
  eqz: (x: bigint) => Number(x === 0n),
  add: (a: bigint, b: bigint) => BigInt.asIntN(64, a + b),
  sub: (a: bigint, b: bigint) => BigInt.asIntN(64, a - b),
  mul: (a: bigint, b: bigint) => BigInt.asIntN(64, a * b),
  and: (a: bigint, b: bigint) => a & b,
  or: (a: bigint, b: bigint) => a | b,
  xor: (a: bigint, b: bigint) => a ^ b,
  shl: (a: bigint, b: bigint) => BigInt.asIntN(64, a << (b & 63n)),
  shr_s: (a: bigint, b: bigint) => a >> (b & 63n),
  shr_u: (a: bigint, b: bigint) => BigInt.asIntN(64, BigInt.asUintN(64, a) >> (b & 63n)),
  extend_i32_s: (x: number) => BigInt(x),
  extend_i32_u: (x: number) => BigInt(x >>> 0),
  reinterpret_f64: (x: number) => new BigInt64Array(Float64Array.of(x).buffer)[0],
};

function floatRows(round: (x: number) => number) {
  return {
    ...compareAs((x: number) => x),
    const: round,
    abs: Math.abs,
    neg: (x: number) => -x,
    ceil: Math.ceil,
    floor: Math.floor,
    trunc: Math.trunc,
    nearest: (x: number) => {
      const isTie = Math.abs(x - Math.trunc(x)) === 0.5;
      return isTie ? 2 * Math.round(x / 2) : Math.round(x);
    },
    sqrt: (x: number) => round(Math.sqrt(x)),
    add: (a: number, b: number) => round(a + b),
    sub: (a: number, b: number) => round(a - b),
    mul: (a: number, b: number) => round(a * b),
    div: (a: number, b: number) => round(a / b),
    min: Math.min,
    max: Math.max,
    pmin: (a: number, b: number) => (b < a ? b : a),
    pmax: (a: number, b: number) => (a < b ? b : a),
    copysign: (a: number, b: number) => (isNegative(a) === isNegative(b) ? a : -a),
    convert_i32_s: round,
    convert_i32_u: (x: number) => round(x >>> 0),
    reinterpret_i32: (x: number) => new Float32Array(Int32Array.of(x).buffer)[0],
    reinterpret_i64: (x: bigint) => new Float64Array(BigInt64Array.of(x).buffer)[0],
    demote_f64: round,
    promote_f32: (x: number) => x,
  };
}

function isNegative(x: number): boolean {
  return new DataView(Float64Array.of(x).buffer).getInt8(isLittleEndian ? 7 : 0) < 0;
}

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

const [f32Rows, f64Rows] = [floatRows(Math.fround), floatRows((x) => x)];

/** The sum of a product and a number, rounded once. */
function fused(a: number, b: number, c: number): number {
  const product = a * b; // exact: two factors of 24 bits
  const sum = product + c;
  const part = sum - product;
  const lost = product - (sum - part) + (c - part);
  if (lost === 0 || !Number.isFinite(sum)) return Math.fround(sum);
  // Between two doubles: take the odd one, from which rounding to a float goes the right way.
  const bits = new BigInt64Array(Float64Array.of(sum).buffer);
  if ((bits[0] & 1n) === 0n) bits[0] += lost > 0 === sum > 0 ? 1n : -1n;
  return Math.fround(new Float64Array(bits.buffer)[0]);
}

const asI32 = ({ buffer }: Vector) => new Int32Array(buffer);
const asF32 = ({ buffer }: Vector) => new Float32Array(buffer);
const asF64 = ({ buffer }: Vector) => new Float64Array(buffer);
const asBytes = ({ buffer }: Vector) => new Uint8Array(buffer);
const fromBytes = (bytes: readonly number[]) => new Int32Array(Uint8Array.from(bytes).buffer);
type Scalar = (...given: number[]) => number;

/** An instruction on each lane, from that on one. */
function lanewise<Out extends Vector>(
  f: unknown,
  read: (vector: Vector) => Vector,
  make: (lanes: number[]) => Out,
) {
  return (...given: Vector[]): Out => {
    const lanes = given.map((vector) => read(vector));
    const places = [...lanes[0].keys()];
    return make(places.map((i) => (f as Scalar)(...lanes.map((vector) => vector[i]))));
  };
}

const makeI32 = (lanes: readonly number[]) => Int32Array.from(lanes);
const makeF32 = (lanes: readonly number[]) => Float32Array.from(lanes);
const makeF64 = (lanes: readonly number[]) => Float64Array.from(lanes);
/** The first two of four lanes as f64, and two f64 as the first two lanes. */
const makeLow = ([a, b]: readonly number[]) => makeF64([a, b]);
const makeZero = ([a, b]: readonly number[]) => makeF32([a, b, 0, 0]);

const special: Record<string, Reference> = {
  'v128.not': lanewise((x: number) => ~x, asI32, makeI32),
  'v128.andnot': lanewise((a: number, b: number) => a & ~b, asI32, makeI32),
  'v128.bitselect': lanewise(
    (a: number, b: number, mask: number) => (a & mask) | (b & ~mask),
    asI32,
    makeI32,
  ),
  'v128.any_true': (x: Vector) => Number(asI32(x).some((lane) => lane !== 0)),
  'i32x4.all_true': (x: Vector) => Number(asI32(x).every((lane) => lane !== 0)),
  'i32x4.bitmask': (x: Vector) => asI32(x).reduce((mask, v, i) => mask | (Number(v < 0) << i), 0),
  'i8x16.shuffle': (a: Vector, b: Vector, lanes: number[]) => {
    const both = [...asBytes(a), ...asBytes(b)];
    return fromBytes(lanes.map((lane) => both[lane]));
  },
  'i8x16.swizzle': (a: Vector, b: Vector) => (
    fromBytes(Array.from(asBytes(b), (index) => asBytes(a)[index] ?? 0))
  ),
  'i32x4.const': makeI32,
  'f32x4.const': makeF32,
  'i32x4.splat': (x: number) => makeI32([x, x, x, x]),
  'f32x4.splat': (x: number) => makeF32([x, x, x, x]),
  'f64x2.splat': (x: number) => makeF64([x, x]),
  'i32x4.extract_lane': (x: Vector, lane: number) => asI32(x)[lane],
  'f32x4.extract_lane': (x: Vector, lane: number) => asF32(x)[lane],
  'i32x4.replace_lane': (x: Vector, value: number, lane: number) => asI32(x).with(lane, value),
  'f32x4.replace_lane': (x: Vector, value: number, lane: number) => asF32(x).with(lane, value),
  'i32x4.abs': lanewise((x: number) => Math.abs(x) | 0, asI32, makeI32),
  'i32x4.neg': lanewise((x: number) => -x | 0, asI32, makeI32),
  'i32x4.min_s': lanewise(Math.min, asI32, makeI32),
  'i32x4.max_s': lanewise(Math.max, asI32, makeI32),
  'i32x4.min_u': lanewise((a: number, b: number) => (a >>> 0 < b >>> 0 ? a : b), asI32, makeI32),
  'i32x4.max_u': lanewise((a: number, b: number) => (a >>> 0 > b >>> 0 ? a : b), asI32, makeI32),
  'i32x4.shl': (x: Vector, by: number) => asI32(x).map((lane) => lane << by),
  'i32x4.shr_s': (x: Vector, by: number) => asI32(x).map((lane) => lane >> by),
  'i32x4.shr_u': (x: Vector, by: number) => asI32(x).map((lane) => lane >>> by),
  'i32x4.trunc_sat_f32x4_s': lanewise(i32Rows.trunc_sat_f32_s, asF32, makeI32),
  'i32x4.trunc_sat_f32x4_u': lanewise(i32Rows.trunc_sat_f32_u, asF32, makeI32),
  'f32x4.convert_i32x4_s': lanewise(f32Rows.convert_i32_s, asI32, makeF32),
  'f32x4.convert_i32x4_u': lanewise(f32Rows.convert_i32_u, asI32, makeF32),
  'f64x2.convert_low_i32x4_s': lanewise((x: number) => x, asI32, makeLow),
  'f64x2.promote_low_f32x4': lanewise((x: number) => x, asF32, makeLow),
  'f32x4.demote_f64x2_zero': lanewise((x: number) => x, asF64, makeZero),
  'f32x4.relaxed_madd': relaxed((x) => x),
  'f32x4.relaxed_nmadd': relaxed((x) => -x),
};

/** Rounded once or twice, but in all lanes alike. */
function relaxed(sign: Scalar): Reference {
  const once = (a: number, b: number, c: number) => fused(sign(a), b, c);
  const twice = (a: number, b: number, c: number) => Math.fround(Math.fround(sign(a) * b) + c);
  const [f, g] = [once, twice].map((rule) => lanewise(rule, asF32, makeF32));
  return (a: Vector, b: Vector, c: Vector) => [f(a, b, c), g(a, b, c)];
}

const scalars: Record<string, Record<string, unknown>> = {
  i32: i32Rows,
  i64: i64Rows,
  f32: f32Rows,
  f64: f64Rows,
};

/** What an instruction does to a lane, if that is no i32. */
const vectors: Record<string, Record<string, unknown>> = { f32x4: f32Rows, f64x2: f64Rows };

/** What the instruction of that name should give. Undefined if there is no reference for it. */
export function referenceOf(name: string): Reference | undefined {
  const [family, method] = name.split('.');
  const found = special[name] ?? scalars[family]?.[method];
  if (found !== undefined) return found as Reference;
  const compare = /^(eq|ne|lt|gt|le|ge)(_[su])?$/.test(method);
  const scalar = (vectors[family] ?? i32Rows)[method];
  if (scalar === undefined) return undefined;
  if (compare) {
    const mask = (a: number, b: number) => -(scalar as Scalar)(a, b);
    return lanewise(mask, family === 'f32x4' ? asF32 : asI32, makeI32);
  }
  if (family === 'f32x4') return lanewise(scalar, asF32, makeF32);
  if (family === 'f64x2') return lanewise(scalar, asF64, makeF64);
  return family === 'i32x4' || family === 'v128' ? lanewise(scalar, asI32, makeI32) : undefined;
}

/** The rows that compute from values alone, and those that touch memory. */
export const touchesMemory = (tokens: readonly string[]): boolean => (
  tokens.some((token) => token.startsWith('@') || token === '00')
);
export const computing = rows.filter(({ tokens }) => !touchesMemory(tokens));
export const touching = rows.filter(({ tokens }) => touchesMemory(tokens));

/**
 * The instructions that compute, load and store, as one table, from which typed builders, bytes,
 * text and tests are made. An entry is a run of instructions with consecutive opcodes and the same
 * signature:
 *
 *     '92 f32.add sub mul: f32 f32 -> f32'        f32.add is 0x92, f32.sub 0x93, f32.mul 0x94
 *
 * An opcode is one byte, or a prefix byte and three hex digits: fd0e4 is 0xe4 after 0xfd. The
 * tokens of a signature are
 *
 *     i32 … v128    a value, computed by another instruction
 *     @4            an address in memory, of an access of 4 bytes
 *     lane4, lanes  one of four lanes; sixteen of the thirty-two bytes of two vectors
 *     =f32          a constant
 *     00            a zero byte, the number of the memory
 */

/** The type of a value: integers and floats by their bits, or a vector of 128 bits. */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** The type of a piece of code: that of the value it leaves, or 'none'. */
export type ResultType = ValueType | 'none';

const runs = [
  '41 i32.const: =i32 -> i32', '42 i64.const: =i64 -> i64',
  '43 f32.const: =f32 -> f32', '44 f64.const: =f64 -> f64',

  '46 i32.eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u: i32 i32 -> i32',
  '51 i64.eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u: i64 i64 -> i32',
  '5b f32.eq ne lt gt le ge: f32 f32 -> i32', '61 f64.eq ne lt gt le ge: f64 f64 -> i32',
  '45 i32.eqz: i32 -> i32', '50 i64.eqz: i64 -> i32',
  '67 i32.clz ctz popcnt: i32 -> i32', 'c0 i32.extend8_s extend16_s: i32 -> i32',
  '6a i32.add sub mul div_s div_u rem_s rem_u: i32 i32 -> i32',
  '71 i32.and or xor shl shr_s shr_u rotl rotr: i32 i32 -> i32',
  '7c i64.add sub mul: i64 i64 -> i64', '83 i64.and or xor shl shr_s shr_u: i64 i64 -> i64',
  '8b f32.abs neg ceil floor trunc nearest sqrt: f32 -> f32',
  '92 f32.add sub mul div min max copysign: f32 f32 -> f32',
  '99 f64.abs neg ceil floor trunc nearest sqrt: f64 -> f64',
  'a0 f64.add sub mul div min max copysign: f64 f64 -> f64',

  // Conversions. trunc traps if the integer is out of range; trunc_sat gives the nearest, and 0
  // for NaN.
  'a7 i32.wrap_i64: i64 -> i32', 'ac i64.extend_i32_s extend_i32_u: i32 -> i64',
  'a8 i32.trunc_f32_s trunc_f32_u: f32 -> i32', 'aa i32.trunc_f64_s trunc_f64_u: f64 -> i32',
  'fc000 i32.trunc_sat_f32_s trunc_sat_f32_u: f32 -> i32',
  'fc002 i32.trunc_sat_f64_s trunc_sat_f64_u: f64 -> i32',
  'b2 f32.convert_i32_s convert_i32_u: i32 -> f32', 'b6 f32.demote_f64: f64 -> f32',
  'b7 f64.convert_i32_s convert_i32_u: i32 -> f64', 'bb f64.promote_f32: f32 -> f64',
  'bc i32.reinterpret_f32: f32 -> i32', 'bd i64.reinterpret_f64: f64 -> i64',
  'be f32.reinterpret_i32: i32 -> f32', 'bf f64.reinterpret_i64: i64 -> f64',

  // Memory
  '28 i32.load: @4 -> i32', '29 i64.load: @8 -> i64',
  '2a f32.load: @4 -> f32', '2b f64.load: @8 -> f64',
  '2c i32.load8_s load8_u: @1 -> i32', '2e i32.load16_s load16_u: @2 -> i32',
  '36 i32.store: @4 i32 -> none', '37 i64.store: @8 i64 -> none',
  '38 f32.store: @4 f32 -> none', '39 f64.store: @8 f64 -> none',
  '3a i32.store8: @1 i32 -> none', '3b i32.store16: @2 i32 -> none',
  '3f memory.size: 00 -> i32', '40 memory.grow: i32 00 -> i32',
  'fc00a memory.copy: i32 i32 i32 00 00 -> none', 'fc00b memory.fill: i32 i32 i32 00 -> none',

  // Threads. After one of these, other threads see all that the thread has written before.
  'fe000 memory.atomic.notify: @4 i32 -> i32', 'fe001 memory.atomic.wait32: @4 i32 i64 -> i32',
  'fe003 atomic.fence: 00 -> none',
  'fe010 i32.atomic.load: @4 -> i32', 'fe017 i32.atomic.store: @4 i32 -> none',
  'fe011 i64.atomic.load: @8 -> i64', 'fe018 i64.atomic.store: @8 i64 -> none',
  'fe01e i32.atomic.rmw.add: @4 i32 -> i32', 'fe025 i32.atomic.rmw.sub: @4 i32 -> i32',
  'fe041 i32.atomic.rmw.xchg: @4 i32 -> i32', 'fe048 i32.atomic.rmw.cmpxchg: @4 i32 i32 -> i32',
  'fe049 i64.atomic.rmw.cmpxchg: @8 i64 i64 -> i64',

  // Vectors of 128 bits
  'fd00c i32x4.const: =i32x4 -> v128', 'fd00c f32x4.const: =f32x4 -> v128',
  'fd000 v128.load: @16 -> v128', 'fd00b v128.store: @16 v128 -> none',
  'fd009 v128.load32_splat: @4 -> v128', 'fd00a v128.load64_splat: @8 -> v128',
  'fd05c v128.load32_zero: @4 -> v128', 'fd05d v128.load64_zero: @8 -> v128',
  'fd056 v128.load32_lane: @4 v128 lane4 -> v128', 'fd057 v128.load64_lane: @8 v128 lane2 -> v128',
  'fd05a v128.store32_lane: @4 v128 lane4 -> none',
  'fd05b v128.store64_lane: @8 v128 lane2 -> none',
  'fd00d i8x16.shuffle: v128 v128 lanes -> v128', 'fd00e i8x16.swizzle: v128 v128 -> v128',
  'fd011 i32x4.splat: i32 -> v128', 'fd013 f32x4.splat: f32 -> v128',
  'fd01b i32x4.extract_lane: v128 lane4 -> i32', 'fd01f f32x4.extract_lane: v128 lane4 -> f32',
  'fd01c i32x4.replace_lane: v128 i32 lane4 -> v128',
  'fd020 f32x4.replace_lane: v128 f32 lane4 -> v128',
  // A comparison sets all bits of a lane or none: a mask for and, andnot and bitselect.
  'fd037 i32x4.eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u: v128 v128 -> v128',
  'fd041 f32x4.eq ne lt gt le ge: v128 v128 -> v128',
  'fd04d v128.not: v128 -> v128', 'fd04e v128.and andnot or xor: v128 v128 -> v128',
  'fd052 v128.bitselect: v128 v128 v128 -> v128', 'fd053 v128.any_true: v128 -> i32',
  'fd0a0 i32x4.abs neg: v128 -> v128', 'fd0a3 i32x4.all_true bitmask: v128 -> i32',
  'fd0ab i32x4.shl shr_s shr_u: v128 i32 -> v128', 'fd0ae i32x4.add: v128 v128 -> v128',
  'fd0b1 i32x4.sub: v128 v128 -> v128',
  'fd0b5 i32x4.mul min_s min_u max_s max_u: v128 v128 -> v128',
  'fd067 f32x4.ceil floor trunc nearest: v128 -> v128',
  'fd0e0 f32x4.abs neg: v128 -> v128', 'fd0e3 f32x4.sqrt: v128 -> v128',
  'fd0e4 f32x4.add sub mul div min max pmin pmax: v128 v128 -> v128',
  'fd0f0 f64x2.add sub mul: v128 v128 -> v128', 'fd014 f64x2.splat: f64 -> v128',
  'fd0fe f64x2.convert_low_i32x4_s: v128 -> v128',
  'fd05e f32x4.demote_f64x2_zero: v128 -> v128', 'fd05f f64x2.promote_low_f32x4: v128 -> v128',
  'fd0f8 i32x4.trunc_sat_f32x4_s trunc_sat_f32x4_u: v128 -> v128',
  'fd0fa f32x4.convert_i32x4_s convert_i32x4_u: v128 -> v128',
  // relaxed_madd(a, b, c) is a·b + c and relaxed_nmadd is c − a·b, rounded once or twice.
  'fd105 f32x4.relaxed_madd relaxed_nmadd: v128 v128 v128 -> v128',
] as const;

type Run = (typeof runs)[number];
type Words<Text> = Text extends `${infer First} ${infer Rest}` ? First | Words<Rest> : Text;
type NamesOf<R> = R extends `${string} ${infer Family}.${infer Names}: ${string}`
  ? `${Family}.${Words<Names>}`
  : never;

/** The signatures of the instructions, by name. */
export type Signatures = {
  [R in Run as NamesOf<R>]: R extends `${string}: ${infer Signature}` ? Signature : never;
};

/** The name of an instruction of the table, such as `i32x4.splat`. */
export type InstructionName = keyof Signatures;

/** An instruction of the table, with its signature split into tokens. */
export interface Row {
  /** Its name in the text format. */
  readonly name: string;
  /** One byte; or a prefix byte and a number of three hex digits, as in the table. */
  readonly opcode: number;
  /** The tokens of what it takes, in order. */
  readonly tokens: readonly string[];
  /** The type of the value that it leaves, or 'none'. */
  readonly result: ResultType;
}

/** The table, with a row for each instruction. */
export const rows: readonly Row[] = runs.flatMap((run) => {
  const [names, signature] = run.split(': ');
  const [opcode, first, ...others] = names.split(' ');
  const [family] = first.split('.');
  const [tokens, result] = signature.split(' -> ');
  return [first, ...others.map((name) => `${family}.${name}`)].map((name, i) => ({
    name,
    opcode: parseInt(opcode, 16) + i,
    tokens: tokens.split(' '),
    result: result as ResultType,
  }));
});

/**
 * The instructions that compute, load and store, as one table: typed builders, bytes, text and the
 * tests all come from it. A group is headed by what its instructions take and give, as tokens:
 *
 *     i32 … v128    a value, computed by another instruction
 *     @4            an address in memory, where so many bytes are read or written
 *     lane4, lanes  one of four lanes; sixteen bytes chosen out of thirty-two
 *     =f32          a constant
 *     00            a byte that has to be zero: the number of the memory
 *
 * An opcode is one byte, or a prefix byte and a number: 0xfd_0e4 is 0xe4 after the prefix 0xfd.
 */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** The type of a piece of code: that of the value it leaves, or none. */
export type ResultType = ValueType | 'none';

export const instructions = {
  '=i32 -> i32': { 'i32.const': 0x41 },
  '=i64 -> i64': { 'i64.const': 0x42 },
  '=f32 -> f32': { 'f32.const': 0x43 },
  '=f64 -> f64': { 'f64.const': 0x44 },

  'i32 -> i32': {
    'i32.eqz': 0x45, 'i32.clz': 0x67, 'i32.ctz': 0x68, 'i32.popcnt': 0x69,
    'i32.extend8_s': 0xc0, 'i32.extend16_s': 0xc1,
  },
  'i32 i32 -> i32': {
    'i32.add': 0x6a, 'i32.sub': 0x6b, 'i32.mul': 0x6c, 'i32.div_s': 0x6d, 'i32.div_u': 0x6e,
    'i32.rem_s': 0x6f, 'i32.rem_u': 0x70, 'i32.and': 0x71, 'i32.or': 0x72, 'i32.xor': 0x73,
    'i32.shl': 0x74, 'i32.shr_s': 0x75, 'i32.shr_u': 0x76, 'i32.rotl': 0x77, 'i32.rotr': 0x78,
    'i32.eq': 0x46, 'i32.ne': 0x47, 'i32.lt_s': 0x48, 'i32.lt_u': 0x49, 'i32.gt_s': 0x4a,
    'i32.gt_u': 0x4b, 'i32.le_s': 0x4c, 'i32.le_u': 0x4d, 'i32.ge_s': 0x4e, 'i32.ge_u': 0x4f,
  },
  'i64 -> i32': { 'i64.eqz': 0x50, 'i32.wrap_i64': 0xa7 },
  'i64 i64 -> i64': {
    'i64.add': 0x7c, 'i64.sub': 0x7d, 'i64.mul': 0x7e, 'i64.and': 0x83, 'i64.or': 0x84,
    'i64.xor': 0x85, 'i64.shl': 0x86, 'i64.shr_s': 0x87, 'i64.shr_u': 0x88,
  },
  'i64 i64 -> i32': {
    'i64.eq': 0x51, 'i64.ne': 0x52, 'i64.lt_s': 0x53, 'i64.lt_u': 0x54, 'i64.ge_s': 0x59,
    'i64.ge_u': 0x5a,
  },

  'f32 -> f32': {
    'f32.abs': 0x8b, 'f32.neg': 0x8c, 'f32.ceil': 0x8d, 'f32.floor': 0x8e, 'f32.trunc': 0x8f,
    'f32.nearest': 0x90, 'f32.sqrt': 0x91,
  },
  'f32 f32 -> f32': {
    'f32.add': 0x92, 'f32.sub': 0x93, 'f32.mul': 0x94, 'f32.div': 0x95, 'f32.min': 0x96,
    'f32.max': 0x97, 'f32.copysign': 0x98,
  },
  'f32 f32 -> i32': {
    'f32.eq': 0x5b, 'f32.ne': 0x5c, 'f32.lt': 0x5d, 'f32.gt': 0x5e, 'f32.le': 0x5f, 'f32.ge': 0x60,
  },
  'f64 -> f64': {
    'f64.abs': 0x99, 'f64.neg': 0x9a, 'f64.ceil': 0x9b, 'f64.floor': 0x9c, 'f64.trunc': 0x9d,
    'f64.nearest': 0x9e, 'f64.sqrt': 0x9f,
  },
  'f64 f64 -> f64': {
    'f64.add': 0xa0, 'f64.sub': 0xa1, 'f64.mul': 0xa2, 'f64.div': 0xa3, 'f64.min': 0xa4,
    'f64.max': 0xa5, 'f64.copysign': 0xa6,
  },
  'f64 f64 -> i32': {
    'f64.eq': 0x61, 'f64.ne': 0x62, 'f64.lt': 0x63, 'f64.gt': 0x64, 'f64.le': 0x65, 'f64.ge': 0x66,
  },

  // Conversions. trunc traps if there is no such integer; trunc_sat gives the nearest, NaN gives 0.
  'i32 -> i64': { 'i64.extend_i32_s': 0xac, 'i64.extend_i32_u': 0xad },
  'i32 -> f32': {
    'f32.convert_i32_s': 0xb2, 'f32.convert_i32_u': 0xb3, 'f32.reinterpret_i32': 0xbe,
  },
  'i32 -> f64': { 'f64.convert_i32_s': 0xb7, 'f64.convert_i32_u': 0xb8 },
  'i64 -> f64': { 'f64.reinterpret_i64': 0xbf },
  'f32 -> i32': {
    'i32.trunc_f32_s': 0xa8, 'i32.trunc_f32_u': 0xa9, 'i32.reinterpret_f32': 0xbc,
    'i32.trunc_sat_f32_s': 0xfc_000, 'i32.trunc_sat_f32_u': 0xfc_001,
  },
  'f32 -> f64': { 'f64.promote_f32': 0xbb },
  'f64 -> i32': {
    'i32.trunc_f64_s': 0xaa, 'i32.trunc_f64_u': 0xab,
    'i32.trunc_sat_f64_s': 0xfc_002, 'i32.trunc_sat_f64_u': 0xfc_003,
  },
  'f64 -> i64': { 'i64.reinterpret_f64': 0xbd },
  'f64 -> f32': { 'f32.demote_f64': 0xb6 },

  // Memory
  '@1 -> i32': { 'i32.load8_s': 0x2c, 'i32.load8_u': 0x2d },
  '@2 -> i32': { 'i32.load16_s': 0x2e, 'i32.load16_u': 0x2f },
  '@4 -> i32': { 'i32.load': 0x28, 'i32.atomic.load': 0xfe_010 },
  '@8 -> i64': { 'i64.load': 0x29 },
  '@4 -> f32': { 'f32.load': 0x2a },
  '@8 -> f64': { 'f64.load': 0x2b },
  '@1 i32 -> none': { 'i32.store8': 0x3a },
  '@2 i32 -> none': { 'i32.store16': 0x3b },
  '@4 i32 -> none': { 'i32.store': 0x36, 'i32.atomic.store': 0xfe_017 },
  '@8 i64 -> none': { 'i64.store': 0x37 },
  '@4 f32 -> none': { 'f32.store': 0x38 },
  '@8 f64 -> none': { 'f64.store': 0x39 },
  '00 -> i32': { 'memory.size': 0x3f },
  'i32 00 -> i32': { 'memory.grow': 0x40 },
  'i32 i32 i32 00 -> none': { 'memory.fill': 0xfc_00b },
  'i32 i32 i32 00 00 -> none': { 'memory.copy': 0xfc_00a },

  // Threads: what one changes by these, and all it wrote before, the others see.
  '@4 i32 -> i32': {
    'i32.atomic.rmw.add': 0xfe_01e, 'i32.atomic.rmw.sub': 0xfe_025,
    'i32.atomic.rmw.xchg': 0xfe_041, 'memory.atomic.notify': 0xfe_000,
  },
  '@4 i32 i32 -> i32': { 'i32.atomic.rmw.cmpxchg': 0xfe_048 },
  '@4 i32 i64 -> i32': { 'memory.atomic.wait32': 0xfe_001 },
  '00 -> none': { 'atomic.fence': 0xfe_003 },

  // Vectors of 128 bits
  '=i32x4 -> v128': { 'i32x4.const': 0xfd_00c },
  '=f32x4 -> v128': { 'f32x4.const': 0xfd_00c },
  'i32 -> v128': { 'i32x4.splat': 0xfd_011 },
  'f32 -> v128': { 'f32x4.splat': 0xfd_013 },
  'v128 lane4 -> i32': { 'i32x4.extract_lane': 0xfd_01b },
  'v128 lane4 -> f32': { 'f32x4.extract_lane': 0xfd_01f },
  'v128 i32 lane4 -> v128': { 'i32x4.replace_lane': 0xfd_01c },
  'v128 f32 lane4 -> v128': { 'f32x4.replace_lane': 0xfd_020 },
  'v128 v128 lanes -> v128': { 'i8x16.shuffle': 0xfd_00d },
  '@4 -> v128': { 'v128.load32_splat': 0xfd_009, 'v128.load32_zero': 0xfd_05c },
  '@8 -> v128': { 'v128.load64_splat': 0xfd_00a, 'v128.load64_zero': 0xfd_05d },
  '@16 -> v128': { 'v128.load': 0xfd_000 },
  '@16 v128 -> none': { 'v128.store': 0xfd_00b },
  '@4 v128 lane4 -> v128': { 'v128.load32_lane': 0xfd_056 },
  '@8 v128 lane2 -> v128': { 'v128.load64_lane': 0xfd_057 },
  '@4 v128 lane4 -> none': { 'v128.store32_lane': 0xfd_05a },
  '@8 v128 lane2 -> none': { 'v128.store64_lane': 0xfd_05b },
  'v128 -> v128': {
    'v128.not': 0xfd_04d, 'i32x4.abs': 0xfd_0a0, 'i32x4.neg': 0xfd_0a1, 'f32x4.abs': 0xfd_0e0,
    'f32x4.neg': 0xfd_0e1, 'f32x4.sqrt': 0xfd_0e3, 'f32x4.ceil': 0xfd_067, 'f32x4.floor': 0xfd_068,
    'f32x4.trunc': 0xfd_069, 'f32x4.nearest': 0xfd_06a,
    'i32x4.trunc_sat_f32x4_s': 0xfd_0f8, 'i32x4.trunc_sat_f32x4_u': 0xfd_0f9,
    'f32x4.convert_i32x4_s': 0xfd_0fa, 'f32x4.convert_i32x4_u': 0xfd_0fb,
  },
  'v128 -> i32': {
    'v128.any_true': 0xfd_053, 'i32x4.all_true': 0xfd_0a3, 'i32x4.bitmask': 0xfd_0a4,
  },
  'v128 i32 -> v128': { 'i32x4.shl': 0xfd_0ab, 'i32x4.shr_s': 0xfd_0ac, 'i32x4.shr_u': 0xfd_0ad },
  // A comparison leaves all bits of a lane set or none: a mask for and, andnot and bitselect.
  'v128 v128 -> v128': {
    'v128.and': 0xfd_04e, 'v128.andnot': 0xfd_04f, 'v128.or': 0xfd_050, 'v128.xor': 0xfd_051,
    'i8x16.swizzle': 0xfd_00e,
    'i32x4.add': 0xfd_0ae, 'i32x4.sub': 0xfd_0b1, 'i32x4.mul': 0xfd_0b5, 'i32x4.min_s': 0xfd_0b6,
    'i32x4.min_u': 0xfd_0b7, 'i32x4.max_s': 0xfd_0b8, 'i32x4.max_u': 0xfd_0b9,
    'i32x4.eq': 0xfd_037, 'i32x4.ne': 0xfd_038, 'i32x4.lt_s': 0xfd_039, 'i32x4.lt_u': 0xfd_03a,
    'i32x4.gt_s': 0xfd_03b, 'i32x4.gt_u': 0xfd_03c, 'i32x4.le_s': 0xfd_03d, 'i32x4.le_u': 0xfd_03e,
    'i32x4.ge_s': 0xfd_03f, 'i32x4.ge_u': 0xfd_040,
    'f32x4.add': 0xfd_0e4, 'f32x4.sub': 0xfd_0e5, 'f32x4.mul': 0xfd_0e6, 'f32x4.div': 0xfd_0e7,
    'f32x4.min': 0xfd_0e8, 'f32x4.max': 0xfd_0e9, 'f32x4.pmin': 0xfd_0ea, 'f32x4.pmax': 0xfd_0eb,
    'f32x4.eq': 0xfd_041, 'f32x4.ne': 0xfd_042, 'f32x4.lt': 0xfd_043, 'f32x4.gt': 0xfd_044,
    'f32x4.le': 0xfd_045, 'f32x4.ge': 0xfd_046,
  },
  // relaxed_madd(a, b, c) is a·b + c, relaxed_nmadd is c − a·b, rounded once or twice.
  'v128 v128 v128 -> v128': {
    'v128.bitselect': 0xfd_052, 'f32x4.relaxed_madd': 0xfd_105, 'f32x4.relaxed_nmadd': 0xfd_106,
  },
} as const;

type Instructions = typeof instructions;
export type Signature = keyof Instructions;
export type InstructionName = { [S in Signature]: keyof Instructions[S] }[Signature];

/** The head of the group in which an instruction stands. */
export type SignatureOf<Name extends InstructionName> = {
  [S in Signature]: Name extends keyof Instructions[S] ? S : never;
}[Signature];

/** An instruction of the table, with its signature taken apart. */
export interface Row {
  readonly name: string;
  readonly opcode: number;
  readonly tokens: readonly string[];
  readonly result: ResultType;
}

/** The table, row by row. */
export const rows: readonly Row[] = Object.entries(instructions).flatMap(([signature, group]) => {
  const [tokens, result] = signature.split(' -> ');
  return Object.entries(group).map(([name, opcode]) => (
    { name, opcode, tokens: tokens.split(' '), result: result as ResultType }
  ));
});

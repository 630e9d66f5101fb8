/**
 * The operations of the language as instructions of WebAssembly. Most have one of the same meaning
 * for single values and one for four lanes.
 */
import {
  type Expression, f32, f32x4, i32, i32x4, i8x16, select, v128, words,
} from '@mambagrad/wasm';
import { kindOf, lanesOf, type Operation, type OperationName } from './value.ts';

/** Instructions of the same name for one value and for four, for f32 and for i32. */
const instructions: Partial<Record<OperationName, readonly [f32: string, i32?: string]>> = {
  add: ['add', 'add'], sub: ['sub', 'sub'], mul: ['mul', 'mul'], div: ['div'],
  minimum: ['min'], maximum: ['max'], neg: ['neg'], abs: ['abs'], sqrt: ['sqrt'],
  floor: ['floor'], ceil: ['ceil'], truncate: ['trunc'], nearest: ['nearest'],
  equal: ['eq', 'eq'], notEqual: ['ne', 'ne'], less: ['lt', 'lt_s'], lessEqual: ['le', 'le_s'],
  greater: ['gt', 'gt_s'], greaterEqual: ['ge', 'ge_s'],
  shiftLeft: ['', 'shl'], shiftRight: ['', 'shr_s'], shiftRightUnsigned: ['', 'shr_u'],
};

export type Instruction = (...given: readonly unknown[]) => Expression;

/** The instruction of a family by its name. The language has checked types, TypeScript cannot. */
export function named(family: object, name: string): Instruction {
  return (family as Readonly<Record<string, Instruction>>)[name];
}

/** How `instruct` is to work. */
export interface Means {
  /** Whether `mulAdd` of vectors is rounded once. */
  readonly fuse: boolean;
  /** Computes a value before the statement, and gives the local that holds it. */
  hold(name: string, value: Expression): Expression;
}

/** The instructions for an operation on operands that are instructions already. */
export function instruct(
  { name, inputs: [first], detail }: Operation,
  given: readonly Expression[],
  { fuse, hold }: Means,
): Expression {
  const kind = kindOf(first);
  const isVector = lanesOf(first) === 4;
  const families = isVector ? [f32x4, i32x4] : [f32, i32];
  const family = families[kind === 'f32' ? 0 : 1];
  const [a, b, c] = given;
  const instruction = instructions[name]?.[kind === 'f32' ? 0 : 1];
  if (instruction !== undefined) return named(family, instruction)(...given, ...detail);
  switch (name) {
    case 'mulAdd':
      if (fuse && isVector) return named(f32x4, 'relaxed_madd')(a, b, c);
      return named(family, 'add')(named(family, 'mul')(a, b), c);
    case 'min':
    case 'max': {
      if (isVector) return named(family, kind === 'f32' ? `p${name}` : `${name}_s`)(a, b);
      const [x, y] = [hold('a', a), hold('b', b)];
      const [smaller, larger] = name === 'min' ? [y, x] : [x, y];
      const isOther = named(family, kind === 'f32' ? 'lt' : 'lt_s')(smaller, larger);
      return select(isOther as Expression<'i32'>, y, x);
    }
    case 'and':
    case 'or':
    case 'xor':
      return named(isVector ? v128 : i32, name)(a, b);
    case 'not':
      if (isVector) return named(v128, 'not')(a);
      return kind === 'mask' ? named(i32, 'eqz')(a) : named(i32, 'xor')(a, -1);
    case 'toFloat':
      return isVector ? named(f32x4, 'convert_i32x4_s')(a) : named(f32, 'convert_i32_s')(a);
    case 'toInteger':
      return isVector ? named(i32x4, 'trunc_sat_f32x4_s')(a) : named(i32, 'trunc_sat_f32_s')(a);
    case 'bitsOf':
      return isVector ? a : named(i32, 'reinterpret_f32')(a);
    case 'fromBits':
      return isVector ? a : named(f32, 'reinterpret_i32')(a);
    case 'select':
      if (isVector) return named(v128, 'bitselect')(b, c, a);
      return select(a as Expression<'i32'>, b, c);
    case 'splat':
      // One mask is 0 or 1; in a lane it is no bit or all.
      if (kind === 'mask') return named(i32x4, 'splat')(named(i32, 'sub')(0, a));
      return named(kind === 'f32' ? f32x4 : i32x4, 'splat')(a);
    case 'consecutive':
      return named(i32x4, 'add')(named(i32x4, 'splat')(a), i32x4.const([0, 1, 2, 3]));
    case 'lane':
      return named(family, 'extract_lane')(a, detail[0]);
    case 'shuffle': {
      const [lane0, lane1, lane2, lane3] = detail;
      return named(i8x16, 'shuffle')(a, b, words(lane0, lane1, lane2, lane3));
    }
    case 'any':
      return named(v128, 'any_true')(a);
    default:
      throw new Error(`${name}: WebAssembly has no instruction for it`);
  }
}

/**
 * The operations, as functions from values to a value. Both emitters agree on each of them to the
 * last bit, with one exception: which NaN a NaN is, they leave open.
 *
 * `min` and `max` are single comparisons, as processors have them. `minimum` and `maximum` are
 * those of IEEE 754 and of JavaScript's Math, which cost more:
 *
 *     min(a, b) = b < a ? b : a         a if either is NaN or both are zeros
 *     minimum(a, b)                     NaN if either is; −0 is below 0
 */
import {
  apply, applyAs, kindOf, lanesOf, type Operand, type OperationName, splat, type Value,
} from './value.ts';

export type Unary = (x: Value) => Value;
export type Binary = (a: Operand, b: Operand) => Value;

const unary = (name: OperationName): Unary => (x) => apply(name, [x]);
const binary = (name: OperationName): Binary => (a, b) => apply(name, [a, b]);

/** a + b */
export const add: Binary = binary('add');
/** a − b */
export const sub: Binary = binary('sub');
/** a · b */
export const mul: Binary = binary('mul');
/** a / b, of f32 */
export const div: Binary = binary('div');
/** The smaller one: b if it is below a, else a */
export const min: Binary = binary('min');
/** The larger one: b if it is above a, else a */
export const max: Binary = binary('max');
/** The smaller one, NaN if either is */
export const minimum: Binary = binary('minimum');
/** The larger one, NaN if either is */
export const maximum: Binary = binary('maximum');

/** −x, of f32 */
export const neg: Unary = unary('neg');
/** |x|, of f32 */
export const abs: Unary = unary('abs');
/** √x */
export const sqrt: Unary = unary('sqrt');
/** The largest whole number not above x */
export const floor: Unary = unary('floor');
/** The smallest whole number not below x */
export const ceil: Unary = unary('ceil');
/** The whole number next to x on the side of 0 */
export const truncate: Unary = unary('truncate');
/** The nearest whole number, the even one if there are two */
export const nearest: Unary = unary('nearest');

/** Comparisons give masks. Only `notEqual` holds for NaN. */
export const equal: Binary = binary('equal');
export const notEqual: Binary = binary('notEqual');
export const less: Binary = binary('less');
export const lessEqual: Binary = binary('lessEqual');
export const greater: Binary = binary('greater');
export const greaterEqual: Binary = binary('greaterEqual');

/** Of the bits of i32, or of masks. */
export const and: Binary = binary('and');
export const or: Binary = binary('or');
export const xor: Binary = binary('xor');
export const not: Unary = unary('not');

/** The f32 nearest to an i32 */
export const toFloat: Unary = unary('toFloat');
/** x without its fraction as i32: the nearest one if x is too large, and 0 for NaN */
export const toInteger: Unary = unary('toInteger');
/** The bits of an f32 as i32. Those of a NaN are those of any NaN. */
export const bitsOf: Unary = unary('bitsOf');
/** The f32 of the given bits */
export const fromBits: Unary = unary('fromBits');

/**
 * a · b + c, rounded twice. An emitter that is told to fuse rounds once in the lanes of vectors,
 * where the engine can: that is faster, and not the same bits everywhere.
 */
export function mulAdd(a: Operand, b: Operand, c: Operand): Value {
  return apply('mulAdd', [a, b, c]);
}

type Shift = (x: Value, distance: number) => Value;

const shift = (name: OperationName): Shift => (x, distance) => {
  if (!Number.isInteger(distance) || distance < 0 || distance > 31) {
    throw new Error(`${name}: the distance is ${distance}, expected a whole number from 0 to 31`);
  }
  return apply(name, [x], [distance]);
};

export const shiftLeft: Shift = shift('shiftLeft');
/** Copies of the sign come in. */
export const shiftRight: Shift = shift('shiftRight');
/** Zeros come in. */
export const shiftRightUnsigned: Shift = shift('shiftRightUnsigned');

/** a where the mask holds, else b. Both are computed. */
export function select(mask: Value, a: Operand, b: Operand): Value {
  if (kindOf(mask) !== 'mask') throw new Error(`select: expected a mask, found ${mask.type}`);
  const like = apply('select', [a, b]);
  const lanes = lanesOf(mask) === 4 ? 4 : lanesOf(like);
  const inputs = [mask, ...like.inputs].map((x) => (lanes === 4 ? splat(x) : x));
  return applyAs('select', kindOf(like), lanes, inputs);
}

/** Whether a mask holds in any lane. */
export function any(mask: Value): Value {
  return lanesOf(mask) === 1 ? mask : applyAs('any', 'mask', 1, apply('any', [mask]).inputs);
}

/** The four whole numbers from i on: i, i + 1, i + 2, i + 3. */
export function consecutive(i: Value): Value {
  if (i.type !== 'i32') throw new Error(`consecutive: expected i32, found ${i.type}`);
  return applyAs('consecutive', 'i32', 4, [i]);
}

/** One lane of a vector. */
export function lane(x: Value, number: 0 | 1 | 2 | 3): Value {
  if (lanesOf(x) === 1) throw new Error(`lane: expected four lanes, found ${x.type}`);
  return applyAs('lane', kindOf(x), 1, apply('lane', [x]).inputs, [number]);
}

/** Four lanes out of those of a, numbered 0 to 3, and of b, 4 to 7. */
export function shuffle(
  a: Value,
  b: Value,
  lanes: readonly [number, number, number, number],
): Value {
  if (lanesOf(a) + lanesOf(b) < 8 || !lanes.every((n) => Number.isInteger(n) && n >= 0 && n < 8)) {
    throw new Error(`shuffle: expected two vectors, found ${a.type} and ${b.type}, [${lanes}]`);
  }
  return apply('shuffle', [a, b], lanes);
}

/** All lanes combined to one value, in the order (0 ∘ 1) ∘ (2 ∘ 3). */
export function reduceLanes(combine: Binary, x: Value): Value {
  return combine(combine(lane(x, 0), lane(x, 1)), combine(lane(x, 2), lane(x, 3)));
}

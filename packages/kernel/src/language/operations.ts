/**
 * The operations, as functions from expressions to an expression. Each has one entry here, with its
 * meaning in both emitters (`Meaning`). These agree on every result to the last bit, except that
 * the bits of a NaN are not defined.
 *
 * `min` and `max` are single comparisons, as processors have them. `minimum` and `maximum` are
 * those of IEEE 754 and of JavaScript's Math, which cost more:
 *
 *     min(a, b) = b < a ? b : a         a if either is NaN or both are zeros
 *     minimum(a, b)                     NaN if either is; −0 is below 0
 */
import {
  apply, type Expr, fit, isVector, kindOf, lanesOf, type Meaning, type Operand, type Operation,
  splat, typeOf,
} from './expression.ts';

/** An operation on a value or on each of its lanes. Throws if it does not accept the kind of x. */
export type Unary = (x: Expr) => Expr;

/**
 * An operation on two values of one kind; at most one of them may be a plain number. Throws if the
 * kinds differ or are not accepted.
 */
export type Binary = (a: Operand, b: Operand) => Expr;

type How = Omit<Meaning, 'name' | 'takes'>;

function unary(name: string, takes: string, how: How): Unary {
  const meaning = { name, takes, ...how };
  return (x) => apply(meaning, [x]);
}

function binary(name: string, takes: string, how: How): Binary {
  const meaning = { name, takes, ...how };
  return (a, b) => apply(meaning, [a, b]);
}

/** a + b */
export const add: Binary = binary('add', 'f32 i32', { sign: '+', wasm: 'add' });
/** a − b */
export const sub: Binary = binary('sub', 'f32 i32', { sign: '-', wasm: 'sub' });
/** a · b */
export const mul: Binary = binary('mul', 'f32 i32', { sign: '*', wasm: 'mul' });
/** a / b, of f32 */
export const div: Binary = binary('div', 'f32', { sign: '/', wasm: 'div' });
/** Truncated division, a / b without its fraction, of single i32; b must not be 0 */
export const truncDiv: Binary = (a, b) => {
  const made = dividing(a, b);
  if (lanesOf(made) === 1) return made;
  throw new Error(`truncDiv: expected i32, found ${made.type}`);
};
const dividing = binary('truncDiv', 'i32', { js: '(a / b | 0)', wasm: 'div_s' });
/** The smaller one: b if it is below a, else a */
export const min: Binary = binary('min', 'f32 i32', { wasm: 'pmin min_s' });
/** The larger one: b if it is above a, else a */
export const max: Binary = binary('max', 'f32 i32', { wasm: 'pmax max_s' });
/** The smaller one, NaN if either is */
export const minimum: Binary = binary('minimum', 'f32', { wasm: 'min' });
/** The larger one, NaN if either is */
export const maximum: Binary = binary('maximum', 'f32', { wasm: 'max' });

/** −x, of f32 */
export const neg: Unary = unary('neg', 'f32', { js: '(- a)', wasm: 'neg' });
/** |x|, of f32 */
export const abs: Unary = unary('abs', 'f32', { wasm: 'abs' });
/** √x */
export const sqrt: Unary = unary('sqrt', 'f32', { js: 'fround(sqrt(a))', wasm: 'sqrt' });
/** The largest whole number not above x */
export const floor: Unary = unary('floor', 'f32', { wasm: 'floor' });
/** The smallest whole number not below x */
export const ceil: Unary = unary('ceil', 'f32', { wasm: 'ceil' });
/** x without its fraction, which is rounding toward 0 */
export const truncate: Unary = unary('truncate', 'f32', { wasm: 'trunc' });
/** The nearest whole number, the even one if there are two */
export const nearest: Unary = unary('nearest', 'f32', { wasm: 'nearest' });

/** A comparison gives a mask. For NaN only `notEqual` holds. */
function comparison(name: string, sign: string, wasm: string): Binary {
  return binary(name, 'f32 i32', { gives: 'mask', sign, wasm });
}

/** A mask of where a = b; −0 equals 0, and NaN equals nothing */
export const equal: Binary = comparison('equal', '==', 'eq');
/** A mask of where a ≠ b; true where either is NaN */
export const notEqual: Binary = comparison('notEqual', '!=', 'ne');
/** A mask of where a < b */
export const less: Binary = comparison('less', '<', 'lt lt_s');
/** A mask of where a ≤ b */
export const lessEqual: Binary = comparison('lessEqual', '<=', 'le le_s');
/** A mask of where a > b */
export const greater: Binary = comparison('greater', '>', 'gt gt_s');
/** A mask of where a ≥ b */
export const greaterEqual: Binary = comparison('greaterEqual', '>=', 'ge ge_s');

/** a & b, of the bits of i32, or of masks */
export const and: Binary = binary('and', 'i32 mask', { sign: '&', wasm: 'and' });
/** a | b, of the bits of i32, or of masks */
export const or: Binary = binary('or', 'i32 mask', { sign: '|', wasm: 'or' });
/** a ^ b, of the bits of i32, or of masks */
export const xor: Binary = binary('xor', 'i32 mask', { sign: '^', wasm: 'xor' });
const notMask: Unary = unary('not', 'mask', { js: '(a ^ 1)', wasm: 'not eqz' });
/** The opposite mask; of an i32, all bits inverted */
export const not: Unary = (x) => (kindOf(x) === 'mask' ? notMask(x) : xor(x, -1));

/** The f32 nearest to an i32 */
export const toFloat: Unary = unary('toFloat', 'i32', {
  gives: 'f32', js: 'fround(a)', wasm: 'convert_i32_s convert_i32x4_s',
});
/** x without its fraction as an i32; the nearest i32 if x is out of range, and 0 for NaN */
export const toInteger: Unary = unary('toInteger', 'f32', {
  gives: 'i32', wasm: 'trunc_sat_f32_s trunc_sat_f32x4_s',
});
/** The bits of an f32 as an i32, a bitcast. The bits of a NaN are not defined. */
export const toBits: Unary = unary('toBits', 'f32', {
  gives: 'i32', wasm: 'reinterpret_f32', isFree: true,
});
/** The f32 with the given bits, a bitcast */
export const fromBits: Unary = unary('fromBits', 'i32', {
  gives: 'f32', wasm: 'reinterpret_i32', isFree: true,
});

const multiplyingAndAdding = { name: 'mulAdd', takes: 'f32', js: 'fround(fround(a * b) + c)' };

/**
 * a · b + c, rounded twice. An emitter with the option `fuse` rounds once in the lanes of vectors
 * where the engine can (a fused multiply-add): that is faster, but not the same bits everywhere.
 */
export function mulAdd(a: Operand, b: Operand, c: Operand): Expr {
  return apply(multiplyingAndAdding, [a, b, c]);
}

/** a + b, of f32; a `mulAdd` if one of them is a product. */
export function addProduct(a: Operand, b: Operand): Expr {
  const isProduct = (x: Operand): x is Operation =>
    typeof x !== 'number' && x.node === 'operation' && x.name === 'mul';
  if (isProduct(a)) return mulAdd(a.inputs[0], a.inputs[1], b);
  return isProduct(b) ? mulAdd(b.inputs[0], b.inputs[1], a) : add(a, b);
}

type Shift = (x: Expr, distance: number) => Expr;

function shift(name: string, sign: string, wasm: string): Shift {
  return (x, distance) => {
    if (Number.isInteger(distance) && distance >= 0 && distance <= 31) {
      return apply({ name, takes: 'i32', sign, wasm }, [x], [distance]);
    }
    throw new Error(`${name}: the distance is ${distance}, expected a whole number from 0 to 31`);
  };
}

/** The bits shifted left by 0 to 31; zeros come in. Throws for other distances. */
export const shiftLeft: Shift = shift('shiftLeft', '<<', 'shl');
/** The bits shifted right by 0 to 31; copies of the sign come in. */
export const shiftRight: Shift = shift('shiftRight', '>>', 'shr_s');
/** The bits shifted right by 0 to 31; zeros come in. */
export const shiftRightUnsigned: Shift = shift('shiftRightUnsigned', '>>>', 'shr_u');

const selecting = { name: 'select', takes: 'f32 i32', js: '(a ? b : c)' };

/** a where the mask holds, b elsewhere. Both are computed. */
export function select(mask: Expr, a: Operand, b: Operand): Expr {
  if (kindOf(mask) !== 'mask') throw new Error(`select: expected a mask, found ${mask.type}`);
  const like = apply(selecting, [a, b]);
  const lanes = isVector(mask) ? 4 : lanesOf(like);
  const inputs = [mask, ...like.inputs].map((x) => (lanes === 4 ? splat(x) : x));
  return { ...like, inputs, type: typeOf(kindOf(like), lanes) };
}

const selectingRarely = { name: 'selectRare', takes: 'f32 i32' };

/**
 * `rare` where the mask holds, `usual` elsewhere. `rare` is computed only if the mask holds in some
 * lane: letInsertion.ts makes a branch of it.
 */
export function selectRare(mask: Expr, rare: Expr, usual: Expr): Expr {
  const { inputs, ...like } = select(mask, rare, usual) as Operation;
  return { ...like, name: 'selectRare', meaning: selectingRarely, inputs };
}

/** Whether a mask holds in any lane. */
export function any(mask: Expr): Expr {
  if (lanesOf(mask) === 1) return mask;
  return apply({ name: 'any', takes: 'mask', wasm: 'any_true' }, [mask], [], 'mask');
}

/** A ramp, the vector of the indices i, i + 1, i + 2, i + 3. */
export function ramp(i: Operand): Expr {
  return apply({ name: 'ramp', takes: 'i32', isFree: true }, [fit('ramp', 'i32', i)], [], 'i32x4');
}

/** One lane of a vector. */
export function lane(x: Expr, number: 0 | 1 | 2 | 3): Expr {
  if (lanesOf(x) === 1) throw new Error(`lane: expected four lanes, found ${x.type}`);
  const meaning = { name: 'lane', takes: 'f32 i32', wasm: 'extract_lane', isFree: true };
  return apply(meaning, [x], [number], kindOf(x));
}

/** Four lanes chosen from those of a, numbered 0 to 3, and of b, numbered 4 to 7. */
export function shuffle(
  a: Expr, b: Expr, lanes: readonly [number, number, number, number],
): Expr {
  if (lanesOf(a) + lanesOf(b) < 8 || !lanes.every((n) => Number.isInteger(n) && n >= 0 && n < 8)) {
    throw new Error(`shuffle: expected two vectors, found ${a.type} and ${b.type}, [${lanes}]`);
  }
  return apply({ name: 'shuffle', takes: 'f32 i32', isFree: true }, [a, b], lanes);
}

/** The four lanes combined to one value, in the order (0 ∘ 1) ∘ (2 ∘ 3). */
export function reduceLanes(combine: Binary, x: Expr): Expr {
  return combine(combine(lane(x, 0), lane(x, 1)), combine(lane(x, 2), lane(x, 3)));
}

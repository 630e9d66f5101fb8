/**
 * The operations of the language as instructions of WebAssembly. Most have one of the same meaning
 * for single values and one for four lanes.
 */
import { type Expression, f32, f32x4, i32, i32x4, i8x16, select, v128, words } from '@mambagrad/wasm';
import { kindOf, lanesOf, type Operation, type Type } from './value.ts';

/** Instructions by their names, whatever they take. */
type Family = Readonly<Record<string, (...given: readonly unknown[]) => Expression>>;

/** The families on values of a type. One mask is 0 or 1; in a lane it is no bit or all. */
const families: Readonly<Record<Type, object>> = {
  f32, i32, mask: i32, f32x4, i32x4, maskx4: i32x4,
};

/** How `instruct` is to work. */
export interface Means {
  /** Whether `mulAdd` of vectors is rounded once. */
  readonly fuse: boolean;
  /** Computes a value before the statement, and gives the local that holds it. */
  hold<E extends Expression>(name: string, value: E): E;
}

/** The instructions for an operation on operands that are instructions already. */
export function instruct(
  { name, type, inputs: [first], detail, meaning: { wasm = '' } }: Operation,
  given: readonly Expression<never>[],
  { fuse, hold }: Means,
): Expression {
  const [a, b, c] = given;
  const isVector = lanesOf(first) === 4;
  if (name === 'splat' && type === 'maskx4') return i32x4.splat(i32.sub(0, a));
  const places = [families[first.type], families[type], isVector ? v128 : {}] as Family[];
  for (const one of wasm.split(' ')) {
    const family = places.find((place) => Object.hasOwn(place, one));
    if (family !== undefined) return family[one](...given, ...detail);
  }
  switch (name) {
    case 'consecutive':
      return i32x4.add(i32x4.splat(a), i32x4.const([0, 1, 2, 3]));
    case 'shuffle':
      return i8x16.shuffle(a, b, words(...detail));
    case 'select':
      return isVector ? v128.bitselect(b, c, a) : select(a, b, c);
    case 'mulAdd':
      if (!isVector) return f32.add(f32.mul(a, b), c);
      return fuse ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
    case 'min':
    case 'max': {
      const [x, y] = [hold('a', a), hold('b', b)];
      const [small, large] = name === 'min' ? [y, x] : [x, y];
      const isOther = kindOf(first) === 'f32' ? f32.lt(small, large) : i32.lt_s(small, large);
      return select(isOther, y, x);
    }
    default:
      // Four lanes of f32 and of i32 are the same register.
      return a;
  }
}

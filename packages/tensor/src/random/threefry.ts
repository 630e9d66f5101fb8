/**
 * Threefry-2×32: a cipher that turns a counter of two words into two random words, under a key of
 * two words. It has 20 rounds
 *
 *     x ← x + y,    y ← (y rotated by r) ⊕ x
 *
 * and adds words of the key after every fourth. It is written once, for words of any kind: numbers;
 * expressions of the loop language; and several vectors of those, side by side. All of them give
 * the same bits, since these are operations on whole numbers.
 *
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
 */
import * as k from '@mambagrad/kernel';

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];

/** Two random words from a key of two words and a counter of two words, all unsigned 32-bit. */
export function threefry2x32(
  key: readonly [number, number], counter: readonly [number, number],
): [number, number] {
  const [x, y] = encrypt(numbers, scheduleOf(numbers, key), counter);
  return [x >>> 0, y >>> 0];
}

/** The operations of Threefry on words of 32 bits. */
interface Words<Word> {
  add(x: Word, y: Word | number): Word;
  xor(x: Word, y: Word | number): Word;
  /** The bits rotated to the left. */
  rotate(x: Word, by: number): Word;
}

const numbers: Words<number> = {
  add: (x, y) => (x + y) | 0,
  xor: (x, y) => x ^ y,
  rotate: (x, by) => (x << by) | (x >>> (32 - by)),
};

const expressions: Words<k.Expr> = {
  add: k.add,
  xor: k.xor,
  rotate: (x, by) => k.or(k.shiftLeft(x, by), k.shiftRightUnsigned(x, 32 - by)),
};

/** The words that are added to x and y: at first, and after every fourth round. */
type Schedule<Word> = readonly (readonly [Word, Word])[];

function scheduleOf<Word>(
  { add, xor }: Words<Word>, key: readonly [Word, Word],
): Schedule<Word> {
  const keys = [...key, xor(xor(key[0], key[1]), 0x1bd11bda)];
  return [0, 1, 2, 3, 4, 5].map((i) => {
    const [x, y] = [keys[i % 3], keys[(i + 1) % 3]];
    return [x, i === 0 ? y : add(y, i)];
  });
}

function encrypt<Word>(
  { add, xor, rotate }: Words<Word>, schedule: Schedule<Word>, counter: readonly [Word, Word],
): readonly [Word, Word] {
  let x = add(counter[0], schedule[0][0]);
  let y = add(counter[1], schedule[0][1]);
  for (let round = 0; round < 20; round++) {
    x = add(x, y);
    y = xor(rotate(y, ROTATIONS[round % 8]), x);
    if (round % 4 === 3) {
      const injection = schedule[(round + 1) / 4];
      x = add(x, injection[0]);
      y = add(y, injection[1]);
    }
  }
  return [x, y];
}

/** The words of `threefry2x32`, in the loop language. */
export function wordsOf(
  key: readonly [k.Expr, k.Expr], counter: readonly [k.Expr, k.Expr],
): readonly [k.Expr, k.Expr] {
  return encrypt(expressions, scheduleOf(expressions, key), counter);
}

/** The vectors that are encrypted side by side. */
const VECTORS = 8;

/**
 * A loop over the words of the counters [from + i, draw], for `count` numbers i, a multiple of 32;
 * `body` gets four numbers i at a time, and their words. A round needs the result of the one before
 * it, so we encrypt eight vectors side by side, from different parts of the range: while one waits,
 * the others go on.
 */
export function forWords(
  count: number, [key0, key1, from, draw]: readonly k.Expr[],
  body: (i: k.Expr, words: readonly [k.Expr, k.Expr]) => k.Statements,
): k.Statements {
  const before: k.Statement[] = [];
  // Parts that are the same for all numbers are computed before the loop.
  const same = (value: k.Expr): Vectors => {
    const variable = held(before, value);
    return Array.from({ length: VECTORS }, () => variable);
  };
  const keys = scheduleOf(expressions, [k.splat(key0), k.splat(key1)]);
  const schedule = keys.map(([x, y]) => [same(x), same(y)] as const);
  const second = same(k.splat(draw));
  const part = count / VECTORS;
  return [before, k.loop('i', { to: part, step: 4 }, (i) => {
    const code: k.Statement[] = [];
    const places = Array.from({ length: VECTORS }, (_, n) => k.ramp(k.add(i, n * part)));
    const first = places.map((place) => k.add(place, from));
    const [xs, ys] = encrypt(sideBySide(code), schedule, [first, second]);
    return [code, ...places.map((place, n) => body(place, [xs[n], ys[n]]))];
  })];
}

type Vectors = readonly k.Expr[];

/** A variable that is set to a value by a statement at the end of the code. */
function held(code: k.Statement[], value: k.Expr): k.Expr {
  const variable = k.variable('word', value.type);
  code.push(k.set(variable, value));
  return variable;
}

/** Operations on several vectors, each of which adds its statements to the code. */
function sideBySide(code: k.Statement[]): Words<Vectors> {
  const { add, xor, rotate } = expressions;
  const of = (y: Vectors | number, n: number): k.Operand => (typeof y === 'number' ? y : y[n]);
  return {
    add: (x, y) => x.map((each, n) => held(code, add(each, of(y, n)))),
    xor: (x, y) => x.map((each, n) => held(code, xor(each, of(y, n)))),
    rotate: (x, by) => x.map((each) => held(code, rotate(each, by))),
  };
}

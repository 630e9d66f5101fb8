/**
 * Lost digits. A result can be small where the numbers on the way to it are not: log(1 + x) rounds
 * 1 + x, and for a small x little is left of x. Such an error is small beside 1, but not beside the
 * result, so we compare each element with its own size here:
 *
 *     |found − y|  ≤  tolerance · (|y| + Σ |x ∂y/∂x|)
 *
 * The sum is what a function cannot help. An input x is rounded, too, and if the function is
 * ill-conditioned there (sin at a large x, a difference of nearly equal numbers), its result can be
 * known no better. We do not need the derivatives: we move each input by the tolerance, in float64,
 * and look how far the result moves.
 *
 * Digits are lost near special numbers, so the inputs are tried as they were given, and then moved
 * near 0, 1 and −1. Only results that are made of one element of each input are held to
 * this: a sum of many elements, as in a reduction or a product of matrices, is as exact as its
 * largest term.
 */
import { allocate, isFloat } from '../core/dtype.ts';
import { TensorError } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { difference, magnitude, type Results } from './compare.ts';
import { compiledOf } from './compiled.ts';
import type { Run } from './derivatives.ts';

/** The numbers near which digits are lost. */
const CENTERS = [0, 1, -1];

/** How far from them the inputs are moved, as factors: from 0.7 to 2·10⁻⁸ */
const DISTANCES = Array.from({ length: 50 }, (_, i) => 0.7 ** (i + 1));

/** A float64 loop may lose digits itself, if not as many: a few roundings of a number near 1. */
const REFERENCE_ERROR = 2 ** -50;

/** Numbers beyond this may overflow to infinity in float32, within the tolerance. */
const LARGEST = 2 ** 127;

/** For each element of a result: the elements of the inputs that it is made of, one of each. */
type Sources = readonly (readonly number[])[];

/** Throws unless results have all the digits that float32 can have; `inputs` are f64, or i32. */
export function checkAccuracy(run: Run, inputs: readonly Tensor[], tolerance: number): void {
  const sources = sourcesOf(run, inputs);
  if (sources.every((each) => each === undefined)) return;
  const compiled = compiledOf(run, inputs.map(toSingle));
  for (const moved of [inputs, ...nearCenters(inputs)]) {
    const expected = valuesIn(run, moved);
    if (!expected) continue;
    const allowed = allowedErrors(run, moved, expected, tolerance);
    const singles = moved.map(toSingle);
    for (const [what, found] of [
      ['in float32', run(...singles)], ['compiled', compiled(singles)],
    ] as const) {
      requireDigits(what, { found, expected, allowed, sources, inputs: moved });
    }
  }
}

function toSingle(x: Tensor): Tensor {
  return x.dtype === 'i32' ? x : x.cast('f32');
}

/** The results, or undefined if the op refuses such inputs. */
function valuesIn(run: Run, inputs: readonly Tensor[]): readonly Tensor[] | undefined {
  try {
    return run(...inputs);
  } catch (error) {
    if (error instanceof TensorError) return undefined;
    throw error;
  }
}

/** A tensor of other numbers. */
function mapped(x: Tensor, f: (value: number, i: number) => number): Tensor {
  const data = allocate(x.dtype, x.numel);
  x.data.forEach((value: number, i: number) => {
    data[i] = f(value, i);
  });
  return new Tensor(x, data);
}

/**
 * Which elements each result is made of; undefined for one of which some element is made of two of
 * the same input, and for one of whole numbers.
 */
function sourcesOf(run: Run, inputs: readonly Tensor[]): (Sources | undefined)[] {
  const expected = run(...inputs);
  const sources: (number[][] | undefined)[] = expected.map(({ dtype, numel }) =>
    isFloat(dtype) ? Array.from({ length: numel }, () => []) : undefined,
  );
  for (const [i, input] of inputs.entries()) {
    for (let at = 0; at < input.numel && isFloat(input.dtype); at++) {
      const changed = mapped(input, (value, j) => (j === at ? value * 1.001 || 0.001 : value));
      const results = valuesIn(run, inputs.with(i, changed)) ?? expected;
      expected.forEach(({ data }, result) => {
        const own = sources[result];
        const isSimple = own?.every((each, j) => {
          if (Object.is(data[j], results[result].data[j])) return true;
          const isFirst = each[i] === undefined;
          each[i] = at;
          return isFirst;
        });
        if (!isSimple) sources[result] = undefined;
      });
    }
  }
  return sources;
}

/**
 * The inputs moved near 0, and near 1 and −1 if they reach that far, so that they stay where the op
 * is defined: all of them, and each alone.
 */
function nearCenters(inputs: readonly Tensor[]): Tensor[][] {
  const floats = inputs.flatMap(({ dtype }, i) => (isFloat(dtype) ? [i] : []));
  const choices = floats.map((i) => [i]);
  if (floats.length > 1) choices.unshift(floats);
  return choices.flatMap((chosen) => {
    const centers = CENTERS.filter((center) => chosen.every((i) => reaches(inputs[i], center)));
    return centers.flatMap((center) => DISTANCES.map((distance) =>
      inputs.map((input, i) => {
        if (!chosen.includes(i)) return input;
        if (center === 0) return mapped(input, (value) => Math.fround(value * distance));
        // On both sides, by the distance at most.
        const scale = distance / magnitude(input);
        const side = (j: number): number => (j % 2 > 0 ? -scale : scale);
        return mapped(input, (value, j) => Math.fround(center + side(j) * value));
      }),
    ));
  });
}

/** Whether a number of x is as far from 0 as `center`, on the same side. */
function reaches(x: Tensor, center: number): boolean {
  return center === 0 || x.data.some((value: number) => value / center >= 1);
}

/** The error that is allowed for each element of each result. */
function allowedErrors(
  run: Run, inputs: readonly Tensor[], expected: readonly Tensor[], tolerance: number,
): Float64Array[] {
  const allowed = expected.map(({ data }) =>
    Float64Array.from(data, (y: number) =>
      tolerance * Math.abs(y) + REFERENCE_ERROR * Math.max(1, Math.abs(y)),
    ),
  );
  for (const [i, input] of inputs.entries()) {
    if (!isFloat(input.dtype)) continue;
    const ways = [1 + tolerance, 1 - tolerance].map((factor) =>
      valuesIn(run, inputs.with(i, mapped(input, (value) => value * factor))),
    );
    allowed.forEach((errors, result) => errors.forEach((error, j) => {
      const y = expected[result].data[j];
      const moves = ways.map((way) => Math.abs((way?.[result].data[j] ?? NaN) - y));
      errors[j] = error + Math.max(...moves);
    }));
  }
  return allowed;
}

interface Compared {
  readonly found: Results;
  readonly expected: readonly Tensor[];
  readonly allowed: readonly Float64Array[];
  readonly sources: readonly (Sources | undefined)[];
  readonly inputs: readonly Tensor[];
}

/** Throws unless each element that has one source in each input is as exact as is allowed. */
function requireDigits(
  what: string, { found, expected, allowed, sources, inputs }: Compared,
): void {
  for (const [result, y] of expected.entries()) {
    const [x, own] = [found[result], sources[result]];
    if (!x || !own) continue;
    const wrong = y.data.findIndex((value: number, j: number) => {
      const isKnown = Math.abs(value) < LARGEST && !Number.isNaN(allowed[result][j]);
      return isKnown && !(Math.abs(x.data[j] - value) <= allowed[result][j]);
    });
    if (wrong < 0) continue;
    const numbers = own[wrong].map((at, i) => inputs[i].data[at]);
    throw difference(`${what}, of ${numbers.join(' and ')}`, [result, wrong], x, y);
  }
}

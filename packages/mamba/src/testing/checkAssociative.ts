/**
 * An operation that a scan may group as it likes is associative, and then, if it has an identity e,
 * it is a monoid:
 *
 *     (a ∘ b) ∘ c = a ∘ (b ∘ c),     e ∘ a = a = a ∘ e
 *
 * It need not be commutative: a ∘ b and b ∘ a may differ, so the order of arguments matters. An
 * operation on tensors is applied to many elements at once, and must not mix them.
 */
import { Tensor, tensor } from '@mambagrad/tensor';
import {
  callable, checkArgument, Kind, listOf, number, oneOf, type Read, readOptions, string,
  type Table, whole,
} from '@mambagrad/tensor/options';
import fc from 'fast-check';
import { Difference, inColumns, showNumbers } from './failure.ts';
import { checkAll, type CheckReport, chooseSeed, tryProperty } from './report.ts';
import { ROUNDING } from './rounding.ts';

/** The names of the properties, in the order in which they are checked. */
export const associativeProperties = ['repeatable', 'associative', 'apart', 'identity'] as const;

/** The name of a property of operations. */
export type AssociativeProperty = (typeof associativeProperties)[number];

/** Elements of a scan: as an arbitrary draws them, or lists of tensors. */
export type ElementSource<Element> = fc.Arbitrary<Element> | 'pairs' | 'matrices';

/** Options of `checkAssociative`. */
export interface CheckAssociativeOptions<Element = readonly Tensor[]> {
  /**
   * The elements: an arbitrary of fast-check; 'pairs', the tensors [a, b] of the linear recurrence,
   * each [2, 2]; or 'matrices', a tensor [2, 2, 2]. Tensors are f64, and their first axis is that
   * of the scan. Default 'pairs'.
   */
  readonly elements?: ElementSource<Element> | undefined;
  /** The element that changes no other; tensors may broadcast. Default none: it is not checked. */
  readonly identity?: Element | undefined;
  /** The name of the operation in the report and in errors. Default that of the function. */
  readonly name?: string | undefined;
  /** The elements that are drawn for each property. Default 100. */
  readonly numRuns?: number | undefined;
  /** Where elements are drawn from. Default that of fast-check, if it is set, or a new one. */
  readonly seed?: number | undefined;
  /**
   * The error that is allowed, in roundings of float64 of the largest number that any grouping
   * gives: either grouping rounds a few times. Default 16; 0 where elements are exact.
   */
  readonly tolerance?: number | undefined;
  /** The properties to check. Default all. */
  readonly only?: readonly AssociativeProperty[] | undefined;
}

const sources: Kind<ElementSource<never>> = new Kind(
  "an arbitrary of fast-check, 'pairs' or 'matrices'",
  (x) => x === 'pairs' || x === 'matrices' || x instanceof fc.Arbitrary,
);

const checkAssociativeOptions = {
  elements: sources.orElse('pairs'),
  identity: new Kind<never>('an element', (x) => x !== null && x !== undefined).optional(),
  name: string.optional(),
  numRuns: whole(1).orElse(100),
  seed: whole().optional(),
  tolerance: number({ from: 0 }).orElse(16),
  only: listOf(oneOf(...associativeProperties)).optional(),
} satisfies Table<CheckAssociativeOptions<never>>;

/** Three elements, in the order of time. */
type Three = readonly [unknown, unknown, unknown];

type Combine = (earlier: unknown, later: unknown) => unknown;

/**
 * Holds an operation to what a scan takes for granted: any grouping gives the same, up to rounding,
 * an identity changes nothing, and elements that are combined at once do not mix:
 *
 *     await checkAssociative(([a1, b1], [a2, b2]) => [a1.mul(a2), a2.mul(b1).add(b2)]);
 *
 * The first argument is the earlier one. Elements may be anything whose numbers can be found:
 * numbers, arrays, tensors, and objects of these. Throws a PropertyError that names the property
 * that does not hold, the smallest elements that were found for it, and both results.
 */
export async function checkAssociative<Element = readonly Tensor[]>(
  combine: (earlier: Element, later: Element) => Element | Promise<Element>,
  options: CheckAssociativeOptions<Element> = {},
): Promise<CheckReport<AssociativeProperty>> {
  checkArgument('checkAssociative', 'combine', combine, callable());
  const settings = readOptions('checkAssociative', options, checkAssociativeOptions);
  const { elements, numRuns } = settings;
  const seed = chooseSeed(settings.seed);
  const name = `checkAssociative: ${settings.name ?? (combine.name || 'the operation')}`;
  const isDrawn = elements instanceof fc.Arbitrary;
  const one: fc.Arbitrary<unknown> = isDrawn ? elements : builtIn[elements];
  return checkAll(name, seed, associativeProperties.map((property) => {
    const { says, check } = properties[property];
    return {
      property, says, whyNot: reasonToLeaveOut(property, settings),
      tryOut: () => tryProperty<Three>(
        { name, property, says }, fc.tuple(one, one, one),
        (three) => check(combine as Combine, three, settings),
        (three) => inColumns(Object.fromEntries(three.map((x, i) => ['abc'[i], text(x)]))),
        { seed, numRuns },
      ),
    };
  }));
}

type Settings = Read<typeof checkAssociativeOptions>;

function reasonToLeaveOut(
  property: AssociativeProperty, { identity, elements, only }: Settings,
): string | undefined {
  if (only && !only.includes(property)) return 'the option only does not name it';
  if (property === 'identity' && identity === undefined) return 'the option identity is not set';
  if (property === 'apart' && elements instanceof fc.Arbitrary) {
    return 'the elements come from an arbitrary, one at a time';
  }
  return undefined;
}

/** Eighths from −2 to 2, which are exact and become simple when they are made smaller. */
const numbers = (count: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: -16, max: 16 }), { minLength: count, maxLength: count })
    .map((eighths) => eighths.map((n) => n / 8));

const tensorOf = (data: number[], shape: readonly number[]): Tensor =>
  tensor(data, { shape, dtype: 'f64' });

const builtIn: Readonly<Record<'pairs' | 'matrices', fc.Arbitrary<readonly Tensor[]>>> = {
  pairs: numbers(8).map((all) => [all.slice(0, 4), all.slice(4)].map((x) => tensorOf(x, [2, 2]))),
  matrices: numbers(8).map((all) => [tensorOf(all, [2, 2, 2])]),
};

/** A property of operations. */
interface OperationProperty {
  readonly says: string;
  readonly check: (combine: Combine, three: Three, settings: Settings) => Promise<void>;
}

const properties: Readonly<Record<AssociativeProperty, OperationProperty>> = {
  repeatable: {
    says: 'it changes none of its arguments, and gives the same again',
    check: async (combine, [a, b]) => {
      const before = [numbersOf(a), numbersOf(b)];
      const first = numbersOf(await combine(a, b));
      requireClose(numbersOf(await combine(a, b)), first, 0, ['a ∘ b again', 'a ∘ b']);
      [a, b].forEach((x, i) => {
        requireClose(numbersOf(x), before[i], 0, [`${'ab'[i]} afterwards`, 'before']);
      });
    },
  },
  associative: {
    says: '(a ∘ b) ∘ c = a ∘ (b ∘ c)',
    check: async (combine, [a, b, c], { tolerance }) => {
      const [ab, bc] = [await combine(a, b), await combine(b, c)];
      const [left, right] = [await combine(ab, c), await combine(a, bc)].map(numbersOf);
      const largest = [ab, bc, left, right].flatMap(numbersOf).reduce(larger, 0);
      const allowed = tolerance * ROUNDING.f64 * largest;
      requireClose(left, right, allowed, ['(a ∘ b) ∘ c', 'a ∘ (b ∘ c)']);
    },
  },
  identity: {
    says: 'e ∘ a = a = a ∘ e',
    check: async (combine, [a], { identity: e, tolerance }) => {
      const own = numbersOf(a);
      const allowed = tolerance * ROUNDING.f64 * own.reduce(larger, 0);
      requireClose(numbersOf(await combine(e, a)), own, allowed, ['e ∘ a', 'a']);
      requireClose(numbersOf(await combine(a, e)), own, allowed, ['a ∘ e', 'a']);
    },
  },
  apart: {
    says: 'many elements are combined at once as each is alone',
    check: async (combine, [a, b]) => {
      const at = (x: unknown, i: number): Tensor[] =>
        (x as readonly Tensor[]).map((part) => part.narrow(0, i, 1));
      const both = await combine(a, b);
      for (const i of [0, 1]) {
        const alone = numbersOf(await combine(at(a, i), at(b, i)));
        const what = [`element ${i} of a ∘ b`, 'alone'] as const;
        requireClose(numbersOf(at(both, i)), alone, 0, what);
      }
    },
  },
};

const larger = (most: number, x: number): number => Math.max(most, Math.abs(x));

/** Every number of an element. */
function numbersOf(x: unknown): number[] {
  if (typeof x === 'number') return [x];
  if (x instanceof Tensor) return Array.from(x.data);
  if (ArrayBuffer.isView(x)) return Array.from(x as Float64Array);
  if (typeof x === 'object' && x !== null) return Object.values(x).flatMap(numbersOf);
  throw new Difference(`an element holds ${String(x)}, expected numbers, arrays or tensors`);
}

function requireClose(
  found: readonly number[], expected: readonly number[], allowed: number,
  [what, other]: readonly [string, string],
): void {
  const isSame = found.length === expected.length && found.every((x, i) =>
    Object.is(x, expected[i]) || Math.abs(x - expected[i]) <= allowed);
  if (isSame) return;
  throw new Difference(`${what} is not ${other}`, inColumns({
    [what]: showNumbers(found, [found.length]), [other]: showNumbers(expected, [expected.length]),
  }));
}

/** An element as text. */
function text(x: unknown): string {
  if (x instanceof Tensor) return showNumbers(Array.from(x.data), x.shape);
  if (Array.isArray(x) && x.some((part) => part instanceof Tensor)) return x.map(text).join(', ');
  return fc.stringify(x);
}

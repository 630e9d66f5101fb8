/**
 * What a check reports: the properties that hold, those left out, and the error if one does not.
 */
import fc from 'fast-check';
import { Difference, inColumns, PropertyError, showNumbers } from './failure.ts';
import { type ScanCase, type ScanReference, shapeOf } from './reference.ts';

/** A property that holds. */
export interface CheckedProperty<Name extends string = string> {
  /** Its name. */
  readonly property: Name;
  /** What it says, in a sentence. */
  readonly says: string;
  /** The number of inputs that were tried. */
  readonly runs: number;
}

/** A property that was not checked. */
export interface LeftOutProperty<Name extends string = string> {
  /** Its name. */
  readonly property: Name;
  /** Why it was left out. */
  readonly why: string;
}

/** What was checked, and what was left out and why; as text if it is printed. */
export interface CheckReport<Name extends string = string> {
  /** The name of what was checked. */
  readonly name: string;
  /** The seed of all inputs: with it, the check is the same again. */
  readonly seed: number;
  /** The properties that hold, in the order in which they were checked. */
  readonly checked: readonly CheckedProperty<Name>[];
  /** The properties that were left out. */
  readonly leftOut: readonly LeftOutProperty<Name>[];
  /** All of it, a line for each property. */
  toString(): string;
}

/** A seed: that of fast-check's global configuration if it has one, or another each time. */
export function chooseSeed(given: number | undefined): number {
  return given ?? fc.readConfigureGlobal().seed ?? Math.floor(Math.random() * 2 ** 31);
}

/** One of the properties of a check, and why it is left out, if it is. */
export interface PlannedProperty<Name extends string> {
  readonly property: Name;
  readonly says: string;
  readonly whyNot: string | undefined;
  /** Tries it on inputs; gives their number, or throws. */
  readonly tryOut: () => Promise<number>;
}

/** Checks properties one after the other. */
export async function checkAll<Name extends string>(
  name: string, seed: number, planned: readonly PlannedProperty<Name>[],
): Promise<CheckReport<Name>> {
  const checked: CheckedProperty<Name>[] = [];
  const leftOut: LeftOutProperty<Name>[] = [];
  for (const { property, says, whyNot, tryOut } of planned) {
    if (whyNot === undefined) checked.push({ property, says, runs: await tryOut() });
    else leftOut.push({ property, why: whyNot });
  }
  const toString = (): string => [
    `${name} (seed ${seed})`,
    ...checked.map(({ property, says, runs }) => `  holds     ${property} (${runs}): ${says}`),
    ...leftOut.map(({ property, why }) => `  left out  ${property}: ${why}`),
  ].join('\n');
  return { name, seed, checked, leftOut, toString };
}

/** Tries a property on inputs; gives their number. Throws a PropertyError with the smallest. */
export async function tryProperty<T>(
  check: { readonly name: string; readonly property: string; readonly says: string },
  arbitrary: fc.Arbitrary<T>, holds: (input: T) => Promise<void> | void,
  show: (input: T) => readonly string[],
  parameters: { readonly seed: number; readonly numRuns: number; readonly examples?: [T][] },
): Promise<number> {
  const property = fc.asyncProperty(arbitrary, async (input) => holds(input));
  const details = await fc.check<[T]>(property, parameters);
  if (!details.failed) return details.numRuns;
  const { name, property: of, says } = check;
  const { errorInstance: cause, counterexample, numRuns, numShrinks, seed } = details;
  if (counterexample === null) {
    const text = `${name}: ${of} was interrupted after ${numRuns} inputs`;
    throw new PropertyError(text, of, seed, cause);
  }
  const reason = cause instanceof Difference ? cause.message : `it threw ${String(cause)}`;
  const lines = [
    `${name}: ${of}: ${says}. This does not hold: ${reason}`,
    `The smallest input that was found (seed ${seed}, input ${numRuns}, made smaller ` +
      `${numShrinks} times):`,
    ...show(counterexample[0]).map((line) => `  ${line}`),
    ...(cause instanceof Difference ? cause.lines.map((line) => `  ${line}`) : []),
  ];
  throw new PropertyError(lines.join('\n'), of, seed, cause);
}

/** The lines that show a case of a scan; `atStep` says what its number `at` means, if anything. */
export function showCase(
  reference: ScanReference, given: ScanCase, atStep: string | undefined,
): string[] {
  const { sizes, inputs, initialState, reset, mask, reverse, at } = given;
  const flags = [sizes['batch'], sizes['length']];
  const shown: Record<string, string> = {
    sizes: Object.entries(sizes).map(([name, size]) => `${name} ${size}`).join(', '),
  };
  for (const [name, { axes }] of Object.entries(reference.inputs)) {
    shown[name] = showNumbers(inputs[name], shapeOf(axes, sizes));
  }
  if (initialState) {
    shown['initialState'] = showNumbers(initialState, shapeOf(reference.state, sizes));
  }
  if (reset) shown['reset'] = showNumbers(reset, flags);
  if (mask) shown['mask'] = showNumbers(mask, flags);
  if (reverse) shown['reverse'] = 'true';
  if (atStep !== undefined) shown[atStep] = String(at);
  return inColumns(shown);
}

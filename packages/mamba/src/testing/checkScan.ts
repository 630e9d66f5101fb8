/**
 * A scan is checked by properties rather than examples: each says something of all inputs, is tried
 * on many that are drawn at random, and, if one is found for which it fails, that is made as small
 * as it can be. properties.ts lists them; reference.ts says what a scan is compared with.
 */
import { TensorError } from '@mambagrad/tensor';
import {
  listOf, number, objectWith, oneOf, type Read, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';
import { CaseArbitrary } from './arbitrary.ts';
import { candidateOptions, type ScanCandidate } from './candidate.ts';
import { drawCase, range, type Wanted } from './cases.ts';
import { properties, scanProperties, type Property, type ScanProperty } from './properties.ts';
import type { ScanCase, ScanReference } from './reference.ts';
import { linearRecurrence } from './references.ts';
import { checkAll, type CheckReport, chooseSeed, showCase, tryProperty } from './report.ts';
import { Subject } from './subject.ts';

/** Options of `checkScan`. */
export interface CheckScanOptions<Name extends string = string> {
  /** What the scan should compute. Default `linearRecurrence`. */
  readonly reference?: ScanReference<Name> | undefined;
  /**
   * The inputs that are drawn for each property; a few lengths are tried besides, and long
   * sequences less often. Default 50.
   */
  readonly numRuns?: number | undefined;
  /**
   * Where inputs are drawn from. Default that of fast-check, if it is set, or another each time.
   */
  readonly seed?: number | undefined;
  /**
   * The error that is allowed, in errors that one rounding of each number causes; the header of
   * rounding.ts says how that is measured. Default 16.
   */
  readonly tolerance?: number | undefined;
  /** The most steps of a sequence, except where errors should pile up. Default 300. */
  readonly maxLength?: number | undefined;
  /** The properties to check. Default all. */
  readonly only?: readonly ScanProperty[] | undefined;
  /** Properties to leave out. Default none. */
  readonly except?: readonly ScanProperty[] | undefined;
}

const checkScanOptions = {
  reference: objectWith<ScanReference>('a reference, with the function step', 'step')
    .orElse(linearRecurrence),
  numRuns: whole(1).orElse(50),
  seed: whole().optional(),
  tolerance: number({ above: 0 }).orElse(16),
  maxLength: whole(1).orElse(300),
  only: listOf(oneOf(...scanProperties)).optional(),
  except: listOf(oneOf(...scanProperties)).optional(),
} satisfies Table<CheckScanOptions>;

type Settings = Read<typeof checkScanOptions>;

/**
 * Holds a scan to the properties of those in this repository, as far as it says it can: it is equal
 * to the recurrence at every length, powers of two or not; may be cut anywhere; keeps documents,
 * rows and padding apart; is as near as rounding allows where decays are extreme; and has the
 * gradients of finite differences. A scan by the difference of cumulative sums, say:
 *
 *     await checkScan({
 *       supports: ['lastState'],
 *       run: ({ a, b, sizes }) => ({ y: myScan(a, b, sizes), lastState: … }),
 *     }, { reference: linearRecurrence });
 *
 * Gives a report of what was checked, and what was left out and why. Throws a PropertyError that
 * names the first property which does not hold, the smallest input that was found for it, and what
 * was found and expected.
 */
export async function checkScan<Name extends string = 'a' | 'b'>(
  candidate: ScanCandidate<NoInfer<Name>>, options: CheckScanOptions<Name> = {},
): Promise<CheckReport<ScanProperty>> {
  const scan = readOptions('checkScan', candidate, candidateOptions);
  const settings = readOptions('checkScan', options, checkScanOptions);
  if (scan.supports.includes('gradients') && !scan.tensors && !scan.gradients) {
    throw new TensorError(
      "checkScan: supports names 'gradients', so the function gradients has to be there",
    );
  }
  const subject = new Subject(settings.reference, scan, settings.tolerance);
  const name = `checkScan: ${scan.name ?? (scan.run.name || 'the scan')}`;
  const seed = chooseSeed(settings.seed);
  return checkAll(name, seed, scanProperties.map((property) => {
    const { says } = properties[property];
    return {
      property, says, whyNot: reasonToLeaveOut(property, subject, settings),
      tryOut: () => tryOut({ name, property, says }, subject, { ...settings, seed }),
    };
  }));
}

/** Why a property is not checked, or undefined if it is. */
function reasonToLeaveOut(
  property: ScanProperty, subject: Subject, { only, except }: Settings,
): string | undefined {
  if (only && !only.includes(property)) return 'the option only does not name it';
  if (except?.includes(property)) return 'the option except names it';
  const { needs } = properties[property];
  for (const ability of needs) {
    if (ability === 'step') {
      if (!subject.candidate.step) return 'the scan has no function step';
    } else if (!subject.can(ability)) {
      return `the scan does not say that it supports '${ability}'`;
    }
  }
  return undefined;
}

async function tryOut(
  check: { readonly name: string; readonly property: ScanProperty; readonly says: string },
  subject: Subject, settings: Settings & { readonly seed: number },
): Promise<number> {
  const { reference } = subject;
  const { seed, numRuns, maxLength } = settings;
  const property = properties[check.property];
  const wanted = wantedBy(property, subject, maxLength);
  const lengths = property.isAtEveryLength ? lengthsToTry(wanted.lengths) : [];
  const examples = lengths.map((length): [ScanCase] =>
    [drawCase(reference, wanted, seed + length, length)]);
  return tryProperty(
    check, new CaseArbitrary(reference, wanted), (given) => property.check(subject, given),
    (given) => showCase(reference, given, property.at),
    { seed, examples, numRuns: lengths.length + Math.ceil(numRuns * (property.share ?? 1)) },
  );
}

/** All that a property wants for a candidate. */
function wantedBy(property: Property, subject: Subject, maxLength: number): Wanted {
  const { wants = {}, uses = [] } = property;
  const { minLength, dtype } = subject.candidate;
  const [least, most] = wants.lengths ?? [0, maxLength];
  const isUsed = (ability: 'initialState' | 'reset' | 'mask' | 'reverse'): boolean =>
    uses.includes(ability) && subject.can(ability);
  return {
    batch: [1, 1], largest: 3, values: 'usual',
    initialState: isUsed('initialState'), reset: isUsed('reset'), mask: isUsed('mask'),
    reverse: isUsed('reverse') ? 'either' : false,
    ...wants,
    dtype, lengths: [Math.max(least, minLength), Math.max(most, minLength)],
  };
}

/** The first lengths, and powers of two with their neighbours, where loops go wrong. */
function lengthsToTry([least, most]: readonly [number, number]): number[] {
  const powers = range(5, 31).flatMap((power) => [2 ** power - 1, 2 ** power, 2 ** power + 1]);
  return [...range(0, 18), ...powers, most].filter((length) => length >= least && length <= most);
}

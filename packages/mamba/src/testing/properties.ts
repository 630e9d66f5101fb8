/**
 * The properties of a scan, each about one thing alone, so that its name says what is wrong: where
 * a scan is tried without an initial state, rows besides, resets, padding, it can only be the
 * recurrence. Those that come first are the simplest; `together` has everything at once.
 */
import type { ScanAbility } from './candidate.ts';
import { range, replaceSteps, takeRow, takeSteps, type Wanted } from './cases.ts';
import { Difference } from './failure.ts';
import { requireGradients } from './gradients.ts';
import { randomFrom } from './random.ts';
import { evaluate, type ScanCase, type ScanInput, type ScanValues } from './reference.ts';
import type { Subject } from './subject.ts';

/** A property of scans. */
export interface Property {
  /** What it says, for reports. */
  readonly says: string;
  /** What a candidate must be able to do for it. */
  readonly needs: readonly (ScanAbility | 'step')[];
  /** The inputs that it wants, beyond one row of the usual numbers, forwards, without flags. */
  readonly wants?: Partial<Wanted>;
  /** Whether it wants an initial state, resets or a mask where the candidate can take them. */
  readonly uses?: readonly ('initialState' | 'reset' | 'mask' | 'reverse')[];
  /** Whether it is tried at every length in turn. */
  readonly isAtEveryLength?: boolean;
  /** The share of the runs that it is given, as it takes longer than others. Default 1. */
  readonly share?: number;
  /** Throws a Difference where it does not hold. */
  readonly check: (subject: Subject, given: ScanCase) => Promise<void> | void;
}

/** Throws unless y, and the last state if the candidate gives it, are those of the reference. */
async function equalsReference(subject: Subject, given: ScanCase): Promise<void> {
  const [found, expected] = [await subject.run(given), evaluate(subject.reference, given)];
  requireValues(subject, given, found, expected);
}

function requireValues(
  subject: Subject, given: ScanCase, found: ScanValues, expected: ScanValues,
  options: { readonly times?: number; readonly what?: string } = {},
): void {
  const counts = countsOf(given, found.y);
  subject.requireNear('y', found.y, expected.y, given, { ...options, counts });
  if (!found.lastState || !expected.lastState) return;
  subject.requireNear('lastState', found.lastState, expected.lastState, given, options);
}

/** Which elements of y are no padding. */
function countsOf({ mask, sizes }: ScanCase, y: Float64Array): (element: number) => boolean {
  const width = y.length / (sizes['batch'] * sizes['length']);
  return (element) => mask?.[Math.floor(element / width)] !== 0;
}

/** The y of pieces of one row, one after the other. */
function joined(pieces: readonly Float64Array[]): Float64Array {
  return Float64Array.from(pieces.flatMap((piece) => [...piece]));
}

const ODD = [NaN, Infinity, -Infinity];

/** y of the steps that are chosen, of a case and of one in which the others hold NaN or ∞. */
async function ignores(
  subject: Subject, given: ScanCase, isOdd: (at: number) => boolean, what: string,
): Promise<void> {
  const random = randomFrom(given.seed);
  const odd = replaceSteps(subject.reference, given, isOdd, () => ODD[random.whole(0, 2)]);
  const [found, expected] = [await subject.run(odd), await subject.run(given)];
  const width = found.y.length / (given.sizes['batch'] * given.sizes['length']);
  const isPadding = countsOf(given, found.y);
  subject.requireNear('y', found.y, expected.y, given, {
    times: 2, what, counts: (i) => !isOdd(Math.floor(i / width)) && isPadding(i),
  });
}

/** Other numbers for inputs of a step. */
function otherNumbers(seed: number): (input: ScanInput) => number {
  const random = randomFrom(seed);
  return ({ range: [low, high] }) => Math.fround(random.uniform(low, high));
}

const someRows: Partial<Wanted> = { batch: [1, 3] };

/** The names of the properties, in the order in which they are checked. */
export const scanProperties = [
  'recurrence', 'repeatable', 'lastState', 'initialState', 'causality', 'batch', 'split', 'step',
  'stateKept', 'reset', 'packed', 'mask', 'nanInPadding', 'nanInDocuments', 'nanInFuture',
  'reverse', 'together', 'extremeDecays', 'slowDecays', 'longSequences', 'gradients',
  'gradientsOfLastState',
] as const;

/** The name of a property of scans. */
export type ScanProperty = (typeof scanProperties)[number];

/** The properties by name. */
export const properties: Readonly<Record<ScanProperty, Property>> = {
  recurrence: {
    says: 'from zero, each y is that of the recurrence, at every length',
    needs: [], isAtEveryLength: true,
    check: async (subject, given) => {
      const { y } = await subject.run(given);
      subject.requireNear('y', y, evaluate(subject.reference, given).y, given);
    },
  },
  repeatable: {
    says: 'it changes none of its inputs, and gives the same again',
    needs: [], wants: someRows, uses: ['initialState', 'reset', 'mask'],
    check: async (subject, given) => {
      const { results: [first, second], inputs } = await subject.runTwice(given);
      const { inputs: before, initialState } = given;
      for (const [name, after] of Object.entries(inputs)) {
        const was = name === 'initialState' ? initialState : before[name];
        requireSame(`${name} after the run`, after, was, 'it was');
      }
      requireSame('y of the second run', second.y, first.y, 'of the first');
      requireSame('lastState of the second run', second.lastState, first.lastState, 'of the first');
    },
  },
  lastState: {
    says: 'the last state is that after the last step, at every length',
    needs: ['lastState'], isAtEveryLength: true, check: equalsReference,
  },
  initialState: {
    says: 'it begins from the initial state, which decays in the first step',
    needs: ['initialState'], wants: { initialState: true }, check: equalsReference,
  },
  causality: {
    says: 'later steps change nothing of earlier ones',
    needs: [],
    check: async (subject, given) => {
      const { at } = given;
      const changed = replaceSteps(
        subject.reference, given, (step) => step >= at, otherNumbers(given.seed),
      );
      const [found, expected] = [await subject.run(changed), await subject.run(given)];
      const width = found.y.length / given.sizes['length'];
      subject.requireNear('y', found.y, expected.y, given, {
        times: 2, what: 'before later steps changed', counts: (i) => i < at * width,
      });
    },
  },
  batch: {
    says: 'a row gives the same alone as beside others',
    needs: [], wants: { batch: [2, 3] }, uses: ['initialState', 'reset', 'mask'],
    check: async (subject, given) => {
      const all = await subject.run(given);
      for (const row of range(0, given.sizes['batch'])) {
        const own = takeRow(subject.reference, given, row);
        const alone = await subject.run(own);
        const part = (numbers: Float64Array): Float64Array => {
          const width = numbers.length / given.sizes['batch'];
          return numbers.slice(row * width, (row + 1) * width);
        };
        const beside = { y: part(all.y), lastState: all.lastState && part(all.lastState) };
        requireValues(subject, own, beside, alone, { times: 2, what: 'alone' });
      }
    },
  },
  split: {
    says: 'cut in two anywhere, with the state carried over, it gives the whole',
    needs: ['initialState', 'lastState'], wants: { initialState: true },
    check: async (subject, given) => {
      const { reference, candidate: { minLength } } = subject;
      const { at, sizes: { length } } = given;
      if (Math.min(at, length - at) < minLength) return;
      const first = await subject.run(takeSteps(reference, given, range(0, at)));
      const second = await subject.run({
        ...takeSteps(reference, given, range(at, length)), initialState: first.lastState,
      });
      const pieces = { y: joined([first.y, second.y]), lastState: second.lastState };
      const what = `whole (cut before step ${at})`;
      requireValues(subject, given, pieces, await subject.run(given), { times: 2, what });
    },
  },
  step: {
    says: 'step by step, it gives the whole',
    needs: ['step'], uses: ['initialState'],
    check: async (subject, given) => {
      const { state, y } = await stepByStep(subject, given);
      const whole = await subject.run(given);
      requireValues(subject, given, { y, lastState: state }, whole, { times: 2, what: 'whole' });
    },
  },
  stateKept: {
    says: 'step leaves the state that it is given as it was',
    needs: ['step'], uses: ['initialState'],
    check: async (subject, given) => {
      await stepByStep(subject, given, (before, after) =>
        requireSame('the state given to step, afterwards,', after, before, 'it was'));
    },
  },
  reset: {
    says: 'at a reset the past is dropped',
    needs: ['reset'], wants: { reset: true }, uses: ['initialState'], check: equalsReference,
  },
  packed: {
    says: 'documents in one row give what each gives alone',
    needs: ['reset'], wants: { reset: true },
    check: async (subject, given) => {
      const { sizes: { length }, reset } = given;
      const starts = range(0, length).filter((step) => step === 0 || reset?.[step] === 1);
      const alone = [];
      for (const [i, start] of starts.entries()) {
        const steps = range(start, starts[i + 1] ?? length);
        const document = takeSteps(subject.reference, given, steps);
        alone.push((await subject.run({ ...document, reset: undefined })).y);
      }
      const packed = await subject.run(given);
      subject.requireNear('y', packed.y, joined(alone), given, { times: 2, what: 'alone' });
    },
  },
  mask: {
    says: 'padding, wherever it is, leaves the state and all other steps as they are',
    needs: ['mask'], wants: { mask: true }, uses: ['initialState'], check: equalsReference,
  },
  nanInPadding: {
    says: 'padding may hold NaN and ∞',
    needs: ['mask', 'nonFinite'], wants: { mask: true }, uses: ['initialState'],
    check: async (subject, given) => {
      const { mask } = given;
      await ignores(subject, given, (at) => mask?.[at] === 0, 'with numbers at padding');
    },
  },
  nanInDocuments: {
    says: 'an earlier document may hold NaN and ∞',
    needs: ['reset', 'nonFinite'], wants: { reset: true },
    check: async (subject, given) => {
      const last = given.reset?.lastIndexOf(1) ?? -1;
      await ignores(subject, given, (at) => at < last, 'with numbers in earlier documents');
    },
  },
  nanInFuture: {
    says: 'later steps may hold NaN and ∞',
    needs: ['nonFinite'],
    check: (subject, given) =>
      ignores(subject, given, (at) => at >= given.at, 'with numbers in later steps'),
  },
  reverse: {
    says: 'in reverse, it runs from the last step to the first',
    needs: ['reverse'], wants: { reverse: true }, uses: ['initialState'], check: equalsReference,
  },
  together: {
    says: 'all of it at once is the recurrence',
    needs: [], wants: { batch: [1, 3] }, uses: ['initialState', 'reset', 'mask', 'reverse'],
    check: equalsReference,
  },
  extremeDecays: {
    says: 'where decays are 0, 1, or next to either, it is as near as rounding allows',
    needs: [], wants: { values: 'extreme' }, uses: ['initialState'], check: equalsReference,
  },
  slowDecays: {
    says: 'where states hardly decay, so that errors pile up, it is as near as rounding allows',
    needs: [], wants: { values: 'slow', lengths: [64, 1000], largest: 2 }, share: 0.2,
    uses: ['initialState'], check: equalsReference,
  },
  longSequences: {
    says: 'over thousands of steps it is as near as rounding allows',
    needs: [], wants: { lengths: [1000, 4096], largest: 2 }, share: 0.05, uses: ['initialState'],
    check: equalsReference,
  },
  gradients: {
    says: 'gradients are those of finite differences',
    needs: ['gradients'], wants: { lengths: [0, 12] },
    uses: ['initialState', 'reset', 'mask', 'reverse'],
    check: (subject, given) => requireGradients(subject, given, 'all'),
  },
  gradientsOfLastState: {
    says: 'gradients reach through long sequences from the last state alone',
    needs: ['gradients', 'lastState'], share: 0.2, uses: ['initialState'],
    wants: { values: 'slow', lengths: [64, 300], largest: 2 },
    check: (subject, given) => requireGradients(subject, given, 'lastState'),
  },
};

/** Throws unless two arrays hold the same bits. */
function requireSame(
  name: string, found: Float64Array | undefined, expected: Float64Array | undefined, what: string,
): void {
  if (!found || !expected) return;
  const wrong = found.findIndex((x, i) => !Object.is(x, expected[i]));
  if (wrong < 0) return;
  throw new Difference(
    `element ${wrong} of ${name} is ${found[wrong]}, ${what} ${expected[wrong]}`,
  );
}

/** The y of all steps, and the last state, taken step by step. */
async function stepByStep(
  subject: Subject, given: ScanCase,
  look: (before: Float64Array, after: Float64Array) => void = () => undefined,
): Promise<{ readonly y: Float64Array; readonly state: Float64Array }> {
  const states = subject.shapeOf('lastState', given).reduce((product, size) => product * size, 1);
  let state = given.initialState ?? new Float64Array(states);
  const ys: Float64Array[] = [];
  for (const t of range(0, given.sizes['length'])) {
    const one = takeSteps(subject.reference, given, [t]);
    const found = await subject.step({ ...one, initialState: undefined }, state);
    look(state, found.before);
    ys.push(found.y);
    state = found.state;
  }
  return { y: joined(ys), state };
}

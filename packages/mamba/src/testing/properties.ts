/**
 * The properties of a scan, each about one thing alone, so that its name says what is wrong: where
 * a scan is tried without an initial state, rows besides, resets, padding, it can only be the
 * recurrence. Those that come first are the simplest; `together` has everything at once.
 */
import type { ScanAbility } from './candidate.ts';
import { range, replaceSteps, takeRow, takeSteps, type Wanted } from './cases.ts';
import {
  equalsReference, ignores, isNearReference, joined, LENIENT, otherNumbers, requireSame,
  requireValues, stepByStep,
} from './comparisons.ts';
import { requireGradients } from './gradients.ts';
import { evaluate, type ScanCase } from './reference.ts';
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
  /** What it does at the step `at` of a case, if anything, for reports. */
  readonly at?: string;
  /** Whether it is tried at every length in turn. */
  readonly isAtEveryLength?: boolean;
  /** The share of the runs that it is given, as it takes longer than others. Default 1. */
  readonly share?: number;
  /** Throws a Difference where it does not hold. */
  readonly check: (subject: Subject, given: ScanCase) => Promise<void> | void;
}

const someRows: Partial<Wanted> = { batch: [1, 3] };

/** The names of the properties, in the order in which they are checked. */
export const scanProperties = [
  'recurrence', 'repeatable', 'lastState', 'initialState', 'causality', 'batch', 'split', 'step',
  'stateKept', 'reset', 'packed', 'mask', 'nanInFuture', 'nanInPadding', 'nanInDocuments',
  'reverse', 'together', 'longSequences', 'slowDecays', 'extremeDecays', 'gradients',
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
      const expected = evaluate(subject.reference, given);
      subject.requireNear('y', y, expected.y, given, { times: LENIENT });
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
    needs: [], at: 'changed from step',
    check: async (subject, given) => {
      const { at } = given;
      const changed = replaceSteps(
        subject.reference, given, (step) => step >= at, otherNumbers(given.seed),
      );
      const [found, expected] = [await subject.run(changed), await subject.run(given)];
      const width = found.y.length / given.sizes['length'];
      subject.requireNear('y', found.y, expected.y, given, {
        times: LENIENT, what: 'before later steps changed', counts: (i) => i < at * width,
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
        requireValues(subject, own, beside, alone, { times: LENIENT, what: 'alone' });
      }
    },
  },
  split: {
    says: 'cut in two anywhere, with the state carried over, it gives the whole',
    needs: ['initialState', 'lastState'], wants: { initialState: true }, at: 'cut before step',
    check: async (subject, given) => {
      const { reference, candidate: { minLength } } = subject;
      const { at, sizes: { length } } = given;
      if (Math.min(at, length - at) < minLength) return;
      const first = await subject.run(takeSteps(reference, given, range(0, at)));
      const second = await subject.run({
        ...takeSteps(reference, given, range(at, length)), initialState: first.lastState,
      });
      const pieces = { y: joined([first.y, second.y]), lastState: second.lastState };
      requireValues(
        subject, given, pieces, await subject.run(given), { times: LENIENT, what: 'whole' },
      );
    },
  },
  step: {
    says: 'step by step, it gives the whole',
    needs: ['step'], uses: ['initialState'],
    check: async (subject, given) => {
      const { state, y } = await stepByStep(subject, given);
      const whole = await subject.run(given);
      const found = { y, lastState: state };
      requireValues(subject, given, found, whole, { times: LENIENT, what: 'whole' });
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
      subject.requireNear('y', packed.y, joined(alone), given, { times: LENIENT, what: 'alone' });
    },
  },
  mask: {
    says: 'padding, wherever it is, leaves the state and all other steps as they are',
    needs: ['mask'], wants: { mask: true }, uses: ['initialState'], check: equalsReference,
  },
  nanInFuture: {
    says: 'later steps may hold NaN and ∞',
    needs: ['nonFinite'], at: 'NaN from step',
    check: (subject, given) =>
      ignores(subject, given, (at) => at >= given.at, 'with numbers in later steps'),
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
  reverse: {
    says: 'in reverse, it runs from the last step to the first',
    needs: ['reverse'], wants: { reverse: true }, uses: ['initialState'], check: equalsReference,
  },
  together: {
    says: 'all of it at once is the recurrence',
    needs: [], wants: { batch: [1, 3] }, uses: ['initialState', 'reset', 'mask', 'reverse'],
    check: equalsReference,
  },
  longSequences: {
    says: 'over thousands of steps it is as near as rounding allows',
    needs: [], wants: { lengths: [1000, 4096], largest: 2 }, share: 0.05, uses: ['initialState'],
    check: isNearReference,
  },
  slowDecays: {
    says: 'where states hardly decay, so that errors pile up, it is as near as rounding allows',
    needs: [], wants: { values: 'slow', lengths: [64, 1000], largest: 2 }, share: 0.2,
    uses: ['initialState'], check: isNearReference,
  },
  extremeDecays: {
    says: 'where decays are 0, 1, or next to either, it is as near as rounding allows',
    needs: [], wants: { values: 'extreme' }, uses: ['initialState'], check: isNearReference,
  },
  gradients: {
    says: 'gradients are those of finite differences',
    needs: ['gradients'], wants: { lengths: [0, 12] },
    uses: ['initialState', 'reset', 'mask', 'reverse'],
    check: (subject, given) => requireGradients(subject, given, 'all', LENIENT),
  },
  gradientsOfLastState: {
    says: 'gradients reach through long sequences from the last state alone',
    needs: ['gradients', 'lastState'], share: 0.2, uses: ['initialState'],
    wants: { values: 'slow', lengths: [64, 300], largest: 2 },
    check: (subject, given) => requireGradients(subject, given, 'lastState', 1),
  },
};

/**
 * Golden vectors: inputs of the scans with their results and gradients in float64, for those who
 * write a scan in another language and cannot call this one. They are what the scans of this
 * package give step by step; a test compares them with the references and with finite differences.
 */
import { linearScan } from '@mambagrad/tensor';
import { selectiveScan } from '../ops/selectiveScan/selectiveScan.ts';
import { discreteSSD } from '../ops/ssd/discrete.ts';
import type { AnyScan, TensorScan } from './candidate.ts';
import { drawCase, type Wanted } from './cases.ts';
import { drawCotangents } from './gradients.ts';
import { type ScanCase, type ScanReference, shapeOf, type Sizes } from './reference.ts';
import { linearRecurrence, selectiveRecurrence, ssdRecurrence } from './references.ts';
import { Subject } from './subject.ts';

/** Numbers in row-major order. */
export interface VectorArray {
  /** The size of each axis. */
  readonly shape: readonly number[];
  /** The numbers: float64, or 0 and 1 for flags. */
  readonly data: readonly number[];
}

/** One call of a scan. */
export interface VectorCase {
  /** What it is about. */
  readonly name: string;
  /** The size of each axis by its name. */
  readonly sizes: Sizes;
  /** Whether it runs from the last step to the first. */
  readonly reverse: boolean;
  /** Every input by its name; `initialState`, `reset` and `mask` only where there are any. */
  readonly inputs: Readonly<Record<string, VectorArray>>;
  /** `y`, 0 at padding, and `lastState`. */
  readonly results: Readonly<Record<string, VectorArray>>;
  /** The gradients of a loss with respect to the results. */
  readonly cotangents: Readonly<Record<string, VectorArray>>;
  /** Its gradients with respect to the inputs that are no flags. */
  readonly gradients: Readonly<Record<string, VectorArray>>;
}

/** The vectors of one scan: the content of a file. */
export interface ScanVectors {
  /** The name of the file, without '.json'. */
  readonly file: string;
  /** What the scan computes. */
  readonly equation: string;
  /** The axes of every array. */
  readonly axes: Readonly<Record<string, readonly string[]>>;
  /** The calls. */
  readonly cases: readonly VectorCase[];
}

/** A scan of which there are vectors. */
interface Family {
  readonly file: string;
  readonly equation: string;
  readonly subject: Subject;
  /** The flags that it takes. */
  readonly flags: readonly ('reset' | 'mask' | 'reverse')[];
}

/** A family of calls; the scan runs as the recurrence says, and supports what has gradients. */
function family<Name extends string>(
  reference: ScanReference<Name>, run: TensorScan<Name>['run'], rest: Omit<Family, 'subject'>,
): Family {
  const subject = new Subject(reference as ScanReference, {
    name: rest.file, dtype: 'f64', tensors: true, run: run as AnyScan['run'], minLength: 0,
    supports: ['initialState', 'lastState', 'gradients'], step: undefined, gradients: undefined,
  }, 1);
  return { ...rest, subject };
}

const families = (): Family[] => [
  family(linearRecurrence, ({ a, b, initialState, reset, reverse, sizes: { length } }) => {
    const y = linearScan(a, b, { axis: 1, initialState, reverse, reset: reset?.unsqueeze(-1) });
    return { y, lastState: y.narrow(1, reverse ? 0 : length - 1, 1).squeeze(1) };
  }, {
    file: 'linear', equation: 'h_t = a_t h_(t-1) + b_t, y_t = h_t', flags: ['reset', 'reverse'],
  }),
  family(selectiveRecurrence, ({ u, delta, A, B, C, initialState, reset, mask }) =>
    selectiveScan(u, delta, A, B, C, { algorithm: 'sequential', initialState, reset, mask }), {
    file: 'selective', flags: ['reset', 'mask'],
    equation: 'h_t = exp(delta_t A) h_(t-1) + delta_t B_t u_t, y_t = C_t . h_t',
  }),
  family(ssdRecurrence, ({ x, logDecay, B, C, initialState, reset, mask }) =>
    discreteSSD(x, logDecay, B, C, { algorithm: 'recurrent', initialState, reset, mask }), {
    file: 'ssd', flags: ['reset', 'mask'],
    equation: 'h_t = exp(logDecay_t) h_(t-1) + x_t B_t^T, y_t = h_t C_t',
  }),
];

const usual: Wanted = {
  lengths: [5, 5], batch: [1, 1], largest: 2, values: 'usual', dtype: 'f64',
  initialState: false, reset: false, mask: false, reverse: false,
};

/** What the calls are about; a flag that a scan does not take is left out. */
const wanted: Readonly<Record<string, Wanted>> = {
  'from zero': usual,
  'from an initial state, two rows': { ...usual, batch: [2, 2], initialState: true },
  'a single step': { ...usual, lengths: [1, 1], initialState: true },
  'resets': { ...usual, lengths: [9, 9], initialState: true, reset: true },
  'padding': { ...usual, lengths: [9, 9], initialState: true, mask: true },
  'in reverse, with resets': { ...usual, lengths: [7, 7], reset: true, reverse: true },
  'slow decays, longer than a chunk': {
    ...usual, lengths: [70, 70], largest: 1, values: 'slow', initialState: true,
  },
};

/** The golden vectors of all scans, the same at each call. */
export async function scanVectors(): Promise<ScanVectors[]> {
  const files: ScanVectors[] = [];
  for (const one of families()) {
    const { file, equation, flags, subject } = one;
    const cases: VectorCase[] = [];
    for (const [i, [name, wants]] of Object.entries(wanted).entries()) {
      const isTaken = (['reset', 'mask', 'reverse'] as const)
        .every((flag) => wants[flag] === false || flags.includes(flag));
      if (!isTaken) continue;
      cases.push(await vectorsOf(subject, name, drawCase(subject.reference, wants, 1000 + i)));
    }
    files.push({ file, equation, axes: axesOf(subject.reference, flags), cases });
  }
  return files;
}

/** The axes of every array of a family. */
function axesOf(
  { inputs, y, state }: ScanReference, flags: Family['flags'],
): Record<string, readonly string[]> {
  const ofFlags = flags.filter((flag) => flag !== 'reverse')
    .map((flag) => [flag, ['batch', 'length']] as const);
  return {
    ...Object.fromEntries(Object.entries(inputs).map(([name, { axes }]) => [name, axes])),
    initialState: state, ...Object.fromEntries(ofFlags), y, lastState: state,
  };
}

async function vectorsOf(
  subject: Subject, name: string, given: ScanCase,
): Promise<VectorCase> {
  const { reference } = subject;
  const { sizes, reverse, inputs, initialState, reset, mask } = given;
  const cotangents = drawCotangents(subject, given, 'all');
  const axes = axesOf(reference, ['reset', 'mask']);
  const arrays = (
    all: Readonly<Record<string, ArrayLike<number> | undefined>>,
  ): Record<string, VectorArray> => Object.fromEntries(
    Object.entries(all).flatMap(([key, numbers]) => (numbers === undefined ? [] : [
      [key, { shape: shapeOf(axes[key], sizes), data: Array.from(numbers) }],
    ])),
  );
  return {
    name, sizes, reverse,
    inputs: arrays({ ...inputs, initialState, reset, mask }),
    results: arrays({ ...await subject.run(given) }),
    cotangents: arrays({ ...cotangents }),
    gradients: arrays(await subject.gradients(given, cotangents)),
  };
}

/**
 * A recurrent model reads a sequence whole, in pieces, or step by step, with the same results, and
 * the past is only what its state holds. A state may be any tree of tensors; what it means is the
 * model's affair. So a model is compared with itself, from states that it has come to:
 *
 *     scan(x₁ ∥ x₂, s) = scan(x₁, s), then scan(x₂, its state) = steps, one after the other
 */
import { TensorError } from '@mambagrad/tensor';
import {
  boolean, checkArgument, type Kind, listOf, number, objectWith, oneOf, type Read, readOptions,
  string, type Table, whole,
} from '@mambagrad/tensor/options';
import fc from 'fast-check';
import { type ModelCase, ModelSubject, type RecurrentModel } from './recurrentModel.ts';
import {
  modelProperties, recurrentProperties, type RecurrentProperty,
} from './recurrentProperties.ts';
import { checkAll, type CheckReport, chooseSeed, tryProperty } from './report.ts';

/** Options of `checkRecurrent`. One of `width` and `vocabSize` says what the model reads. */
export interface CheckRecurrentOptions {
  /** The width of each step, where the model reads numbers [batch, length, width]. */
  readonly width?: number | undefined;
  /** The number of tokens, where it reads tokens [batch, length], i32. */
  readonly vocabSize?: number | undefined;
  /** The precision of the numbers. Default that of the model's first parameter, or 'f32'. */
  readonly dtype?: 'f32' | 'f64' | undefined;
  /** Whether `scan` takes `reset` and `mask`. Default false. */
  readonly flags?: boolean | undefined;
  /** Its name in the report and in errors. Default that of its class. */
  readonly name?: string | undefined;
  /** The inputs that are drawn for each property. Default 20. */
  readonly numRuns?: number | undefined;
  /**
   * Where inputs are drawn from. Default that of fast-check, if it is set, or another each time.
   */
  readonly seed?: number | undefined;
  /** The most steps of a sequence. Default 12. */
  readonly maxLength?: number | undefined;
  /**
   * The error that is allowed, in roundings of the largest number of a result: a result comes of
   * some hundred operations, in another order if the sequence is cut. Gradients may have ten times
   * that, as each is a sum over all steps. Default 1024, which is 6e-5 in f32 and 1.1e-13 in f64.
   */
  readonly tolerance?: number | undefined;
  /** The properties to check. Default all. */
  readonly only?: readonly RecurrentProperty[] | undefined;
}

const checkRecurrentOptions = {
  width: whole(1).optional(),
  vocabSize: whole(1).optional(),
  dtype: oneOf('f32', 'f64').optional(),
  flags: boolean.orElse(false),
  name: string.optional(),
  numRuns: whole(1).orElse(20),
  seed: whole().optional(),
  maxLength: whole(1).orElse(12),
  tolerance: number({ above: 0 }).orElse(1024),
  only: listOf(oneOf(...recurrentProperties)).optional(),
} satisfies Table<CheckRecurrentOptions>;

const models: Kind<RecurrentModel<unknown>> = objectWith(
  'an object with the function scan', 'scan',
);

/**
 * Holds a recurrent model to what a state means: read whole, in pieces, or step by step, from any
 * state, it gives the same; later steps change nothing of earlier ones, nor rows each other; a
 * state that it was given can be used again; and, with `flags`, packed documents and padding are
 * apart:
 *
 *     await checkRecurrent(new MambaBlock({ hiddenSize: 3 }), { width: 3, flags: true });
 *
 * float64 shows mistakes best (`model.to('f64')`). Gives a report of what was checked and what was
 * left out; throws a PropertyError that names the first property which does not hold.
 */
export async function checkRecurrent<State>(
  model: RecurrentModel<State>, options: CheckRecurrentOptions = {},
): Promise<CheckReport<RecurrentProperty>> {
  checkArgument('checkRecurrent', 'model', model, models);
  const settings = readOptions('checkRecurrent', options, checkRecurrentOptions);
  const { width, vocabSize, flags, tolerance, numRuns } = settings;
  if ((width === undefined) === (vocabSize === undefined)) {
    throw new TensorError('checkRecurrent: expected one of the options width and vocabSize');
  }
  const anyModel = model as RecurrentModel<unknown>;
  const dtype = settings.dtype ?? dtypeOf(anyModel);
  const subject = new ModelSubject(anyModel, { width, vocabSize, dtype, flags }, tolerance);
  const seed = chooseSeed(settings.seed);
  const name = `checkRecurrent: ${settings.name ?? model.constructor.name}`;
  return checkAll(name, seed, recurrentProperties.map((property) => {
    const { says, check } = modelProperties[property];
    return {
      property, says,
      whyNot: reasonToLeaveOut(property, subject, settings),
      tryOut: () => tryProperty(
        { name, property, says }, casesUpTo(settings), (given) => check(subject, given),
        (given) => subject.show(given), { seed, numRuns },
      ),
    };
  }));
}

/** The precision of a model: that of its first parameter. */
function dtypeOf(model: ModelSubject['model']): 'f32' | 'f64' {
  const [first] = model.parameters?.() ?? [];
  return first?.dtype === 'f64' ? 'f64' : 'f32';
}

/** Why a property is not checked, or undefined if it is. */
function reasonToLeaveOut(
  property: RecurrentProperty, { model }: ModelSubject,
  { flags, only }: Read<typeof checkRecurrentOptions>,
): string | undefined {
  if (only && !only.includes(property)) return 'the option only does not name it';
  const { needs } = modelProperties[property];
  if (needs === undefined) return undefined;
  if (needs === 'flags') return flags ? undefined : 'the option flags is not set';
  return typeof model[needs] === 'function' ? undefined : `the model has no function ${needs}`;
}

/** Inputs of a model; fast-check makes them smaller number by number. */
function casesUpTo(
  { maxLength }: Read<typeof checkRecurrentOptions>,
): fc.Arbitrary<ModelCase> {
  return fc.record({
    batch: fc.integer({ min: 1, max: 2 }),
    length: fc.integer({ min: 0, max: maxLength }),
    before: fc.integer({ min: 0, max: 3 }),
    at: fc.integer({ min: 0, max: maxLength }),
    seed: fc.noShrink(fc.integer({ min: 0, max: 2 ** 31 - 5 })),
  }).map((given) => ({ ...given, at: Math.min(given.at, given.length) }));
}

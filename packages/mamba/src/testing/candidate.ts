/**
 * The scan that is checked: a function of typed arrays, or of tensors. Either may be asynchronous,
 * as a kernel on a GPU is. It says what it can do, and only that is checked.
 */
import type { Tensor } from '@mambagrad/tensor';
import {
  boolean, callable, type FullTable, listOf, oneOf, string, whole,
} from '@mambagrad/tensor/options';
import type { Sizes } from './reference.ts';

const abilities = [
  'initialState', 'lastState', 'reset', 'mask', 'reverse', 'nonFinite', 'gradients',
] as const;

/**
 * Something that not every scan can do: begin from a state (`initialState`); give the last one
 * (`lastState`); drop the past where `reset` is not 0; pass over padding, where `mask` is 0; run
 * from the last step to the first (`reverse`); let padding, other documents and later steps hold
 * NaN or ∞ (`nonFinite`); be differentiated (`gradients`).
 */
export type ScanAbility = (typeof abilities)[number];

/** The arguments of a scan: each input by its name, and what else it says it supports. */
export type ScanArguments<Name extends string, Numbers, Flags> = {
  readonly [Key in Name]: Numbers;
} & {
  /** The state before the first step, else zeros; only given where `initialState` is supported. */
  readonly initialState?: Numbers;
  /** Not 0 where the past is dropped, [batch, length]; only given where `reset` is supported. */
  readonly reset?: Flags;
  /** 0 at padding, [batch, length]; only given where `mask` is supported. */
  readonly mask?: Flags;
  /** Whether to run from the last step to the first; true only where `reverse` is supported. */
  readonly reverse: boolean;
  /** The size of each axis by its name. */
  readonly sizes: Sizes;
};

/** The results of a scan. */
export interface ScanResults<Numbers> {
  /** The result of each step; at padding it does not count. */
  readonly y: Numbers;
  /** The state after the last step; has to be there where `lastState` is supported. */
  readonly lastState?: Numbers | undefined;
}

/** The gradients of a loss with respect to the results of a scan. */
export interface ScanCotangents<Numbers> {
  /** As y. */
  readonly y: Numbers;
  /** As the last state; empty, unless `lastState` is supported. */
  readonly lastState: Numbers;
}

/** The results of one step. */
export interface StepResults<Numbers> {
  /** The result of the step, without an axis for the length. */
  readonly y: Numbers;
  /** The state after it. */
  readonly state: Numbers;
}

/** What a function gives, or a promise of it. */
type Soon<T> = T | Promise<T>;

/** A scan as functions of `Numbers`, typed arrays or tensors, that give `Given`. */
interface ScanFunctions<Name extends string, Numbers, Flags, Given> {
  /** Its name in reports and errors. Default the name of the function `run`. */
  readonly name?: string | undefined;
  /** What it can do, beyond giving y from zero. Default []. */
  readonly supports?: readonly ScanAbility[] | undefined;
  /** The fewest steps that it takes. Default 0. */
  readonly minLength?: number | undefined;
  /** Runs the scan over all steps. */
  readonly run: (given: ScanArguments<Name, Numbers, Flags>) => Soon<ScanResults<Given>>;
  /** One step from a state: inputs have no axis for the length. Default none. */
  readonly step?: ((
    given: ScanArguments<Name, Numbers, Flags>, state: Numbers,
  ) => Soon<StepResults<Given>>) | undefined;
}

/** A scan of row-major arrays. */
interface ArrayScan<Name extends string, Numbers>
  extends ScanFunctions<Name, Numbers, Int32Array, ArrayLike<number>> {
  /** Whether it takes tensors. Default false. */
  readonly tensors?: false | undefined;
  /**
   * The gradient of each input, by its name, and of `initialState` if that is given, from those of
   * the results. Has to be there where `gradients` are supported. Default none.
   */
  readonly gradients?: ((
    given: ScanArguments<Name, Numbers, Int32Array>, cotangents: ScanCotangents<Numbers>,
  ) => Soon<Readonly<Record<string, ArrayLike<number>>>>) | undefined;
}

/** A scan of Float32Arrays. */
export interface Float32Scan<Name extends string = string> extends ArrayScan<Name, Float32Array> {
  /** The precision in which it runs. Default 'f32'. */
  readonly dtype?: 'f32' | undefined;
}

/** A scan of Float64Arrays. */
export interface Float64Scan<Name extends string = string> extends ArrayScan<Name, Float64Array> {
  /** The precision in which it runs. */
  readonly dtype: 'f64';
}

/** A scan of tensors. Where `gradients` are supported, they are those that `grad` finds. */
export interface TensorScan<Name extends string = string>
  extends ScanFunctions<Name, Tensor, Tensor, Tensor> {
  /** Whether it takes tensors. */
  readonly tensors: true;
  /** The precision in which it runs. Default 'f32'. */
  readonly dtype?: 'f32' | 'f64' | undefined;
}

/** A scan to check. */
export type ScanCandidate<Name extends string = string> =
  Float32Scan<Name> | Float64Scan<Name> | TensorScan<Name>;

/** A candidate as the kit calls it, whatever it is made of. */
export interface AnyScan extends ScanFunctions<string, unknown, unknown, unknown> {
  readonly tensors?: boolean | undefined;
  readonly dtype?: 'f32' | 'f64' | undefined;
  readonly gradients?: ((
    given: unknown, cotangents: ScanCotangents<unknown>,
  ) => Soon<Readonly<Record<string, unknown>>>) | undefined;
}

/** The table of what a candidate says of itself. */
export const candidateOptions: FullTable<AnyScan, 'name' | 'step' | 'gradients'> = {
  name: string.optional(),
  supports: listOf(oneOf(...abilities)).orElse([]),
  minLength: whole().orElse(0),
  run: callable<AnyScan['run']>().required(),
  step: callable<Exclude<AnyScan['step'], undefined>>().optional(),
  gradients: callable<Exclude<AnyScan['gradients'], undefined>>().optional(),
  tensors: boolean.orElse(false),
  dtype: oneOf('f32', 'f64').orElse('f32'),
};

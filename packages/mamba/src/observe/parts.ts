/** Which part of an observation is wanted: channels, steps, and rows and columns of influence. */
import { boolean, type FullTable, Kind, type Table, whole } from '@mambagrad/tensor/options';

/** Steps from the first to before the last. */
export type StepRange = readonly [from: number, to: number];

/** Which channels to look at; results for few of them need little memory. */
export interface ChannelOptions {
  /** The numbers of channels, or of heads in layers that have heads. Default all, in order. */
  readonly channels?: readonly number[] | undefined;
}

/** Which channels and steps to look at. */
export interface PartOptions extends ChannelOptions {
  /** Steps from the first to before the last. Default all. */
  readonly steps?: StepRange | undefined;
}

/** Options of `retention`. */
export interface RetentionOptions extends ChannelOptions {
  /** The step after which the state is followed. Default 0. */
  readonly from?: number | undefined;
  /** The step before which that ends. Default the length. */
  readonly to?: number | undefined;
}

/** Options of `influence`. */
export interface InfluenceOptions extends ChannelOptions {
  /** The steps t whose outputs are looked at, a row each. Default all. */
  readonly outputs?: StepRange | undefined;
  /** The steps s whose inputs are looked at, a column each. Default all. */
  readonly inputs?: StepRange | undefined;
  /** Whether the skip connection D counts, which adds D to the diagonal. Default false. */
  readonly skip?: boolean | undefined;
}

/** Lists of numbers from 0, not empty. */
const isIndexList = (x: unknown): boolean =>
  Array.isArray(x) && x.length > 0 && x.every((each) => Number.isInteger(each) && each >= 0);

const channelLists: Kind<readonly number[]> = new Kind(
  'an array of the numbers of channels', isIndexList,
);

const stepRanges: Kind<StepRange> = new Kind(
  'an array of two steps [from, to], from below to',
  (x) => isIndexList(x) && (x as number[]).length === 2 && (x as number[])[0] < (x as number[])[1],
);

const channelOptions = { channels: channelLists.optional() } satisfies Table<ChannelOptions>;

export const partOptions: FullTable<PartOptions, 'channels' | 'steps'> = {
  ...channelOptions, steps: stepRanges.optional(),
};

export const retentionOptions: FullTable<RetentionOptions, 'channels' | 'to'> = {
  ...channelOptions, from: whole().orElse(0), to: whole(1).optional(),
};

export const influenceOptions: FullTable<
  InfluenceOptions, 'channels' | 'outputs' | 'inputs'
> = {
  ...channelOptions,
  outputs: stepRanges.optional(),
  inputs: stepRanges.optional(),
  skip: boolean.orElse(false),
};

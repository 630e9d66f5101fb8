/** The options of Mamba-3's block, and the sizes that follow from them. */
import { TensorError } from '@mambagrad/tensor';
import {
  boolean, type FullTable, Kind, number, oneOf, type Read, readOptions, whole,
} from '@mambagrad/tensor/options';
import type { Pairing } from '../ops/rotation/rotate.ts';
import { type BlockOptions, blockOptions, innerWidth } from './block.ts';
import { headsOf, type Mamba2BlockOptions, mamba2BlockOptions } from './mamba2.ts';
import { DELTA_RANGE } from './selectiveSSM.ts';

/** The sizes of a Mamba-3 block, and which of its forms it is; stateSize is 128 by default. */
export interface Mamba3BlockOptions
  extends Pick<
      BlockOptions,
      'hiddenSize' | 'stateSize' | 'expandFactor' | 'learnableInitStates' | 'generator'
    >,
    Pick<Mamba2BlockOptions, 'headDim' | 'numGroups' | 'chunkSize' | 'normEps'> {
  /** The part of the state that turns: half of its numbers, or all. Default 0.5. */
  readonly ropeFraction?: 0.5 | 1 | undefined;
  /** R, the number of vectors that a step writes and reads (MIMO); 1 is SISO. Default 1. */
  readonly mimoRank?: number | undefined;
  /** Which numbers turn as a pair. Default 'neighbours', with mimoRank above 1 'halves'. */
  readonly rotation?: Pairing | undefined;
  /** The function from the projection of A to the rate −A; see `decayRate`. Default 'heavyTail'. */
  readonly decay?: DecayRate | undefined;
  /** The smallest decay rate −A. Default 1e-4. */
  readonly aFloor?: number | undefined;
  /** Whether a norm of each head precedes the gate. Default false. */
  readonly outputNorm?: boolean | undefined;
  /** The range of the initial step sizes Δ, which are log-uniform. Default [1e-3, 0.1]. */
  readonly dtInit?: readonly [min: number, max: number] | undefined;
}

/** The functions of `decayRate`. */
export type DecayRate = 'heavyTail' | 'softplus';

/** Their names. */
export const decayRates: Kind<DecayRate> = oneOf('heavyTail', 'softplus');

const positiveRanges: Kind<readonly [number, number]> = new Kind(
  'an array of two finite numbers, above 0 and ascending',
  (x) => Array.isArray(x) && x.length === 2 && x.every(Number.isFinite) && x[0] > 0 &&
    x[0] <= x[1],
);

/** The options of a Mamba-3 block that have no default, or one that depends on others. */
export type Mamba3WithoutDefault = 'rotation' | 'generator';

export const mamba3BlockOptions: FullTable<Mamba3BlockOptions, Mamba3WithoutDefault> = {
  hiddenSize: blockOptions.hiddenSize,
  stateSize: mamba2BlockOptions.stateSize,
  expandFactor: blockOptions.expandFactor,
  headDim: mamba2BlockOptions.headDim,
  numGroups: mamba2BlockOptions.numGroups,
  ropeFraction: oneOf(0.5, 1).orElse(0.5),
  mimoRank: whole(1).orElse(1),
  rotation: oneOf('neighbours', 'halves').optional(),
  decay: decayRates.orElse('heavyTail'),
  aFloor: number({ from: 0 }).orElse(1e-4),
  outputNorm: boolean.orElse(false),
  normEps: mamba2BlockOptions.normEps,
  chunkSize: mamba2BlockOptions.chunkSize,
  dtInit: positiveRanges.orElse(DELTA_RANGE),
  learnableInitStates: blockOptions.learnableInitStates,
  generator: blockOptions.generator,
};

const {
  hiddenSize: _hiddenSize, rotation: _rotation, normEps: _normEps, dtInit: _dtInit,
  generator: _generator, ...defaults
} = readOptions('Mamba3Block', { hiddenSize: 1 }, mamba3BlockOptions);

/** The default sizes of a Mamba-3 block, and its default form. */
export const mamba3Defaults: Omit<
  Read<typeof mamba3BlockOptions>,
  'hiddenSize' | 'rotation' | 'normEps' | 'dtInit' | 'generator'
> = defaults;

/** The options of a block with their defaults, and what follows from them. */
export interface Mamba3Sizes extends Omit<Read<typeof mamba3BlockOptions>, 'rotation'> {
  readonly rotation: Pairing;
  /** R */
  readonly rank: number;
  /** I */
  readonly inner: number;
  /** H */
  readonly heads: number;
  /** The number of pairs that turn. */
  readonly angles: number;
  /** The width of B, and of C: R · G · N. */
  readonly read: number;
}

/** The sizes of a block, read from its options. Throws in the name of `op` if they do not fit. */
export function mamba3Sizes(op: string, options: Mamba3BlockOptions): Mamba3Sizes {
  const all = readOptions(op, options, mamba3BlockOptions);
  const { headDim, numGroups, stateSize, ropeFraction, mimoRank: rank } = all;
  const inner = innerWidth(op, all);
  const heads = headsOf(op, inner, headDim, numGroups);
  const angles = Math.floor(Math.floor(stateSize * ropeFraction) / 2);
  if (angles === 0) {
    throw new TensorError(
      `${op}: stateSize is ${stateSize} and ropeFraction ${ropeFraction}, so no pair of numbers ` +
        'turns; expected a product of at least 2',
    );
  }
  const rotation = all.rotation ?? (rank === 1 ? 'neighbours' : 'halves');
  if (rotation === 'halves' && stateSize % 2 !== 0) {
    throw new TensorError(
      `${op}: stateSize is ${stateSize}, expected an even number for rotation 'halves'`,
    );
  }
  const read = rank * numGroups * stateSize;
  return { ...all, rotation, rank, inner, heads, angles, read };
}

/**
 * The options of models: those of every stack of layers, those of encoders, and those of the blocks
 * of each kind. An option that only blocks of other kinds have is an error.
 */
import { layerOptions, Linear } from '@mambagrad/nn';
import { type Generator, TensorError } from '@mambagrad/tensor';
import {
  anything, type FullTable, number, oneOf, pickOptions, readOptions, whole,
} from '@mambagrad/tensor/options';
import { type BlockOptions, blockOptions, MambaBlock, type Mixer } from '../layers/block.ts';
import { Mamba2Block, mamba2BlockOptions, type Mamba2BlockOptions } from '../layers/mamba2.ts';
import { Mamba3Block } from '../layers/mamba3.ts';
import { mamba3BlockOptions, type Mamba3BlockOptions } from '../layers/mamba3Options.ts';
import type { Pool } from '../sequence/sequence.ts';

/** Options of every encoder, a model of sequences of vectors. */
export interface EncoderOptions {
  /** The size of the input vectors. */
  readonly embedDim: number;
  /** The width of the model. Default 256. */
  readonly hiddenSize?: number | undefined;
  /** The number of layers. Default 2; of BiMamba 4. */
  readonly numLayers?: number | undefined;
  /** The dropout probability of the result of each layer. Default 0; of BiMamba 0.1. */
  readonly dropout?: number | undefined;
  /** How `forward` reduces the results of all steps to one. Default 'last'. */
  readonly pool?: Pool | undefined;
  /** The length of sequences that `prepare` compiles for. Default 60. */
  readonly windowSize?: number | undefined;
  /** The source of random initial values. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

export const encoderOptions: FullTable<EncoderOptions, 'generator'> = {
  embedDim: whole(1).required(),
  hiddenSize: whole(1).orElse(256),
  numLayers: whole().orElse(2),
  dropout: number({ from: 0, to: 1 }).orElse(0),
  pool: oneOf('last', 'mean', 'ends', 'none').orElse('last'),
  windowSize: whole(1).orElse(60),
  generator: layerOptions.generator,
};

/** The projection from embedDim to hiddenSize; undefined if they are equal. */
export function inputProjection(
  options: Pick<EncoderOptions, 'embedDim' | 'generator'> & { readonly hiddenSize: number },
): Linear | undefined {
  const { embedDim, hiddenSize, generator } = options;
  return embedDim === hiddenSize ? undefined : new Linear(embedDim, hiddenSize, { generator });
}

/** Options of every stack of layers. */
export interface BodyOptions
  extends Pick<EncoderOptions, 'dropout' | 'pool' | 'windowSize'> {
  /** The width of the layers. */
  readonly hiddenSize: number;
  /** ε of the norms of the layers. Default 1e-5. */
  readonly normEps?: number | undefined;
}

const { dropout, pool, windowSize } = encoderOptions;

export const bodyOptions: FullTable<BodyOptions> = {
  hiddenSize: whole(1).required(),
  normEps: number({ from: 0 }).orElse(1e-5),
  dropout,
  pool,
  windowSize,
};

/** The kinds of blocks: Mamba's, Mamba-2's and Mamba-3's. */
export type LayerKind = 'mamba' | 'mamba2' | 'mamba3';

/** Options of a stack of recurrent blocks; normEps is that of all norms. */
export interface StackOptions
  extends BlockOptions, Mamba2BlockOptions, Mamba3BlockOptions,
    Pick<EncoderOptions, 'numLayers' | 'dropout'> {
  /** The kind of the blocks: MambaBlock, Mamba2Block or Mamba3Block. Default 'mamba'. */
  readonly layer?: LayerKind | undefined;
}

/** The options of a stack besides those of its blocks. */
const ownStackOptions = {
  numLayers: encoderOptions.numLayers,
  dropout: encoderOptions.dropout,
  normEps: bodyOptions.normEps,
  layer: oneOf('mamba', 'mamba2', 'mamba3').orElse('mamba'),
  // Its default is that of the kind of block.
  stateSize: whole(1).optional(),
};

const { hiddenSize, generator, dtRank, algorithm, learnableInitStates } = blockOptions;

/** The options of the blocks of each kind, and of the scan alone, without a block around it. */
const ofKind = {
  ssm: { hiddenSize, generator, dtRank, algorithm, learnableInitStates },
  mamba: blockOptions, mamba2: mamba2BlockOptions, mamba3: mamba3BlockOptions,
};

/** The options of a stack that have no default, or one that depends on others. */
export type WithoutDefault = 'stateSize' | 'dtRank' | 'normGroups' | 'rotation' | 'generator';

/** The options of a stack of blocks of any kind. */
export const stackOptions: FullTable<StackOptions, WithoutDefault> = {
  ...blockOptions, ...mamba2BlockOptions, ...mamba3BlockOptions, ...ownStackOptions,
};

/** Throws in the name of `op` if an option is given that only blocks of other kinds have. */
export function requireOptionsOf(
  op: string, layer: 'ssm' | LayerKind, options: object,
): void {
  const known = { ...ofKind[layer], ...ownStackOptions };
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || Object.hasOwn(known, name)) continue;
    const { ssm: _ssm, ...ofBlocks } = ofKind;
    const kinds = Object.entries(ofBlocks).filter(([, table]) => Object.hasOwn(table, name));
    const others = kinds.map(([kind]) => `'${kind}'`).join(' or ');
    throw new TensorError(
      `${op}: ${name} is an option of blocks of layer ${others}, the layer is '${layer}'`,
    );
  }
}

/**
 * The blocks of a stack. Throws in the name of `op` if an option is given that only blocks of other
 * kinds have.
 */
export function createMixers(op: string, options: StackOptions): readonly Mixer[] {
  const { layer, numLayers } = readOptions(op, options, stackOptions);
  requireOptionsOf(op, layer, options);
  const create: Readonly<Record<LayerKind, () => Mixer>> = {
    mamba: () => new MambaBlock(pickOptions(options, blockOptions)),
    mamba2: () => new Mamba2Block(pickOptions(options, mamba2BlockOptions)),
    mamba3: () => new Mamba3Block(pickOptions(options, mamba3BlockOptions)),
  };
  return Array.from({ length: numLayers }, create[layer]);
}

/** The options of any model; the size of its result depends on only two of them. */
export const outputOptions: FullTable<Pick<EncoderOptions, 'hiddenSize' | 'pool'>> = {
  ...Object.fromEntries(
    Object.keys({ ...stackOptions, ...encoderOptions, combine: 0 })
      .map((name) => [name, anything().optional()]),
  ),
  hiddenSize: encoderOptions.hiddenSize,
  pool: encoderOptions.pool,
};

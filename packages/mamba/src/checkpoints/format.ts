/**
 * The format in which a model is stored, that of transformers or that of mamba_ssm, and the names
 * of its parameters there. They differ in one name only, that of the embedding.
 */
import type { Tensor } from '@mambagrad/tensor';
import { type Read, readOptions } from '@mambagrad/tensor/options';
import { blockDefaults } from '../layers/block.ts';
import { mamba2Defaults } from '../layers/mamba2.ts';
import { mamba3Defaults } from '../layers/mamba3Options.ts';
import { defaultDtRank } from '../layers/selectiveSSM.ts';
import { type MambaLM, mambaLMOptions } from '../models/languageModel.ts';

export const EMBEDDING = 'backbone.embeddings.weight';
export const HEAD = 'lm_head.weight';
/** The name of EMBEDDING in mamba_ssm. */
export const ORIGINAL_EMBEDDING = 'backbone.embedding.weight';

/** All parameters by their names in transformers. */
export function storedParameters(model: MambaLM): [string, Tensor][] {
  return model.namedParameters().map(([path, parameter]) => {
    const snake = path
      .replace('mixer.ssm.', 'mixer.')
      .replace('embedding.', 'embeddings.')
      .replace(/\B[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
    return [path.startsWith('lmHead') ? snake : `backbone.${snake}`, parameter];
  });
}

/** All parameters by their names in the format in which the model is saved. */
export function namedAsSaved(model: MambaLM): [string, Tensor][] {
  const named = storedParameters(model);
  if (isOfTransformers(settingsOf(model))) return named;
  return named.map(([name, x]) => [name === EMBEDDING ? ORIGINAL_EMBEDDING : name, x]);
}

/** The options of a model, each with a value; `rotation` and `generator` may have none. */
export type Settings = Read<typeof mambaLMOptions> & {
  readonly [Key in 'stateSize' | 'dtRank' | 'normGroups']: number;
};

/** The options of a model with their defaults, also those that depend on the kind of its blocks. */
export function settingsOf({ options }: MambaLM): Settings {
  const all = readOptions('MambaLM', options, mambaLMOptions);
  const { layer, hiddenSize, numGroups } = all;
  const { stateSize } =
    { mamba: blockDefaults, mamba2: mamba2Defaults, mamba3: mamba3Defaults }[layer];
  return {
    ...all,
    stateSize: all.stateSize ?? stateSize,
    dtRank: all.dtRank ?? defaultDtRank(hiddenSize),
    normGroups: all.normGroups ?? numGroups,
  };
}

/** Whether transformers supports models of these settings. */
export function isOfTransformers(settings: Settings): boolean {
  const { layer, normBeforeGate, normGroups, dHasHeadDim, learnableInitStates } = settings;
  if (layer === 'mamba3' || learnableInitStates) return false;
  return layer === 'mamba' || (normGroups === 1 && !normBeforeGate && !dHasHeadDim);
}

/**
 * Language models as others store them: the names, shapes and settings of transformers, and, to be
 * read only, those of the original mamba_ssm. What is stored is the parameters, under their names
 * in snake case:
 *
 *     layers.0.mixer.ssm.dtProj.weight   ↔   backbone.layers.0.mixer.dt_proj.weight
 *
 * Files are no matter of this module: it takes and gives text, and tensors by name.
 */
import { loadState, saveState, type StateDict } from '@mambagrad/nn';
import { type DType, type Tensor, TensorError } from '@mambagrad/tensor';
import { blockDefaults } from './block.ts';
import { MambaLM, type MambaLMOptions } from './languageModel.ts';
import { mamba2Defaults } from './mamba2.ts';

/** What config.json holds: transformers' keys, or mamba_ssm's (d_model, n_layer, ssm_cfg). */
export type CheckpointConfig = Readonly<Record<string, unknown>>;

export interface Checkpoint {
  readonly config: CheckpointConfig;
  readonly tensors: StateDict;
}

type Keys = { readonly [Option in keyof MambaLMOptions]?: readonly string[] };

/** The key of each option: transformers', and mamba_ssm's where that is another. */
const commonKeys: Keys = {
  vocabSize: ['vocab_size'],
  hiddenSize: ['hidden_size', 'd_model'],
  numLayers: ['num_hidden_layers', 'n_layer'],
  stateSize: ['state_size', 'd_state'],
  expandFactor: ['expand'],
  convSize: ['conv_kernel', 'd_conv'],
  bias: ['use_bias', 'bias'],
  convBias: ['use_conv_bias', 'conv_bias'],
  normEps: ['layer_norm_epsilon'],
  tieEmbeddings: ['tie_word_embeddings', 'tie_embeddings'],
};
const keys: Readonly<Record<'mamba' | 'mamba2', Keys>> = {
  mamba: { ...commonKeys, dtRank: ['time_step_rank', 'dt_rank'] },
  mamba2: {
    ...commonKeys,
    headDim: ['head_dim', 'headdim'],
    numGroups: ['n_groups', 'ngroups'],
    chunkSize: ['chunk_size'],
    dtLimit: ['time_step_limit', 'dt_limit'],
    normBeforeGate: ['norm_before_gate'],
  },
};
const layers = { mamba: 'mamba', Mamba1: 'mamba', mamba2: 'mamba2', Mamba2: 'mamba2' } as const;

/**
 * The options that a config.json stands for, as text or parsed. Throws if it is of another model,
 * or lacks a size.
 */
export function optionsOfConfig(config: CheckpointConfig | string): MambaLMOptions {
  if (typeof config === 'string') return optionsOfConfig(parseConfig(config));
  const fail = (problem: string): TensorError => new TensorError(`optionsOfConfig: ${problem}`);
  const isOriginal = 'd_model' in config;
  const settings = { ...config, ...(config.ssm_cfg as CheckpointConfig | undefined) };
  const kind = String(settings.layer ?? settings.model_type ?? 'mamba');
  const layer = Object.hasOwn(layers, kind) ? layers[kind as keyof typeof layers] : undefined;
  if (!layer) throw fail(`the model is a ${kind}, expected a mamba or mamba2`);
  const found = Object.entries(keys[layer]).flatMap(([option, names]) => {
    const values = names.map((name) => settings[name]);
    // The rank may be 'auto', which is the default.
    const value = values.find((each) => each !== undefined && each !== 'auto');
    return value === undefined ? [] : [[option, value]];
  });
  // What transformers means by a Mamba-2 that does not say.
  const implied = { numGroups: 8, tieEmbeddings: false, normGroups: 1 };
  const given: MambaLMOptions = {
    ...(layer === 'mamba2' && !isOriginal && implied),
    ...Object.fromEntries(found),
    layer,
  };
  const missing = (['vocabSize', 'hiddenSize', 'numLayers'] as const).find(
    (option) => given[option] === undefined,
  );
  if (missing) throw fail(`there is no ${keys[layer][missing]?.join(' or ')}`);
  // mamba_ssm rounds the vocabulary up; transformers' `expand` may be wrong, the width is not.
  const multiple = isOriginal ? Number(config.pad_vocab_size_multiple ?? 8) : 1;
  const { intermediate_size: inner } = config;
  const { hiddenSize, dtLimit } = given;
  return {
    ...given,
    ...(typeof inner === 'number' && { expandFactor: inner / hiddenSize }),
    // JSON has no infinity, and some write null.
    ...(dtLimit && { dtLimit: [dtLimit[0], dtLimit[1] ?? Infinity] }),
    vocabSize: Math.ceil(given.vocabSize / multiple) * multiple,
  };
}

/** JSON with infinities, as Python writes it. */
function parseConfig(text: string): CheckpointConfig {
  const isInfinity = (part: string): boolean => part === 'Infinity';
  return JSON.parse(
    text.replace(/"(?:\\.|[^"\\])*"|Infinity/g, (part) => (isInfinity(part) ? '1e999' : part)),
  ) as CheckpointConfig;
}

/** Each parameter by its name in transformers. */
function storedParameters(model: MambaLM): [string, Tensor][] {
  return model.namedParameters().map(([path, parameter]) => {
    const snake = path
      .replace('mixer.ssm.', 'mixer.')
      .replace('embedding.', 'embeddings.')
      .replace(/\B[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
    return [path.startsWith('lmHead') ? snake : `backbone.${snake}`, parameter];
  });
}

/**
 * A model's config.json, as transformers has it, and its parameters by transformers' names. Throws
 * for a Mamba-2 with a norm that transformers' does not have.
 */
export function saveLanguageModel(model: MambaLM): Checkpoint {
  const { layer = 'mamba', hiddenSize } = model.options;
  const all = {
    ...{ numLayers: 2, normEps: 1e-5, tieEmbeddings: true, dtRank: Math.ceil(hiddenSize / 16) },
    ...{ ...mamba2Defaults, ...(layer === 'mamba' && blockDefaults), ...model.options },
  };
  const { headDim, normBeforeGate, numGroups, normGroups = numGroups } = all;
  if (layer === 'mamba2' && (normBeforeGate || normGroups !== 1)) {
    throw new TensorError(
      'saveLanguageModel: transformers normalises all channels together, after the gate; ' +
        `normGroups is ${normGroups} and normBeforeGate ${normBeforeGate}, expected 1 and false`,
    );
  }
  const inner = all.expandFactor * hiddenSize;
  const stored = Object.entries(keys[layer]).map(([option, [key]]) => [
    key,
    all[option as keyof typeof all],
  ]);
  const config = {
    architectures: [layer === 'mamba' ? 'MambaForCausalLM' : 'Mamba2ForCausalLM'],
    model_type: layer,
    hidden_act: 'silu',
    ...(layer === 'mamba' ? { intermediate_size: inner } : { num_heads: inner / headDim }),
    ...Object.fromEntries(stored.filter(([, value]) => value !== undefined)),
  };
  return { config, tensors: saveState(storedParameters(model)) };
}

/**
 * The model of a checkpoint, in the given dtype (f32). Throws one error that names every tensor
 * that is missing, has another shape, or has no place in the model.
 */
export function loadLanguageModel(
  config: CheckpointConfig | string,
  tensors: StateDict,
  dtype: DType = 'f32',
): MambaLM {
  const model = new MambaLM(optionsOfConfig(config)).to(dtype);
  const values = Array.from(tensors, ([name, value]): [string, Tensor] => [
    // The one name that mamba_ssm has otherwise.
    name.replace('.embedding.', '.embeddings.'),
    value.cast(dtype),
  ]);
  // A tied head may be stored a second time.
  const isWanted = ([name]: [string, Tensor]) => name !== 'lm_head.weight' || model.lmHead;
  loadState('loadLanguageModel', storedParameters(model), new Map(values.filter(isWanted)));
  return model;
}

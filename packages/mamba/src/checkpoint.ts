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
import { type DType, type Tensor, TensorError, withoutValues } from '@mambagrad/tensor';
import { blockDefaults } from './block.ts';
import { MambaLM, type MambaLMOptions } from './languageModel.ts';
import { mamba2Defaults } from './mamba2.ts';

/** What config.json holds: transformers' keys, or mamba_ssm's (d_model, n_layer, ssm_cfg). */
export type CheckpointConfig = Readonly<Record<string, unknown>>;

/** The key of each option in transformers. */
const common = {
  vocabSize: 'vocab_size', hiddenSize: 'hidden_size', numLayers: 'num_hidden_layers',
  stateSize: 'state_size', expandFactor: 'expand', convSize: 'conv_kernel', bias: 'use_bias',
  convBias: 'use_conv_bias', normEps: 'layer_norm_epsilon', tieEmbeddings: 'tie_word_embeddings',
};
const keys: Readonly<Record<'mamba' | 'mamba2', Readonly<Record<string, string>>>> = {
  mamba: { ...common, dtRank: 'time_step_rank' },
  mamba2: {
    ...common, headDim: 'head_dim', numGroups: 'n_groups', chunkSize: 'chunk_size',
    dtLimit: 'time_step_limit', normBeforeGate: 'norm_before_gate',
  },
};

/** What mamba_ssm calls otherwise. */
const original: CheckpointConfig = {
  d_model: 'hidden_size', n_layer: 'num_hidden_layers', d_state: 'state_size',
  d_conv: 'conv_kernel', bias: 'use_bias', conv_bias: 'use_conv_bias', dt_rank: 'time_step_rank',
  tie_embeddings: 'tie_word_embeddings', headdim: 'head_dim', ngroups: 'n_groups',
  dt_limit: 'time_step_limit', layer: 'model_type', Mamba1: 'mamba', Mamba2: 'mamba2',
};
const byTransformers = (name: unknown): unknown => original[String(name)] ?? name;

/**
 * The options that a config.json stands for, as text or parsed. Throws if it is of another model,
 * or lacks a size.
 */
export function optionsOfConfig(config: CheckpointConfig | string): MambaLMOptions {
  if (typeof config === 'string') {
    // Python writes infinities into JSON, which has none.
    const finite = (part: string): string => (part === 'Infinity' ? '1e999' : part);
    const json = config.replace(/"(?:\\.|[^"\\])*"|Infinity/g, finite);
    return optionsOfConfig(JSON.parse(json) as CheckpointConfig);
  }
  const fail = (problem: string): TensorError => new TensorError(`optionsOfConfig: ${problem}`);
  const all = { model_type: 'mamba', ...config, ...(config.ssm_cfg as CheckpointConfig) };
  const settings = new Map(Object.entries(all).map(([key, value]) => [byTransformers(key), value]));
  const layer = byTransformers(settings.get('model_type'));
  if (layer !== 'mamba' && layer !== 'mamba2') {
    throw fail(`the model is a ${String(layer)}, expected a mamba or mamba2`);
  }
  const isOriginal = 'd_model' in config;
  // What transformers means by a Mamba-2 that does not say.
  const implied = { numGroups: 8, tieEmbeddings: false, normGroups: 1 };
  const found = Object.entries(keys[layer]).map(([option, key]) => [option, settings.get(key)]);
  const given = {
    ...(layer === 'mamba2' && !isOriginal && implied),
    // The rank may be 'auto', which is the default.
    ...Object.fromEntries(found.filter(([, value]) => value !== undefined && value !== 'auto')),
    layer,
  } as MambaLMOptions;
  for (const size of ['vocabSize', 'hiddenSize', 'numLayers'] as const) {
    if (given[size] === undefined) throw fail(`there is no ${common[size]}`);
  }
  // mamba_ssm rounds the vocabulary up; transformers' `expand` may be wrong, the width is not.
  const multiple = isOriginal ? Number(config.pad_vocab_size_multiple ?? 8) : 1;
  const { vocabSize, hiddenSize, dtLimit } = given;
  const inner = config.intermediate_size;
  return {
    ...given,
    ...(typeof inner === 'number' && { expandFactor: inner / hiddenSize }),
    // JSON has no infinity, and some write null.
    ...(dtLimit && { dtLimit: [dtLimit[0], dtLimit[1] ?? Infinity] }),
    vocabSize: Math.ceil(vocabSize / multiple) * multiple,
  };
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
export function saveLanguageModel(
  model: MambaLM,
): { config: CheckpointConfig; tensors: StateDict } {
  const { layer = 'mamba', hiddenSize } = model.options;
  const defaults = layer === 'mamba' ? { ...mamba2Defaults, ...blockDefaults } : mamba2Defaults;
  const basics = { numLayers: 2, normEps: 1e-5, tieEmbeddings: true };
  const all = { ...basics, dtRank: Math.ceil(hiddenSize / 16), ...defaults, ...model.options };
  const { headDim, normBeforeGate, numGroups, normGroups = numGroups } = all;
  if (layer === 'mamba2' && (normBeforeGate || normGroups !== 1)) {
    throw new TensorError(
      'saveLanguageModel: transformers normalises all channels together, after the gate; ' +
        `normGroups is ${normGroups} and normBeforeGate ${normBeforeGate}, expected 1 and false`,
    );
  }
  const inner = all.expandFactor * hiddenSize;
  const settings = Object.entries(all).map(([option, value]) => [keys[layer][option], value]);
  const config = {
    ...Object.fromEntries(settings.filter(([key]) => key)),
    ...(layer === 'mamba' ? { intermediate_size: inner } : { num_heads: inner / headDim }),
    architectures: [layer === 'mamba' ? 'MambaForCausalLM' : 'Mamba2ForCausalLM'],
    model_type: layer,
    hidden_act: 'silu',
  };
  return { config, tensors: saveState(storedParameters(model)) };
}

/**
 * The model of a checkpoint, in the given dtype (f32). Throws one error that names every tensor
 * that is missing, has another shape, or has no place in the model.
 */
export function loadLanguageModel(
  config: CheckpointConfig | string, tensors: StateDict, dtype: DType = 'f32',
): MambaLM {
  const model = withoutValues(() => new MambaLM(optionsOfConfig(config)).to(dtype));
  const values = new Map<string, Tensor>();
  for (const [name, value] of tensors) {
    // A tied head may be stored a second time; one name is another in mamba_ssm.
    const isKnown = name === 'lm_head.weight' && !model.lmHead;
    if (!isKnown) values.set(name.replace('.embedding.', '.embeddings.'), value.cast(dtype));
  }
  loadState('loadLanguageModel', storedParameters(model), values);
  return model;
}

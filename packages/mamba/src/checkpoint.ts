/**
 * Language models as others store them: the names, shapes and settings of transformers, and, to be
 * read only, those of the original mamba_ssm. What is stored is the parameters, under their names
 * in snake case:
 *
 *     layers.0.mixer.ssm.dtProj.weight   ↔   backbone.layers.0.mixer.dt_proj.weight
 *
 * Files are no matter of this module: it takes and gives tensors by name.
 */
import { type DType, type Tensor, TensorError } from '@mambagrad/tensor';
import { sizesOf } from './block.ts';
import { MambaLM, type MambaLMOptions } from './languageModel.ts';
import { requireSpec } from './sequence.ts';

/** What config.json holds: transformers' keys, or mamba_ssm's (d_model, n_layer, ssm_cfg). */
export type CheckpointConfig = Readonly<Record<string, unknown>>;

/** Where tensors come from: a map, or what reads one from a file when it is asked for. */
export type TensorSource = Pick<ReadonlyMap<string, Tensor>, 'get' | 'keys'>;

/** The key of each option: transformers', and mamba_ssm's where that is another. */
const keys = {
  vocabSize: ['vocab_size'],
  hiddenSize: ['hidden_size', 'd_model'],
  numLayers: ['num_hidden_layers', 'n_layer'],
  stateSize: ['state_size', 'd_state'],
  expandFactor: ['expand'],
  convSize: ['conv_kernel', 'd_conv'],
  dtRank: ['time_step_rank', 'dt_rank'],
  bias: ['use_bias', 'bias'],
  convBias: ['use_conv_bias', 'conv_bias'],
  normEps: ['layer_norm_epsilon'],
  tieEmbeddings: ['tie_word_embeddings', 'tie_embeddings'],
} as const;
const options = Object.keys(keys) as (keyof typeof keys)[];

/** The options that a config.json stands for. Throws if it is of another model, or lacks a size. */
export function optionsOfConfig(config: CheckpointConfig): MambaLMOptions {
  const fail = (problem: string): TensorError => new TensorError(`optionsOfConfig: ${problem}`);
  const settings = { ...config, ...(config.ssm_cfg as CheckpointConfig | undefined) };
  const kind = String(settings.layer ?? settings.model_type ?? 'mamba');
  if (kind !== 'mamba' && kind !== 'Mamba1') throw fail(`the model is a ${kind}, expected a mamba`);
  const found = options.flatMap((option) => {
    const values = keys[option].map((name) => settings[name]);
    // The rank may be 'auto', which is the default.
    const value = values.find((each) => each !== undefined && each !== 'auto');
    return value === undefined ? [] : [[option, value]];
  });
  const given = Object.fromEntries(found) as MambaLMOptions;
  const required = ['vocabSize', 'hiddenSize', 'numLayers'] as const;
  const missing = required.find((option) => !(option in given));
  if (missing) throw fail(`there is no ${keys[missing].join(' or ')}`);
  // mamba_ssm rounds the vocabulary up; transformers' `expand` may be wrong, the width is not.
  const multiple = 'd_model' in config ? Number(config.pad_vocab_size_multiple ?? 8) : 1;
  const vocabSize = Math.ceil(given.vocabSize / multiple) * multiple;
  const { intermediate_size: inner } = config;
  const expandFactor = typeof inner === 'number' ? { expandFactor: inner / given.hiddenSize } : {};
  return { ...given, ...expandFactor, vocabSize };
}

/** Each parameter with its name and its shape in transformers. */
function storedParameters(model: MambaLM) {
  return model.namedParameters().map(([path, parameter]) => {
    const snake = path
      .replace('mixer.ssm.', 'mixer.')
      .replace('embedding.', 'embeddings.')
      .replace(/\B[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
    const name = path.startsWith('lmHead') ? snake : `backbone.${snake}`;
    // PyTorch's convolutions have an axis for the channels of a group, of which there is one.
    const isKernel = path.endsWith('conv1d.weight');
    return { parameter, name, shape: parameter.shape.toSpliced(1, 0, ...(isKernel ? [1] : [])) };
  });
}

export interface Checkpoint {
  readonly config: CheckpointConfig;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** A model's config.json, as transformers has it, and its parameters by transformers' names. */
export function saveLanguageModel(model: MambaLM): Checkpoint {
  const { numLayers = 2, normEps = 1e-5, tieEmbeddings = true } = model.options;
  const sizes = sizesOf(model.options);
  const all = { ...model.options, ...sizes, numLayers, normEps, tieEmbeddings };
  const config = {
    architectures: ['MambaForCausalLM'],
    model_type: 'mamba',
    hidden_act: 'silu',
    intermediate_size: sizes.expandFactor * sizes.hiddenSize,
    ...Object.fromEntries(options.map((option) => [keys[option][0], all[option]])),
  };
  const tensors = new Map<string, Tensor>();
  for (const { parameter, name, shape } of storedParameters(model)) {
    tensors.set(name, parameter.detach().reshape(shape));
  }
  return { config, tensors };
}

/**
 * The model of a checkpoint, in the given dtype (f32). Throws, with its name, for a tensor that is
 * not there, that has another shape, or that has no place in the model.
 */
export function loadLanguageModel(
  config: CheckpointConfig,
  source: TensorSource,
  dtype: DType = 'f32',
): MambaLM {
  const model = new MambaLM(optionsOfConfig(config)).to(dtype);
  const fail = (problem: string): TensorError => new TensorError(`loadLanguageModel: ${problem}`);
  const left = new Set(source.keys());
  // A tied head may be stored a second time.
  if (!model.lmHead) left.delete('lm_head.weight');
  for (const { parameter, name, shape } of storedParameters(model)) {
    // The one name that mamba_ssm has otherwise.
    const original = name.replace('embeddings', 'embedding');
    const value = source.get(name) ?? source.get(original);
    if (!value) throw fail(`there is no ${name}`);
    const cast = value.cast(dtype);
    requireSpec('loadLanguageModel', name, cast, { dtype, shape });
    parameter.assign(cast.reshape(parameter.shape));
    left.delete(name);
    left.delete(original);
  }
  for (const name of left) throw fail(`the model has no place for ${name}`);
  return model;
}

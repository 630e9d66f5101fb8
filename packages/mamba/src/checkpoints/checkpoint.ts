/**
 * Language models in the formats of other libraries: the names, shapes and settings of transformers
 * and of mamba_ssm, the code of the paper's authors. Names of parameters are the same in both:
 *
 *     layers.0.mixer.ssm.dtProj.weight   ↔   backbone.layers.0.mixer.dt_proj.weight
 *
 * This module reads and writes no files: it works on the text of the config and on tensors by name.
 * Neither is trusted: the sizes in the config are compared with the tensors before a model is
 * built.
 */
import { loadState, saveState, type StateDict } from '@mambagrad/nn';
import { describe, type DType, type Tensor, TensorError, withoutValues } from '@mambagrad/tensor';
import {
  checkArgument, instanceOf, type Kind, objectWith, oneOf, tensors as anyTensor,
} from '@mambagrad/tensor/options';
import { MambaLM, type MambaLMOptions } from '../models/languageModel.ts';
import type { LayerKind } from '../models/stackOptions.ts';
import {
  type CheckpointConfig, formatConfig, readConfig, type ReadConfig,
} from './config.ts';
import {
  EMBEDDING, HEAD, isOfTransformers, namedAsSaved, ORIGINAL_EMBEDDING, type Settings, settingsOf,
  storedParameters,
} from './format.ts';
import { innerKeys, type Keys, keys } from './keys.ts';

const LOAD = 'loadLanguageModel';
/** The number of a layer in the name of a tensor. */
const LAYER = /^backbone\.layers\.(\d+)\./;

const models = instanceOf(MambaLM);
const stateDicts: Kind<StateDict> = objectWith('a Map of tensors by name', 'get', 'entries');
const floats = oneOf('f32', 'f64');

// Saving

/**
 * The config.json of a model, as text, and its parameters by name, in the format of transformers.
 * What that does not support is saved in the format of mamba_ssm: a Mamba-3 model; a Mamba-2 model
 * whose norm precedes the gate or has a part for each of several groups, or whose D has a number
 * for each channel; and states that are learned. Throws if that does not support it either: if
 * normEps is not 1e-5, normGroups is not numGroups, or rotation is not the default of the rank.
 */
export function saveLanguageModel(
  model: MambaLM,
): { readonly config: string; readonly tensors: StateDict } {
  checkArgument('saveLanguageModel', 'model', model, models);
  const settings = settingsOf(model);
  const named = namedAsSaved(model);
  if (isOfTransformers(settings)) {
    return { config: formatConfig(transformersConfig(settings)), tensors: saveState(named) };
  }
  const { layer } = settings;
  const blocks = layer === 'mamba3' ? originalMamba3(settings) : originalMamba(settings, layer);
  const config = formatConfig(originalConfig(settings, blocks));
  // mamba_ssm stores a tied head a second time.
  const head = model.lmHead ? [] : [[HEAD, model.embedding.weight] as const];
  return { config, tensors: saveState([...named, ...head]) };
}

/** The settings as a config: each under the first key that the table has for it. */
function byKey(settings: Settings, table: Keys): CheckpointConfig {
  const values = new Map<string, unknown>(Object.entries(settings));
  const entries = Object.entries(table).flatMap(([key, { option = '' }]) => {
    if (!values.has(option)) return [];
    const value = values.get(option);
    values.delete(option);
    return [[key, value]];
  });
  return Object.fromEntries(entries) as CheckpointConfig;
}

/** Whether Δ is clamped. The range from 0 to infinity is omitted, as JSON has no infinity. */
function hasLimits({ dtLimit: [min, max] }: Settings): boolean {
  return min > 0 || max < Infinity;
}

function transformersConfig(settings: Settings): CheckpointConfig {
  const { layer, hiddenSize, expandFactor, headDim } = settings;
  const inner = expandFactor * hiddenSize;
  // `expand` must be an integer. For Mamba, but not Mamba-2, intermediate_size is the exact width.
  const ofMamba = { expand: Math.ceil(expandFactor), intermediate_size: inner };
  const { time_step_limit, ...config } = byKey(settings, keys[layer]);
  return {
    architectures: [layer === 'mamba' ? 'MambaForCausalLM' : 'Mamba2ForCausalLM'],
    model_type: layer,
    ...config,
    ...(layer === 'mamba' ? ofMamba : { num_heads: inner / headDim }),
    ...(layer === 'mamba2' && hasLimits(settings) && { time_step_limit }),
    hidden_act: 'silu',
  };
}

/** The config of mamba_ssm, with the settings of its blocks. */
function originalConfig(settings: Settings, blocks: CheckpointConfig): CheckpointConfig {
  return {
    d_model: settings.hiddenSize,
    d_intermediate: 0,
    n_layer: settings.numLayers,
    vocab_size: settings.vocabSize,
    ssm_cfg: blocks,
    attn_layer_idx: [],
    attn_cfg: {},
    rms_norm: true,
    residual_in_fp32: true,
    fused_add_norm: true,
    pad_vocab_size_multiple: 1,
    tie_embeddings: settings.tieEmbeddings,
  };
}

/** The settings of blocks of Mamba or Mamba-2, in mamba_ssm. */
function originalMamba(settings: Settings, layer: 'mamba' | 'mamba2'): CheckpointConfig {
  const { numGroups, normGroups, normEps, dHasHeadDim, learnableInitStates } = settings;
  if (normGroups !== numGroups || normEps !== 1e-5) {
    throw new TensorError(
      'saveLanguageModel: neither transformers nor mamba_ssm has this norm: normGroups is ' +
        `${normGroups}, expected 1 or numGroups, ${numGroups}; and where it is not 1, or ` +
        'normBeforeGate, dHasHeadDim or learnableInitStates is true, normEps is ' +
        `${normEps}, expected 1e-5`,
    );
  }
  const { dt_limit, D_has_hdim, learnable_init_states, ...inner } =
    byKey(settings, innerKeys[layer]);
  return {
    layer: layer === 'mamba' ? 'Mamba1' : 'Mamba2',
    ...inner,
    ...(layer === 'mamba2' && hasLimits(settings) && { dt_limit }),
    // Keys that say nothing new are left out, as not all blocks of mamba_ssm know them.
    ...(dHasHeadDim && { D_has_hdim }),
    ...(learnableInitStates && { learnable_init_states }),
  };
}

function originalMamba3(settings: Settings): CheckpointConfig {
  const { mimoRank, rotation, normEps, learnableInitStates } = settings;
  const usual = mimoRank === 1 ? 'neighbours' : 'halves';
  if (normEps !== 1e-5 || (rotation ?? usual) !== usual) {
    throw new TensorError(
      `saveLanguageModel: mamba_ssm does not have this Mamba-3: normEps is ${normEps}, expected ` +
        `1e-5; rotation is '${rotation ?? usual}', expected '${usual}' for mimoRank ${mimoRank}`,
    );
  }
  const { decay, mimo_rank, learnable_init_states, ...inner } = byKey(settings, innerKeys.mamba3);
  const isMimo = mimoRank > 1;
  return {
    layer: 'Mamba3', ...inner, is_mimo: isMimo,
    ...(isMimo && { mimo_rank }), ...(decay === 'softplus' && { decay }),
    ...(learnableInitStates && { learnable_init_states }),
  };
}

// Loading

/**
 * Builds the model of a checkpoint from its config, as text or parsed, and its tensors by name.
 * `dtype` is that of the model, 'f32' or 'f64'. Default 'f32'. Throws if `optionsOfConfig` does,
 * if the sizes in the config differ from those of the tensors, or if tensors are missing,
 * unexpected, or of another shape; that error lists all of them.
 */
export function loadLanguageModel(
  config: CheckpointConfig | string, tensors: StateDict, dtype: DType = 'f32',
): MambaLM {
  checkArgument(LOAD, 'tensors', tensors, stateDicts);
  checkArgument(LOAD, 'dtype', dtype, floats);
  const read = readConfig(config);
  const stored = new Map<string, Tensor>();
  for (const [name, value] of tensors) {
    checkArgument(LOAD, `tensors.get('${String(name).slice(0, 60)}')`, value, anyTensor);
    stored.set(name === ORIGINAL_EMBEDDING ? EMBEDDING : name, value);
  }
  if (read.options.tieEmbeddings ?? true) dropHead(stored);
  requireSizes(read, stored);
  const model = withoutValues(() => new MambaLM(read.options).to(dtype));
  const values = Array.from(stored, ([name, x]) =>
    [name, x.dtype === 'i32' ? x : x.cast(dtype)] as const);
  loadState(LOAD, storedParameters(model), new Map(values));
  return model;
}

/** A tied head may be stored too, or instead of the embedding, but must be equal to it. */
function dropHead(stored: Map<string, Tensor>): void {
  const head = stored.get(HEAD);
  if (!head) return;
  stored.delete(HEAD);
  const embedding = stored.get(EMBEDDING) ?? head;
  stored.set(EMBEDDING, embedding);
  const isSame = head.numel === embedding.numel &&
    head.data.every((value, i) => Object.is(value, embedding.data[i]));
  if (isSame) return;
  throw new TensorError(
    `${LOAD}: ${HEAD} differs from ${EMBEDDING}, although the config ties them; if the head is ` +
      'right, set tie_word_embeddings to false',
  );
}

/** An option that is a size, the name of a tensor that shows it, and the size that it shows. */
type StoredSize = readonly [option: keyof MambaLMOptions, tensor: string, size: number];

/**
 * Throws unless the sizes in a config are those of the tensors. If the tensor that would show a
 * size is missing, the size is limited to the number of all values, so that a config cannot demand
 * much more memory than its tensors take.
 */
function requireSizes({ options, keyOf }: ReadConfig, stored: StateDict): void {
  const mixer = 'backbone.layers.0.mixer.';
  const axis = (name: string, i: number) => stored.get(name)?.shape[i] ?? NaN;
  const [hidden, inner] = [axis(EMBEDDING, 1), axis(`${mixer}out_proj.weight`, 1)];
  const states = (axis(`${mixer}conv1d.weight`, 0) - inner) / 2 / (options.numGroups ?? 1);
  const ofBlocks: Readonly<Record<LayerKind, readonly StoredSize[]>> = {
    mamba: [
      ['dtRank', `${mixer}dt_proj.weight`, axis(`${mixer}dt_proj.weight`, 1)],
      ['stateSize', `${mixer}A_log`, axis(`${mixer}A_log`, 1)],
    ],
    mamba2: [
      ['headDim', `${mixer}A_log`, inner / axis(`${mixer}A_log`, 0)],
      ['stateSize', `${mixer}conv1d.weight`, states],
    ],
    mamba3: [
      ['headDim', `${mixer}D`, inner / axis(`${mixer}D`, 0)],
      ['mimoRank', `${mixer}B_bias`, axis(`${mixer}B_bias`, 1)],
      ['stateSize', `${mixer}B_bias`, axis(`${mixer}B_bias`, 2)],
    ],
  };
  const sizes: readonly StoredSize[] = [
    ['vocabSize', EMBEDDING, axis(EMBEDDING, 0)],
    ['hiddenSize', EMBEDDING, hidden],
    ['expandFactor', `${mixer}out_proj.weight`, inner / hidden],
    ['convSize', `${mixer}conv1d.weight`, axis(`${mixer}conv1d.weight`, 2)],
    ...ofBlocks[options.layer ?? 'mamba'],
  ];
  const layers = new Set(Array.from(stored.keys(), (name) => LAYER.exec(name)?.[1]));
  layers.delete(undefined);
  if (options.numLayers !== layers.size) {
    throw new TensorError(
      `${LOAD}: ${keyOf('numLayers')} is ${options.numLayers}, but there are tensors of ` +
        `${layers.size} layers (backbone.layers.N)`,
    );
  }
  const all = Array.from(stored.values(), ({ numel }) => numel).reduce((sum, n) => sum + n, 0);
  for (const [option, name, size] of sizes) {
    const given = Number(options[option] ?? NaN);
    const isRight = Number.isNaN(size) ? given <= all : given === size;
    if (Number.isNaN(given) || isRight) continue;
    const key = keyOf(option);
    // The key intermediate_size is a width, the option expandFactor a factor.
    const shown = (x: number) => (key === 'intermediate_size' ? Math.round(x * hidden) : x);
    const tensor = stored.get(name);
    const found = tensor ? `${name} is ${describe(tensor)}` : `all tensors have ${all} values`;
    const expected = Number.isNaN(size) ? '' : `, expected ${shown(size)}`;
    throw new TensorError(`${LOAD}: ${key} is ${shown(given)}${expected}: ${found}`);
  }
}

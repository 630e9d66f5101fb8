/**
 * The keys of a config.json, as transformers names them or as mamba_ssm does (d_model, n_layer,
 * ssm_cfg). There are four kinds of keys:
 *
 *     options         hidden_size, ssm_cfg.d_state: the value is checked and used
 *     constants       hidden_act, rms_norm: an error unless it is the value that is supported
 *     without effect  ignored: settings of initialisation, speed, or sampling
 *     unknown         ignored too, with a warning, since they may change what is computed
 */
import { anything, boolean, Kind, number, oneOf, whole } from '@mambagrad/tensor/options';
import type { MambaLMOptions } from '../models/languageModel.ts';
import type { LayerKind } from '../models/stackOptions.ts';

/** The values that a key may have, and the option that it specifies, if any. */
export interface Key {
  readonly kind: Kind<unknown>;
  readonly option?: keyof MambaLMOptions;
}
export type Keys = Readonly<Record<string, Key>>;

const optionKey = (option: keyof MambaLMOptions, kind: Kind<unknown>): Key => ({ option, kind });
const constantKey = (...values: readonly unknown[]): Key => ({ kind: oneOf(...values) });
const ignored = (...names: readonly string[]): Keys =>
  Object.fromEntries(names.map((name) => [name, { kind: anything() }]));

const size = whole(1, 2 ** 31 - 1);
const layerCount = whole(0, 2 ** 31 - 1);
const rank = size.or(oneOf('auto'));
const epsilon = number({ from: 0 });
const none = new Kind(
  'nothing',
  (x) => typeof x === 'object' && (x === null || Object.keys(x).length === 0),
);
/** JSON has no infinity, and some libraries write null instead. */
const limits = new Kind('two numbers from 0, the first of them the smaller', (x) => {
  if (!Array.isArray(x) || x.length !== 2) return false;
  const [min, max] = x.map((limit: unknown) => limit ?? Infinity);
  return typeof min === 'number' && typeof max === 'number' && min >= 0 && min <= max;
});

/** Keys without effect on what a trained model computes. */
const withoutEffect = ignored(
  ...['architectures', 'dtype', 'torch_dtype', 'transformers_version', '_name_or_path'],
  ...['_commit_hash', 'name_or_path', 'return_dict', 'output_hidden_states', 'output_attentions'],
  ...['use_cache', 'use_mambapy', 'use_associative_scan', 'residual_in_fp32', 'fused_add_norm'],
  ...['initializer_range', 'initializer_cfg', 'rescale_prenorm_residual', 'time_step_scale'],
  ...['time_step_min', 'time_step_max', 'time_step_init_scheme', 'time_step_floor', 'attn_cfg'],
  // Special tokens, and settings of text generation.
  ...['pad_token_id', 'bos_token_id', 'eos_token_id', 'sep_token_id', 'tokenizer_class', 'prefix'],
  ...['max_length', 'min_length', 'do_sample', 'early_stopping', 'num_beams', 'num_beam_groups'],
  ...['temperature', 'top_k', 'top_p', 'typical_p', 'epsilon_cutoff', 'eta_cutoff'],
  ...['repetition_penalty', 'encoder_repetition_penalty', 'length_penalty', 'diversity_penalty'],
  ...['no_repeat_ngram_size', 'encoder_no_repeat_ngram_size', 'bad_words_ids', 'suppress_tokens'],
  ...['begin_suppress_tokens', 'forced_bos_token_id', 'forced_eos_token_id', 'output_scores'],
  ...['num_return_sequences', 'return_dict_in_generate', 'remove_invalid_values'],
  ...['exponential_decay_length_penalty', 'task_specific_params'],
  // Keys of every config of transformers, for other kinds of models.
  ...['is_encoder_decoder', 'is_decoder', 'add_cross_attention', 'cross_attention_hidden_size'],
  ...['decoder_start_token_id', 'tie_encoder_decoder', 'chunk_size_feed_forward', 'pruned_heads'],
  ...['finetuning_task', 'id2label', 'label2id', 'num_labels', 'problem_type', 'torchscript'],
  ...['use_bfloat16', 'tf_legacy_loss', 'gradient_checkpointing', 'layer_types'],
);

const activation = constantKey('silu', 'swish');

const shared: Keys = {
  ...withoutEffect,
  model_type: constantKey('mamba', 'mamba2'),
  vocab_size: optionKey('vocabSize', size),
  hidden_size: optionKey('hiddenSize', size),
  num_hidden_layers: optionKey('numLayers', layerCount),
  state_size: optionKey('stateSize', size),
  expand: optionKey('expandFactor', number({ above: 0 })),
  conv_kernel: optionKey('convSize', size),
  use_bias: optionKey('bias', boolean),
  use_conv_bias: optionKey('convBias', boolean),
  layer_norm_epsilon: optionKey('normEps', epsilon),
  tie_word_embeddings: optionKey('tieEmbeddings', boolean),
  hidden_act: activation,
  rms_norm: constantKey(true),
  quantization_config: { kind: none },
  per_layer_config: { kind: none },
  // mamba_ssm's
  d_model: optionKey('hiddenSize', size),
  n_layer: optionKey('numLayers', layerCount),
  tie_embeddings: optionKey('tieEmbeddings', boolean),
  pad_vocab_size_multiple: { kind: size },
  ssm_cfg: { kind: anything() },
  d_intermediate: constantKey(0, null),
  attn_layer_idx: { kind: none },
  bidirectional: constantKey(false, null),
};

/** The keys at the top of a config, of both libraries. */
export const keys: Readonly<Record<LayerKind, Keys>> = {
  mamba: {
    ...shared,
    time_step_rank: optionKey('dtRank', rank),
    intermediate_size: { kind: size },
    ...ignored('d_inner'),
  },
  mamba2: {
    ...shared,
    // In transformers the width follows from `expand`, and the norm always follows the gate.
    ...ignored('time_step_rank', 'intermediate_size', 'd_inner', 'norm_before_gate'),
    head_dim: optionKey('headDim', size),
    num_heads: { kind: size },
    n_groups: optionKey('numGroups', size),
    chunk_size: optionKey('chunkSize', size),
    time_step_limit: optionKey('dtLimit', limits),
  },
  mamba3: shared,
};

const allInner: Keys = {
  ...ignored('dt_min', 'dt_max', 'dt_init_floor', 'layer_idx', 'device', 'dtype'),
  d_state: optionKey('stateSize', size),
  expand: optionKey('expandFactor', number({ above: 0 })),
  // Of the blocks of mamba_ssm only Mamba2Simple has it, which its language model does not use.
  learnable_init_states: optionKey('learnableInitStates', boolean),
};

/** Of the blocks that have a convolution. */
const sharedInner: Keys = {
  ...allInner,
  ...ignored('conv_init'),
  d_conv: optionKey('convSize', size),
  bias: optionKey('bias', boolean),
  conv_bias: optionKey('convBias', boolean),
  activation,
};

/** The keys of ssm_cfg in mamba_ssm. */
export const innerKeys: Readonly<Record<LayerKind, Keys>> = {
  mamba: {
    ...sharedInner,
    layer: constantKey('Mamba1'),
    ...ignored('dt_init', 'dt_scale', 'use_fast_path'),
    dt_rank: optionKey('dtRank', rank),
  },
  mamba2: {
    ...sharedInner,
    layer: constantKey('Mamba2'),
    ...ignored('A_init_range', 'use_mem_eff_path', 'sequence_parallel', 'process_group'),
    headdim: optionKey('headDim', size),
    ngroups: optionKey('numGroups', size),
    chunk_size: optionKey('chunkSize', size),
    dt_limit: optionKey('dtLimit', limits),
    norm_before_gate: optionKey('normBeforeGate', boolean),
    rmsnorm: constantKey(true),
    D_has_hdim: optionKey('dHasHeadDim', boolean),
    d_ssm: { kind: size.or(oneOf(null)) },
  },
  mamba3: {
    ...allInner,
    layer: constantKey('Mamba3'),
    ...ignored('dropout', 'n_layer'),
    headdim: optionKey('headDim', size),
    ngroups: optionKey('numGroups', size),
    chunk_size: optionKey('chunkSize', size),
    rope_fraction: optionKey('ropeFraction', oneOf(0.5, 1)),
    A_floor: optionKey('aFloor', epsilon),
    is_outproj_norm: optionKey('outputNorm', boolean),
    is_mimo: { kind: boolean },
    mimo_rank: optionKey('mimoRank', size),
    // mamba_ssm changed the function in June 2026, and has no key for it: this one is ours.
    decay: optionKey('decay', oneOf('heavyTail', 'softplus')),
  },
};

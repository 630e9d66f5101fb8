/**
 * The keys that a config.json may have, in the dialect of transformers or in that of the original
 * mamba_ssm (d_model, n_layer, ssm_cfg). A key is one of four things:
 *
 *     an option              hidden_size, ssm_cfg.d_state: its value is checked and taken
 *     of one value           hidden_act, rms_norm: refused unless it is what is computed here
 *     without effect here    dropped: how training begins, how fast it runs, how text is drawn
 *     not in these tables    dropped too, with a warning, since it may change what is computed
 */
import { anything, boolean, Kind, number, oneOf, whole } from '@mambagrad/tensor/options';
import type { MambaLMOptions } from '../models/languageModel.ts';

/** The kinds of models. */
export type Layer = 'mamba' | 'mamba2';

/** The values that a key may have, and the option that it gives, if it gives one. */
export interface Key {
  readonly kind: Kind<unknown>;
  readonly option?: keyof MambaLMOptions;
}
export type Keys = Readonly<Record<string, Key>>;

const gives = (option: keyof MambaLMOptions, kind: Kind<unknown>): Key => ({ option, kind });
const only = (...values: readonly unknown[]): Key => ({ kind: oneOf(...values) });
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
/** JSON has no infinity, and some write null. */
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
  // Which tokens are which, and how text is generated.
  ...['pad_token_id', 'bos_token_id', 'eos_token_id', 'sep_token_id', 'tokenizer_class', 'prefix'],
  ...['max_length', 'min_length', 'do_sample', 'early_stopping', 'num_beams', 'num_beam_groups'],
  ...['temperature', 'top_k', 'top_p', 'typical_p', 'epsilon_cutoff', 'eta_cutoff'],
  ...['repetition_penalty', 'encoder_repetition_penalty', 'length_penalty', 'diversity_penalty'],
  ...['no_repeat_ngram_size', 'encoder_no_repeat_ngram_size', 'bad_words_ids', 'suppress_tokens'],
  ...['begin_suppress_tokens', 'forced_bos_token_id', 'forced_eos_token_id', 'output_scores'],
  ...['num_return_sequences', 'return_dict_in_generate', 'remove_invalid_values'],
  ...['exponential_decay_length_penalty', 'task_specific_params'],
  // What all of transformers' configs share, for models of other kinds.
  ...['is_encoder_decoder', 'is_decoder', 'add_cross_attention', 'cross_attention_hidden_size'],
  ...['decoder_start_token_id', 'tie_encoder_decoder', 'chunk_size_feed_forward', 'pruned_heads'],
  ...['finetuning_task', 'id2label', 'label2id', 'num_labels', 'problem_type', 'torchscript'],
  ...['use_bfloat16', 'tf_legacy_loss', 'gradient_checkpointing', 'layer_types'],
);

const activation = only('silu', 'swish');

const shared: Keys = {
  ...withoutEffect,
  model_type: only('mamba', 'mamba2'),
  vocab_size: gives('vocabSize', size),
  hidden_size: gives('hiddenSize', size),
  num_hidden_layers: gives('numLayers', layerCount),
  state_size: gives('stateSize', size),
  expand: gives('expandFactor', number({ above: 0 })),
  conv_kernel: gives('convSize', size),
  use_bias: gives('bias', boolean),
  use_conv_bias: gives('convBias', boolean),
  layer_norm_epsilon: gives('normEps', epsilon),
  tie_word_embeddings: gives('tieEmbeddings', boolean),
  hidden_act: activation,
  rms_norm: only(true),
  quantization_config: { kind: none },
  per_layer_config: { kind: none },
  // mamba_ssm's
  d_model: gives('hiddenSize', size),
  n_layer: gives('numLayers', layerCount),
  tie_embeddings: gives('tieEmbeddings', boolean),
  pad_vocab_size_multiple: { kind: size },
  ssm_cfg: { kind: anything() },
  d_intermediate: only(0, null),
  attn_layer_idx: { kind: none },
  bidirectional: only(false, null),
};

/** The keys at the top of a config, of both dialects. */
export const keys: Readonly<Record<Layer, Keys>> = {
  mamba: {
    ...shared,
    time_step_rank: gives('dtRank', rank),
    intermediate_size: { kind: size },
    ...ignored('d_inner'),
  },
  mamba2: {
    ...shared,
    // transformers takes the width from `expand`, and always normalises after the gate.
    ...ignored('time_step_rank', 'intermediate_size', 'd_inner', 'norm_before_gate'),
    head_dim: gives('headDim', size),
    num_heads: { kind: size },
    n_groups: gives('numGroups', size),
    chunk_size: gives('chunkSize', size),
    time_step_limit: gives('dtLimit', limits),
  },
};

const sharedInner: Keys = {
  ...ignored('dt_min', 'dt_max', 'dt_init_floor', 'conv_init', 'layer_idx', 'device', 'dtype'),
  d_state: gives('stateSize', size),
  d_conv: gives('convSize', size),
  expand: gives('expandFactor', number({ above: 0 })),
  bias: gives('bias', boolean),
  conv_bias: gives('convBias', boolean),
  activation,
};

/** The keys of mamba_ssm's ssm_cfg. */
export const innerKeys: Readonly<Record<Layer, Keys>> = {
  mamba: {
    ...sharedInner,
    layer: only('Mamba1'),
    ...ignored('dt_init', 'dt_scale', 'use_fast_path'),
    dt_rank: gives('dtRank', rank),
  },
  mamba2: {
    ...sharedInner,
    layer: only('Mamba2'),
    ...ignored('A_init_range', 'use_mem_eff_path', 'sequence_parallel', 'process_group'),
    headdim: gives('headDim', size),
    ngroups: gives('numGroups', size),
    chunk_size: gives('chunkSize', size),
    dt_limit: gives('dtLimit', limits),
    norm_before_gate: gives('normBeforeGate', boolean),
    rmsnorm: only(true),
    D_has_hdim: only(false),
    d_ssm: { kind: size.or(oneOf(null)) },
    learnable_init_states: only(false),
  },
};

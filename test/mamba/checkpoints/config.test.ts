/**
 * config.json: the keys that are options, those that change what is computed and are refused, those
 * that nobody knows; and configs that are none, or are not those of their tensors.
 */
import {
  type CheckpointConfig, loadLanguageModel, type MambaLMOptions, optionsOfConfig,
} from '@mambagrad/mamba';
import { ones, type Tensor, TensorError } from '@mambagrad/tensor';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { find, load, parse, readText } from '../../support/checkpoints.ts';
import { expectSame } from '../../support/compare.ts';
import { drawInteger } from '../../support/draw.ts';

const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
beforeEach(() => warn.mockClear());
let expectedWarnings = 0;
afterEach(() => {
  if (expectedWarnings < Infinity) expect(warn).toHaveBeenCalledTimes(expectedWarnings);
  expectedWarnings = 0;
});

/** Configs as they are found on the hub. */
const hub: Readonly<Record<string, [CheckpointConfig, MambaLMOptions]>> = {
  'mamba-130m': [
    {
      d_model: 768, n_layer: 24, vocab_size: 50277, ssm_cfg: {}, rms_norm: true,
      residual_in_fp32: true, fused_add_norm: true, pad_vocab_size_multiple: 8,
    },
    { layer: 'mamba', vocabSize: 50280, hiddenSize: 768, numLayers: 24 },
  ],
  'mamba-130m-hf, with the keys of both': [
    {
      architectures: ['MambaForCausalLM'], bos_token_id: 0, conv_kernel: 4, d_inner: 1536,
      d_model: 768, eos_token_id: 0, expand: 2, fused_add_norm: true, hidden_act: 'silu',
      hidden_size: 768, initializer_range: 0.1, intermediate_size: 1536, layer_norm_epsilon: 1e-5,
      model_type: 'mamba', n_layer: 24, num_hidden_layers: 24, pad_token_id: 0,
      pad_vocab_size_multiple: 8, rescale_prenorm_residual: false, residual_in_fp32: true,
      rms_norm: true, ssm_cfg: {}, state_size: 16, time_step_floor: 0.0001,
      time_step_init_scheme: 'random', time_step_max: 0.1, time_step_min: 0.001,
      time_step_rank: 48, time_step_scale: 1, torch_dtype: 'float32',
      transformers_version: '4.39.0.dev0', use_bias: false, use_cache: true, use_conv_bias: true,
      vocab_size: 50280,
    },
    {
      layer: 'mamba', vocabSize: 50280, hiddenSize: 768, numLayers: 24, stateSize: 16, dtRank: 48,
      expandFactor: 2, convSize: 4, bias: false, convBias: true, normEps: 1e-5,
    },
  ],
  'mamba2-130m': [
    {
      d_model: 768, d_intermediate: 0, n_layer: 24, vocab_size: 50277,
      ssm_cfg: { layer: 'Mamba2' }, attn_layer_idx: [], attn_cfg: {}, rms_norm: true,
      residual_in_fp32: true, fused_add_norm: true, pad_vocab_size_multiple: 16,
      tie_embeddings: true,
    },
    { layer: 'mamba2', vocabSize: 50288, hiddenSize: 768, numLayers: 24, tieEmbeddings: true },
  ],
};

describe('optionsOfConfig', () => {
  it.each(Object.entries(hub))('reads that of %s', (_, [config, options]) => {
    expect(optionsOfConfig(config)).toEqual(options);
    expect(optionsOfConfig(JSON.stringify(config))).toEqual(options);
  });

  it('reads infinity in every form in which it is written', () => {
    const text = readText('transformers/mamba2-tied');
    const { dtLimit } = optionsOfConfig(text);
    expect(dtLimit).toEqual([0, Infinity]);
    for (const form of ['Infinity', 'null', '1e999', '{"__float__": "Infinity"}']) {
      const written = text.replace(/\{\s*"__float__"[^}]*\}/, form);
      expect(written).toContain(`0.0,\n    ${form}`);
      expect(optionsOfConfig(written).dtLimit).toEqual([0, Infinity]);
    }
    const named = text.replace('"architectures"', '"NaN, \\" -Infinity"');
    optionsOfConfig(named);
    expect(warn).toHaveBeenCalledWith(
      'optionsOfConfig: unknown keys are ignored: NaN, " -Infinity',
    );
    expectedWarnings = 1;
  });

  const first = parse(readText('transformers/mamba-tied'));
  const second = parse(readText('transformers/mamba2-tied'));
  const original = hub['mamba-130m'][0];
  const inner = (settings: object, layer = 'Mamba1') =>
    ({ ...original, ssm_cfg: { layer, ...settings } });

  it.each<[CheckpointConfig, string]>([
    [{ ...first, hidden_act: 'gelu' }, "hidden_act is 'gelu', expected 'silu' or 'swish'"],
    [{ ...second, hidden_act: 'relu' }, "hidden_act is 'relu', expected 'silu' or 'swish'"],
    [{ ...first, rms_norm: false }, 'rms_norm is false, expected true'],
    [{ ...original, rms_norm: false }, 'rms_norm is false, expected true'],
    [{ ...original, d_intermediate: 1536 }, 'd_intermediate is 1536, expected 0'],
    [{ ...original, attn_layer_idx: 3 }, 'attn_layer_idx is 3, expected nothing'],
    [{ ...original, attn_layer_idx: [3] }, 'attn_layer_idx is [3], expected nothing'],
    [{ ...first, quantization_config: { bits: 4 } }, 'quantization_config is { bits }, expected'],
    [{ ...first, per_layer_config: { 0: {} } }, 'per_layer_config is { 0 }, expected nothing'],
    [inner({ activation: 'gelu' }), "ssm_cfg.activation is 'gelu', expected 'silu' or 'swish'"],
    [inner({ rmsnorm: false }, 'Mamba2'), 'ssm_cfg.rmsnorm is false, expected true'],
    [inner({ D_has_hdim: 1 }, 'Mamba2'), 'ssm_cfg.D_has_hdim is 1, expected true or false'],
    [inner({ d_ssm: 512 }, 'Mamba2'), 'ssm_cfg.d_ssm is 512, expected expand · d_model, 1536'],
    [{ ...second, ssm_cfg: { layer: 'Mamba1' } }, "ssm_cfg.layer is 'Mamba1', expected 'Mamba2'"],
    [inner({}, 'Mamba4'), 'the model is a Mamba4, expected a Mamba1, Mamba2 or Mamba3'],
    [inner({ is_mimo: true, mimo_rank: 1 }, 'Mamba3'), 'ssm_cfg.mimo_rank is 1, expected at least'],
    [inner({ rope_fraction: 0.25 }, 'Mamba3'), 'ssm_cfg.rope_fraction is 0.25, expected 0.5 or 1'],
    [{ ...first, model_type: 'falcon_mamba' }, 'the model is a falcon_mamba, expected a mamba or'],
    [{ ...first, model_type: 7 }, 'the model is a 7, expected a mamba or mamba2'],
    [{ ...first, d_model: 9 }, 'd_model is 9, but hidden_size is 8'],
    [{ ...second, num_heads: 5 }, 'num_heads · head_dim is 5 · 4, but expand · hidden_size 16'],
    [{ ...first, hidden_size: 2.5 }, 'hidden_size is 2.5, expected a whole number from 1 to 2147'],
    [{ ...first, state_size: '3' }, "state_size is '3', expected a whole number from 1"],
    [{ ...first, num_hidden_layers: -1 }, 'num_hidden_layers is -1, expected a whole number'],
    [{ ...first, layer_norm_epsilon: NaN }, 'layer_norm_epsilon is NaN, expected a number from 0'],
    [
      { ...first, hidden_size: 7, intermediate_size: 29 },
      'intermediate_size is 29: no number times hidden_size, 7, is that',
    ],
    [{ ...first, use_bias: 'false' }, "use_bias is 'false', expected true or false"],
    [{ ...second, time_step_limit: [1, 0] }, 'time_step_limit is [1, 0], expected two numbers'],
    [{ ...first, time_step_rank: 'full' }, "time_step_rank is 'full', expected a whole number"],
    [{ ...first, ssm_cfg: [] }, 'ssm_cfg is [], expected a JSON object'],
  ])('refuses what is not computed here (%#)', (config, message) => {
    expect(() => optionsOfConfig(config)).toThrow(TensorError);
    expect(() => optionsOfConfig(config)).toThrow(`optionsOfConfig: ${message}`);
  });

  it('warns once of keys that nobody knows', () => {
    const more = { constructor: 1, __proto__: 2, use_magic: true };
    const options = optionsOfConfig({ ...first, ...more, ssm_cfg: { lr: 1 } });
    expect(options).toEqual(optionsOfConfig(first));
    expect(warn.mock.calls).toEqual([
      ['optionsOfConfig: unknown keys are ignored: constructor, use_magic, ssm_cfg.lr'],
    ]);
    expectedWarnings = 1;
  });

  it.each<[string, unknown, string]>([
    ['is empty', '', 'the config is not JSON; it is empty'],
    ['is a page', '<!DOCTYPE html>', 'the config is not JSON; it begins with "<!DOCTYPE html>"'],
    ['ends early', '{"d_model": 7', 'the config is not JSON; it begins with "{\\"d_model\\": 7"'],
    ['is a list', '[1, 2]', 'the config is [1, 2], expected a JSON object'],
    ['is a word', '"mamba"', "the config is 'mamba', expected a JSON object"],
    ['is tensors', new Map([['a', ones([1])]]), 'the config is a Map, expected a JSON object'],
    ['is nothing', undefined, 'the config is undefined, expected a JSON object'],
    ['is a megabyte of quotes', '"\\'.repeat(500_000), 'the config is not JSON; it begins with'],
    ['is very deep', '['.repeat(1_000_000), 'the config is not JSON; it begins with'],
  ])('says what it found where the config %s', (_, config, message) => {
    const read = () => optionsOfConfig(config as string);
    expect(read).toThrow(TensorError);
    expect(read).toThrow(`optionsOfConfig: ${message}`);
    expect(read).toThrow(/^.{1,400}$/s);
  });
});

describe('loadLanguageModel', () => {
  const folders = ['mamba-untied', 'mamba2-untied'].map((name) => `transformers/${name}`);
  const checkpoints = folders.map((name) => ({
    config: parse(readText(name)), tensors: load(`${name}/model`),
  }));
  const [{ config, tensors }] = checkpoints;
  const shared = ['vocab_size', 'hidden_size', 'num_hidden_layers', 'state_size', 'conv_kernel'];
  const sizes = [['intermediate_size', 'time_step_rank'], ['head_dim', 'n_groups', 'expand']];

  it.each([0, 1])('compares every size with the tensors, before anything is built (%i)', (i) => {
    for (const key of [...shared, ...sizes[i]]) {
      // The groups show in a size that is theirs times that of the state.
      const named = key === 'n_groups' ? 'state_size is 3' : key;
      for (const value of [1, 5, 1e6, 2e9]) {
        if (value === checkpoints[i].config[key]) continue;
        const changed = { ...checkpoints[i].config, [key]: value, num_heads: undefined };
        expect(() => loadLanguageModel(changed, checkpoints[i].tensors), `${key} ${value}`).toThrow(
          `loadLanguageModel: ${named === key ? `${key} is ${value}` : named}`,
        );
      }
    }
  });

  it('says what a size is, and what it is by the tensors', () => {
    expect(() => loadLanguageModel({ ...config, state_size: 2e9 }, tensors)).toThrow(
      'loadLanguageModel: state_size is 2000000000, expected 3: ' +
        'backbone.layers.0.mixer.A_log is f32[24, 3]',
    );
    expect(() => loadLanguageModel({ ...config, num_hidden_layers: 1e9 }, tensors)).toThrow(
      'num_hidden_layers is 1000000000, but there are tensors of 2 layers (backbone.layers.N)',
    );
  });

  it('takes no more memory than the tensors do, where the one that would tell is missing', () => {
    const fewer = new Map([...tensors].filter(([name]) => !name.endsWith('A_log')));
    expect(() => loadLanguageModel({ ...config, state_size: 2e9 }, fewer)).toThrow(
      /^loadLanguageModel: state_size is 2000000000: all tensors have \d+ values$/,
    );
    expect(() => loadLanguageModel(config, fewer)).toThrow(
      'loadLanguageModel:\n  backbone.layers.0.mixer.A_log is missing\n  backbone.layers.1.mixer.A',
    );
    expect(() => loadLanguageModel(config, new Map())).toThrow('there are tensors of 0 layers');
  });

  it('refuses a tied head that is another, whole numbers, and what is no map of tensors', () => {
    const tied = { ...config, tie_word_embeddings: true };
    expect(() => loadLanguageModel(tied, tensors)).toThrow(
      'lm_head.weight differs from backbone.embeddings.weight, although the config ties them',
    );
    const embedding = find(tensors, 'backbone.embeddings.weight');
    const same = new Map([...tensors, ['lm_head.weight', embedding]]);
    expect(loadLanguageModel(tied, same).lmHead).toBeUndefined();
    const alone = new Map([...same].filter(([key]) => key !== 'backbone.embeddings.weight'));
    expectSame(loadLanguageModel(tied, alone).embedding.weight, embedding);
    const name = 'backbone.norm_f.weight';
    const whole = new Map([...tensors, [name, ones([8], { dtype: 'i32' })]]);
    expect(() => loadLanguageModel(config, whole)).toThrow(`${name} is i32[8], expected f32[8]`);
    const wrong = (value: unknown) => () => loadLanguageModel(config, value as Map<string, Tensor>);
    expect(wrong({})).toThrow('tensors is {}, expected a Map of tensors by name');
    expect(wrong(new Map([['a', 7]]))).toThrow("tensors.get('a') is 7, expected a tensor");
    const integers = () => loadLanguageModel(config, tensors, 'i32');
    expect(integers).toThrow("loadLanguageModel: dtype is 'i32', expected 'f32' or 'f64'");
  });

  it('lists no more tensors than anybody reads', () => {
    const one = ones([]);
    const many = Array.from({ length: 200_000 }, (_, i) => [`a${i}`, one] as const);
    const long = [['b'.repeat(100_000), one] as const];
    const all = () => loadLanguageModel(config, new Map([...tensors, ...long, ...many]));
    const [start, end] = [/^loadLanguageModel:\n {2}b{200} is unexpected\n {2}a0 is/,
      /\n {2}a998 is unexpected\n {2}and 199001 more$/];
    expect(all).toThrow(new RegExp(`${start.source}[^]*${end.source}`));
  });

  it('loads or is refused with an error, whatever is in the config', () => {
    const values = [
      ...['null', 'true', 'false', '-1', '-0', '0', '1', '2', '3.5', '2e9', '1e308', '1e999'],
      ...['NaN', '-Infinity', '""', '"silu"', '"Mamba2"', '[]', '[0]', '[0, 1]', '[1, null]'],
      ...['[[[]]]', '{}', '{"__float__": "NaN"}', '{"__float__": []}', '{"layer": "Mamba2"}'],
      ...['}', ',', '"'],
      ...[`"${'x'.repeat(1e5)}"`, `[${'1,'.repeat(1e5)}1]`],
    ];
    expectedWarnings = Infinity;
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { config: whole, tensors: stored } = checkpoints[drawInteger(g, 0, 1)];
        const known = [...Object.keys(whole), 'ssm_cfg', 'd_model', 'd_ssm', '__proto__'];
        const entries = new Map(Object.entries(whole).map(([key, x]) => [key, JSON.stringify(x)]));
        for (let i = drawInteger(g, 1, 3); i > 0; i--) {
          const key = g(() => fc.constantFrom(...known));
          if (g(fc.boolean)) entries.delete(key);
          else entries.set(key, g(() => fc.constantFrom(...values)));
        }
        const text = `{${Array.from(entries, ([key, x]) => `"${key}": ${x}`).join()}}`;
        try {
          loadLanguageModel(text, stored);
          outcomes.add('loads');
        } catch (error) {
          if (!(error instanceof TensorError)) throw error;
          expect(error.message).toMatch(/^\w+:[ \n][^]{1,1500}$/);
          outcomes.add(error.message);
        }
      }),
      { numRuns: 300 },
    );
    expect(outcomes).toContain('loads');
    expect(outcomes.size).toBeGreaterThan(30);
  });
});

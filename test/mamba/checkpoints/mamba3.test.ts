/** Mamba-3 under mamba_ssm's names: there and back, its config, and what it has no key for. */
import {
  loadLanguageModel, MambaLM, type MambaLMOptions, optionsOfConfig, saveLanguageModel,
} from '@mambagrad/mamba';
import { manualSeed } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectReadBack } from '../../support/checkpoints.ts';
import { type Draw, drawInteger } from '../../support/draw.ts';
import { drawMamba3Sizes } from '../../support/sequences.ts';

const sizes = {
  vocabSize: 5, hiddenSize: 8, numLayers: 1, layer: 'mamba3', stateSize: 4, headDim: 4,
} as const;

function drawOptions(g: Draw): MambaLMOptions {
  const { rotation: _rotation, ...block } = drawMamba3Sizes(g);
  return {
    ...block, layer: 'mamba3', vocabSize: drawInteger(g, 3, 5), numLayers: drawInteger(g, 1, 2),
    tieEmbeddings: g(fc.boolean),
  };
}

/** The config of a 180M model as mamba_ssm writes it. */
const published = {
  d_model: 768, d_intermediate: 0, n_layer: 24, vocab_size: 50277,
  ssm_cfg: {
    layer: 'Mamba3', d_state: 64, headdim: 64, is_mimo: true, mimo_rank: 4, chunk_size: 16,
    is_outproj_norm: false,
  },
  attn_layer_idx: [], attn_cfg: {}, rms_norm: true, residual_in_fp32: true, fused_add_norm: true,
  pad_vocab_size_multiple: 16, tie_embeddings: true,
};

describe('a Mamba-3 checkpoint', () => {
  it('is read back as the same model, bit for bit', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        manualSeed(drawInteger(g, 0, 99));
        const model = new MambaLM(drawOptions(g));
        expectReadBack(model);
      }),
      { numRuns: 25 },
    );
  });

  it('has the names and the config of mamba_ssm', () => {
    const { config, tensors } = saveLanguageModel(new MambaLM({ ...sizes, mimoRank: 2 }));
    const names =
      Array.from(tensors.keys(), (name) => name.replace('backbone.layers.0.mixer.', ''));
    expect(names).toEqual([
      'backbone.embedding.weight', 'backbone.layers.0.norm.weight',
      'in_proj.weight', 'dt_bias', 'B_bias', 'C_bias', 'B_norm.weight', 'C_norm.weight',
      'mimo_x', 'mimo_z', 'mimo_o', 'D', 'out_proj.weight', 'backbone.norm_f.weight',
      'lm_head.weight',
    ]);
    expect(JSON.parse(config)).toMatchObject({
      d_model: 8, n_layer: 1, d_intermediate: 0,
      ssm_cfg: {
        layer: 'Mamba3', d_state: 4, expand: 2, headdim: 4, ngroups: 1, rope_fraction: 0.5,
        A_floor: 1e-4, is_outproj_norm: false, is_mimo: true, mimo_rank: 2, chunk_size: 64,
      },
    });
    // The function of decays before June 2026, for which mamba_ssm has no key.
    const older = saveLanguageModel(new MambaLM({ ...sizes, decay: 'softplus' })).config;
    expect(optionsOfConfig(older)).toMatchObject({ decay: 'softplus', mimoRank: 1 });
    expect(config).not.toContain('decay');
  });

  it('gives the options of a config of mamba_ssm', () => {
    expect(optionsOfConfig(published)).toEqual({
      layer: 'mamba3', vocabSize: 50288, hiddenSize: 768, numLayers: 24, stateSize: 64,
      headDim: 64, mimoRank: 4, chunkSize: 16, outputNorm: false, tieEmbeddings: true,
    });
    const { is_mimo: _isMimo, ...siso } = published.ssm_cfg;
    expect(optionsOfConfig({ ...published, ssm_cfg: siso }).mimoRank).toBe(1);
    const { mimo_rank: _rank, ...mimo } = published.ssm_cfg;
    expect(optionsOfConfig({ ...published, ssm_cfg: mimo }).mimoRank).toBe(4);
    expect(() => optionsOfConfig({ ...published, d_intermediate: 2048 })).toThrow(
      'optionsOfConfig: d_intermediate is 2048, expected 0',
    );
    expect(() => optionsOfConfig({ vocab_size: 5, hidden_size: 8, model_type: 'mamba3' })).toThrow(
      'the model is a mamba3, expected a mamba or mamba2',
    );
  });

  it('is refused where it cannot be: by what it lacks, and by sizes that differ', () => {
    const save = (more: Partial<MambaLMOptions>) => () =>
      saveLanguageModel(new MambaLM({ ...sizes, ...more }));
    expect(save({ rotation: 'halves' })).toThrow(
      "mamba_ssm does not have this Mamba-3: normEps is 0.00001, expected 1e-5; " +
        "rotation is 'halves'",
    );
    expect(save({ normEps: 1e-3 })).toThrow('normEps is 0.001, expected 1e-5');
    const { config, tensors } = saveLanguageModel(new MambaLM({ ...sizes, mimoRank: 2 }));
    const load = (change: object) => () => {
      const given = JSON.parse(config) as { readonly ssm_cfg: object };
      return loadLanguageModel({ ...given, ssm_cfg: { ...given.ssm_cfg, ...change } }, tensors);
    };
    expect(load({ mimo_rank: 3 })).toThrow('ssm_cfg.mimo_rank is 3, expected 2: backbone.layers.0');
    expect(load({ d_state: 8 })).toThrow('ssm_cfg.d_state is 8, expected 4');
    expect(load({ headdim: 8 })).toThrow('ssm_cfg.headdim is 8, expected 4');
    expect(load({ is_mimo: false })).toThrow('ssm_cfg.mimo_rank is 1, expected 2');
    expect(load({ rope_fraction: 1 })).toThrow('in_proj.weight');
  });
});

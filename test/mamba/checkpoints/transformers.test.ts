/** transformers in both directions: checkpoints that it wrote, and what it has read of ours. */
import {
  loadLanguageModel, MambaLM, type MambaLMOptions, saveLanguageModel,
} from '@mambagrad/mamba';
import { crossEntropy } from '@mambagrad/nn';
import { manualSeed } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectReadBack, find, load, parse, readText } from '../../support/checkpoints.ts';
import { expectClose, expectSame } from '../../support/compare.ts';
import { drawInteger, type Draw } from '../../support/draw.ts';

const saved = ['mamba-tied', 'mamba-untied', 'mamba2-tied', 'mamba2-untied', 'mamba2-4.57'];

it.each(saved)('computes what transformers does with its own %s', (name) => {
  const folder = `transformers/${name}`;
  const expected = load(`${folder}/expected`);
  const model = loadLanguageModel(readText(folder), load(`${folder}/model`), 'f64');
  const tokens = find(expected, 'input_ids');
  const logits = model.forward(tokens);
  expectClose(logits, find(expected, 'logits'), 1e-5);
  const loss = crossEntropy(logits.narrow(1, 0, 8), tokens.narrow(1, 1, 8));
  expectClose(loss, find(expected, 'loss'), 1e-5);
  const { config, tensors } = saveLanguageModel(model);
  expectSame(loadLanguageModel(config, tensors, 'f64').forward(tokens), logits);
});

describe('saveLanguageModel', () => {
  it('writes the text that transformers 4.57 and 5.18 have read', () => {
    const sizes = { vocabSize: 5, hiddenSize: 4, numLayers: 1, stateSize: 3, normEps: 1 };
    const narrow = { ...sizes, expandFactor: 1.5, dtRank: 1 };
    expect(saveLanguageModel(new MambaLM(narrow)).config).toBe(`{
  "architectures": ["MambaForCausalLM"],
  "model_type": "mamba",
  "vocab_size": 5,
  "hidden_size": 4,
  "num_hidden_layers": 1,
  "state_size": 3,
  "expand": 2,
  "conv_kernel": 4,
  "use_bias": false,
  "use_conv_bias": true,
  "layer_norm_epsilon": 1.0,
  "tie_word_embeddings": true,
  "time_step_rank": 1,
  "intermediate_size": 6,
  "hidden_act": "silu"
}`);
    const heads = { headDim: 2, dtLimit: [0, 1] as const, numGroups: 2, normGroups: 1 };
    const second = new MambaLM({ ...sizes, layer: 'mamba2', ...heads, normEps: 1e-5 });
    expect(saveLanguageModel(second).config).toBe(`{
  "architectures": ["Mamba2ForCausalLM"],
  "model_type": "mamba2",
  "vocab_size": 5,
  "hidden_size": 4,
  "num_hidden_layers": 1,
  "state_size": 3,
  "expand": 2,
  "conv_kernel": 4,
  "use_bias": false,
  "use_conv_bias": true,
  "layer_norm_epsilon": 0.00001,
  "tie_word_embeddings": true,
  "head_dim": 2,
  "n_groups": 2,
  "chunk_size": 64,
  "num_heads": 4,
  "time_step_limit": [0.0, 1.0],
  "hidden_act": "silu"
}`);
  });

  it('is read back as the same model, bit for bit', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const options = drawOptions(g);
        manualSeed(drawInteger(g, 0, 99));
        const model = new MambaLM(options);
        expectReadBack(model);
      }),
      { numRuns: 40 },
    );
  });

  function drawOptions(g: Draw): MambaLMOptions {
    const pick = <T>(...values: readonly T[]): T => g(() => fc.constantFrom(...values));
    const layer = pick<'mamba' | 'mamba2'>('mamba', 'mamba2');
    const common = {
      layer, vocabSize: drawInteger(g, 3, 5), hiddenSize: 8, numLayers: pick(0, 1, 2),
      stateSize: drawInteger(g, 1, 3), expandFactor: pick(1, 2, 1.5), convSize: pick(1, 2, 4),
      bias: g(fc.boolean), convBias: g(fc.boolean), tieEmbeddings: g(fc.boolean),
    };
    const normEps = pick(1e-5, 1e-3, 1);
    if (layer === 'mamba') return { ...common, normEps, dtRank: drawInteger(g, 1, 3) };
    const limits = [[0, Infinity], [0, 1], [0.25, Infinity], [2, 2]] as const;
    const dtLimit = pick<readonly [number, number]>(...limits);
    const chunkSize = pick(1, 3, 64);
    const heads = { headDim: pick(1, 2), numGroups: pick(1, 2), chunkSize, dtLimit };
    const isOriginal = g(fc.boolean);
    return isOriginal
      ? { ...common, ...heads, normBeforeGate: g(fc.boolean) }
      : { ...common, ...heads, normEps, normGroups: 1 };
  }

  it('gives a norm for each group the config and the names of mamba_ssm', () => {
    const sizes = { vocabSize: 5, hiddenSize: 4, numLayers: 1, headDim: 2, numGroups: 2 };
    const { config, tensors } = saveLanguageModel(new MambaLM({ ...sizes, layer: 'mamba2' }));
    expect(parse(config)).toMatchObject({ d_model: 4, ssm_cfg: { layer: 'Mamba2', ngroups: 2 } });
    const { data } = find(tensors, 'lm_head.weight');
    expect(data).toEqual(find(tensors, 'backbone.embedding.weight').data);
  });

  it('refuses only what neither form can say', () => {
    const sizes = { vocabSize: 5, hiddenSize: 8, numLayers: 1, headDim: 2 };
    const save = (more: Partial<MambaLMOptions>) => () =>
      saveLanguageModel(new MambaLM({ ...sizes, layer: 'mamba2', ...more }));
    const problem = 'saveLanguageModel: neither transformers nor mamba_ssm has this norm';
    expect(save({ numGroups: 4, normGroups: 2 })).toThrow(problem);
    expect(save({ numGroups: 2, normEps: 1e-3 })).toThrow(problem);
    expect(save({ normBeforeGate: true, normEps: 1e-3 })).toThrow('normEps is 0.001');
    expect(save({ normEps: 1e-3 })).not.toThrow();
    expect(() => saveLanguageModel({} as MambaLM)).toThrow('model is {}, expected a MambaLM');
  });
});

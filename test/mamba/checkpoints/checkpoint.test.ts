/** Checkpoints: transformers' golden model, names and shapes, mamba_ssm's names, and mistakes. */
import {
  generate, loadLanguageModel, MambaLM, type MambaLMOptions, optionsOfConfig, saveLanguageModel,
} from '@mambagrad/mamba';
import { crossEntropy } from '@mambagrad/nn';
import { type Tensor, tensor, zeros } from '@mambagrad/tensor';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { locate } from '../../support/golden.ts';
import { readSafetensors } from '../../support/safetensors.ts';

function load(file: string): Map<string, Tensor> {
  const stored = readSafetensors(locate(file));
  return new Map(Array.from(stored, ([name, { data, shape }]) => [name, tensor(data, { shape })]));
}

function find(tensors: Map<string, Tensor>, name: string): Tensor {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

const parse = (text: string) => JSON.parse(text) as Record<string, unknown>;
/** Options without a dtLimit that is the default, which is not written. */
const withoutInfinity = ({ dtLimit, ...options }: MambaLMOptions) =>
  dtLimit?.[1] === Infinity ? options : { ...options, ...(dtLimit && { dtLimit }) };
const readText = (file: string): string => readFileSync(locate(file), 'utf8');
const readJson = (file: string) => parse(readText(file));

const config = readJson('mamba_tiny/config.json');
const checkpoint = load('mamba_tiny/model.safetensors');

describe.each(['mamba_tiny', 'mamba2_tiny'])('the golden language model %s', (folder) => {
  // As text: Python writes infinities into JSON, which has none.
  const text = readText(`${folder}/config.json`);
  const stored = load(`${folder}/model.safetensors`);
  const expected = load(`${folder}/expected.safetensors`);
  const model = loadLanguageModel(text, stored, 'f64');
  const tokens = find(expected, 'input_ids');

  it('has the names, shapes and values of the checkpoint when it is saved again', () => {
    const { config: saved, tensors } = saveLanguageModel(model);
    const { names, parameters } = readJson(`${folder}/expected.json`);
    const shapes = Array.from(tensors, ([name, { shape }]) => [name, shape]);
    expect(Object.fromEntries(shapes)).toEqual(names);
    expect(MambaLM.paramCount(model.options)).toBe(parameters);
    for (const [name, value] of tensors) expectSame(value, find(stored, name));
    const given = JSON.parse(text.replace('Infinity', '1e999')) as Record<string, unknown>;
    for (const [key, value] of Object.entries(parse(saved))) {
      if (key in given) expect(value, key).toEqual(given[key]);
    }
    expect(optionsOfConfig(saved)).toEqual(withoutInfinity(model.options));
  });

  it('gives the logits, the loss and every gradient', () => {
    const logits = model.forward(tokens);
    // transformers does some steps in float32.
    expectClose(logits, find(expected, 'logits'), 1e-5);
    const length = tokens.shape[1];
    const loss = crossEntropy(logits.narrow(1, 0, length - 1), tokens.narrow(1, 1, length - 1));
    expect(loss.item()).toBeCloseTo(find(expected, 'loss').data[0], 5);
    loss.backward();
    const names = [...saveLanguageModel(model).tensors.keys()];
    model.parameters().forEach(({ grad }, i) => {
      if (grad === undefined) throw new Error(`${names[i]} has no gradient`);
      expectClose(grad, find(expected, `grad.${names[i]}`), 1e-5);
    });
  });

  it.each(['f32', 'f64'] as const)('writes the tokens, in %s', async (dtype) => {
    const greedy = Array.from(find(expected, 'greedy').data);
    const writer = loadLanguageModel(text, stored, dtype);
    const options = { temperature: 0, maxTokens: 24 };
    const prompt = greedy.slice(0, 5);
    const written: (number | undefined)[] = [...prompt];
    for await (const [token] of generate(writer, [prompt], options)) written.push(token);
    expect(written).toEqual(greedy);
  });
});

describe('mamba_ssm', () => {
  const original = {
    d_model: 12,
    n_layer: 2,
    vocab_size: 20,
    pad_vocab_size_multiple: 7,
    ssm_cfg: { d_state: 4, dt_rank: 3, layer: 'Mamba1' },
    rms_norm: true,
  };

  it('is read by its own names', () => {
    const names = [...checkpoint].map(
      ([name, value]) => [name.replace('embeddings', 'embedding'), value] as const,
    );
    const head = ['lm_head.weight', find(checkpoint, 'backbone.embeddings.weight')] as const;
    const model = loadLanguageModel(original, new Map([...names, head]), 'f64');
    for (const [name, value] of saveLanguageModel(model).tensors) {
      expectSame(value, find(checkpoint, name));
    }
  });

  it('rounds its vocabulary up, and knows an automatic rank', () => {
    const options = optionsOfConfig({ d_model: 768, n_layer: 24, vocab_size: 50_277, ssm_cfg: {} });
    const sizes = { vocabSize: 50_280, hiddenSize: 768, numLayers: 24 };
    expect(options).toEqual({ ...sizes, layer: 'mamba' });
    expect(MambaLM.paramCount(options)).toBe(129_135_360);
    expect(optionsOfConfig({ ...config, time_step_rank: 'auto' }).dtRank).toBeUndefined();
  });
});

describe('loadLanguageModel', () => {
  it('takes the inner width from its own key, and knows heads and biases of their own', () => {
    const options = { vocabSize: 5, hiddenSize: 4, numLayers: 1, expandFactor: 3, dtRank: 2 };
    const flags = { tieEmbeddings: false, bias: true, convBias: false, normEps: 1e-3 };
    const model = new MambaLM({ ...options, ...flags, stateSize: 3, convSize: 2 });
    const { config: saved, tensors } = saveLanguageModel(model);
    expect([...tensors.keys()]).toContain('lm_head.weight');
    const wrong = { ...parse(saved), expand: 16 };
    const again = loadLanguageModel(wrong, tensors);
    const tokens = tensor([[1, 2, 4]], { dtype: 'i32' });
    expectSame(again.forward(tokens), model.forward(tokens));
  });

  it('names the tensor or setting that is not right', () => {
    const name = 'backbone.layers.1.mixer.dt_proj.bias';
    const change = (value?: Tensor) => {
      const changed = new Map(checkpoint);
      if (value) changed.set(name, value);
      else changed.delete(name);
      return () => loadLanguageModel(config, changed);
    };
    expect(change()).toThrow(`loadLanguageModel:\n  ${name} is missing`);
    expect(change(zeros([3, 4]))).toThrow(`${name} is f32[3, 4], expected f32[24]`);
    const more = new Map([...checkpoint, ['backbone.layers.0.mixer.in_proj.bias', zeros([48])]]);
    expect(() => loadLanguageModel(config, more)).toThrow(
      'backbone.layers.0.mixer.in_proj.bias is unexpected',
    );
    expect(() => optionsOfConfig({ ...config, model_type: 'llama' })).toThrow(
      'optionsOfConfig: the model is a llama, expected a mamba or mamba2',
    );
    expect(() => optionsOfConfig({ vocab_size: 3, hidden_size: 4 })).toThrow(
      'optionsOfConfig: there is no num_hidden_layers',
    );
  });

  it('knows the norm of transformers from that of the original', () => {
    const sizes = { vocab_size: 5, state_size: 3, head_dim: 2, n_groups: 2, chunk_size: 4 };
    const shape = { hidden_size: 4, num_hidden_layers: 1, time_step_limit: [0.5, 2] };
    const options = optionsOfConfig({ ...sizes, ...shape, model_type: 'mamba2' });
    expect(options).toMatchObject({ normGroups: 1, tieEmbeddings: false, dtLimit: [0.5, 2] });
    const cfg = { layer: 'Mamba2', headdim: 2, ngroups: 2, norm_before_gate: true };
    const original = { d_model: 4, n_layer: 1, vocab_size: 5, ssm_cfg: cfg };
    expect(optionsOfConfig(original).normGroups).toBeUndefined();
    expect(optionsOfConfig(original).normBeforeGate).toBe(true);
    // transformers never normalises before the gate, whatever the config says.
    const codestral = { ...sizes, ...shape, model_type: 'mamba2', norm_before_gate: true };
    expect(optionsOfConfig(codestral).normBeforeGate).toBeUndefined();
  });
});

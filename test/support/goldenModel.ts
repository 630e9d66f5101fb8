/** The golden language models of test/golden: a checkpoint, and what comes out of it. */
import type { MambaLM } from '@mambagrad/mamba';
import { tensor, type Tensor } from '@mambagrad/tensor';
import { readFileSync } from 'node:fs';
import { locate } from './golden.ts';
import { readSafetensors, type StoredTensor } from './safetensors.ts';

/** Our parameter names, as transformers spells them. */
export function checkpointName(name: string): string {
  const spelled = name
    .replace('embedding.', 'embeddings.')
    .replace('normF', 'norm_f')
    .replace('ALog', 'A_log')
    .replace('dtBias', 'dt_bias')
    .replace(/(in|x|dt|out)Proj/, '$1_proj');
  return `backbone.${spelled}`;
}

export interface GoldenModel {
  readonly config: Readonly<Record<string, number>>;
  /** The parameters by their names in the checkpoint. */
  readonly checkpoint: ReadonlyMap<string, StoredTensor>;
  /** i32 [2, 19] */
  readonly tokens: Tensor;
  /** `logits`, `loss`, `greedy`, and `grad.NAME` for every parameter. */
  expected(name: string): StoredTensor;
  /** A model in f64, its parameters replaced by those of the checkpoint. */
  fill(model: MambaLM): MambaLM;
}

export function goldenModel(folder: string): GoldenModel {
  const checkpoint = readSafetensors(locate(`${folder}/model.safetensors`));
  const results = readSafetensors(locate(`${folder}/expected.safetensors`));
  const find = (tensors: ReadonlyMap<string, StoredTensor>, name: string): StoredTensor => {
    const found = tensors.get(name);
    if (found === undefined) throw new Error(`golden: there is no ${name} in ${folder}`);
    return found;
  };
  const ids = find(results, 'input_ids');
  // Python writes infinities into JSON, which has none.
  const config = readFileSync(locate(`${folder}/config.json`), 'utf8').replace('Infinity', '1e999');
  return {
    config: JSON.parse(config) as GoldenModel['config'],
    checkpoint,
    tokens: tensor(ids.data, { shape: ids.shape, dtype: 'i32' }),
    expected: (name) => find(results, name),
    fill: (model) => {
      for (const [name, parameter] of model.to('f64').namedParameters()) {
        const { data } = find(checkpoint, checkpointName(name));
        parameter.assign(tensor(data, { shape: parameter.shape, dtype: 'f64' }));
      }
      return model;
    },
  };
}

/** Checkpoints of language models: the files of other libraries, and models that are read back. */
import { loadLanguageModel, MambaLM, saveLanguageModel } from '@mambagrad/mamba';
import { loadSafetensors } from '@mambagrad/nn/node';
import { type Tensor, tensor, uniform } from '@mambagrad/tensor';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { expectSame } from './compare.ts';
import { locate } from './golden.ts';

/** A config as an object. */
export const parse = (text: string) => JSON.parse(text) as Record<string, unknown>;

/** The config of a model of test/golden. */
export const readText = (name: string): string =>
  readFileSync(locate(`${name}/config.json`), 'utf8');

/** The tensors of a file of test/golden. */
export const load = (name: string) => loadSafetensors(fileURLToPath(locate(`${name}.safetensors`)));

/** The tensor of a name that has to be there. */
export function find(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

/** Disturbs a model, saves it, and reads the same back, which is saved as the same again. */
export function expectReadBack(model: MambaLM): void {
  for (const p of model.parameters()) p.assign(p.detach().add(uniform(p.shape, -0.3, 0.3)));
  const { config, tensors } = saveLanguageModel(model);
  const again = loadLanguageModel(config, tensors);
  const tokens = tensor([[0, 1, 2, 1, 0, 2, 2]], { dtype: 'i32' });
  expectSame(again.forward(tokens), model.forward(tokens));
  const second = saveLanguageModel(again);
  expect(second.config).toBe(config);
  expect([...second.tensors.keys()]).toEqual([...tensors.keys()]);
}

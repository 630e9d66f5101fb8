/**
 * A language model in a folder, in the format of transformers: `config.json` says how it is built,
 * `model.safetensors` has its weights. Other libraries read both, and theirs can be read here.
 */
import { loadLanguageModel, type MambaLM, saveLanguageModel } from '@mambagrad/mamba';
import { loadSafetensors, saveSafetensors } from '@mambagrad/nn/node';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, orFail } from '../files.ts';

const filesIn = (folder: string) =>
  ['config.json', 'model.safetensors'].map((file) => join(folder, file));

/** Saves a model to a folder that exists. */
export function saveModel(folder: string, model: MambaLM): void {
  const { config, tensors } = saveLanguageModel(model);
  const [configFile, weightsFile] = filesIn(folder);
  writeFileSync(configFile, config);
  saveSafetensors(weightsFile, tensors, { metadata: new Map([['format', 'pt']]) });
}

/** The model of bytes in a folder; ends the process if there is none. */
export function loadModel(folder: string): MambaLM {
  const [configFile, weightsFile] = filesIn(folder);
  const model = orFail(
    () => loadLanguageModel(readFileSync(configFile, 'utf8'), loadSafetensors(weightsFile)),
    '--load: ',
  );
  const { vocabSize } = model.options;
  if (vocabSize === 256) return model;
  return fail(`the model in ${folder} has ${vocabSize} tokens, expected the 256 bytes`);
}

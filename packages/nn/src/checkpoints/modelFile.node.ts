/**
 * Models in files: their weights, and the options from which they are built; see model.ts.
 */
import { TensorError } from '@mambagrad/tensor';
import type { Module } from '../modules/module.ts';
import { openSafetensors, saveSafetensors } from './file.node.ts';
import { modelMetadata, readModel } from './model.ts';

/**
 * Writes a model to a safetensors file, with the options from which it is built: a plain object of
 * numbers, strings, booleans, and arrays and objects of these. Default none. Options that are
 * undefined are left out. The file is replaced as a whole. Throws if JSON does not hold one of the
 * options, such as a generator or NaN.
 */
export function saveModel(path: string, model: Module, options: object = {}): void {
  const metadata = modelMetadata('saveModel', model, options);
  saveSafetensors(path, model.stateDict(), { metadata });
}

/**
 * The model in a file that `saveModel` has written. `create` builds it from its options:
 * `(options: ForecasterOptions) => new Forecaster(options)`. Throws if the weights do not fit the
 * model that it gives, naming all that differ.
 */
export function loadModel<Options, Model extends Module>(
  path: string, create: (options: Options) => Model,
): Model {
  const file = openSafetensors(path);
  try {
    return readModel('loadModel', file, create);
  } catch (cause) {
    if (!(cause instanceof TensorError)) throw cause;
    throw new TensorError(`${cause.message} (${path})`, { cause });
  } finally {
    file.close();
  }
}

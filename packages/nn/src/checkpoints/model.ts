/**
 * A model as one file that says how it is built. A safetensors file has the weights of a model, but
 * not its structure, which is code. Most models are built from an object of options, though: sizes,
 * numbers of layers, kinds of blocks. The file holds them as JSON in its metadata, so that whoever
 * loads it need not know them:
 *
 *     saveModel('model.safetensors', new Forecaster(options), options);
 *     const model = loadModel('model.safetensors', (options: Options) => new Forecaster(options));
 *
 * Loading runs no code of the file: the program says which class it is.
 */
import { TensorError } from '@mambagrad/tensor';
import { callable, checkArgument, instanceOf, show } from '@mambagrad/tensor/options';
import { Module } from '../modules/module.ts';
import { loadState } from '../modules/state.ts';
import { formatOptions, parseJson, shorten } from './json.ts';
import { encodeSafetensors, parseSafetensors, type SafetensorsReader } from './safetensors.ts';

/** The keys of the metadata: the name of the class, for errors, and the options as JSON. */
const [CLASS, OPTIONS] = ['model', 'options'];

/**
 * Makes a model of what a file holds. `create` builds it from its options, which are not checked
 * against their type, as they come from a file; then it gets its weights. Throws in the name of
 * `op` if they do not fit, naming all that differ.
 */
export function readModel<Options, Model extends Module>(
  op: string, file: SafetensorsReader, create: (options: Options) => Model,
): Model {
  checkArgument(op, 'create', create, callable());
  if (/^class\b/.test(String(create))) {
    throw new TensorError(
      `${op}: create is the class ${create.name}, expected a function that makes a model: ` +
        `(options) => new ${create.name}(options)`,
    );
  }
  const { metadata } = file;
  const json = metadata.get(OPTIONS);
  if (json === undefined) {
    throw new TensorError(
      `${op}: the file holds no options: it has not been written as a model; build the model ` +
        'yourself, and give its loadStateDict the tensors of the file',
    );
  }
  const model: unknown = create(parseJson(op, 'the text of the options', json) as Options);
  if (!(model instanceof Module)) {
    throw new TensorError(`${op}: create gives ${show(model)}, expected a Module`);
  }
  const state = [...model.namedParameters(), ...model.namedBuffers()];
  try {
    loadState(op, state, file.readAll());
  } catch (cause) {
    if (!(cause instanceof TensorError)) throw cause;
    const [what, found] = [metadata.get(CLASS) ?? 'Module', model.constructor.name];
    throw new TensorError(
      `${cause.message}\nThe file holds a model of the class ${what} with the options ` +
        `${shorten(json)}; create gives one of the class ${found} that differs from it`,
      { cause },
    );
  }
  return model as Model;
}

/** The metadata of a model's file. Throws in the name of `op` if JSON does not hold its options. */
export function modelMetadata(
  op: string, model: Module, options: object,
): ReadonlyMap<string, string> {
  checkArgument(op, 'model', model, instanceOf(Module));
  return new Map([[CLASS, model.constructor.name], [OPTIONS, formatOptions(op, options)]]);
}

/**
 * A model as the bytes of a safetensors file, with the options from which it is built: a plain
 * object of numbers, strings, booleans, and arrays and objects of these. Default none. Options that
 * are undefined are left out. Throws if JSON does not hold one, such as a generator or NaN.
 */
export function encodeModel(model: Module, options: object = {}): Uint8Array<ArrayBuffer> {
  const metadata = modelMetadata('encodeModel', model, options);
  return encodeSafetensors(model.stateDict(), { metadata });
}

/**
 * The model in the bytes that `encodeModel` or `saveModel` has written. `create` builds it from its
 * options: `(options: ForecasterOptions) => new Forecaster(options)`. Throws if the weights do not
 * fit the model that it gives, naming all that differ.
 */
export function parseModel<Options, Model extends Module>(
  bytes: Uint8Array, create: (options: Options) => Model,
): Model {
  const file = parseSafetensors(bytes);
  return readModel('parseModel', file, create);
}

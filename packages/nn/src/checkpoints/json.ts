/**
 * Options as JSON, beside the weights of a model or the checkpoints of a run. JSON writes NaN as
 * null, and leaves functions out; so what it does not hold as it is, is refused.
 */
import { TensorError } from '@mambagrad/tensor';
import { checkArgument, Kind, show } from '@mambagrad/tensor/options';

/** An error shows at most this many characters of a text. */
const MOST_SHOWN = 200;

const plainObjects = new Kind<object>('a plain object of options', isPlain);

/** Options as JSON. Throws in the name of `op` if JSON does not hold one, naming it by its path. */
export function formatOptions(op: string, options: object, indent?: number): string {
  checkArgument(op, 'options', options, plainObjects);
  requireJson(op, 'options', options);
  return JSON.stringify(options, undefined, indent);
}

/** The value that JSON holds. Throws in the name of `op` if the text of `source` is none. */
export function parseJson(op: string, source: string, json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new TensorError(`${op}: ${source} is not JSON: ${shorten(json)}`, { cause });
  }
}

/** The beginning of a text, as far as an error shows it. */
export function shorten(text: string): string {
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

function isPlain(x: unknown): x is object {
  if (typeof x !== 'object' || x === null) return false;
  const prototype: unknown = Object.getPrototypeOf(x);
  return prototype === Object.prototype || prototype === null;
}

/** Throws unless JSON holds a value as it is; `path` is its name in the error. */
function requireJson(op: string, path: string, value: unknown): void {
  const isSimple = value === null || typeof value === 'string' || typeof value === 'boolean';
  if (isSimple || (typeof value === 'number' && Number.isFinite(value))) return;
  if (Array.isArray(value)) {
    value.forEach((each, i) => requireJson(op, `${path}[${i}]`, each));
    return;
  }
  if (!isPlain(value)) {
    throw new TensorError(
      `${op}: ${path} is ${show(value)}, which JSON does not hold; leave it out`,
    );
  }
  for (const [name, each] of Object.entries(value)) {
    if (each !== undefined) requireJson(op, `${path}.${name}`, each);
  }
}

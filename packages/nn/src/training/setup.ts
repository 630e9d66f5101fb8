/**
 * The setup of a training run, kept in its checkpoints: settings with which its state means
 * something. The moments of Adam are of no use to SGD, and a position in data that is shuffled is
 * none in data that is not. It is kept as text, in a tensor of character codes.
 */
import { type Tensor, tensor } from '@mambagrad/tensor';

/** Its name among the tensors of a trainer. */
export const SETUP = 'trainer.setup';

/** The kind of the optimizer, and the settings of the loader. */
export type Setup = Readonly<Record<string, string | number | boolean | undefined>>;

export function setupTensor(setup: Setup): Tensor {
  const codes = Array.from(JSON.stringify(setup), (character) => character.charCodeAt(0));
  return tensor(codes, { dtype: 'i32' });
}

/** A setting as an error shows it, however long it is. */
function text(value: Setup[string]): string {
  return value === undefined ? 'not given' : String(value).slice(0, 80);
}

/** What differs between a setup that was kept, if one was, and another. */
export function differences(kept: Tensor | undefined, own: Setup): string[] {
  if (kept === undefined) return [];
  let before: Setup = {};
  try {
    const text = Array.from(kept.data, (code) => String.fromCharCode(code)).join('');
    before = Object(JSON.parse(text)) as Setup;
  } catch {
    return [`${SETUP} is no JSON`];
  }
  const names = new Set([...Object.keys(own), ...Object.keys(before)]);
  return [...names]
    .filter((name) => before[name] !== own[name])
    .map((name) => `${name} is ${text(before[name])}, expected ${text(own[name])}`);
}

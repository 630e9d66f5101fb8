/**
 * The setup of a training run: the kind of its optimizer and the settings of its data. Checkpoints
 * keep it, because their tensors mean something only together with it: the moments of Adam are
 * useless to SGD, and a position in shuffled data points elsewhere in data that is not shuffled. It
 * is stored as JSON, in a tensor of character codes.
 */
import type { Tensor } from '@mambagrad/tensor';
import { decodeText, encodeText } from './text.ts';

/** The name of the setup among the tensors of a trainer. */
export const SETUP = 'trainer.setup';

/** The class of the optimizer, and the settings of the loader. */
export type Setup = Readonly<Record<string, string | number | boolean | undefined>>;

/** A setup as a checkpoint holds it, i32 [characters]. */
export function encodeSetup(setup: Setup): Tensor {
  return encodeText(JSON.stringify(setup));
}

/** A setting as an error shows it, at most 80 characters of it. */
function showSetting(value: Setup[string]): string {
  return value === undefined ? 'not given' : String(value).slice(0, 80);
}

/**
 * The settings in which the setup of a checkpoint differs from the `expected` one, as lines of an
 * error. Checkpoints of early versions have no setup, which counts as no difference.
 */
export function setupDifferences(encoded: Tensor | undefined, expected: Setup): string[] {
  if (encoded === undefined) return [];
  const found = decodeText(encoded) as Setup | undefined;
  if (found === undefined) return [`${SETUP} is not JSON`];
  const names = new Set([...Object.keys(expected), ...Object.keys(found)]);
  return [...names]
    .filter((name) => found[name] !== expected[name])
    .map((name) =>
      `${name} is ${showSetting(found[name])}, expected ${showSetting(expected[name])}`);
}

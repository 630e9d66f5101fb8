/**
 * The options of a training run, such as its sizes and its seed, kept in its folder. A checkpoint
 * fits only the model that it was made of, and the rest of a run should go on as it began; so the
 * folder remembers the options, and a program that resumes the run need not be given them again.
 */
import { TensorError } from '@mambagrad/tensor';
import { checkArgument, show, string } from '@mambagrad/tensor/options';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { LOG } from '../report/logFile.node.ts';
import { formatOptions, parseJson } from './json.ts';
import { requireSameOptions, type Values } from './runOptions.ts';
import { temporaryName } from './temporary.node.ts';

/** The name of the file in the folder of a run. */
const OPTIONS = 'options.json';

/**
 * The options of the run in a folder, as `runFolder` was given them; undefined if there is no such
 * folder, or if it has none. Their types are not checked.
 */
export function loadRunOptions<Options extends object = Readonly<Record<string, unknown>>>(
  path: string,
): Options | undefined {
  checkArgument('loadRunOptions', 'path', path, string);
  return readKept('loadRunOptions', path) as Options | undefined;
}

/**
 * Keeps the options of a run in its folder. Throws in the name of `op` if the folder holds a run
 * with others, but for those of the names in `mayChange`, of which the new ones are kept.
 */
export function keepRunOptions(
  op: string, path: string, options: object, mayChange: readonly string[],
): void {
  const text = `${formatOptions(op, options, 2)}\n`;
  const before = isBegun(path) ? readKept(op, path) : undefined;
  if (before !== undefined) {
    const place = { run: `the run in ${path}`, elsewhere: 'another folder' };
    requireSameOptions(op, place, before, JSON.parse(text) as Values, mayChange);
  }
  // Renamed as a whole, so that a crash leaves no half of it.
  const temporary = join(path, temporaryName(OPTIONS));
  try {
    fs.writeFileSync(temporary, text);
    fs.renameSync(temporary, join(path, OPTIONS));
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

function readKept(op: string, path: string): Values | undefined {
  const file = join(path, OPTIONS);
  if (!fs.existsSync(file)) return undefined;
  const found = parseJson(op, file, fs.readFileSync(file, 'utf8'));
  if (typeof found === 'object' && found !== null) return found as Values;
  throw new TensorError(`${op}: ${file} holds ${show(found)}, expected an object`);
}

/** Whether a folder holds a log or a checkpoint: something that has been begun. */
function isBegun(path: string): boolean {
  return fs.readdirSync(path).some((name) => name === LOG || name.endsWith('.safetensors'));
}

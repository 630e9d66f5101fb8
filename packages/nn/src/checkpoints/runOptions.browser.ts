/**
 * The options of a training run in a browser's database, as runOptions.node.ts keeps them in a
 * folder: a run that goes on has to be what it was begun as.
 */
import { TensorError } from '@mambagrad/tensor';
import { checkArgument, show, string } from '@mambagrad/tensor/options';
import { keysOf, type ObjectStore, resultOf, type Tables, transact } from './database.browser.ts';
import { parseJson } from './json.ts';
import { requireSameOptions, type Values } from './runOptions.ts';

/**
 * The options of the run `name` in the browser's storage, as `browserRun` was given them; undefined
 * if there is no such run, or if it has none. Their types are not checked.
 */
export async function loadRunOptions<Options extends object = Readonly<Record<string, unknown>>>(
  name: string,
): Promise<Options | undefined> {
  checkArgument('loadRunOptions', 'name', name, string);
  const found = await transact('loadRunOptions', 'readonly', ({ options }) =>
    readKept('loadRunOptions', options, name));
  return found as Options | undefined;
}

/**
 * Keeps the options of a run, as JSON. Rejects if something of the run is stored that was begun
 * with others, but for those of the names in `mayChange`, of which the new ones are kept.
 */
export function keepRunOptions(
  name: string, text: string, mayChange: readonly string[],
): Promise<void> {
  return transact('browserRun', 'readwrite', async (tables) => {
    const before = await readKept('browserRun', tables.options, name);
    if (before !== undefined && await isBegun(tables, name)) {
      const place = { run: `the run '${name}' in this browser`, elsewhere: 'another name' };
      requireSameOptions('browserRun', place, before, JSON.parse(text) as Values, mayChange);
    }
    await resultOf(tables.options.put(text, [name]));
  });
}

async function readKept(
  op: string, options: ObjectStore, name: string,
): Promise<Values | undefined> {
  const text = await resultOf(options.get([name]));
  if (text === undefined) return undefined;
  const source = `what the browser holds as the options of the run '${name}'`;
  const found = parseJson(op, source, String(text));
  if (typeof found === 'object' && found !== null) return found as Values;
  throw new TensorError(`${op}: ${source} is ${show(found)}, expected an object`);
}

async function isBegun({ checkpoints, logs }: Tables, name: string): Promise<boolean> {
  for (const table of [checkpoints, logs]) {
    if ((await resultOf(table.getAllKeys(keysOf(name)))).length > 0) return true;
  }
  return false;
}

/**
 * Training runs in a browser, kept in its database (database.browser.ts): the last few checkpoints
 * of a run, and its log. What `checkpointFolder` and `runFolder` do with files:
 *
 *     ['digits', 7, 300]   the seventh checkpoint of the run, after step 300: a safetensors file
 *     ['digits', 2]        the second part of its log, see report/run.ts
 *     ['digits']           what the run was begun with, see runOptions.browser.ts
 *
 * A checkpoint is written, older ones are removed, and the log is brought up to the same step in
 * one transaction. So a page may be closed, reloaded or killed at any moment: what is found then is
 * the state after the save, or before it. Several tabs may save to one run: each checkpoint gets
 * the next number, and the latest is the one with the highest.
 */
import { TensorError } from '@mambagrad/tensor';
import { messageOf, warn } from '@mambagrad/tensor/host';
import {
  checkArgument, Kind, listOf, oneOf, readOptions, string, type Table, whole,
} from '@mambagrad/tensor/options';
import type { StateDict } from '../modules/state.ts';
import { parseLog, type Run } from '../report/run.ts';
import type { CheckpointStore } from '../training/trainerOptions.ts';
import {
  type Key, keysOf, requireDatabase, resultOf, type Tables, transact,
} from './database.browser.ts';
import { formatOptions } from './json.ts';
import { PendingLog, writeLog } from './log.browser.ts';
import { keepRunOptions } from './runOptions.browser.ts';
import { encodeSafetensors, parseSafetensors } from './safetensors.ts';

/** Options of `browserRun`: how many checkpoints it keeps, and what else it remembers. */
export interface BrowserRunOptions {
  /** The number of checkpoints to keep, from 1; Infinity keeps all. Default 3. */
  readonly keep?: number | undefined;
  /**
   * What the run is begun with, such as sizes, rates and the seed: a plain object that JSON holds.
   * It is kept with the run, and `loadRunOptions` reads it. If a run of this name is stored that
   * was begun with other options, `load` and `save` reject, and nothing is stored. Default nothing
   * is kept.
   */
  readonly options?: object | undefined;
  /**
   * The names of options that may differ from those of the run that is stored, such as 'epochs'.
   * Default [].
   */
  readonly mayChange?: readonly string[] | undefined;
}

const keeps = whole(1).or(oneOf(Infinity));
const browserRunOptions = {
  keep: keeps.orElse(3),
  options: new Kind<object>('an object', (x) => typeof x === 'object' && x !== null).optional(),
  mayChange: listOf(string).orElse([]),
} satisfies Table<BrowserRunOptions>;

/** The parts of a run in a browser's storage that a trainer writes to. */
export interface BrowserRun {
  /** The checkpoints of the run, see `browserCheckpoints`. */
  readonly checkpoints: CheckpointStore;
  /** The log of the run, to which lines are added. */
  readonly log: BrowserLog;
}

/** A log in a browser's storage, which can be given to a trainer as `log`. */
export interface BrowserLog {
  /**
   * Adds a line, which ends with a line break. Lines are stored about once a second, and with each
   * checkpoint of the run.
   */
  write(line: string): void;
  /** Resolves once all lines so far are stored. Await it before you end a worker. */
  flush(): Promise<void>;
}

/**
 * A store that keeps the last `keep` checkpoints of the run `name` in the browser's storage;
 * Infinity keeps all. It works in pages and in workers, and those of one site share their runs.
 * `load` gives the latest checkpoint that can be read, and warns of later ones that cannot. A save
 * that fails, for lack of room or because the page is closed, leaves all that was saved before.
 */
export function browserCheckpoints(name: string, keep = 3): CheckpointStore {
  checkArgument('browserCheckpoints', 'name', name, string);
  checkArgument('browserCheckpoints', 'keep', keep, keeps);
  requireDatabase('browserCheckpoints');
  return storeOf(name, keep, nothingFirst, (save) => save(''));
}

/**
 * A training run in the browser's storage: its last checkpoints and its log. The result is spread
 * into the options of a trainer: `new Trainer({ …, ...browserRun('digits') })`. With
 * `resume: true` a run goes on from the latest checkpoint, and its log is continued.
 */
export function browserRun(name: string, options: BrowserRunOptions = {}): BrowserRun {
  checkArgument('browserRun', 'name', name, string);
  const { keep, options: given, mayChange } =
    readOptions('browserRun', options, browserRunOptions);
  const text = given && formatOptions('browserRun', given);
  requireDatabase('browserRun');
  const first = text === undefined ? nothingFirst
    : once(() => keepRunOptions(name, text, mayChange));
  const log = new PendingLog(async (lines) => {
    await first();
    await transact('browserRun', 'readwrite', ({ logs }) => writeLog(logs, name, lines));
  });
  return {
    checkpoints: storeOf(name, keep, first, (save) => log.writeWith(save)),
    log: { write: (line) => log.add(line), flush: () => log.flush() },
  };
}

/**
 * The log of the run `name` in the browser's storage, as `parseLog` gives it; `reportPage` makes a
 * page of it. Throws if there is none.
 */
export async function loadLog(name: string): Promise<Run> {
  checkArgument('loadLog', 'name', name, string);
  const texts = await transact('loadLog', 'readonly', ({ logs }) =>
    resultOf(logs.getAll(keysOf(name))));
  if (texts.length > 0) return parseLog(texts.join(''));
  throw new TensorError(`loadLog: there is no log of a run '${name}' in this browser`);
}

/** The names of the runs in the browser's storage, in alphabetical order. */
export async function listRuns(): Promise<string[]> {
  const keys = await transact('listRuns', 'readonly', async ({ checkpoints, logs, options }) => [
    ...await resultOf(checkpoints.getAllKeys()), ...await resultOf(logs.getAllKeys()),
    ...await resultOf(options.getAllKeys()),
  ]);
  return [...new Set(keys.map(([name]) => name))].sort();
}

/** Removes a run from the browser's storage, if it is there: checkpoints, log and options. */
export async function removeRun(name: string): Promise<void> {
  checkArgument('removeRun', 'name', name, string);
  await transact('removeRun', 'readwrite', async ({ checkpoints, logs, options }) => {
    for (const table of [checkpoints, logs, options]) await resultOf(table.delete(keysOf(name)));
  });
}

/** Calls `save` with the lines of the log that are to be stored with a checkpoint. */
type WithLog = (save: (text: string) => Promise<void>) => Promise<void>;

/** What has to be done before anything is read or stored. */
type First = () => Promise<void>;

const nothingFirst: First = () => Promise.resolve();

/** Does something once; again only if it has failed. */
function once(work: First): First {
  let done: Promise<void> | undefined;
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}

function storeOf(name: string, keep: number, first: First, withLog: WithLog): CheckpointStore {
  let source: string | undefined;
  return {
    get source() {
      return source;
    },
    async save(step, state) {
      checkArgument('browserCheckpoints', 'step', step, whole());
      const bytes = encodeSafetensors(state, { metadata: new Map([['step', String(step)]]) });
      await first();
      await withLog((text) => transact('browserCheckpoints', 'readwrite', async (tables) => {
        await writeCheckpoint(tables, name, step, bytes, keep);
        await writeLog(tables.logs, name, text);
      }));
    },
    async load() {
      await first();
      const found = await loadLatest(name);
      source = found && `the run '${name}' in this browser`;
      return found;
    },
  };
}

/** Writes a checkpoint, and removes those that it replaces. */
async function writeCheckpoint(
  { checkpoints }: Tables, name: string, step: number, bytes: Uint8Array, keep: number,
): Promise<void> {
  const keys = await resultOf(checkpoints.getAllKeys(keysOf(name)));
  const [, last = 0] = keys.at(-1) ?? [];
  await resultOf(checkpoints.put(bytes, [name, last + 1, step]));
  const others = keys.filter(([, , otherStep]) => otherStep !== step);
  const kept = new Set(others.slice(Math.max(0, others.length - (keep - 1))));
  for (const key of keys) if (!kept.has(key)) await resultOf(checkpoints.delete(key));
}

/** The latest state that can be read; undefined if there is none at all. */
async function loadLatest(name: string): Promise<StateDict | undefined> {
  const problems: string[] = [];
  const keys = await transact('browserCheckpoints', 'readonly', ({ checkpoints }) =>
    resultOf(checkpoints.getAllKeys(keysOf(name))));
  for (const key of keys.toReversed()) {
    const found = await stateUnder(key).catch((error: unknown) => messageOf(error));
    // Another tab has removed it since, and written a later one.
    if (found === undefined) return loadLatest(name);
    if (typeof found === 'string') problems.push(found);
    else {
      for (const problem of problems) warn(`browserCheckpoints: left out: ${problem}`);
      return found;
    }
  }
  if (problems.length === 0) return undefined;
  throw new TensorError(
    ['browserCheckpoints: no checkpoint can be read:', ...problems].join('\n  '),
  );
}

/**
 * The state under a key, if it is still there. Each is read in a transaction of its own: in
 * Chromium, one in which a value cannot be read ends with an error.
 */
async function stateUnder(key: Key): Promise<StateDict | undefined> {
  const [name, , step] = key;
  const place = `step ${step} of the run '${name}'`;
  const bytes = await transact(place, 'readonly', ({ checkpoints }) =>
    resultOf(checkpoints.get(key)));
  if (bytes === undefined) return undefined;
  if (!(bytes instanceof Uint8Array)) throw new TensorError(`${place}: it is not a Uint8Array`);
  try {
    return parseSafetensors(bytes).readAll();
  } catch (cause) {
    throw new TensorError(`${place}: ${messageOf(cause)}`, { cause });
  }
}

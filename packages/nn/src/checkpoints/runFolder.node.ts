/**
 * The folder of a training run, with all that is kept of it:
 *
 *     runs/digits/log.jsonl              a line for each step, see report/run.ts
 *     runs/digits/step-300.safetensors   the last few checkpoints, see folder.node.ts
 *     runs/digits/options.json           what the run was begun with, see runOptions.node.ts
 */
import {
  checkArgument, Kind, listOf, oneOf, readOptions, string, type Table, whole,
} from '@mambagrad/tensor/options';
import { join } from 'node:path';
import { LOG, logFile } from '../report/logFile.node.ts';
import type { CheckpointStore, Log } from '../training/trainerOptions.ts';
import { checkpointFolder } from './folder.node.ts';
import { keepRunOptions } from './runOptions.node.ts';

/** Options of `runFolder`: how many checkpoints it keeps, and what else it remembers. */
export interface RunFolderOptions {
  /** The number of checkpoints to keep, from 1; Infinity keeps all. Default 3. */
  readonly keep?: number | undefined;
  /**
   * What the run is begun with, such as sizes, rates and the seed: a plain object that JSON holds.
   * It is kept in options.json, from which `loadRunOptions` reads it. If the folder holds a run
   * that was begun with other options, it is an error. Default nothing is kept.
   */
  readonly options?: object | undefined;
  /**
   * The names of options that may differ from those of the run that is in the folder, such as
   * 'epochs'. Default [].
   */
  readonly mayChange?: readonly string[] | undefined;
}

const runFolderOptions = {
  keep: whole(1).or(oneOf(Infinity)).orElse(3),
  options: new Kind<object>('an object', (x) => typeof x === 'object' && x !== null).optional(),
  mayChange: listOf(string).orElse([]),
} satisfies Table<RunFolderOptions>;

/** The parts of a run's folder that a trainer writes to. */
export interface RunFolder {
  /** Checkpoints in the folder, see `checkpointFolder`. */
  readonly checkpoints: CheckpointStore;
  /** The log in the folder, `log.jsonl`, to which lines are appended. */
  readonly log: Log;
}

/**
 * A folder that keeps a training run: its last checkpoints and its log. The result is spread into
 * the options of a trainer: `new Trainer({ …, ...runFolder('runs/digits') })`. The folder is
 * created, with those above it. With `resume: true` a run goes on from the latest checkpoint, and
 * its log is continued. Throws if `options` are not those that the run in the folder has.
 */
export function runFolder(path: string, options: RunFolderOptions = {}): RunFolder {
  checkArgument('runFolder', 'path', path, string);
  const { keep, options: given, mayChange } = readOptions('runFolder', options, runFolderOptions);
  const checkpoints = checkpointFolder(path, keep);
  if (given !== undefined) keepRunOptions('runFolder', path, given, mayChange);
  return { checkpoints, log: logFile(join(path, LOG)) };
}

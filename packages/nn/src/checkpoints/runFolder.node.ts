/**
 * The folder of a training run, with all that is kept of it:
 *
 *     runs/digits/log.jsonl              a line for each step, see report/run.ts
 *     runs/digits/step-300.safetensors   the last few checkpoints, see folder.node.ts
 */
import {
  checkArgument, oneOf, readOptions, string, type Table, whole,
} from '@mambagrad/tensor/options';
import { join } from 'node:path';
import { LOG, logFile } from '../report/logFile.node.ts';
import type { CheckpointStore, Log } from '../training/trainerOptions.ts';
import { checkpointFolder } from './folder.node.ts';

/** Options of `runFolder`: how many checkpoints it keeps. */
export interface RunFolderOptions {
  /** The number of checkpoints to keep, from 1; Infinity keeps all. Default 3. */
  readonly keep?: number | undefined;
}

const runFolderOptions = {
  keep: whole(1).or(oneOf(Infinity)).orElse(3),
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
 * its log is continued.
 */
export function runFolder(path: string, options: RunFolderOptions = {}): RunFolder {
  checkArgument('runFolder', 'path', path, string);
  const { keep } = readOptions('runFolder', options, runFolderOptions);
  return { checkpoints: checkpointFolder(path, keep), log: logFile(join(path, LOG)) };
}

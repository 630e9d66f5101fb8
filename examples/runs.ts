/**
 * Runs of the examples: each is kept in a folder of its own, with the options that it was begun
 * with, so that `--resume` needs no others.
 */
import { loadRunOptions, type RunFolder, runFolder } from '@mambagrad/nn/node';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fail, orFail, root } from './files.ts';
import { type Given, type NumberOption, readOptions, type Values } from './options.ts';

const runTexts = { folder: 'where to keep the run (runs/NAME)' };
const runFlags = { resume: 'go on with the run in that folder, or with the latest one' };

/** Options that say nothing of the training, so that they are not kept. */
const NOT_KEPT = [
  'folder', 'checkpoint', 'log', 'svg', 'save', 'resume', 'load', 'chat', 'prompt',
];
/** Options that may differ when a run is resumed: how long it is, how it runs, what follows it. */
const MAY_CHANGE = [
  'epochs', 'steps', 'every', 'eager', 'threads', 'longest', 'write', 'temperature',
];

/** The options of a run: those of the program, its folder, and whether it goes on. */
type Run<Name extends string, Flag extends string, Text extends string> =
  Omit<Values<Name, Flag | 'resume', Text>, 'folder'> & { readonly folder: string };

/**
 * Reads the options of a program that keeps its run in a folder, as `readOptions` does. With
 * `--resume` what is not given is as it was when the run began. With `--load` the folder is that of
 * a model that is there already.
 */
export function readRun<
  Name extends string, Flag extends string = never, Text extends string = never,
>(
  program: string,
  about: string,
  options: Readonly<Record<Name, NumberOption>>,
  flags = {} as Readonly<Record<Flag, string>>,
  texts = {} as Readonly<Record<Text, string>>,
): Run<Name, Flag, Text> {
  let found = '';
  const values = readOptions(
    about, options, { ...flags, ...runFlags }, { ...texts, ...runTexts },
    ({ folder, resume, load }) => {
      const given = { folder: folder as string | undefined, resume: resume === true };
      if (typeof load === 'string' && given.resume) fail('--load and --resume exclude one another');
      found = typeof load === 'string' ? load : folderOfRun(program, given);
      return given.resume ? optionsBefore({ resume, checkpoint: found }) : {};
    },
  );
  return { ...values, folder: found } as unknown as Run<Name, Flag, Text>;
}

/** The options of the run that is resumed, in the folder that `--checkpoint` names. */
export function optionsBefore({ checkpoint, resume }: Given): Readonly<Record<string, unknown>> {
  if (resume !== true || typeof checkpoint !== 'string') return {};
  return orFail(() => loadRunOptions(checkpoint)) ?? {};
}

/**
 * The folder of a run as options of a trainer: its checkpoints, its log, and whether it goes on.
 * Ends the process if the run has been begun with other options.
 */
export function keepRun(
  options: { readonly folder: string; readonly resume: boolean },
): RunFolder & { readonly resume: boolean } {
  const { folder, resume } = options;
  const entries = Object.entries(options).filter(([name]) => !NOT_KEPT.includes(name));
  const kept = { options: Object.fromEntries(entries), mayChange: MAY_CHANGE };
  return { ...orFail(() => runFolder(folder, kept)), resume };
}

/** What the options of a run say about its folder. */
interface FolderOptions {
  /** The folder; undefined for one of `runs`. */
  readonly folder: string | undefined;
  /** Whether to go on with the run that is in it. */
  readonly resume: boolean;
}

/**
 * The folder for a run of the program `name`: a new one each time, runs/NAME, then runs/NAME-2 and
 * so on, or with `resume` the latest. Ends the process if a folder that was asked for holds a run
 * already, and it is not to be resumed; or if there is none to resume.
 */
function folderOfRun(name: string, { folder, resume }: FolderOptions): string {
  const latest = folder === undefined ? latestRun(name) : holdsRun(folder) ? folder : undefined;
  if (resume) return latest ?? fail(`there is no run to resume in ${folder ?? join('runs', name)}`);
  if (folder === undefined) return nextRun(name);
  if (latest === undefined) return folder;
  return fail(`${folder} holds a run already; --resume goes on with it`);
}

/** The folder of the latest run of a program, if there is one. */
export function latestRun(name: string): string | undefined {
  const last = numbersOfRuns(name).at(-1);
  return last === undefined ? undefined : pathOfRun(name, last);
}

function nextRun(name: string): string {
  return pathOfRun(name, (numbersOfRuns(name).at(-1) ?? 0) + 1);
}

function pathOfRun(name: string, number: number): string {
  const runs = join(root, 'runs');
  return relative('', join(runs, number === 1 ? name : `${name}-${number}`));
}

/** The numbers of the runs of a program, ascending. */
function numbersOfRuns(name: string): number[] {
  const runs = join(root, 'runs');
  const folders = existsSync(runs) ? readdirSync(runs) : [];
  const numberOf = (folder: string): number => {
    if (folder === name) return 1;
    return folder.startsWith(`${name}-`) ? Number(folder.slice(name.length + 1)) : 0;
  };
  return folders.map(numberOf).filter((number) => number > 0).sort((one, other) => one - other);
}

/** Whether a folder holds a log or a checkpoint. */
function holdsRun(folder: string): boolean {
  if (!existsSync(folder)) return false;
  return readdirSync(folder).some((file) => /^(log\.jsonl|.*\.safetensors)$/.test(file));
}

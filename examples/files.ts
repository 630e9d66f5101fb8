/** Where the examples find their data, and where they keep their runs. */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
/** This folder. The compiled programs are one deeper. */
export const examples = basename(here) === 'dist' ? dirname(here) : here;
/** The folder of the repository. */
export const root = dirname(examples);

/** The path of a file in examples/data. */
export function dataFile(name: string): string {
  return join(examples, 'data', name);
}

/** What the options of a run say about its folder. */
export interface RunOptions {
  /** The folder; undefined for one of `runs`. */
  readonly folder: string | undefined;
  /** Whether to go on with the run that is in it. */
  readonly resume: boolean;
}

/** The options of the command line that `folderOfRun` reads. */
export const runTexts = { folder: 'where to keep the run (runs/NAME)' };
export const runFlags = { resume: 'go on with the run in that folder, or with the latest one' };

/**
 * The folder for a run of the program `name`: a new one each time, runs/NAME, then runs/NAME-2 and
 * so on, or with `resume` the latest. Ends the process if a folder that was asked for holds a run
 * already, and it is not to be resumed; or if there is none to resume.
 */
export function folderOfRun(name: string, { folder, resume }: RunOptions): string {
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

/** Says what is wrong and ends the process, as a wrong option does. */
export function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

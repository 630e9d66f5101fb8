/**
 * Checkpoints in a folder, which holds a file for each of the last saved steps, such as
 * `step-100.safetensors`. The latest checkpoint is the one that was written last, which need not
 * have the highest step: training may return to an earlier step and continue from there. So each
 * file holds a sequence number, one higher than all that were there when it was written. (Times
 * would not do: clocks can be set back.)
 *
 * Several processes may save to one folder at once: a process never touches the temporary files of
 * another, and removes only checkpoints whose number is below that of the one it has just written.
 */
import { TensorError } from '@mambagrad/tensor';
import { checkArgument, oneOf, string, whole } from '@mambagrad/tensor/options';
import * as fs from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf, warn } from '@mambagrad/tensor/host';
import type { StateDict } from '../modules/state.ts';
import type { CheckpointStore } from '../training/trainerOptions.ts';
import { loadSafetensors, openSafetensors, saveSafetensors } from './file.node.ts';
import { removeStaleFiles } from './temporary.node.ts';

/** A checkpoint in a folder. */
interface Found {
  readonly path: string;
  readonly step: number;
  /** Its sequence number; 0 if the file has none, undefined if the header cannot be read. */
  readonly number?: number;
  /** Why its header cannot be read. */
  readonly problem?: string;
}

/** The key of the sequence number in the metadata of a file. */
const NUMBER = 'number';

/**
 * A store that keeps the last `keep` checkpoints in a folder, which it creates if necessary;
 * Infinity keeps all. `load` gives the latest checkpoint that can be read, and warns of later ones
 * that cannot.
 */
export function checkpointFolder(folder: string, keep = 3): CheckpointStore {
  checkArgument('checkpointFolder', 'folder', folder, string);
  checkArgument('checkpointFolder', 'keep', keep, whole(1).or(oneOf(Infinity)));
  fs.mkdirSync(folder, { recursive: true });
  let source: string | undefined;
  return {
    get source() {
      return source;
    },
    save(step, state) {
      checkArgument('checkpointFolder', 'step', step, whole());
      const path = join(folder, `step-${step}.safetensors`);
      const number = 1 + Math.max(0, ...checkpointsIn(folder).map((found) => found.number ?? 0));
      const metadata = new Map([['step', String(step)], [NUMBER, String(number)]]);
      saveSafetensors(path, state, { metadata });
      const others = checkpointsIn(folder).filter((found) => found.path !== path);
      for (const old of others.filter(isWhole).slice(keep - 1)) {
        if ((old.number ?? 0) < number) fs.rmSync(old.path, { force: true });
      }
      removeStaleFiles(folder, (name) => /^step-\d+\.safetensors\.tmp-/.test(name));
    },
    load() {
      const found = loadLatest(folder);
      source = found?.path;
      return found?.state;
    },
  };
}

const isWhole = ({ problem }: Found): boolean => problem === undefined;

/** How often a folder is listed if other processes remove its checkpoints meanwhile. */
const ATTEMPTS = 100;

/**
 * The checkpoints in a folder, the latest first, those that cannot be read last. Other processes
 * may remove all that was listed before it is looked at. They have then written later ones, so the
 * folder is listed again: it must not seem empty.
 */
function checkpointsIn(folder: string): Found[] {
  const numberOf = ({ number = -1 }: Found): number => number;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const names = fs.readdirSync(folder).filter((name) => STEP.test(name));
    const found = names.flatMap((name) => checkpointAt(join(folder, name)) ?? []);
    const isGoneNow = (name: string) =>
      fs.lstatSync(join(folder, name), { throwIfNoEntry: false }) === undefined;
    if (found.length > 0 || !names.some(isGoneNow)) {
      return found.sort((a, b) => numberOf(b) - numberOf(a) || b.step - a.step);
    }
  }
  throw alwaysGone(folder);
}

/** The names of checkpoints. */
const STEP = /^step-(0|[1-9]\d{0,15})\.safetensors$/;

/** The checkpoint at a path; undefined for a folder of that name, a dangling link, or no file. */
function checkpointAt(path: string): Found | undefined {
  if (!fs.statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  const [, digits] = STEP.exec(basename(path)) ?? [];
  const step = Number(digits);
  try {
    const file = openSafetensors(path);
    file.close();
    const number = Number(file.metadata.get(NUMBER));
    return { path, step, number: Number.isSafeInteger(number) ? number : 0 };
  } catch (error) {
    return isGone(error) ? undefined : { path, step, problem: messageOf(error) };
  }
}

/**
 * The state of the latest checkpoint that can be read. Another process may remove a file after it
 * was listed and before it is opened; it has then written a later one, so the folder is listed
 * again.
 */
function loadLatest(folder: string): { state: StateDict; path: string } | undefined {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const all = checkpointsIn(folder);
    const problems = all.flatMap(({ problem }) => problem ?? []);
    let wasRemoved = false;
    for (const { path } of all.filter(isWhole)) {
      try {
        const state = loadSafetensors(path);
        for (const problem of problems) warn(`checkpointFolder: left out: ${problem}`);
        return { state, path };
      } catch (error) {
        if (isGone(error)) wasRemoved = true;
        else problems.push(`${messageOf(error)} (${path})`);
      }
    }
    if (wasRemoved) continue;
    if (problems.length === 0) return undefined;
    const lines = ['checkpointFolder: no checkpoint can be read:', ...problems];
    throw new TensorError(lines.join('\n  '));
  }
  throw alwaysGone(folder);
}

function alwaysGone(folder: string): TensorError {
  return new TensorError(
    `checkpointFolder: other processes remove each checkpoint in ${folder} before it is read`,
  );
}

/** Whether an error says that the file does not exist (any more). */
function isGone(error: unknown): boolean {
  return (error as { code?: string }).code === 'ENOENT';
}

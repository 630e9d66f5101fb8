/**
 * Several processes that save checkpoints to one folder, as fast as they can, and are killed at
 * random moments, each to be followed by another. No save may fail, and whatever can be loaded must
 * be whole. Run as a program it is such a process, which saves until it is killed:
 *
 *     node savers.js FOLDER SAVER
 */
import { checkpointFolder, openSafetensors } from '@mambagrad/nn/node';
import { full } from '@mambagrad/tensor';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The compiled form of this file, which may itself be the source. */
const isSource = import.meta.url.endsWith('.ts');
const program = fileURLToPath(
  isSource ? new URL('../dist/support/savers.js', import.meta.url) : import.meta.url,
);

const SIZES = [30_000, 50_000];

/** Saves one step after the other; every element of its tensors is the number of the step. */
function saveForever(folder: string, saver: number): void {
  const checkpoints = checkpointFolder(folder, 2);
  for (let step = saver; ; step += 10) {
    const made = SIZES.map((size) => full([size], step, { dtype: 'f64' }));
    const state = new Map(made.map((x, i) => [String(i), x]));
    void checkpoints.save(step, state);
    console.log(step);
  }
}

/** Throws unless a file holds a checkpoint as a whole. One that is removed just now is none. */
function checkFile(path: string): void {
  let found;
  try {
    const file = openSafetensors(path);
    found = SIZES.map((_, i) => file.read(String(i)));
    const step = Number(file.metadata.get('step'));
    file.close();
    const isWhole = found.every(
      ({ data }, i) => data.length === SIZES[i] && data.every((x: number) => x === step),
    );
    if (!isWhole) throw new Error(`${path} is not whole`);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
  }
}

/** Starts a saver, and kills it after so many milliseconds from its first save. */
function killSaver(folder: string, saver: number, delay: number): Promise<number> {
  // Node's own warnings, such as those of --permission, are no errors.
  const env = { ...process.env, NODE_NO_WARNINGS: '1' };
  const child = spawn(process.execPath, [program, folder, String(saver)], { env });
  let [saves, errors] = [0, ''];
  child.stderr.on('data', (text) => (errors += text));
  createInterface({ input: child.stdout }).on('line', () => {
    saves += 1;
    if (saves === 1) setTimeout(() => child.kill('SIGKILL'), delay);
  });
  return new Promise((resolve, reject) => {
    child.on('close', (_code, signal) => {
      if (signal === 'SIGKILL' && errors === '') resolve(saves);
      else reject(new Error(`a save has failed: ${errors}`));
    });
  });
}

export interface Saving {
  readonly saves: number;
  readonly kills: number;
  readonly loads: number;
  /** The parts that the killed left when the last one was saved over. */
  readonly leftOver: number;
}

/** Lets several savers work on one folder for so many milliseconds. */
export async function saveBeside(
  folder: string, savers: number, duration: number, random: () => number,
): Promise<Saving> {
  const end = performance.now() + duration;
  let [saves, kills, loads, isOver] = [0, 0, 0, false];
  const checkpoints = checkpointFolder(folder, 2);
  const work = Array.from({ length: savers }, async (_, saver) => {
    while (performance.now() < end) {
      saves += await killSaver(folder, saver + 1, random() * 800);
      kills += 1;
    }
  });
  const watch = async (): Promise<void> => {
    while (!isOver) {
      for (const name of readdirSync(folder)) {
        if (name.endsWith('.safetensors')) checkFile(join(folder, name));
      }
      if (saves > 0 && (await checkpoints.load()) === undefined) throw new Error('no checkpoint');
      loads += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const watching = watch();
  await Promise.all(work).finally(() => (isOver = true));
  await watching;
  await checkpoints.save(10 * saves + 1000, new Map([['0', full([1], 0)]]));
  const leftOver = readdirSync(folder).filter((name) => name.includes('.tmp-')).length;
  return { saves, kills, loads, leftOver };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [folder, saver] = process.argv.slice(2);
  saveForever(folder, Number(saver));
}

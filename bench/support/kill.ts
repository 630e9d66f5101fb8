/**
 * Kills training processes at random moments and starts others that go on. Whatever a killed one
 * leaves behind must load, and the last must end as if none had been killed.
 */
import { checkpointFolder, loadSafetensors } from '@mambagrad/nn/node';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What was compiled of training.ts, also if this file itself was not. */
const isSource = import.meta.url.endsWith('.ts');
const path = isSource ? '../dist/support/training.js' : 'training.js';
const program = fileURLToPath(new URL(path, import.meta.url));

export interface Ended {
  /** The last step that the process told of; 0 if none. */
  readonly step: number;
  readonly code: number | null;
}

/** Trains in a process of its own, which gets a signal so many milliseconds after some step. */
export function trainInProcess(
  folder: string,
  steps: number,
  end?: { readonly signal: 'SIGKILL' | 'SIGTERM'; readonly step: number; readonly delay: number },
): Promise<Ended> {
  // Node's own warnings, such as those of --permission, are no errors.
  const env = { ...process.env, NODE_NO_WARNINGS: '1' };
  const child = spawn(process.execPath, [program, folder, String(steps)], { env });
  let [step, errors, isEnding] = [0, '', false];
  child.stderr.on('data', (text) => (errors += text));
  createInterface({ input: child.stdout }).on('line', (line) => {
    step = Number(line);
    if (end === undefined || isEnding || step < end.step) return;
    isEnding = true;
    setTimeout(() => child.kill(end.signal), end.delay);
  });
  return new Promise((resolve, reject) => {
    child.on('close', (code) => (errors ? reject(new Error(errors)) : resolve({ step, code })));
  });
}

export interface Survival {
  /** The steps taken by all processes together. */
  readonly steps: number;
  /** How many of the kills came while a checkpoint was being written. */
  readonly cut: number;
  /** Whether the last checkpoint is byte for byte that of a process that nobody killed. */
  readonly isSame: boolean;
}

/** Trains by processes of which so many are killed, and once more by one that is not. */
export async function surviveKills(
  folder: string,
  kills: number,
  random: () => number,
): Promise<Survival> {
  const [killed, whole] = ['killed', 'whole'].map((name) => join(folder, name));
  const checkpoints = checkpointFolder(killed);
  const reached = async () => (await checkpoints.load())?.get('optimizer.steps')?.item() ?? 0;
  let cut = 0;
  for (let i = 0; i < kills; i++) {
    const step = (await reached()) + Math.ceil(random() * 20);
    const end = { signal: 'SIGKILL', step, delay: random() * 8 } as const;
    const { code } = await trainInProcess(killed, 1e9, end);
    if (code !== null) throw new Error('a process has ended by itself');
    const names = readdirSync(killed);
    for (const name of names) {
      if (name.endsWith('.safetensors')) loadSafetensors(join(killed, name));
    }
    if (names.some((name) => name.includes('.tmp-'))) cut += 1;
  }
  const steps = (await reached()) + 10;
  const [found, expected] = await Promise.all([killed, whole].map(async (path) => {
    await trainInProcess(path, steps);
    return readFileSync(join(path, `step-${steps}.safetensors`));
  }));
  return { steps, cut, isSame: found.equals(expected) };
}

/**
 * @mambagrad/nn/node: checkpoints, tensors kept in safetensors files.
 *
 * A file is written beside the one that it is to replace, forced to the disk, and renamed over it.
 * A rename is one step: whatever happens, and whenever, the name leads to the whole old checkpoint
 * or to the whole new one. All of it is synchronous, so no training step comes in between.
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';
import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type SafetensorsOptions, safetensorsPieces, SafetensorsReader } from './safetensors.ts';
import type { CheckpointStore } from './trainer.ts';

/** The most bytes that are read at once. */
const CHUNK = 2 ** 26;

/**
 * Opens a safetensors file: its header is read and checked, its tensors are read one by one as they
 * are asked for. Call `close()` when done. Throws a TensorError for a file that is not right.
 */
export function openSafetensors(path: string): SafetensorsReader {
  const file = fs.openSync(path, 'r');
  const close = () => fs.closeSync(file);
  const read = (from: number, length: number) => {
    const bytes = new Uint8Array(length);
    for (let done = 0, count = 0; done < length; done += count) {
      count = fs.readSync(file, bytes, done, Math.min(length - done, CHUNK), from + done);
      if (count === 0) throw new TensorError('safetensors: the file has become shorter');
    }
    return bytes.buffer;
  };
  try {
    return new SafetensorsReader({ size: fs.fstatSync(file).size, read, close });
  } catch (cause) {
    close();
    if (!(cause instanceof TensorError)) throw cause;
    throw new TensorError(`${cause.message} (${path})`, { cause });
  }
}

/** Every tensor of a safetensors file by name. */
export function loadSafetensors(path: string): Map<string, Tensor> {
  const file = openSafetensors(path);
  try {
    return file.readAll();
  } finally {
    file.close();
  }
}

/**
 * Writes tensors to a safetensors file, which is replaced as a whole or, after any error or crash,
 * left as it was. What a crash leaves beside it, `PATH.tmp-…`, goes with the next save to the same
 * path.
 */
export function saveSafetensors(
  path: string, tensors: Iterable<readonly [string, Tensor]>, options?: SafetensorsOptions,
): void {
  const [folder, prefix] = [dirname(path), `${basename(path)}.tmp-`];
  for (const name of fs.readdirSync(folder)) {
    if (name.startsWith(prefix)) fs.rmSync(join(folder, name), { force: true });
  }
  // A name of its own: of two that save to one path at once, neither writes into the other's file.
  const temporary = join(folder, prefix + randomUUID());
  try {
    withFile(temporary, 'wx', (file) => {
      for (const piece of safetensorsPieces(tensors, options)) fs.writeFileSync(file, piece);
      fs.fsyncSync(file);
    });
    fs.renameSync(temporary, path);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
  try {
    withFile(folder, 'r', fs.fsyncSync);
  } catch {
    // Not every system can force a folder to the disk: the old file may be back after a power cut.
  }
}

function withFile(path: string, flags: string, use: (file: number) => void): void {
  const file = fs.openSync(path, flags);
  try {
    use(file);
  } finally {
    fs.closeSync(file);
  }
}

/**
 * Checkpoints in a folder, which is made if there is none: a file for each of the last `keep` steps
 * that were saved, `step-100.safetensors`.
 */
export function checkpointFolder(folder: string, keep = 3): CheckpointStore {
  fs.mkdirSync(folder, { recursive: true });
  const pathOf = (step: number) => join(folder, `step-${step}.safetensors`);
  const stepOf = (name: string) => Number(/^step-(\d+)\.safetensors$/.exec(name)?.[1] ?? NaN);
  const steps = () => fs.readdirSync(folder).map(stepOf).filter((step) => step >= 0);
  // What was being written when an earlier process ended will never be finished.
  const isPart = (name: string) => /^step-\d+\.safetensors\.tmp-/.test(name);
  return {
    save(step, state) {
      saveSafetensors(pathOf(step), state, { metadata: new Map([['step', String(step)]]) });
      for (const old of steps().sort((a, b) => b - a).slice(keep)) fs.rmSync(pathOf(old));
      for (const name of fs.readdirSync(folder).filter(isPart)) fs.rmSync(join(folder, name));
    },
    load() {
      const found = steps();
      return found.length > 0 ? loadSafetensors(pathOf(Math.max(...found))) : undefined;
    },
  };
}

/**
 * Tensors in safetensors files, read one by one and written as a whole.
 *
 * A file is written beside the one that it is to replace, forced to the disk, and renamed over it.
 * A rename is one step: whatever happens, and whenever, the name leads to the whole old checkpoint
 * or to the whole new one. All of it is synchronous, so no training step comes in between.
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';
import { checkArgument, Kind, string } from '@mambagrad/tensor/options';
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { partName, removeStaleParts } from './parts.node.ts';
import { type SafetensorsOptions, safetensorsPieces, SafetensorsReader } from './safetensors.ts';


/** The most bytes that are read at once. */
const CHUNK = 2 ** 26;
/** Node's permission model has no fsync: then each write waits until the disk has it. */
const isRestricted = (process as { permission?: object }).permission !== undefined;
const { O_CREAT, O_EXCL, O_SYNC = 0, O_WRONLY } = fs.constants;
const NEW_FILE = isRestricted ? O_WRONLY | O_CREAT | O_EXCL | O_SYNC : 'wx';

/** How often a file is written again that somebody has removed before it was renamed. */
const ATTEMPTS = 5;

const namedTensors = new Kind<Iterable<readonly [string, Tensor]>>(
  'tensors by name, such as model.stateDict()',
  (x) => typeof x === 'object' && x !== null && Symbol.iterator in x,
);

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
 * path; what another process is writing there stays.
 */
export function saveSafetensors(
  path: string, tensors: Iterable<readonly [string, Tensor]>, options?: SafetensorsOptions,
): void {
  checkArgument('saveSafetensors', 'path', path, string);
  checkArgument('saveSafetensors', 'tensors', tensors, namedTensors);
  const [folder, name, all] = [dirname(path), basename(path), [...tensors]];
  removeStaleParts(folder, (part) => part.startsWith(`${name}.tmp-`));
  for (let attempt = 1; !replaceFile(path, join(folder, partName(name)), all, options); attempt++) {
    if (attempt < ATTEMPTS) continue;
    throw new TensorError(`saveSafetensors: what is written beside ${path} is removed by others`);
  }
  try {
    withFile(folder, 'r', fs.fsyncSync);
  } catch {
    // Not every system can force a folder to the disk: the old file may be back after a power cut.
  }
}

/** Writes one file and renames it over another. False if it was gone before it was renamed. */
function replaceFile(
  path: string, temporary: string, tensors: readonly (readonly [string, Tensor])[],
  options: SafetensorsOptions | undefined,
): boolean {
  try {
    withFile(temporary, NEW_FILE, (file) => {
      for (const piece of safetensorsPieces(tensors, options)) fs.writeFileSync(file, piece);
      if (!isRestricted) fs.fsyncSync(file);
    });
    fs.renameSync(temporary, path);
    return true;
  } catch (error) {
    const isMissing = (error as { code?: string }).code === 'ENOENT';
    if (isMissing && fs.existsSync(dirname(path))) return false;
    throw error;
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

function withFile(path: string, flags: string | number, use: (file: number) => void): void {
  const file = fs.openSync(path, flags);
  try {
    use(file);
  } finally {
    fs.closeSync(file);
  }
}

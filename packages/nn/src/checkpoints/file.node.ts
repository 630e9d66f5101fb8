/**
 * Tensors in safetensors files, read one by one and written as a whole.
 *
 * Writing is atomic. The new content goes to a temporary file in the same folder, is flushed to the
 * disk, and is renamed over the old file. A rename happens as a whole or not at all, so after a
 * crash at any moment the name leads to the complete old file or the complete new one. All calls
 * are synchronous, so no training step runs in between.
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';
import { checkArgument, Kind, string } from '@mambagrad/tensor/options';
import * as fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import { temporaryName, removeStaleFiles } from './temporary.node.ts';
import { type SafetensorsOptions, safetensorsPieces, SafetensorsReader } from './safetensors.ts';

/** At most this many bytes are read at once. */
const CHUNK = 2 ** 26;
/** Node's permission model forbids fsync; there each write waits until it is on the disk. */
const isRestricted = (process as { permission?: object }).permission !== undefined;
const { O_CREAT, O_EXCL, O_SYNC = 0, O_WRONLY } = fs.constants;
const NEW_FILE = isRestricted ? O_WRONLY | O_CREAT | O_EXCL | O_SYNC : 'wx';

/** How often a file is written if other processes remove it before it is renamed. */
const ATTEMPTS = 5;

const namedTensors = new Kind<Iterable<readonly [string, Tensor]>>(
  'tensors by name, such as model.stateDict()',
  (x) => typeof x === 'object' && x !== null && Symbol.iterator in x,
);

/**
 * Opens a safetensors file: reads and checks its header; each tensor is read when it is asked for.
 * Call `close()` when done. Throws a TensorError for a malformed file.
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

/** Reads every tensor of a safetensors file, by name. */
export function loadSafetensors(path: string): Map<string, Tensor> {
  const file = openSafetensors(path);
  try {
    return file.readAll();
  } finally {
    file.close();
  }
}

/**
 * Writes tensors to a safetensors file, which is replaced as a whole or, after an error or crash,
 * stays as it was. A crash may leave a temporary file, `PATH.tmp-…`; the next save to the same path
 * removes it, but not a file that another process is writing.
 */
export function saveSafetensors(
  path: string, tensors: Iterable<readonly [string, Tensor]>, options?: SafetensorsOptions,
): void {
  checkArgument('saveSafetensors', 'path', path, string);
  checkArgument('saveSafetensors', 'tensors', tensors, namedTensors);
  const [folder, name, all] = [dirname(path), basename(path), [...tensors]];
  removeStaleFiles(folder, (file) => file.startsWith(`${name}.tmp-`));
  let attempt = 1;
  while (!replaceFile(path, join(folder, temporaryName(name)), all, options)) {
    if (attempt++ < ATTEMPTS) continue;
    throw new TensorError(
      `saveSafetensors: other processes remove the temporary file of ${path} while it is written`,
    );
  }
  try {
    withFile(folder, 'r', fs.fsyncSync);
  } catch {
    // Not every system can flush a folder: after a power cut the old file may be back.
  }
}

/** Writes a temporary file and renames it. False if another process removed it before that. */
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

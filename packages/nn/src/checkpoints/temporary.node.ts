/**
 * Temporary files, which are renamed once they are complete. If a process dies while it writes one,
 * the file stays, and the next save removes it. Files of processes that are still writing must
 * stay, so the name of a temporary file says which process writes it:
 *
 *     step-7.safetensors.tmp-4711-0a1b2c3d-…     process id, hash of the host name, unique id
 */
import { createHash, randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** In milliseconds. A temporary file that was not written to for a day is abandoned. */
const DAY = 24 * 60 * 60 * 1000;

/** A unique name for a temporary file that is to replace the file `name`. */
export function temporaryName(name: string): string {
  return `${name}.tmp-${process.pid}-${machine}-${randomUUID()}`;
}

/** Removes temporary files in a folder that no process will finish, if `mayRemove` their names. */
export function removeStaleFiles(folder: string, mayRemove: (name: string) => boolean): void {
  for (const name of fs.readdirSync(folder)) {
    const path = join(folder, name);
    if (mayRemove(name) && isStale(path)) fs.rmSync(path, { force: true });
  }
}

function isStale(path: string): boolean {
  const [, writer, host] = /\.tmp-(\d+)-([0-9a-f]{8})-[0-9a-f-]{36}$/.exec(path) ?? [];
  const found = fs.lstatSync(path, { throwIfNoEntry: false });
  // A folder is not a temporary file.
  if (found === undefined || found.isDirectory()) return false;
  // Earlier versions used shorter names, which do not tell the process.
  if (writer === undefined || Date.now() - found.mtimeMs > DAY) return true;
  if (host !== machine) return false;
  if (Number(writer) !== process.pid) return !isAlive(Number(writer));
  // After a container has restarted, this process may have the id of one that died before.
  return found.mtimeMs < Date.now() - 1000 * process.uptime() - 1000;
}

function isAlive(id: number): boolean {
  try {
    // Signal 0 sends nothing: it only checks whether the process exists.
    process.kill(id, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}

/**
 * Parts: files that are being written, beside those that they will replace. If their process dies
 * they stay, and whoever saves next removes them; but not those of a process that still writes. So
 * the name of a part says who writes it:
 *
 *     step-7.safetensors.tmp-4711-0a1b2c3d-…     process, machine, and what makes it unique
 */
import { createHash, randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

const machine = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** Nobody writes so long without a pause. In milliseconds. */
const DAY = 24 * 60 * 60 * 1000;

/** A name for a part of the file `name`, different each time. */
export function partName(name: string): string {
  return `${name}.tmp-${process.pid}-${machine}-${randomUUID()}`;
}

/** Removes those of the files in a folder that are parts and that nobody will finish. */
export function removeStaleParts(folder: string, isPart: (name: string) => boolean): void {
  for (const name of fs.readdirSync(folder)) {
    const path = join(folder, name);
    if (isPart(name) && isStale(path)) fs.rmSync(path, { force: true });
  }
}

function isStale(path: string): boolean {
  const [, writer, host] = /\.tmp-(\d+)-([0-9a-f]{8})-[0-9a-f-]{36}$/.exec(path) ?? [];
  const found = fs.lstatSync(path, { throwIfNoEntry: false });
  // A folder is no part.
  if (found === undefined || found.isDirectory()) return false;
  // A name of another form is that of an earlier version, which did not say who writes.
  if (writer === undefined || Date.now() - found.mtimeMs > DAY) return true;
  if (host !== machine) return false;
  const isOwn = Number(writer) === process.pid;
  // In a container that was started again, a process may have the number of one that died.
  if (isOwn) return found.mtimeMs < Date.now() - 1000 * process.uptime() - 1000;
  return !isAlive(Number(writer));
}

function isAlive(id: number): boolean {
  try {
    // Signal 0 is not sent: it only asks whether it could be.
    process.kill(id, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}

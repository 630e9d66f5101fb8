/** node:os, node:process, node:buffer, node:util and node:zlib: what the packages ask of them. */
import { format, inspect } from '../inspect.ts';

export { format, inspect };

// node:os

export const tmpdir = (): string => '/tmp';
export const hostname = (): string => 'browser';
export const EOL = '\n';
export const availableParallelism = (): number => navigator.hardwareConcurrency;

// node:process

const started = performance.now();

export const argv = ['node', 'page'];
export const env: Readonly<Record<string, string>> = {};
export const pid = 1;
export const platform = 'browser';
export const cwd = (): string => '/';
export const uptime = (): number => (performance.now() - started) / 1000;

/** The process whose only id is that of this run: no signal reaches another one. */
export function kill(id: number): boolean {
  if (id === pid) return true;
  throw Object.assign(new Error('kill ESRCH'), { code: 'ESRCH', syscall: 'kill' });
}

const process = { argv, env, pid, platform, cwd, uptime, kill, stdout: { columns: 80 } };

export { process as default };

// node:buffer

export function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

// node:util and node:zlib

const missing = (name: string, why: string) => (): never => {
  throw new Error(`${name}: ${why}`);
};

export const parseArgs = missing('parseArgs', 'a page has no command line');
export const gunzipSync =
  missing('gunzipSync', 'browsers read gzip as a stream only: DecompressionStream');

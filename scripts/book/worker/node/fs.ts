/**
 * node:fs in memory: what the pages and `@mambagrad/nn/node` use of it. A run begins with an empty
 * folder for temporary files, and what it writes is gone when it ends.
 */
import { normalize, resolve } from './path.ts';

interface File {
  readonly kind: 'file';
  bytes: Uint8Array;
  changed: number;
}

interface Folder {
  readonly kind: 'folder';
  readonly entries: Map<string, File | Folder>;
  changed: number;
}

interface OpenFile {
  readonly node: File | Folder;
  at: number;
}

const newFolder = (): Folder => ({ kind: 'folder', entries: new Map(), changed: Date.now() });
const root = newFolder();
root.entries.set('tmp', newFolder());
const open = new Map<number, OpenFile>();
let nextNumber = 3;

export const constants = { O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128 };

const meanings: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory', EEXIST: 'file already exists', ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory', ENOTEMPTY: 'directory not empty',
  EBADF: 'bad file descriptor',
};

/** An error as Node has it. */
function failure(code: string, call: string, path?: string): Error & { readonly code: string } {
  const where = path === undefined ? '' : ` '${path}'`;
  const error = new Error(`${code}: ${meanings[code]}, ${call}${where}`);
  return Object.assign(error, { code, syscall: call, ...(path !== undefined && { path }) });
}

const partsOf = (path: string): string[] => resolve(path).split('/').filter((part) => part !== '');

function find(path: string): File | Folder | undefined {
  let node: File | Folder | undefined = root;
  for (const part of partsOf(path)) {
    if (node?.kind !== 'folder') return undefined;
    node = node.entries.get(part);
  }
  return node;
}

/** The error of a path that leads nowhere: a part of it is missing, or is a file. */
function missing(call: string, path: string): ReturnType<typeof failure> {
  const parts = partsOf(path);
  const isFile = parts.some((_, i) => find(`/${parts.slice(0, i).join('/')}`)?.kind === 'file');
  return failure(isFile ? 'ENOTDIR' : 'ENOENT', call, path);
}

/** The folder that a path is in, and the name there. */
function placeOf(path: string, call: string): { folder: Folder; name: string } {
  const parts = partsOf(path);
  const name = parts.pop() ?? '';
  const folder = find(`/${parts.join('/')}`);
  if (folder === undefined) throw missing(call, path);
  if (folder.kind !== 'folder') throw failure('ENOTDIR', call, path);
  return { folder, name };
}

function openFile(file: number, call: string): OpenFile {
  const found = open.get(file);
  if (found === undefined) throw failure('EBADF', call);
  return found;
}

export function openSync(path: string, flags: string | number = 'r'): number {
  const isNew = typeof flags === 'string' ? /x/.test(flags) : (flags & constants.O_EXCL) !== 0;
  const creates = typeof flags === 'string' ? !flags.startsWith('r')
    : (flags & constants.O_CREAT) !== 0;
  let node = find(path);
  if (node !== undefined && isNew) throw failure('EEXIST', 'open', path);
  if (node === undefined) {
    if (!creates) throw missing('open', path);
    node = { kind: 'file', bytes: new Uint8Array(), changed: Date.now() };
    const { folder, name } = placeOf(path, 'open');
    folder.entries.set(name, node);
  } else if (creates && node.kind === 'folder') {
    throw failure('EISDIR', 'open', path);
  }
  const isEmptied = typeof flags === 'string' && flags.startsWith('w');
  if (isEmptied && node.kind === 'file') node.bytes = new Uint8Array();
  const isAppended = typeof flags === 'string' && flags.startsWith('a') && node.kind === 'file';
  open.set(nextNumber, { node, at: isAppended && node.kind === 'file' ? node.bytes.length : 0 });
  return nextNumber++;
}

export function closeSync(file: number): void {
  if (!open.delete(file)) throw failure('EBADF', 'close');
}

export function readSync(
  file: number, target: Uint8Array, offset = 0, length = target.length - offset,
  position: number | null = null,
): number {
  const opened = openFile(file, 'read');
  if (opened.node.kind === 'folder') throw failure('EISDIR', 'read');
  const start = position ?? opened.at;
  const piece = opened.node.bytes.subarray(start, start + length);
  target.set(piece, offset);
  if (position === null) opened.at += piece.length;
  return piece.length;
}

type Data = string | ArrayBufferView;

function bytesOf(data: Data): Uint8Array {
  if (typeof data === 'string') return new TextEncoder().encode(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
}

/** Writes at a place of a file, which grows. */
function writeAt(file: File, bytes: Uint8Array, at: number): void {
  const all = new Uint8Array(Math.max(file.bytes.length, at + bytes.length));
  all.set(file.bytes);
  all.set(bytes, at);
  file.bytes = all;
  file.changed = Date.now();
}

export function writeSync(file: number, data: Data): number {
  const opened = openFile(file, 'write');
  if (opened.node.kind === 'folder') throw failure('EISDIR', 'write');
  const bytes = bytesOf(data);
  writeAt(opened.node, bytes, opened.at);
  opened.at += bytes.length;
  return bytes.length;
}

interface WriteOptions {
  readonly flag?: string;
}

export function writeFileSync(
  file: string | number, data: Data, options: WriteOptions | string = {},
): void {
  if (typeof file === 'number') {
    writeSync(file, data);
    return;
  }
  const { flag = 'w' } = typeof options === 'string' ? {} : options;
  const opened = openSync(file, flag);
  try {
    writeSync(opened, data);
  } finally {
    closeSync(opened);
  }
}

export function appendFileSync(file: string | number, data: Data): void {
  writeFileSync(file, data, { flag: 'a' });
}

interface ReadOptions {
  readonly encoding?: string | null;
}

export function readFileSync(
  path: string | number, options?: ReadOptions | string,
): string | Uint8Array {
  const node = typeof path === 'number' ? openFile(path, 'read').node : find(path);
  if (node === undefined) throw missing('open', String(path));
  if (node.kind === 'folder') throw failure('EISDIR', 'read');
  const encoding = typeof options === 'string' ? options : options?.encoding;
  return encoding ? new TextDecoder(encoding).decode(node.bytes) : node.bytes.slice();
}

export const existsSync = (path: string): boolean => find(path) !== undefined;

interface Stats {
  readonly size: number;
  readonly mtimeMs: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

function statsOf(node: File | Folder): Stats {
  return {
    size: node.kind === 'file' ? node.bytes.length : 0, mtimeMs: node.changed,
    isFile: () => node.kind === 'file', isDirectory: () => node.kind === 'folder',
  };
}

export function statSync(path: string, { throwIfNoEntry = true } = {}): Stats | undefined {
  const node = find(path);
  if (node !== undefined) return statsOf(node);
  const error = missing('stat', path);
  if (throwIfNoEntry || error.code === 'ENOTDIR') throw error;
  return undefined;
}

/** There are no links here. */
export const lstatSync = statSync;

export const fstatSync = (file: number): Stats => statsOf(openFile(file, 'fstat').node);

/** All is in memory: there is nothing to flush. */
export const fsyncSync = (file: number): void => void openFile(file, 'fsync');

export function mkdirSync(path: string, { recursive = false } = {}): void {
  const parts = partsOf(path);
  if (!recursive) {
    const { folder, name } = placeOf(path, 'mkdir');
    if (folder.entries.has(name)) throw failure('EEXIST', 'mkdir', path);
    folder.entries.set(name, newFolder());
    return;
  }
  let folder = root;
  for (const part of parts) {
    const next = folder.entries.get(part) ?? newFolder();
    if (next.kind === 'file') throw failure('ENOTDIR', 'mkdir', path);
    folder.entries.set(part, next);
    folder = next;
  }
}

export function mkdtempSync(prefix: string): string {
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
  const random = crypto.getRandomValues(new Uint8Array(6));
  const path =
    normalize(prefix + Array.from(random, (byte) => letters[byte % letters.length]).join(''));
  mkdirSync(path);
  return path;
}

export function readdirSync(path: string, { recursive = false } = {}): string[] {
  const node = find(path);
  if (node === undefined) throw missing('scandir', path);
  if (node.kind === 'file') throw failure('ENOTDIR', 'scandir', path);
  return [...node.entries].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([name, entry]) => [
    name, ...(recursive && entry.kind === 'folder'
      ? readdirSync(`${path}/${name}`, { recursive }).map((inner) => `${name}/${inner}`) : []),
  ]);
}

export function renameSync(from: string, to: string): void {
  const node = find(from);
  if (node === undefined) throw missing('rename', from);
  const target = placeOf(to, 'rename');
  const source = placeOf(from, 'rename');
  source.folder.entries.delete(source.name);
  target.folder.entries.set(target.name, node);
}

export function rmSync(path: string, { recursive = false, force = false } = {}): void {
  const node = find(path);
  if (node === undefined) {
    if (force) return;
    throw missing('rm', path);
  }
  if (node.kind === 'folder' && !recursive) throw failure('EISDIR', 'rm', path);
  const { folder, name } = placeOf(path, 'rm');
  folder.entries.delete(name);
}

export const unlinkSync = (path: string): void => rmSync(path);

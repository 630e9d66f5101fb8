/**
 * Reads safetensors files, for the golden values: an 8-byte length, a JSON header that gives each
 * tensor's type, shape and place, then the bytes. It shares nothing with the library's own reader,
 * so that neither can hide a mistake of the other, and refuses a file that is not exactly right.
 */
import { readFileSync } from 'node:fs';

export type StoredTensor = { readonly shape: readonly number[] } & (
  | { readonly dtype: 'F64'; readonly data: Float64Array }
  | { readonly dtype: 'F32'; readonly data: Float32Array }
  | { readonly dtype: 'I64' | 'I32'; readonly data: Int32Array }
);

interface Entry {
  readonly dtype: keyof typeof itemSize;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

const itemSize = { F64: 8, F32: 4, I64: 8, I32: 4 } as const;

/** The tensors of a file by name. */
export function readSafetensors(file: URL | string): Map<string, StoredTensor> {
  return parseSafetensors(readFileSync(file));
}

export function parseSafetensors(bytes: Uint8Array): Map<string, StoredTensor> {
  if (bytes.length < 8) throw new Error('safetensors: the file ends before its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerEnd = 8 + Number(view.getBigUint64(0, true));
  if (headerEnd > bytes.length) throw new Error('safetensors: the header is longer than the file');
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, headerEnd));
  const header: unknown = JSON.parse(text);
  if (!isRecord(header)) throw new Error('safetensors: the header is no object');

  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => [name, parseEntry(name, entry)] as const)
    .sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  const tensors = new Map<string, StoredTensor>();
  let offset = 0;
  for (const [name, entry] of entries) {
    if (entry.begin !== offset) throw new Error(`safetensors: ${name} leaves a gap or an overlap`);
    offset = entry.end;
    // A copy, because a typed array must start at a multiple of its item size.
    const data = new Uint8Array(bytes.subarray(headerEnd + entry.begin, headerEnd + entry.end));
    if (data.length !== entry.end - entry.begin) {
      throw new Error(`safetensors: the file ends before the data of ${name}`);
    }
    tensors.set(name, decode(name, entry, data.buffer));
  }
  if (headerEnd + offset !== bytes.length) throw new Error('safetensors: bytes left at the end');
  return tensors;
}

function parseEntry(name: string, entry: unknown): Entry {
  const { dtype, shape, data_offsets: offsets } = isRecord(entry) ? entry : {};
  if (typeof dtype !== 'string' || !isKnown(dtype)) {
    throw new Error(`safetensors: ${name} has the type ${String(dtype)}`);
  }
  if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw new Error(`safetensors: ${name} has a malformed shape or place`);
  }
  const [begin, end] = offsets;
  if (end - begin !== itemSize[dtype] * shape.reduce((size, n) => size * n, 1)) {
    throw new Error(`safetensors: ${name} has another size than its shape says`);
  }
  return { dtype, shape, begin, end };
}

function decode(name: string, { dtype, shape }: Entry, buffer: ArrayBuffer): StoredTensor {
  switch (dtype) {
    case 'F64':
      return { dtype, shape, data: new Float64Array(buffer) };
    case 'F32':
      return { dtype, shape, data: new Float32Array(buffer) };
    case 'I32':
      return { dtype, shape, data: new Int32Array(buffer) };
    case 'I64':
      return { dtype, shape, data: Int32Array.from(new BigInt64Array(buffer), narrow) };
  }

  function narrow(value: bigint): number {
    if (value !== BigInt.asIntN(32, value)) {
      throw new Error(`safetensors: ${name} holds ${value}, which is no 32-bit integer`);
    }
    return Number(value);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isKnown(dtype: string): dtype is keyof typeof itemSize {
  return Object.hasOwn(itemSize, dtype);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/**
 * safetensors, a common file format for models: tensors by name, with strings as metadata. A file
 * begins with the length N of its header in 8 bytes (little-endian, as all numbers). Then follow
 * the header, N bytes of JSON, and the bytes of the tensors, without gaps or overlaps:
 *
 *     {"__metadata__": {"step": "7"},
 *      "weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
 *
 * A file may come from anyone, so everything in it is checked before it is used, and no more memory
 * is allocated than the file has bytes for. https://github.com/huggingface/safetensors#format
 */
import { type Shape, Tensor, TensorError } from '@mambagrad/tensor';
import {
  checkArgument, instanceOf, Kind, objectWith, oneOf, readOptions, string,
  type Table, tensors as anyTensor,
} from '@mambagrad/tensor/options';
import { encodeText, HeaderScanner, quote } from './safetensorsHeader.ts';
import {
  elementTypeNames, elementTypes, type SafetensorsDType, widen,
} from './safetensorsTypes.ts';

export type { SafetensorsDType };

/** The header's entry for a tensor; `begin` and `end` count bytes from the end of the header. */
export interface SafetensorsEntry {
  /** The type of its elements in the file. */
  readonly dtype: SafetensorsDType;
  /** The size of each axis. */
  readonly shape: Shape;
  /** The offset of its first byte. */
  readonly begin: number;
  /** The offset after its last byte. */
  readonly end: number;
}

/** A source of bytes, such as memory or a file. */
export interface SafetensorsSource {
  /** The number of bytes. */
  readonly size: number;
  /** Reads `length` bytes from `offset` on, into a buffer that belongs to the caller. */
  read(offset: number, length: number): ArrayBuffer;
  /** Releases resources, such as an open file; nothing is read afterwards. */
  close?(): void;
}

/** Options of `encodeSafetensors` and `saveSafetensors`. */
export interface SafetensorsOptions {
  /** Strings by name, stored with the tensors. Default none. */
  readonly metadata?: ReadonlyMap<string, string> | undefined;
  /** The type in which i32 is written; PyTorch needs I64 for indices. Default 'I32'. */
  readonly integers?: 'I32' | 'I64' | undefined;
}

const stringMaps = objectWith<ReadonlyMap<string, string>>('a Map of strings', 'entries', 'get');
const safetensorsOptions = {
  metadata: stringMaps.orElse(new Map()),
  integers: oneOf('I32', 'I64').orElse('I32'),
} satisfies Table<SafetensorsOptions>;

const sources = objectWith<SafetensorsSource>('a source with a size and read()', 'read');
const byteArrays = instanceOf(Uint8Array);
const iterables = new Kind<Iterable<unknown>>(
  'pairs of a name and a tensor, such as model.stateDict()',
  (x) => typeof x === 'object' && x !== null && Symbol.iterator in x && !ArrayBuffer.isView(x),
);
const pairs = new Kind<readonly [string, Tensor]>(
  'pairs of a name and a tensor',
  (x) => Array.isArray(x) && typeof x[0] === 'string' && anyTensor.accepts(x[1]),
);

const METADATA = '__metadata__';
/** The maximum in bytes, as in the reference implementation. */
const LONGEST_HEADER = 100_000_000;

const error = (problem: string): TensorError => new TensorError(`safetensors: ${problem}`);

/** Reads a file: its header at once, each tensor when it is asked for. */
export class SafetensorsReader {
  /** The dtype, shape and offsets of each tensor by name, in the order of the header. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  /** The strings stored with the tensors, by name; empty if the file has none. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly #dataBegin: number;
  #source: SafetensorsSource | undefined;

  /** Throws a TensorError that says what is wrong with the file. */
  constructor(source: SafetensorsSource) {
    checkArgument('SafetensorsReader', 'source', source, sources);
    const { size } = source;
    if (size < 8) throw error(`the file has ${size} bytes, too few for its header's length`);
    const start = source.read(0, 8);
    const length = Number(new DataView(start).getBigUint64(0, true));
    const most = Math.min(size - 8, LONGEST_HEADER);
    if (length > most) {
      const problem = `the header claims ${length} bytes, expected at most ${most}`;
      throw error(`${problem}; the file begins with ${describeStart(new Uint8Array(start))}`);
    }
    [this.entries, this.metadata] = parseHeader(source.read(8, length), size - 8 - length);
    this.#dataBegin = 8 + length;
    this.#source = source;
  }

  /**
   * Reads one tensor. Throws if there is no tensor of this name, if an integer does not fit i32, or
   * if its type is not supported (C64, F6, F4).
   */
  read(name: string): Tensor {
    checkArgument('SafetensorsReader.read', 'name', name, string);
    const entry = this.entries.get(name);
    if (entry === undefined) throw error(`there is no tensor ${quote(name)} in the file`);
    if (this.#source === undefined) throw error(`${quote(name)} is read after close()`);
    const { reading } = elementTypes[entry.dtype];
    if (!reading) {
      throw error(
        `${quote(name)} is ${entry.dtype}, which is not supported; read the others by their names`,
      );
    }
    const bytes = this.#source.read(this.#dataBegin + entry.begin, entry.end - entry.begin);
    const { dtype, decode } = reading;
    return new Tensor({ shape: entry.shape, dtype }, decode(bytes, name));
  }

  /** Every tensor by name, in the order of the header. Throws as `read` does. */
  readAll(): Map<string, Tensor> {
    return new Map(Array.from(this.entries.keys(), (name) => [name, this.read(name)]));
  }

  /** Closes the source. */
  close(): void {
    this.#source?.close?.();
    this.#source = undefined;
  }
}

/** Reads a file in memory. The tensors are copies. */
export function parseSafetensors(bytes: Uint8Array): SafetensorsReader {
  checkArgument('parseSafetensors', 'bytes', bytes, byteArrays);
  const read = (from: number, length: number) =>
    new Uint8Array(bytes.subarray(from, from + length)).buffer;
  return new SafetensorsReader({ size: bytes.length, read });
}

/**
 * Encodes tensors as a file, f32 as F32 and f64 as F64. Throws if a name appears twice, is
 * `__metadata__`, or contains a lone surrogate; strings of the metadata may not contain one either.
 */
export function encodeSafetensors(
  tensors: Iterable<readonly [string, Tensor]>, options?: SafetensorsOptions,
): Uint8Array<ArrayBuffer> {
  const pieces = [...safetensorsPieces(tensors, options)];
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  pieces.reduce((offset, piece) => (bytes.set(piece, offset), offset + piece.length), 0);
  return bytes;
}

/** The bytes of `encodeSafetensors` in pieces: the header, then tensor by tensor. */
export function* safetensorsPieces(
  tensors: Iterable<readonly [string, Tensor]>, options: SafetensorsOptions = {},
): Generator<Uint8Array> {
  const { metadata, integers } = readOptions('safetensors', options, safetensorsOptions);
  checkArgument('safetensors', 'tensors', tensors, iterables);
  const dtypes = { f32: 'F32', f64: 'F64', i32: integers } as const;
  const names = new Set<string>();
  const stored = Array.from(tensors, (pair) => {
    checkArgument('safetensors', 'tensors', pair, pairs);
    const [name, x] = pair;
    if (names.has(name)) throw error(`${quote(name)} appears twice`);
    names.add(name);
    return { name, x, dtype: dtypes[x.dtype] };
  });
  const order = (dtype: SafetensorsDType) => elementTypeNames.indexOf(dtype);
  stored.sort((a, b) => order(a.dtype) - order(b.dtype));
  let end = 0;
  const fields = stored.map(({ name, x: { shape, numel }, dtype }) => {
    if (name === METADATA) throw error(`${METADATA} is reserved and cannot name a tensor`);
    const begin = end;
    end += numel * elementTypes[dtype].bits / 8;
    return formatField(name, { dtype, shape, data_offsets: [begin, end] });
  });
  if (metadata.size > 0) {
    const strings = Array.from(metadata, ([name, value]) => formatField(name, value));
    fields.unshift(`"${METADATA}":{${strings.join()}}`);
  }
  const text = encodeText(`{${fields.join()}}`);
  // Spaces pad the header to a multiple of 8 bytes.
  const header = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(text, 8);
  // Reading the header checks the names: a file that could not be read is not written.
  parseHeader(header.slice(8).buffer, end);

  yield header;
  for (const { x: { data }, dtype } of stored) {
    const array = dtype === 'I64' ? widen(data) : data;
    yield new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  }
}

function formatField(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
}

/** Parses a header, and checks that the tensors fill exactly the `length` bytes after it. */
function parseHeader(bytes: ArrayBuffer, length: number) {
  const scanner = new HeaderScanner(bytes);
  const entries = new Map<string, SafetensorsEntry>();
  const metadata = new Map<string, string>();
  // If a name appears twice the last entry counts, as in the reference implementation.
  scanner.object([METADATA], (name) => {
    if (name !== METADATA) entries.set(name, parseEntry(scanner, quote(name)));
    else if (!scanner.null()) scanner.object([], (key) => metadata.set(key, scanner.string()));
  });
  scanner.end();
  for (const [name, entry] of entries) checkLength(quote(name), entry);
  const byOffset = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let filled = 0;
  for (const [name, { begin, end }] of byOffset) {
    const problem = begin > filled ? 'after a gap' : 'inside another tensor';
    if (begin === filled) filled = end;
    else throw error(`${quote(name)} begins at byte ${begin}, ${problem}; expected ${filled}`);
  }
  if (filled !== length) throw error(`the tensors take ${filled} bytes, the file has ${length}`);
  return [entries, metadata] as const;
}

const FIELDS = ['dtype', 'shape', 'data_offsets'];

function parseEntry(scanner: HeaderScanner, name: string): SafetensorsEntry {
  const found: { dtype?: string; shape?: number[]; data_offsets?: number[] } = {};
  scanner.object(FIELDS, (field) => {
    if (field === 'dtype') found.dtype = scanner.string();
    else if (field === 'shape' || field === 'data_offsets') found[field] = scanner.sizes();
    else scanner.skip();
  });
  const { dtype: given = '', shape, data_offsets: [begin, end, ...more] = [] } = found;
  if (shape === undefined || end === undefined || more.length > 0) {
    throw error(`${name} needs a shape and two data_offsets`);
  }
  const dtype = elementTypeNames.find((known) => known === given);
  if (dtype === undefined) {
    const known = elementTypeNames.join(', ');
    throw error(`${name} has the dtype ${quote(given)}, expected one of ${known}`);
  }
  return { dtype, shape, begin, end };
}

/** Throws unless a tensor has exactly the bytes that its elements need. */
function checkLength(name: string, { dtype, shape, begin, end }: SafetensorsEntry): void {
  const spec = `${name} is ${dtype}[${shape.join(', ')}]`;
  // Overflow is checked without sizes of 0, which would hide it.
  const span = shape.reduce((product, size) => product * (size || 1), elementTypes[dtype].bits);
  const length = shape.includes(0) ? 0 : span / 8;
  if (!Number.isSafeInteger(span)) throw error(`${spec}, too large for any file`);
  if (!Number.isInteger(length)) throw error(`${spec}, whose last byte is not full`);
  if (end - begin !== length) throw error(`${spec}, ${length} bytes, but has ${end - begin}`);
}

/** Other formats that are mistaken for safetensors, by their first bytes. */
const otherFormats: readonly (readonly [start: string, kind: string])[] = [
  ['PK\x03\x04', 'a zip archive, such as those of PyTorch'],
  ['\x80', 'a Python pickle'],
  ['version ', 'a Git LFS pointer'],
  ['GGUF', 'a GGUF file'],
  ['\x89HDF', 'an HDF5 file'],
  ['\x93NUMPY', 'a NumPy array'],
  ['\x1f\x8b', 'a gzip archive'],
  ['<', 'an HTML or XML page'],
  ['{', 'JSON'],
];

function describeStart(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes);
  const kind = otherFormats.find(([known]) => start.startsWith(known))?.[1];
  return quote(start) + (kind ? `, as does ${kind}` : '');
}

/**
 * safetensors, the format in which models are exchanged: tensors by name, and strings about them.
 * A file is the length N of its header in 8 bytes (little-endian, as all numbers), the header, N
 * bytes of JSON, and the tensors' bytes, which fill the rest with neither hole nor overlap:
 *
 *     {"__metadata__": {"step": "7"},
 *      "weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
 *
 * A file may come from anyone, so nothing in it is believed until it is checked, and nothing is
 * allocated that the file does not fill. https://github.com/huggingface/safetensors#format
 */
import { type DType, type Shape, Tensor, TensorError, type TypedArray } from '@mambagrad/tensor';
import { encodeText, HeaderScanner, quote } from './safetensorsHeader.ts';

/** The element types of files: I64 is read as i32, F16 and BF16 as f32. */
export type SafetensorsDType = 'I64' | 'F64' | 'F32' | 'I32' | 'BF16' | 'F16';

/** What a file says of a tensor; `begin` and `end` are bytes from the end of the header. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDType;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

/** Where bytes come from, such as memory or a file. */
export interface SafetensorsSource {
  readonly size: number;
  /** The `length` bytes from `offset` on, in a buffer that the caller may keep. */
  read(offset: number, length: number): ArrayBuffer;
  close?(): void;
}

export interface SafetensorsOptions {
  /** Strings by name, kept beside the tensors. Default none. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** What i32 is written as; PyTorch takes I64 for indices. Default I32. */
  readonly integers?: 'I32' | 'I64';
}

/** Turns the bytes of a tensor of this name into its array. */
type Decode = (bytes: ArrayBuffer, name: string) => TypedArray;

/** In the order in which tensors are written: each then starts at a multiple of its items' size. */
const formats: Readonly<Record<SafetensorsDType, readonly [size: number, DType, Decode]>> = {
  I64: [8, 'i32', narrow],
  F64: [8, 'f64', (bytes) => new Float64Array(bytes)],
  F32: [4, 'f32', (bytes) => new Float32Array(bytes)],
  I32: [4, 'i32', (bytes) => new Int32Array(bytes)],
  BF16: [2, 'f32', fromBrainFloat],
  F16: [2, 'f32', fromHalf],
};
const order = Object.keys(formats) as SafetensorsDType[];

const METADATA = '__metadata__';
/** As in the reference implementation. */
const LONGEST_HEADER = 100_000_000;

const error = (problem: string): TensorError => new TensorError(`safetensors: ${problem}`);

/** A file whose header is read and checked; its tensors are read when they are asked for. */
export class SafetensorsReader {
  /** The tensors' dtypes, shapes and places by name, in the order of the header. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly #dataBegin: number;
  #source: SafetensorsSource | undefined;

  /** Throws a TensorError that says what is wrong with the file. */
  constructor(source: SafetensorsSource) {
    const { size } = source;
    if (size < 8) throw error(`the file has ${size} bytes, too few for its header's length`);
    const length = Number(new DataView(source.read(0, 8)).getBigUint64(0, true));
    const most = Math.min(size - 8, LONGEST_HEADER);
    if (length > most) throw error(`the header claims ${length} bytes, expected at most ${most}`);
    [this.entries, this.metadata] = parseHeader(source.read(8, length), size - 8 - length);
    this.#dataBegin = 8 + length;
    this.#source = source;
  }

  /** Reads one tensor. Throws if there is none of this name, or if an I64 does not fit in i32. */
  read(name: string): Tensor {
    const entry = this.entries.get(name);
    if (entry === undefined) throw error(`there is no tensor ${quote(name)} in the file`);
    if (this.#source === undefined) throw error(`${quote(name)} is read after close()`);
    const bytes = this.#source.read(this.#dataBegin + entry.begin, entry.end - entry.begin);
    const [, dtype, decode] = formats[entry.dtype];
    return new Tensor({ shape: entry.shape, dtype }, decode(bytes, name));
  }

  /** Every tensor by name, in the order of the header. */
  readAll(): Map<string, Tensor> {
    return new Map(Array.from(this.entries.keys(), (name) => [name, this.read(name)]));
  }

  /** Lets go of the source. */
  close(): void {
    this.#source?.close?.();
    this.#source = undefined;
  }
}

/** Reads a file in memory. The tensors are copies. */
export function parseSafetensors(bytes: Uint8Array): SafetensorsReader {
  const read = (from: number, length: number) =>
    new Uint8Array(bytes.subarray(from, from + length)).buffer;
  return new SafetensorsReader({ size: bytes.length, read });
}

/**
 * A file with these tensors, f32 as F32, f64 as F64. Throws if a name comes twice, is
 * `__metadata__`, or has a lone surrogate, which no string of the metadata may have either.
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
  tensors: Iterable<readonly [string, Tensor]>,
  { metadata = new Map(), integers = 'I32' }: SafetensorsOptions = {},
): Generator<Uint8Array> {
  const dtypes = { f32: 'F32', f64: 'F64', i32: integers } as const;
  const stored = Array.from(tensors, ([name, x]) => ({ name, x, dtype: dtypes[x.dtype] }));
  stored.sort((a, b) => order.indexOf(a.dtype) - order.indexOf(b.dtype));
  let end = 0;
  const fields = stored.map(({ name, x: { shape, numel }, dtype }) => {
    if (name === METADATA) throw error(`${METADATA} is reserved and cannot name a tensor`);
    const begin = end;
    end += numel * formats[dtype][0];
    return formatField(name, { dtype, shape, data_offsets: [begin, end] });
  });
  if (metadata.size > 0) {
    const strings = Array.from(metadata, ([name, value]) => formatField(name, value));
    fields.unshift(`"${METADATA}":{${strings.join()}}`);
  }
  const text = encodeText(`{${fields.join()}}`);
  // Spaces fill the header up to a multiple of 8.
  const header = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(text, 8);
  // What could not be read is not written: this checks the names.
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

/** Reads a header, and checks that the tensors fill the `length` bytes after it. */
function parseHeader(bytes: ArrayBuffer, length: number) {
  const scanner = new HeaderScanner(bytes);
  const entries = new Map<string, SafetensorsEntry>();
  const metadata = new Map<string, string>();
  scanner.object((name) => {
    if (name !== METADATA) entries.set(name, parseEntry(scanner, quote(name)));
    else scanner.object((key) => metadata.set(key, scanner.string()));
  });
  scanner.end();
  const places = [...entries].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let filled = 0;
  for (const [name, { begin, end }] of places) {
    const problem = begin > filled ? 'after a hole' : 'inside another tensor';
    if (begin === filled) filled = end;
    else throw error(`${quote(name)} begins at byte ${begin}, ${problem}; expected ${filled}`);
  }
  if (filled !== length) throw error(`the tensors take ${filled} bytes, the file has ${length}`);
  return [entries, metadata] as const;
}

function parseEntry(scanner: HeaderScanner, name: string): SafetensorsEntry {
  const found: { dtype?: string; shape?: number[]; data_offsets?: number[] } = {};
  scanner.object((field) => {
    if (field === 'dtype') found.dtype = scanner.string();
    else if (field === 'shape' || field === 'data_offsets') found[field] = scanner.sizes();
    else throw error(`${name} has an unknown field ${quote(field)}`);
  });
  const { dtype: given = '', shape, data_offsets: [begin, end, ...more] = [] } = found;
  if (shape === undefined || end === undefined || more.length > 0) {
    throw error(`${name} needs a shape and two data_offsets`);
  }
  const dtype = order.find((known) => known === given);
  if (dtype === undefined) {
    throw error(`${name} has the dtype ${quote(given)}, expected one of ${order.join(', ')}`);
  }
  const spec = `${name} is ${dtype}[${shape.join(', ')}]`;
  // A size of 0 does not excuse the others.
  const span = shape.reduce((product, size) => product * (size || 1), formats[dtype][0]);
  const length = shape.includes(0) ? 0 : span;
  if (!Number.isSafeInteger(span)) throw error(`${spec}, too large for any file`);
  if (end - begin !== length) throw error(`${spec}, ${length} bytes, but has ${end - begin}`);
  return { dtype, shape, begin, end };
}

/** I64 to i32: every upper half must repeat the sign of the lower. */
function narrow(bytes: ArrayBuffer, name: string): Int32Array {
  const halves = new Int32Array(bytes);
  return new Int32Array(halves.length / 2).map((_, i) => {
    if (halves[2 * i + 1] === halves[2 * i] >> 31) return halves[2 * i];
    throw error(`${quote(name)}: element ${i}, ${new BigInt64Array(bytes)[i]}, is not an i32`);
  });
}

function widen(values: TypedArray): Int32Array {
  return new Int32Array(2 * values.length).map((_, i) => values[i >> 1] >> (i % 2 === 0 ? 0 : 31));
}

/** BF16 is the upper half of an F32. */
function fromBrainFloat(bytes: ArrayBuffer): Float32Array {
  return new Float32Array(new Uint32Array(new Uint16Array(bytes)).map((bits) => bits << 16).buffer);
}

/**
 * F16 has 5 bits of exponent and 10 of mantissa. Moved to their places in an F32 they are the
 * number over 2¹¹² = 2^(127 − 15), denormals included, if NaN and the infinities get theirs.
 */
function fromHalf(bytes: ArrayBuffer): Float32Array {
  const bits = new Uint32Array(new Uint16Array(bytes)).map((half) => {
    const special = (half & 0x7c00) === 0x7c00 ? 0x7f800000 : 0;
    return ((half & 0x8000) << 16) | ((half & 0x7fff) << 13) | special;
  });
  return new Float32Array(bits.buffer).map((value) => value * 2 ** 112);
}

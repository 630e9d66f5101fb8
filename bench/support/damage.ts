/**
 * Damages safetensors files in the ways in which they go wrong or are made to lie, and reads them:
 * each must load, or be refused by an error that says what is wrong.
 */
import { encodeSafetensors, parseSafetensors, SafetensorsReader } from '@mambagrad/nn';
import { TensorError } from '@mambagrad/tensor';

/** Numbers from 0 to 1 by a small generator (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const powers = [2n ** 31n, 2n ** 32n, 2n ** 50n, 2n ** 53n, 2n ** 63n, 2n ** 64n];
const lengths = [0n, 1n, 7n, 100_000_000n, 100_000_001n, ...powers.map((power) => power - 1n)];
const numbers = [
  ...['0', '1', '2', '3', '8', '-1', '-0', '00', '01', '0.5', '1e3', '1e999', 'NaN', 'null', '""'],
  ...[...powers, 2n ** 53n - 1n, 10n ** 400n].map(String),
];
const strings = [
  ...['""', '"__proto__"', '"constructor"', '"toString"', '"__metadata__"', '"dtype"', '"shape"'],
  ...['"data_offsets"', '"F32"', '"F16"', '"I64"', '"U8"', '"F4"', '"C64"', '"f32"', '"BOOL"'],
  ...[
    '"\ufeff"', '"\0"', '"', '"\\ud800"', '"\\u0046\\u0033\\u0032"', '"\\x"', '1', '{}', '[]',
    'null',
  ],
];
const inserts = ['{', '}', '[', ']', ',', ':', '"', '\\', ' ', '\t', '\ufeff', '//', '\0', '[0,'];

/** One of the files, with one to three things wrong with it. */
export function damage(files: readonly Uint8Array[], random: () => number): Uint8Array {
  const below = (count: number): number => Math.floor(random() * count);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  const headerEnd = (file: Uint8Array): number =>
    Math.min(file.length, 8 + Number(new DataView(file.buffer).getBigUint64(0, true)));

  /** Another header text, of the length that the file then says. */
  const rewrite = (change: (text: string) => string) => (file: Uint8Array): Uint8Array => {
    const end = headerEnd(file);
    const text = new TextEncoder().encode(change(new TextDecoder().decode(file.subarray(8, end))));
    const length = new Uint8Array(BigUint64Array.of(BigInt(text.length)).buffer);
    return Uint8Array.of(...length, ...text, ...file.subarray(end));
  };
  /** Puts something in the place of one match of a pattern. */
  const replace = (pattern: RegExp, by: (text: string) => string) => rewrite((text) => {
    const matches = [...text.matchAll(pattern)];
    if (matches.length === 0) return text;
    const { 0: old, index } = pick(matches);
    return text.slice(0, index) + by(text) + text.slice(index + old.length);
  });
  const number = /\d+/g;
  const string = /"(?:[^"\\]|\\.)*"/g;
  const value = /\[[^\]]*\]|\{[^{}]*\}/g;
  const another = (pattern: RegExp) => (text: string): string => pick(text.match(pattern) ?? ['']);

  const flip = (file: Uint8Array, count: number): Uint8Array => {
    const result = file.slice();
    for (let i = 0; i <= below(8); i++) result[below(count)] ^= 1 << below(8);
    return result;
  };
  const ways: readonly ((file: Uint8Array) => Uint8Array)[] = [
    (file) => flip(file, file.length),
    (file) => flip(file, headerEnd(file)),
    (file) => file.slice(0, below(file.length + 1)),
    (file) => file.slice(0, headerEnd(file) + below(9)),
    (file) => Uint8Array.of(...file, ...Array.from({ length: below(20) }, () => below(256))),
    (file) => {
      const result = file.slice();
      const near = BigInt(Math.max(0, pick([file.length, headerEnd(file)]) - below(20)));
      new DataView(result.buffer).setBigUint64(0, pick([...lengths, near, near]), true);
      return result;
    },
    (file) => {
      const [from, to] = [below(file.length), below(file.length)];
      const result = file.slice();
      result.set(file.subarray(from, from + below(Math.min(64, file.length - to))), to);
      return result;
    },
    // The header of one file before the tensors of another.
    (file) => {
      const other = pick(files);
      const data = other.subarray(headerEnd(other));
      return Uint8Array.of(...file.subarray(0, headerEnd(file)), ...data);
    },
    replace(number, () => pick(numbers)),
    replace(number, another(number)),
    replace(string, () => pick(strings)),
    replace(string, another(string)),
    replace(value, another(value)),
    replace(/(?<=\{|,)"[^{}]*\{[^{}]*\},?/g, () => ''),
    replace(/(?<=\{|,)/g, (text) => `${another(/"[^{}]*\{[^{}]*\}/g)(text)},`),
    replace(/(?=[[\]{},:])/g, () => pick(inserts)),
    replace(/[[\]{},:"]/g, () => ''),
    replace(/(?=[[{"\d])/g, () => pick(['[', '{"a":']).repeat(below(5000))),
  ];
  let result: Uint8Array = pick(files).slice();
  for (let i = 0; i <= below(3) && result.length >= 8; i++) result = pick(ways)(result);
  return result;
}

/**
 * Reads a file: 'loads', or what the error says is wrong. Throws if anything else happens: another
 * error, a read beyond the file, a message without end, tensors that are not kept as they are.
 */
export function outcomeOf(file: Uint8Array): string {
  const source = {
    size: file.length,
    read: (offset: number, length: number): ArrayBuffer => {
      if (offset + length > file.length) throw new Error(`reads ${length} bytes at ${offset}`);
      return file.slice(offset, offset + length).buffer as ArrayBuffer;
    },
  };
  try {
    const { entries, metadata } = new SafetensorsReader(source);
    const tensors = new SafetensorsReader(source).readAll();
    for (const { shape, data } of tensors.values()) {
      const numel = shape.reduce((product, size) => product * size, 1);
      if (numel !== data.length) throw new Error(`${data.length} elements in a shape of ${numel}`);
    }
    const once = encodeSafetensors(tensors, { metadata });
    const again = parseSafetensors(once);
    const twice = encodeSafetensors(again.readAll(), { metadata: again.metadata });
    const isKept = again.entries.size === entries.size && Buffer.compare(once, twice) === 0;
    if (!isKept) throw new Error('what was read is not kept as it was');
    return 'loads';
  } catch (error) {
    if (!(error instanceof TensorError) || !/^safetensors: .{1,1500}$/s.test(error.message)) {
      throw error;
    }
    return error.message;
  }
}

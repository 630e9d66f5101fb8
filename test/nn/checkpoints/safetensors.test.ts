/** The safetensors format: files of the Python library, round trips, and files that lie. */
import {
  encodeSafetensors, Linear, parseSafetensors, SafetensorsReader, type SafetensorsSource,
} from '@mambagrad/nn';
import { full, ones, tensor, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { damage, outcomeOf, randomFrom } from '../../../bench/support/damage.ts';
import { drawInteger, drawShape, type Draw } from '../../support/draw.ts';
import { locate } from '../../support/golden.ts';
import { parseSafetensors as parseIndependently } from '../../support/safetensors.ts';
import { runs } from '../../support/soak.ts';

const fixture = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(locate(`safetensors/${name}.safetensors`)));

const hostileNames = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__metadata', 'dtype'],
  ...['', ' ', '0', '1', '"', '\\', '\0', '\n', '\u007f', '\u2028', '\ufeff', 'größe/重み🐍', 'a.0.b'],
];

/** A file with this header, given as text or as an object, and this many bytes of data. */
function fileOf(header: string | object, dataLength = 0, claimed?: bigint): Uint8Array {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  const text = new TextEncoder().encode(json);
  const length = BigUint64Array.of(claimed ?? BigInt(text.length));
  return new Uint8Array([...new Uint8Array(length.buffer), ...text, ...new Uint8Array(dataLength)]);
}

function bytesOf({ data }: Tensor): number[] {
  return [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}

type Items = { readonly length: number; readonly byteLength: number; readonly buffer: ArrayBuffer };

/** The tensor that a file of this dtype with these items holds. */
function decode(dtype: string, items: Items) {
  const entry = { dtype, shape: [items.length], data_offsets: [0, items.byteLength] };
  const file = fileOf({ x: entry }, items.byteLength);
  file.set(new Uint8Array(items.buffer), file.length - items.byteLength);
  return parseSafetensors(file).read('x');
}

describe('a file of the Python library', () => {
  const file = parseSafetensors(fixture('python'));
  const numbers = (name: string): number[] => Array.from(file.read(name).data);
  const unicode = 'Gewicht.größe/重み "α"\n\\🐍';
  const common = [0, -0, Infinity, -Infinity, NaN, 1.5, -2.25];

  it('lists its tensors and its metadata', () => {
    const found = Array.from(file.entries, ([name, { dtype, shape }]) => [name, dtype, ...shape]);
    expect(found).toEqual([
      ['i64', 'I64', 4],
      ['f64', 'F64', 9, 1],
      ['scalar', 'F64'],
      ['', 'F32'],
      [unicode, 'F32', 1],
      ['__proto__', 'F32', 1],
      ['brain.f32', 'F32', 676],
      ['empty', 'F32', 2, 0, 3],
      ['f32', 'F32', 3, 3],
      ['half.f32', 'F32', 676],
      ['constructor', 'I32', 1],
      ['i32', 'I32', 2, 3],
      ['brain', 'BF16', 676],
      ['empty.half', 'F16', 0],
      ['half', 'F16', 676],
    ]);
    expect(file.metadata).toEqual(
      new Map([['format', 'pt'], ['__proto__', 'ünïcode 🐍'], ['toString', '']]),
    );
  });

  it('has the values that PyTorch wrote', () => {
    expect(numbers('f32')).toEqual([...common, 2 ** -149, (2 - 2 ** -23) * 2 ** 127]);
    expect(numbers('f64')).toEqual([...common, Number.MIN_VALUE, Number.MAX_VALUE]);
    expect(numbers('i32')).toEqual([-(2 ** 31), -1, 0, 1, 7, 2 ** 31 - 1]);
    expect(numbers('i64')).toEqual([-(2 ** 31), -1, 0, 2 ** 31 - 1]);
    expect(file.read('scalar').item()).toBe(0.1);
    expect(file.read('empty').shape).toEqual([2, 0, 3]);
    expect(['__proto__', 'constructor', unicode, ''].flatMap(numbers)).toEqual([1, 2, 3, 4]);
  });

  it.each(['half', 'brain'])('has a tensor of %s floats, which PyTorch widens alike', (name) => {
    expect(file.read(name).dtype).toBe('f32');
    expect(numbers(name)).toEqual(numbers(`${name}.f32`));
  });

  const types = parseSafetensors(fixture('python-types'));
  const values = (name: string): number[] => Array.from(types.read(name).data);

  it.each(['F8_E4M3', 'F8_E5M2', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'F8_E8M0'])(
    'has every %s, as PyTorch widens it',
    (name) => {
      expect(types.entries.get(name)?.dtype).toBe(name);
      expect(types.read(name).dtype).toBe('f32');
      expect(values(name)).toEqual(values(`${name}.f32`));
    },
  );

  it('has booleans and whole numbers, which become i32 if they fit', () => {
    const whole = ['BOOL', 'U8', 'I8', 'I16', 'U16', 'U32', 'U64'];
    expect(whole.map((name) => types.read(name).dtype)).toEqual(whole.map(() => 'i32'));
    expect(types.read('U8').shape).toEqual([1, 2]);
    expect(whole.map(values)).toEqual([
      [1, 0, 1], [0, 255], [-128, 127], [-(2 ** 15), 2 ** 15 - 1], [0, 2 ** 16 - 1],
      [0, 2 ** 31 - 1], [0, 2 ** 31 - 1],
    ]);
  });

  it('is written here as it was written there', () => {
    const original = fixture('python-int64');
    const { metadata } = parseSafetensors(original);
    const tensors = parseSafetensors(original).readAll();
    expect(encodeSafetensors(tensors, { metadata, integers: 'I64' })).toEqual(original);
  });
});

it('writes the file that the Python library has read', () => {
  const tensors: [string, Tensor][] = [
    ['layers.0.weight', tensor([[1.5, -0, Infinity], [NaN, 2 ** -149, -3]])],
    ['layers.0.bias', tensor([0.1, -0.1])],
    ['scale', tensor(0.1, { dtype: 'f64' })],
    ['größe/重み🐍', zeros([2, 0, 3])],
    ['tokens', tensor([[-(2 ** 31), 2 ** 31 - 1]], { dtype: 'i32' })],
    ['__proto__', tensor([7, 8, 9], { dtype: 'i32' })],
    ['"\\\n\0', ones([1, 1, 1])],
  ];
  const metadata = new Map([['step', '12'], ['constructor', 'größe 🐍 "\\\n']]);
  expect(encodeSafetensors(tensors, { metadata })).toEqual(fixture('mambagrad'));
});

describe('a round trip', () => {
  const name = () => fc.oneof(fc.constantFrom(...hostileNames), fc.string({ unit: 'binary' }));
  const names = () => fc.uniqueArray(name(), { maxLength: 5 });
  const strings = () => fc.array(fc.tuple(name(), name()), { maxLength: 3 });
  const dtype = () => fc.constantFrom('f32', 'f64', 'i32');
  const anyBytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const special = () => fc.constantFrom(undefined, 0, -0, NaN, Infinity, -Infinity, 1e-310, 1e-40);
  const small = () => fc.bigInt({ min: -(2n ** 31n), max: 2n ** 31n - 1n });
  const large = () => fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

  /** A tensor of any bits at all, or of one special value. */
  function drawBits(g: Draw): Tensor {
    const [shape, type] = [drawShape(g), g(dtype)];
    const value = g(special);
    if (value !== undefined && type !== 'i32') return full(shape, value, { dtype: type });
    const numel = shape.reduce((product, size) => product * size, 1);
    const bytes = g(anyBytes, numel * (type === 'f64' ? 8 : 4));
    const arrays = { f32: Float32Array, f64: Float64Array, i32: Int32Array };
    return tensor(new arrays[type](new Uint8Array(bytes).buffer), { shape });
  }

  it('keeps names, metadata, shapes and bits, at any place in memory', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const tensors = new Map(g(names).map((key) => [key, drawBits(g)]));
        const metadata = new Map(g(strings));
        const integers = g(fc.boolean) ? 'I64' : 'I32';
        const encoded = encodeSafetensors(tensors, { metadata, integers });
        const offset = drawInteger(g, 0, 9);
        const memory = new Uint8Array(encoded.length + offset + 3).fill(0x7b);
        memory.set(encoded, offset);
        const file = parseSafetensors(memory.subarray(offset, offset + encoded.length));
        expect(file.metadata).toEqual(metadata);
        expect([...file.entries.keys()].sort()).toEqual([...tensors.keys()].sort());
        const [found, independent] = [file.readAll(), parseIndependently(encoded)];
        for (const [key, x] of tensors) {
          const y = found.get(key) ?? ones([]);
          expect([y.dtype, y.shape, bytesOf(y)]).toEqual([x.dtype, x.shape, bytesOf(x)]);
          expect(independent.get(key)?.shape).toEqual(x.shape);
          expect(Array.from(independent.get(key)?.data ?? [])).toEqual(Array.from(x.data));
        }
        // Every tensor begins at a multiple of its items' size, so that it can be mapped.
        expect(encoded[0] % 8).toBe(0);
        for (const { dtype: stored, begin } of file.entries.values()) {
          expect(begin % (stored.endsWith('64') ? 8 : 4)).toBe(0);
        }
      }),
      { numRuns: runs(150) },
    );
  });

  it('keeps the order of tensors of one type', () => {
    const order = ['b', '10', 'a', '9'];
    const encoded = encodeSafetensors(order.map((key) => [key, ones([1])]));
    expect([...parseSafetensors(encoded).entries.keys()]).toEqual(order);
  });

  it('takes whole numbers of 64 bits if they fit in 32', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(small(), small(), large()), { maxLength: 6 }), (values) => {
        const wrong = values.findIndex((value) => value !== BigInt.asIntN(32, value));
        const read = () => decode('I64', BigInt64Array.from(values));
        if (wrong < 0) {
          expect(Array.from(read().data)).toEqual(values.map(Number));
        } else {
          const problem = `element ${wrong}, ${values[wrong]}, is not an i32`;
          expect(read).toThrow(`safetensors: "x": ${problem}`);
        }
      }),
    );
  });

  it.each(['U32', 'U64'])('takes whole numbers of %s if they fit in i32', (dtype) => {
    const read = (value: bigint) => {
      const isShort = dtype === 'U32';
      const items = isShort ? Uint32Array.of(1, Number(value)) : BigUint64Array.of(1n, value);
      return decode(dtype, items);
    };
    expect(Array.from(read(2n ** 31n - 1n).data)).toEqual([1, 2 ** 31 - 1]);
    for (const value of [2n ** 31n, 2n ** 32n - 1n, ...(dtype === 'U64' ? [2n ** 64n - 1n] : [])]) {
      const problem = `safetensors: "x": element 1, ${value}, is not an i32`;
      expect(() => read(value)).toThrow(problem);
    }
  });

  const halves = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);

  it('widens every half float by its definition', () => {
    const expected = Array.from(halves, (bits) => {
      const [sign, exponent, mantissa] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
      if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
      const scale = 2 ** (Math.max(exponent, 1) - 25);
      return sign * (mantissa + (exponent === 0 ? 0 : 1024)) * scale;
    });
    expect(Array.from(decode('F16', halves).data)).toEqual(expected);
  });

  it('widens every brain float to the bits of which it is the upper half', () => {
    const bits = new Uint32Array(decode('BF16', halves).data.buffer);
    expect([...bits]).toEqual(Array.from(halves, (half) => half * 2 ** 16));
  });
});

describe('a reader', () => {
  it('reads the header, then only what is asked for', () => {
    const file = encodeSafetensors([['a', ones([1000])], ['b', ones([3])]]);
    const asked: number[] = [];
    let isClosed = false;
    const reader = new SafetensorsReader({
      size: file.length,
      read(offset, length) {
        asked.push(length);
        return file.slice(offset, offset + length).buffer;
      },
      close: () => {
        isClosed = true;
      },
    });
    reader.read('b');
    expect(asked).toEqual([8, file.length - 8 - 4012, 12]);
    expect(() => reader.read('c')).toThrow('safetensors: there is no tensor "c" in the file');
    expect(() => reader.read(0 as unknown as string)).toThrow(
      'SafetensorsReader.read: name is 0, expected a string',
    );
    reader.close();
    reader.close();
    expect(isClosed).toBe(true);
    expect(() => reader.read('b')).toThrow('safetensors: "b" is read after close()');
  });
});

describe('a header that the reference library reads', () => {
  const x = '"dtype":"F32","shape":[2],"data_offsets":[0,8]';
  const y = x.replace('[2]', '[1]').replace('8', '4');
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

  it.each<[string, string]>([
    ['a tensor twice', `{"x":{${x}},"x":{${x}}}`],
    ['a tensor twice, of which the last counts', `{"x":{${y}},"x":{${x}}}`],
    ['unknown fields', `{"x":{"q":1,${x},"q":[{"a":[null,true,-1e5,-0.5,"x"]},[],{}]}}`],
    ['a field of some depth', `{"x":{"q":${nested(125)},${x}}}`],
    ['no metadata', `{"__metadata__":null,"x":{${x}}}`],
  ])('may have %s', (_, header) => {
    const { entries, metadata } = parseSafetensors(fileOf(header, 8));
    expect([...entries]).toEqual([['x', { dtype: 'F32', shape: [2], begin: 0, end: 8 }]]);
    expect(metadata).toEqual(new Map());
  });

  it('may have a key of the metadata twice, of which the last counts', () => {
    const header = '{"__metadata__":{"a":"1","__proto__":"","a":"2","__proto__":"x"}}';
    const { metadata } = parseSafetensors(fileOf(header));
    expect([...metadata]).toEqual([['a', '2'], ['__proto__', 'x']]);
  });

  it.each<[string, string, string]>([
    ['a tensor twice, the last wrong', `{"x":{${x}},"x":{${y}}}`, 'the tensors take 4 bytes'],
    ['a tensor twice, the first unreadable', `{"x":1,"x":{${x}}}`, 'expected {, found "1"'],
    ['a number with a zero in front', `{"x":{${x},"q":[01]}}`, 'expected ], found "1"'],
    ['a number that is none', `{"x":{${x},"q":NaN}}`, 'expected a value, found "N"'],
    ['a number without end', `{"x":{${x},"q":1e999}}`, 'expected a value, found "1"'],
    ['half a character', `{"x":{${x},"q":"\\ud800"}}`, 'is malformed'],
    ['too much depth', `{"x":{${x},"q":${nested(126)}}}`, 'expected less depth, found "["'],
  ])('may not have %s', (_, header, message) => {
    expect(() => parseSafetensors(fileOf(header, 8))).toThrow(message);
  });

  it('may have elements of less than a byte, if they fill their bytes', () => {
    const entry = (size: number, end: number) =>
      fileOf({ x: { dtype: 'F4', shape: [size], data_offsets: [0, end] } }, end);
    expect(parseSafetensors(entry(6, 3)).entries.get('x')?.end).toBe(3);
    const problem = '"x" is F4[3], whose last byte is not full';
    expect(() => parseSafetensors(entry(3, 2))).toThrow(problem);
    expect(() => parseSafetensors(entry(6, 3)).read('x')).toThrow('"x" is F4, which is not supported');
  });
});

it('reads what can be read beside what cannot', () => {
  const f32 = { dtype: 'F32', shape: [1], data_offsets: [8, 12] };
  const x = { dtype: 'C64', shape: [1], data_offsets: [0, 8] };
  const file = parseSafetensors(fileOf({ x, f32 }, 12));
  expect(file.read('f32').item()).toBe(0);
  expect(file.entries.get('x')?.dtype).toBe('C64');
  const problem = 'safetensors: "x" is C64, which is not supported; read the others by their names';
  expect(() => file.read('x')).toThrow(problem);
  expect(() => file.readAll()).toThrow(problem);
});

it('reads from a source alone', () => {
  const wrong = (source: unknown) => () => new SafetensorsReader(source as SafetensorsSource);
  const expected = 'expected a source with a size and read()';
  expect(wrong('model.safetensors')).toThrow(
    `SafetensorsReader: source is 'model.safetensors', ${expected}`,
  );
  expect(wrong(new Uint8Array(8))).toThrow(expected);
});

describe('a file of another kind', () => {
  it.each<[string, string, string]>([
    ['a zip', 'PK\x03\x04\x00\x00\x08\x08model/data.pkl', 'as does a zip archive'],
    ['a pointer', 'version https://git-lfs.github.com/spec/v1', 'as does a Git LFS pointer'],
    ['a page', '<!DOCTYPE html><html>', 'the file begins with "<!DOCTYP", as does an HTML or XML page'],
    ['JSON', '{"model_type": "mamba"}', 'the file begins with "{\\"model_", as does JSON'],
    ['text', 'Hello, world!', 'at most 5; the file begins with "Hello, w"'],
  ])('is named (%s)', (_, text, message) => {
    const read = () => parseSafetensors(Uint8Array.from(text, (x) => x.charCodeAt(0)));
    expect(read).toThrow(/^safetensors: the header claims \d+ bytes, expected at most \d+; /);
    expect(read).toThrow(message);
  });
});

describe('a file that lies', () => {
  const f32 = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  /** A file of one tensor, with something changed. */
  const entry = (change: object) => fileOf({ x: { ...f32, ...change } }, 8);
  /** The same with the shape as text. */
  const shape = (text: string) => fileOf(JSON.stringify({ x: f32 }).replace('[2]', text), 8);
  const beside = (y: object) => fileOf({ x: f32, y: { ...f32, ...y } }, 8);
  const number = 'expected a whole number from 0 to 2^53 - 1';
  const malformed = /the string at character \d+ of the header is malformed/;
  const incomplete = '"x" needs a shape and two data_offsets';
  const deep = 1_000_000;

  it.each<[string, Uint8Array, string | RegExp]>([
    ['is empty', new Uint8Array(), 'the file has 0 bytes, too few'],
    ['ends in the length', new Uint8Array(7), 'the file has 7 bytes, too few'],
    ['has no header', new Uint8Array(8), 'expected {, found "" at character 0 of'],
    ['ends in its header', fileOf('{}', 0, 3n), 'the header claims 3 bytes, expected at most 2'],
    ['claims 2^64 - 1', fileOf('{}', 0, 2n ** 64n - 1n), 'the header claims 18446744073709552000'],
    ['is not UTF-8', fileOf('{"!').map((x) => (x === 33 ? 255 : x)), 'the header is not UTF-8'],
    ['starts with a mark', fileOf('\ufeff{}'), 'expected {, found "\ufeff"'],
    ['starts with a space', fileOf(' {}'), 'expected {, found " "'],
    ['is a list', fileOf('[]'), 'expected {, found "["'],
    ['goes on', fileOf('{}{}'), 'expected the end, found "{" at character 2'],
    ['has a comma too many', fileOf('{"__metadata__":{},}'), 'expected a string, found "}"'],
    ['has no colon', fileOf('{"a" {}}'), 'expected :, found "{"'],
    ['has a name without an end', fileOf('{"a\\"'), malformed],
    ['has a line break in a name', fileOf('{"a\n":{}}'), malformed],
    ['has a wrong escape', fileOf('{"\\x":{}}'), malformed],
    ['has half a character', fileOf('{"\\ud83d":{}}'), malformed],
    ['has a field twice', fileOf('{"a":{"shape":[],"shape":[]}}'), '"shape" appears twice'],
    ['has metadata twice', fileOf('{"__metadata__":{},"__metadata__":{}}'), '"__metadata__" appears'],
    ['has a number as metadata', fileOf({ __metadata__: { a: 1 } }), 'expected a string'],
    ['has metadata twice, once null', fileOf('{"__metadata__":null,"__metadata__":{}}'), 'twice'],
    ['has nothing like null for metadata', fileOf('{"__metadata__":nul}'), 'expected {, found "n"'],
    ['has null for a tensor', fileOf({ x: null }), 'expected {, found "n"'],
    ['has no dtype', entry({ dtype: undefined }), '"x" has the dtype "", expected one of I64'],
    ['has no shape', entry({ shape: undefined }), incomplete],
    ['has no offsets', entry({ data_offsets: undefined }), incomplete],
    ['has three offsets', entry({ data_offsets: [0, 8, 8] }), incomplete],
    [
      'has an unknown dtype',
      entry({ dtype: 'F128' }),
      '"x" has the dtype "F128", expected one of I64, U64, F64, C64, F32, I32, U32, BF16, F16, I16',
    ],
    ['has a hostile dtype', entry({ dtype: 'constructor' }), '"x" has the dtype "constructor"'],
    ['has a number as dtype', entry({ dtype: 1 }), 'expected a string, found "1"'],
    ['has a number as shape', shape('2'), 'expected [, found "2"'],
    ['has a negative size', shape('[-2]'), number],
    ['has a fraction', shape('[2.5]'), 'expected ], found "."'],
    ['has an exponent', shape('[2e0]'), 'expected ], found "e"'],
    ['has a leading zero', shape('[02]'), number],
    ['has a size of 2^53', shape('[9007199254740992]'), number],
    ['has a size of 400 digits', shape(`[${'1'.repeat(400)}]`), number],
    ['has a shape in a shape', shape('[[2]]'), number],
    ['has 65 axes', entry({ shape: new Array(65).fill(1) }), 'expected at most 64 sizes'],
    [
      'has a shape that overflows',
      shape('[4294967296,4294967296]'),
      '"x" is F32[4294967296, 4294967296], too large for any file',
    ],
    [
      'has nothing of too much',
      shape('[9007199254740991,0]'),
      '"x" is F32[9007199254740991, 0], too large for any file',
    ],
    ['has another size', shape('[3]'), '"x" is F32[3], 12 bytes, but has 8'],
    ['goes backwards', entry({ data_offsets: [8, 0] }), '"x" is F32[2], 8 bytes, but has -8'],
    [
      'has offsets out of range',
      entry({ shape: [4], data_offsets: [0, 16] }),
      'the tensors take 16 bytes, the file has 8',
    ],
    ['has bytes left over', fileOf({ x: f32 }, 9), 'the tensors take 8 bytes, the file has 9'],
    [
      'has a hole',
      entry({ shape: [1], data_offsets: [4, 8] }),
      '"x" begins at byte 4, after a gap; expected 0',
    ],
    [
      'has an overlap',
      beside({ shape: [1], data_offsets: [4, 8] }),
      '"y" begins at byte 4, inside another tensor; expected 8',
    ],
    ['has two in one place', beside({}), '"y" begins at byte 0, inside another tensor'],
    [
      'has nothing inside another',
      beside({ shape: [0], data_offsets: [4, 4] }),
      '"y" begins at byte 4, inside another tensor',
    ],
    ['has lists in lists', fileOf('['.repeat(deep)), 'expected {, found "["'],
    ['has a deep shape', shape('['.repeat(deep)), number],
    ['has objects in objects', fileOf('{"a":'.repeat(deep)), 'expected less depth, found "{"'],
    [
      'has a long name',
      fileOf(`{"${'a'.repeat(deep)}":{"b"`),
      `expected :, found "" at character ${deep + 8}`,
    ],
  ])('%s', (_, file, message) => {
    expect(() => parseSafetensors(file)).toThrow(TensorError);
    expect(() => parseSafetensors(file)).toThrow(/^safetensors: /);
    expect(() => parseSafetensors(file)).toThrow(message);
  });

  it('changes no prototype', () => {
    const before = Reflect.ownKeys(Object.prototype);
    const x = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
    const names = hostileNames.map((name) => `${JSON.stringify(name)}:`);
    const metadata = `"__metadata__":{${names.map((name) => `${name}"polluted"`).join()}}`;
    const file = parseSafetensors(fileOf(`{${metadata},${names.map((name) => name + x).join()}}`));
    expect([...file.entries.keys()]).toEqual(hostileNames);
    expect([...file.metadata.keys()]).toEqual(hostileNames);
    expect(Reflect.ownKeys(Object.prototype)).toEqual(before);
    expect(() => file.read('valueOf')).toThrow(TensorError);
  });

  it('loads or is refused with an error, however it was damaged', () => {
    const files = readdirSync(locate('safetensors/'))
      .filter((name) => name.endsWith('.safetensors'))
      .map((name) => fixture(name.replace('.safetensors', '')));
    expect(files.map(outcomeOf)).toEqual(files.map(() => 'loads'));
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(fc.noShrink(fc.integer()), (seed) => {
        outcomes.add(outcomeOf(damage(files, randomFrom(seed))));
      }),
      { numRuns: 1000 },
    );
    expect(outcomes).toContain('loads');
    expect(outcomes.size).toBeGreaterThan(100);
  });
});

describe('encodeSafetensors', () => {
  const x = ones([1]);

  it.each<[string, [string, Tensor][], string]>([
    ['the name of the metadata', [['__metadata__', x]], '__metadata__ is reserved and cannot name'],
    ['a name twice', [['a', x], ['a', x]], '"a" appears twice'],
    ['half a character', [['\ud83d', x]], 'the string at character 1 of the header is malformed'],
    ['65 axes', [['a', zeros(new Array<number>(65).fill(1))]], 'expected at most 64 sizes'],
  ])('refuses %s', (_, tensors, message) => {
    expect(() => encodeSafetensors(tensors)).toThrow(`safetensors: ${message}`);
  });

  it('refuses what is no tensor with a name', () => {
    const encode = (given: unknown) => () => encodeSafetensors(given as Map<string, Tensor>);
    const pairs = 'expected pairs of a name and a tensor';
    expect(encode(new Linear(2, 3))).toThrow(
      `safetensors: tensors is a Linear, ${pairs}, such as model.stateDict()`,
    );
    expect(encode({ x })).toThrow(`tensors is { x }, ${pairs}`);
    expect(encode(new Map([['x', [1]]]))).toThrow(pairs);
    expect(encode([x])).toThrow(pairs);
    const options = { integers: 'I16' } as object;
    expect(() => encodeSafetensors([], options)).toThrow("integers is 'I16', expected 'I32' or");
    expect(() => encodeSafetensors([], { metdata: new Map() } as object)).toThrow(
      "safetensors: there is no option 'metdata'; did you mean 'metadata'?",
    );
    const plain = { metadata: { step: '1' } } as object;
    expect(() => encodeSafetensors([], plain)).toThrow('expected a Map of strings');
    expect(() => parseSafetensors('path' as unknown as Uint8Array)).toThrow(
      "parseSafetensors: bytes is 'path', expected a Uint8Array",
    );
  });

  it('refuses metadata that is no string', () => {
    const metadata = new Map([['step', 12]]) as unknown as Map<string, string>;
    expect(() => encodeSafetensors([], { metadata })).toThrow('expected a string, found "1"');
  });
});

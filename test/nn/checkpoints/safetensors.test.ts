/** The safetensors format: files of the Python library, round trips, and what is read. */
import {
  encodeSafetensors, parseSafetensors, SafetensorsReader, type SafetensorsSource,
} from '@mambagrad/nn';
import { full, ones, tensor, type Tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawInteger, drawShape, type Draw } from '../../support/draw.ts';
import { fileOf, fixture, hostileNames } from '../../support/safetensorsFiles.ts';
import { parseSafetensors as parseIndependently } from '../../support/safetensors.ts';
import { runs } from '../../support/soak.ts';

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

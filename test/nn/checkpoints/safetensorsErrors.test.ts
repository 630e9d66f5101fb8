/** Files that are no safetensors files, or lie: refused with an error that names the mistake. */
import { encodeSafetensors, Linear, parseSafetensors } from '@mambagrad/nn';
import { ones, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { damage, outcomeOf, randomFrom } from '../../../bench/support/damage.ts';
import { locate } from '../../support/golden.ts';
import { fileOf, fixture, hostileNames } from '../../support/safetensorsFiles.ts';

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
    expect(() => parseSafetensors(entry(6, 3)).read('x')).toThrow(
      '"x" is F4, which is not supported',
    );
  });
});
describe('a file of another kind', () => {
  it.each<[string, string, string]>([
    ['a zip', 'PK\x03\x04\x00\x00\x08\x08model/data.pkl', 'as does a zip archive'],
    ['a pointer', 'version https://git-lfs.github.com/spec/v1', 'as does a Git LFS pointer'],
    [
      'a page', '<!DOCTYPE html><html>',
      'the file begins with "<!DOCTYP", as does an HTML or XML page',
    ],
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
    [
      'has metadata twice', fileOf('{"__metadata__":{},"__metadata__":{}}'),
      '"__metadata__" appears',
    ],
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

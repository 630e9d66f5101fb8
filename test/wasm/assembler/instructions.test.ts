/**
 * Every instruction of the assembler's table: those that compute against JavaScript's arithmetic,
 * those that touch memory against a DataView, bit for bit, over random and special values.
 */
import { features, type Row, rows } from '@mambagrad/wasm';
import fc from 'fast-check';
import { setFlagsFromString } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { effectOf } from '../memory.ts';
import { computing, referenceOf, touching, trap, type Value } from './reference.ts';
import { anyArgument, builderOf, type Given, isSame, machineFor } from './run.ts';

// Node 20 has relaxed SIMD behind a flag of its engine; it serves modules made from then on.
if (process.versions.node.startsWith('20.')) {
  setFlagsFromString('--experimental-wasm-relaxed-simd');
}

const isKnown = ({ name }: Row) => features().relaxedSimd || !name.includes('relaxed');

const argumentsOf = ({ name, tokens }: Row): fc.Arbitrary<readonly Given[]> => {
  const given = tokens.filter((token) => token !== '00');
  return fc.tuple(...given.map((token) => anyArgument(token, name)));
};

test('every row of the table has a builder and is tested', () => {
  expect(computing.filter(({ name }) => referenceOf(name) === undefined)).toEqual([]);
  expect(touching.filter(({ name }) => effectOf(name) === undefined)).toEqual([]);
  expect(computing.length + touching.length).toBe(rows.length);
  expect(rows.filter(({ name }) => typeof builderOf(name) !== 'function')).toEqual([]);
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
});

describe('computes as JavaScript does', () => {
  test.each(computing.filter(isKnown))('$name', (row) => {
    const reference = referenceOf(row.name);
    const { run } = machineFor(row);
    fc.assert(
      fc.property(argumentsOf(row), (given) => {
        const expected = reference?.(...(given as never[])) ?? trap;
        if (expected === trap) {
          expect(() => run(...given)).toThrow();
          return;
        }
        const found = run(...given);
        const allowed = (Array.isArray(expected) ? expected : [expected]) as Value[];
        if (!allowed.some((one) => isSame(found, one))) expect(found).toEqual(expected);
      }),
      { numRuns: row.tokens.every((token) => /^[ifv]\d+$/.test(token)) ? 300 : 50 },
    );
  });
});

describe('touches memory as a DataView does', () => {
  test.each(touching)('$name', (row) => {
    const effect = effectOf(row.name);
    const { view, run } = machineFor(row);
    const window = new Uint8Array(view.buffer, 0, 256);
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 256, maxLength: 256 }),
      fc.constant(new Uint8Array(256)),
    );
    const small = fc.array(fc.integer({ min: 0, max: 96 }), { minLength: 3, maxLength: 3 });
    const count = row.tokens.filter((token) => token !== '00').length;
    const given = row.tokens[0].startsWith('@')
      ? argumentsOf(row)
      : small.map((numbers): Given[] => numbers.slice(0, count));
    fc.assert(
      fc.property(bytes, given, (before, [first, ...rest]) => {
        const model = before.slice();
        const place = typeof first === 'object' && 'offset' in first ? first : undefined;
        const address = place && Number(Reflect.get(place, 'address')) + place.offset;
        const expected = effect?.(
          new DataView(model.buffer),
          ...([address ?? first, ...rest] as never[]),
        );
        window.set(before);
        const found = run(...[first, ...rest].slice(0, count));
        if (!isSame(found, expected)) expect(found).toEqual(expected);
        expect(window).toEqual(model);
      }),
      { numRuns: 40 },
    );
  });
});

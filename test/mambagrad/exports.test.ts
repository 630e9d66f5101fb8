/**
 * The umbrella package: everything that its parts export can be reached through it, under the same
 * name, as the same value; and what the parts call the same is the same.
 */
import * as kernel from '@mambagrad/kernel';
import { entryPoints } from '../../scripts/api/packages.ts';
import { expect, test } from 'vitest';

/** The entries of the umbrella, and those of the parts that they pass on. */
const parts: Record<string, readonly string[]> = {
  'mambagrad': ['@mambagrad/tensor', '@mambagrad/nn', '@mambagrad/mamba'],
  'mambagrad/browser': [
    '@mambagrad/tensor', '@mambagrad/nn', '@mambagrad/mamba', '@mambagrad/nn/browser',
  ],
  'mambagrad/node': ['@mambagrad/nn/node'],
  'mambagrad/testing': ['@mambagrad/mamba/testing'],
  'mambagrad/extend': [
    '@mambagrad/tensor/extend', '@mambagrad/tensor/host', '@mambagrad/tensor/options',
  ],
};

type Exports = Record<string, unknown>;

const load = async (specifier: string) => (await import(specifier)) as Exports;

/** The names that an entry exports, types too, with the file that declares each. */
const names = new Map(entryPoints().map(({ specifier, exports }) => [
  specifier,
  new Map([...exports].map(([name, { file, name: own }]) => [name, `${file.source} ${own}`])),
]));

test('every entry of tensor, nn and mamba is passed on, and no other', () => {
  const passedOn = [...new Set(Object.values(parts).flat())].sort();
  const all = [...names.keys()].filter((each) => /^@mambagrad\/(?:tensor|nn|mamba)\b/.test(each));
  expect(passedOn).toEqual(all.sort());
  const own = [...names.keys()].filter((each) => /^mambagrad\b/.test(each));
  expect(own.sort()).toEqual(Object.keys(parts).sort());
});

test.each(Object.entries(parts))('%s exports all values of its parts', async (entry, from) => {
  const whole = await load(entry);
  for (const part of await Promise.all(from.map(load))) {
    const missing = Object.keys(part).filter((name) => whole[name] !== part[name]);
    expect(missing).toEqual([]);
  }
});

test.each(Object.entries(parts))('%s exports all types of its parts', (entry, from) => {
  // Of two modules that export one name, `export *` would drop both without a word.
  const all = from.flatMap((part) => [...names.get(part) ?? []]);
  expect(all.length).toBeGreaterThan(0);
  expect(Object.fromEntries(names.get(entry) ?? [])).toEqual(Object.fromEntries(all));
  const clashes = all.filter(([name, place]) =>
    all.some(([other, otherPlace]) => other === name && otherPlace !== place),
  );
  expect(clashes).toEqual([]);
});

test('the loop language is k, beside what ops are made of', async () => {
  expect((await load('mambagrad/extend'))['k']).toBe(kernel);
});

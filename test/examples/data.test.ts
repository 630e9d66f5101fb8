/** The data of the examples is what its README says, byte for byte. */
import { readCsv } from '@mambagrad/nn/node';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { dataFile } from '../../examples/files.ts';
import { indexOfYear, readSeries, risesOf, YEAR } from '../../examples/forecast/series.ts';

it.each([
  ['digits.csv.gz', '09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22'],
  ['co2-concentration.csv', 'c1a4a970864145940a28225cae288618b156cb32f9a2a1b6606ba7124134febb'],
  ['names.txt', 'c2fe2807676989d87647bb9c070fd56b4470d3e5fad9ec3c478159b901102a1b'],
])('%s has its checksum', (name, sum) => {
  expect(createHash('sha256').update(readFileSync(dataFile(name))).digest('hex')).toBe(sum);
});

it('holds 1,797 digits of 64 pixels from 0 to 16', () => {
  const table = readCsv(dataFile('digits.csv.gz'), { header: false });
  expect([table.length, table.names.length]).toEqual([1797, 65]);
  const pixels = table.toTensor(table.names.slice(0, 64));
  expect([pixels.min().item(), pixels.max().item()]).toEqual([0, 16]);
  expect([...new Set(table.numbers('64'))].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it('holds 746 months of CO₂, of which five are missing', () => {
  const series = readSeries(dataFile('co2-concentration.csv'));
  const { times, values } = series;
  expect(values).toHaveLength(746);
  const missing = Array.from(times).filter((_, i) => Number.isNaN(values[i]));
  expect(missing.map((time) => new Date(time).toISOString().slice(0, 7))).toEqual(
    ['1958-06', '1958-10', '1964-02', '1964-03', '1964-04'],
  );
  const rises = risesOf(values);
  const i = indexOfYear(series, 2010);
  expect(rises[i]).toBe(values[i] - values[i - YEAR]);
  expect(Array.from(rises.slice(0, YEAR)).every(Number.isNaN)).toBe(true);
});

it('holds 4,916 names of 3 to 12 letters, each once', () => {
  const names = readFileSync(dataFile('names.txt'), 'utf8').trim().split('\n');
  expect([names.length, new Set(names).size]).toEqual([4916, 4916]);
  expect(names.filter((name) => !/^[a-z]{3,12}$/.test(name))).toEqual([]);
});

/** CSV: what is written is read, in every type, and what is no table is refused with its place. */
import { type CsvOptions, DataLoader, formatCsv, parseCsv } from '@mambagrad/nn';
import { readCsv } from '@mambagrad/nn/node';
import { TensorError } from '@mambagrad/tensor';
import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { runs } from '../../support/soak.ts';

/** Text with all that is special in CSV. */
const cell = fc.oneof(
  fc.string(),
  fc.array(
    fc.constantFrom('"', ',', ';', '\n', '\r', ' ', 'a', '', '#', '\uFEFF', 'é'), { maxLength: 6 },
  )
    .map((parts) => parts.join('')),
);
const separator = fc.constantFrom(',', ';', '\t', '|', 'd', '.');

/** Rows of equal width. */
const tableOf = <T>(value: fc.Arbitrary<T>) =>
  fc.integer({ min: 1, max: 4 }).chain((width) =>
    fc.array(
      fc.array(value, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 5 },
    ));

const asObject = <T>(row: readonly T[]) =>
  Object.fromEntries(row.map((value, i) => [`c${i}`, value]));

/** The rows of a table, with NaN told from other numbers. */
const rowsOf = (text: string, options: CsvOptions) => [...parseCsv(text, options)];

describe('round trips', () => {
  test('any text, in any cell, with any separator', () => {
    fc.assert(fc.property(tableOf(cell), separator, (rows, by) => {
      const objects = rows.map(asObject);
      const text = formatCsv(objects, { separator: by });
      const decimal = by === '.' ? ',' : '.';
      expect(rowsOf(text, { separator: by, decimal, types: 'string' })).toEqual(objects);
      const body = formatCsv(objects, { separator: by, header: false });
      const names = Object.keys(objects[0]);
      expect(rowsOf(body, { separator: by, decimal, types: 'string', header: false, names }))
        .toEqual(objects);
      const ends = text.replaceAll('\n', '\r\n');
      if (!/[\r\n]/.test(rows.flat().join(''))) {
        expect(rowsOf(ends, { separator: by, decimal, types: 'string' })).toEqual(objects);
      }
    }));
  });

  test('any names of columns', () => {
    fc.assert(fc.property(fc.uniqueArray(cell, { minLength: 1, maxLength: 4 }), (names) => {
      const table = parseCsv(formatCsv([Object.fromEntries(names.map((name) => [name, 1]))]));
      // Names that are numbers come first in objects of JavaScript.
      expect(table.names.toSorted()).toEqual(names.toSorted());
      expect(table.types).toEqual(Object.fromEntries(names.map((name) => [name, 'integer'])));
    }));
  });

  test('any numbers, exactly, NaN as missing', () => {
    const numbers = fc.oneof(fc.double(), fc.integer(), fc.double({ min: -1e4, max: 1e4 }));
    fc.assert(fc.property(tableOf(numbers), (rows) => {
      const objects = rows.map(asObject);
      expect(rowsOf(formatCsv(objects), { types: 'number' })).toEqual(objects);
      const found = parseCsv(formatCsv(objects));
      expect([...found]).toEqual(objects);
      rows[0].forEach((_, column) => {
        const values = rows.map((row) => row[column]);
        const isInteger = values.every((x) => Object.is(x, x | 0));
        expect(found.types[`c${column}`]).toBe(isInteger ? 'integer' : 'number');
        expect([...found.mask(`c${column}`)]).toEqual(values.map((x) => (Number.isNaN(x) ? 0 : 1)));
      });
    }));
  });

  test('booleans, dates and categories', () => {
    const row = fc.record({
      flag: fc.boolean(),
      at: fc.date(
        { noInvalidDate: true, min: new Date('0000-01-01'), max: new Date('9999-12-31') },
      ),
      kind: fc.constantFrom('a', 'b', ''),
    });
    fc.assert(fc.property(fc.array(row, { minLength: 1 }), (rows) => {
      const written = rows.map(({ flag, at, kind }) => ({ flag, at: at.toISOString(), kind }));
      const table = parseCsv(formatCsv(written), { types: { kind: 'category' } });
      expect(table.types).toEqual({ flag: 'boolean', at: 'date', kind: 'category' });
      expect([...table]).toEqual(
        rows.map(({ flag, at, kind }) => ({ flag, at: at.getTime(), kind })),
      );
      expect(formatCsv(table)).toBe(formatCsv(written));
      expect(table.strings('kind')).toEqual(rows.map(({ kind }) => kind));
    }));
  });
});

describe('numbers', () => {
  test('are those that JavaScript reads, in all their spellings', () => {
    const digits = fc.stringMatching(/^[0-9]{0,18}$/);
    const spelling = fc.tuple(
      fc.constantFrom('', '+', '-'), digits, fc.constantFrom('', '.'), digits,
      fc.constantFrom('', 'e3', 'E-12', 'e+30'), fc.constantFrom('', ' ', '\t'),
    );
    fc.assert(fc.property(spelling, ([sign, whole, point, decimals, exponent, space]) => {
      fc.pre(whole + decimals !== '');
      const text = sign + whole + point + (point && decimals) + exponent;
      fc.pre(text !== sign + point + exponent);
      const [value] = parseCsv(`x\n${space}${text}${space}`, { types: 'number' }).numbers('x');
      expect(value).toBe(Number(text));
      const comma = text.replace('.', ',');
      const [other] =
        parseCsv(`x;y\n${comma};1`, { types: 'number', separator: ';', decimal: ',' }).numbers('x');
      expect(other).toBe(value);
    }));
  });

  test.each(['.', '-', '1.2.3', '1e', '0x10', '1_000', '1 2', 'e5', '--1', '٣'])('%s is none', (text) => {
    expect(() => parseCsv(`x\n${text}`, { types: 'number' })).toThrow(
      `parseCsv: line 2, column 'x': ${JSON.stringify(text)} is not a number`,
    );
    expect(parseCsv(`x\n${text}`).types).toEqual({ x: 'string' });
  });
});

test('types are found, and missing values change integers to numbers', () => {
  const text = 'i,n,b,d,s,code,gap,flag\n' +
    '1,1.5,true,2024-02-29,x,007,1,true\n-2,NA,False,2024-03-01T12:30,3,010,,NA\n';
  const table = parseCsv(text);
  expect(table.types).toEqual({
    i: 'integer', n: 'number', b: 'boolean', d: 'date', s: 'string', code: 'string', gap: 'number',
    flag: 'number',
  });
  expect(table.at(-1)).toEqual({
    i: -2, n: NaN, b: false, d: Date.UTC(2024, 2, 1, 12, 30), s: '3', code: '010', gap: NaN,
    flag: NaN,
  });
  expect(table.column('i').values).toBeInstanceOf(Int32Array);
  expect(table.toTensor(['i', 'n']).toArray()).toEqual([[1, 1.5], [-2, NaN]]);
  expect([...table.mask('gap')]).toEqual([1, 0]);
  expect(parseCsv('x\n2147483648').types).toEqual({ x: 'number' });
  expect(parseCsv('x\n').types).toEqual({ x: 'number' });
  expect(parseCsv('x\n-999\n5', { missing: ['-999'] }).numbers('x')).toEqual(
    Float64Array.of(NaN, 5),
  );
});

test('rows have the types that were asked for', () => {
  const table =
    parseCsv('a,b,c\n1,x,true\n', { types: { a: 'number', b: 'category', c: 'boolean' } });
  // Compiled only if the types are known.
  const { a, b, c }: { a: number; b: string; c: boolean } = table.at(0);
  expect([a, b, c]).toEqual([1, 'x', true]);
  const [sum, text]: [number, string] = [
    parseCsv('a\n2', { types: 'number' }).at(0)['a'],
    parseCsv('a\n2', { types: 'string' }).at(0)['a'],
  ];
  expect([sum, text]).toEqual([2, '2']);
});

test('a late cell changes the type of its column, and of no other', () => {
  const late = fc.record({
    rows: fc.integer({ min: 1, max: 900 }), at: fc.nat(899),
    text: fc.constantFrom('x', '0.5', '2024-01-01', 'true', '007', ''),
  });
  const typeOf = {
    x: 'string', '0.5': 'number', '2024-01-01': 'string', true: 'string', '007': 'string',
    '': 'number',
  } as const;
  fc.assert(fc.property(late, ({ rows, at, text }) => {
    fc.pre(at > 0 && at < rows);
    const cells = Array.from({ length: rows }, (_, i) =>
      ({ n: i, late: i === at ? text : String(i), s: i / 2 }),
    );
    const table = parseCsv(formatCsv(cells));
    expect(table.types).toEqual({ n: 'integer', late: typeOf[text as 'x'], s: 'number' });
    expect([...table.numbers('s')]).toEqual(cells.map(({ s }) => s));
    if (table.types['late'] === 'string') {
      expect(table.strings('late')).toEqual(cells.map((cell) => cell.late));
    }
    else expect([...table.mask('late')]).toEqual(cells.map((cell) => (cell.late === '' ? 0 : 1)));
  }), { numRuns: runs(30) });
});

test('yes, no, 1 and 0 are booleans where booleans are asked for', () => {
  expect(parseCsv('a,b\nyes,TRUE\nno,1\n').types).toEqual({ a: 'string', b: 'string' });
  const table = parseCsv('a,b\nyes,TRUE\nNo,0\n', { types: 'boolean' });
  expect([...table]).toEqual([{ a: true, b: true }, { a: false, b: false }]);
});

test('dates are those of the calendar, UTC unless they say otherwise', () => {
  const dates: Record<string, number> = {
    '2024-02': Date.UTC(2024, 1), '2024-02-29': Date.UTC(2024, 1, 29),
    '0050-01-01': Date.parse('0050-01-01'),
    '2024-02-29T23:59:59.5Z': Date.UTC(2024, 1, 29, 23, 59, 59, 500),
    '2024-02-29 01:00+01:30': Date.UTC(2024, 1, 28, 23, 30),
    '2024-02-29T01:00-0130': Date.UTC(2024, 1, 29, 2, 30),
  };
  for (const [text, time] of Object.entries(dates)) {
    expect(parseCsv(`d,e\n ${text}\t,1\nNA,2`).numbers('d')).toEqual(Float64Array.of(time, NaN));
  }
  for (const text of [
    '2024-13-01', '2023-02-29', '2024-02-30', '2024-02-29T24:00', '24-02-29', '2024-02T10:00',
    '2024', '2024-02-2', '2024-02-', '2024-1-01', '2024-02-29T1:00',
  ]) {
    expect(() => parseCsv(`d\n${text}`, { types: { d: 'date' } })).toThrow(
      `"${text}" is not a date such as`,
    );
  }
});

test('any text is a table or is refused, with the line where it is none', () => {
  fc.assert(fc.property(fc.array(cell).map((parts) => parts.join('')), separator, fc.boolean(), (
    text, by, header,
  ) => {
    const options =
      { separator: by, header, decimal: by === '.' ? ',' : '.', comment: '#' } as const;
    try {
      const table = parseCsv(text, options);
      expect([...table]).toHaveLength(table.length);
      // Whatever was read is written and read again.
      if (table.length > 0) {
        expect([...parseCsv(formatCsv(table), { types: table.types })]).toEqual([...table]);
      }
    } catch (error) {
      expect(error).toBeInstanceOf(TensorError);
      expect(String(error)).toMatch(
        /parseCsv: (line \d+|the text is empty|two columns have the name)/,
      );
    }
  }), { numRuns: runs(300) });
});

test('comments, empty lines, a mark of the byte order and all ends of lines are passed over', () => {
  const text = '\uFEFF# from a station\r\na,b\r\r\n\n1,2\n#x\n3,4';
  expect(rowsOf(text, { comment: '#' })).toEqual([{ a: 1, b: 2 }, { a: 3, b: 4 }]);
});

test('a table is a data set, and files are read as text is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'csv-'));
  try {
    const text = formatCsv(Array.from({ length: 9 }, (_, i) => ({ x: i / 4, y: i })));
    writeFileSync(join(folder, 'a.csv'), text);
    writeFileSync(join(folder, 'a.csv.gz'), gzipSync(text));
    for (const name of ['a.csv', 'a.csv.gz']) {
      const table = readCsv(join(folder, name));
      expect([...table]).toEqual([...parseCsv(text)]);
      const [batch] = new DataLoader(table, { batchSize: 3, shuffle: true });
      expect(Object.keys(batch)).toEqual(['x', 'y']);
    }
    writeFileSync(join(folder, 'bad.csv'), Uint8Array.of(0x61, 0xff));
    expect(() => readCsv(join(folder, 'bad.csv'))).toThrow(/^readCsv: .*bad.csv is not UTF-8/);
    writeFileSync(join(folder, 'bad.csv.gz'), text);
    expect(() => readCsv(join(folder, 'bad.csv.gz'))).toThrow(
      /cannot be decompressed: incorrect header check/,
    );
    writeFileSync(join(folder, 'b.csv'), 'a,b\n1\n');
    expect(() => readCsv(join(folder, 'b.csv'))).toThrow(
      /^readCsv: line 2 has 1 cell, expected 2 \(.*b.csv\)/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each<[string, CsvOptions, string]>([
  ['', {}, 'the text is empty, expected a row of names at least'],
  ['a,b\n1,2\n\n"x\ny",2,3\n', {}, 'line 4 has 3 cells, expected 2'],
  ['a,b\n1,"2', {}, 'line 2, cell 2: the quote is never closed'],
  ['a,b\n"1"2,3', {}, 'line 2, cell 1: "2,3" follows a closing quote'],
  ['a\n1\nx', { types: 'integer' }, `line 3, column 'a': "x" is not a whole number`],
  [
    'a\n1.5', { types: { a: 'integer' } },
    `line 2, column 'a': "1.5" is not a whole number from -2147483648`,
  ],
  [
    'a\n\n\n3000000000', { types: { a: 'integer' } },
    `line 4, column 'a': "3000000000" is not a whole number`,
  ],
  ['a,b\nmaybe,', { types: { a: 'boolean' } }, `line 2, column 'a': "maybe" is not true or false`],
  [
    'a,b\n1,', { types: { b: 'integer' } },
    `column 'b': the value is missing, which only numbers can be`,
  ],
  ['a,b', { types: { c: 'number' } }, "types: there is no column 'c', only ['a', 'b']"],
  ['a,a', {}, "two columns have the name 'a'"],
  ['a,b', { names: ['x'] }, 'names has 1 names, but rows have 2 cells'],
  ['a', { separator: '"' }, `separator is '"', expected one character, but no quote or line break`],
  ['a', { separator: ',', decimal: ',' }, "separator and decimal are both ','"],
])('%j with %j is refused', (text, options, message) => {
  expect(() => parseCsv(text, options)).toThrow(message);
});

test('columns are asked for by names that there are, in types that they have', () => {
  const table = parseCsv('a,b\n1,x\n2,y');
  expect(() => table.numbers('c')).toThrow(
    "DataTable.numbers: there is no column 'c', expected one of ['a', 'b']",
  );
  expect(() => table.toTensor()).toThrow(
    "DataTable.toTensor: the column 'b' holds strings, such as 'x'",
  );
  const dates = parseCsv('d\n2024-01-01');
  expect(() => dates.toTensor()).toThrow(
    "DataTable.toTensor: the column 'd' holds dates, which are too large for f32",
  );
  expect(dates.toTensor(['d'], 'f64').item()).toBe(Date.UTC(2024, 0, 1));
  expect(() => table.strings('a')).toThrow("DataTable.strings: the column 'a' is of type integer");
  expect(() => table.at(2)).toThrow(
    'DataTable.at: index is 2, expected a whole number from -2 to 1',
  );
  expect(() => table.select([2])).toThrow(
    'DataTable.select: indices[0] is 2, expected one below the length, 2',
  );
  expect([...table.select([1, 1, 0]).numbers('a')]).toEqual([2, 2, 1]);
  expect(() => formatCsv([{ a: 1 }, { b: 2 }])).toThrow(
    "formatCsv: row 1 has the fields ['b'], expected ['a']",
  );
});

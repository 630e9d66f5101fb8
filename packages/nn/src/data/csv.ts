/**
 * Tables in CSV: comma-separated values, as spreadsheets, databases and other libraries write them.
 *
 *     const table = parseCsv('month,ppm\n1958-03,315.70\n1958-04,\n');
 *     table.numbers('ppm')    // Float64Array [315.7, NaN]
 *     table.at(0)             // { month: -372470400000, ppm: 315.7 }
 *
 * The text is read in one pass (csvCells.ts); then each column is made of it by itself
 * (csvColumns.ts).
 */
import { TensorError } from '@mambagrad/tensor';
import {
  boolean, checkArgument, Kind, listOf, oneOf, readOptions, show, string, type Table,
} from '@mambagrad/tensor/options';
import { Cells } from './csvCells.ts';
import { type ColumnType, readColumns } from './csvColumns.ts';
import { type ColumnTypes, DataTable, type RowOf, type TableRow } from './dataTable.ts';

/** Options of `parseCsv` and `readCsv`. */
export interface CsvOptions<Types extends ColumnTypes = ColumnTypes> {
  /** The character between cells, such as ';' or '\t'. Default ','. */
  readonly separator?: string | undefined;
  /** Whether the first row has the names of the columns. Default true. */
  readonly header?: boolean | undefined;
  /** The names of the columns. Default those of the header, or else '0', '1' and so on. */
  readonly names?: readonly string[] | undefined;
  /**
   * The types of columns by name, or one for all of them; rows then have these types, too. For
   * columns without one: the first of 'integer', 'number', 'boolean', 'date' and 'string' that all
   * cells fit. Dates are in ISO form, and UTC if they name no zone. Numbers with leading zeros are
   * taken for codes such as 01234, which are strings. Integers and booleans with missing values
   * are numbers, which have NaN.
   */
  readonly types?: Types | undefined;
  /**
   * How missing values are written, in columns that hold numbers or dates; strings stay what they
   * are. Default: an empty cell, NA, N/A, NaN, nan, null, NULL.
   */
  readonly missing?: readonly string[] | undefined;
  /** The character before decimals, '.' or ','. Default '.'. */
  readonly decimal?: '.' | ',' | undefined;
  /** Lines that begin with this are left out, such as '#'. Default none. */
  readonly comment?: string | undefined;
}

const separators: Kind<string> = new Kind(
  "one character, but no quote or line break", (x) => typeof x === 'string' && /^[^"\r\n]$/.test(x),
);
const columnTypes = oneOf('number', 'integer', 'boolean', 'date', 'string', 'category');
const typesByName: Kind<ColumnTypes> = columnTypes.or(
  new Kind(
    'these by the names of columns',
    (x) => typeof x === 'object' && x !== null && !Array.isArray(x) &&
      Object.values(x).every(columnTypes.accepts),
  ),
);

const csvOptions = {
  separator: separators.orElse(','),
  header: boolean.orElse(true),
  names: listOf(string).optional(),
  types: typesByName.optional(),
  missing: listOf(string).optional(),
  decimal: oneOf('.', ',').orElse('.'),
  comment: new Kind<string>('a string that is not empty', (x) => typeof x === 'string' && x !== '')
    .optional(),
} satisfies Table<CsvOptions>;

const MISSING = ['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL'];

/**
 * Reads a table from CSV text, as RFC 4180 defines it: cells may be in double quotes, and then hold
 * separators, line breaks and doubled quotes. Empty lines are skipped. Throws an error that names
 * line and column if a row has another number of cells than the first, if a quote is not closed, or
 * if a cell does not fit the type that was asked for.
 */
export function parseCsv<const Types extends ColumnTypes = Readonly<Record<never, never>>>(
  text: string, options: CsvOptions<Types> = {},
): DataTable<RowOf<Types>> {
  return tableOf('parseCsv', text, options);
}

/** `parseCsv` in the name of `op`. */
export function tableOf<Types extends ColumnTypes>(
  op: string, text: string, options: CsvOptions<Types>,
): DataTable<RowOf<Types>> {
  checkArgument(op, 'text', text, string);
  const given = readOptions(op, options, csvOptions);
  if (given.separator === given.decimal) {
    throw new TensorError(`${op}: separator and decimal are both ${show(given.decimal)}`);
  }
  const cells = new Cells(op, text, given.separator, given.comment);
  if (given.header && cells.rows === 0) {
    throw new TensorError(`${op}: the text is empty, expected a row of names at least`);
  }
  const names = namesOf(op, cells, given.header, given.names);
  const typeOf = (name: string) =>
    typeof given.types === 'object' ? given.types[name] : given.types;
  if (typeof given.types === 'object') {
    const unknown = Object.keys(given.types).find((name) => !names.includes(name));
    if (unknown !== undefined) {
      throw new TensorError(
        `${op}: types: there is no column ${show(unknown)}, only ${show(names)}`,
      );
    }
  }
  const missing = new Set(given.missing ?? MISSING);
  const from = given.header ? 1 : 0;
  const { decimal } = given;
  const columns = readColumns(cells, names.map((name, index) => (
    { index, name, from, type: typeOf(name), missing, decimal }
  )));
  return new DataTable(new Map(names.map((name, i) => [name, columns[i]])));
}

/** The names of the columns. Throws if there are more or fewer than columns, or two are equal. */
function namesOf(
  op: string, cells: Cells, header: boolean, given: readonly string[] | undefined,
): readonly string[] {
  const found = Array.from(
    { length: cells.width }, (_, i) => (header ? cells.textOf(0, i) : String(i)),
  );
  const names = given ?? found;
  if (names.length !== cells.width && cells.rows > 0) {
    throw new TensorError(
      `${op}: names has ${names.length} names, but rows have ${cells.width} cells`,
    );
  }
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice === undefined) return names;
  throw new TensorError(
    `${op}: two columns have the name ${show(twice)}; name all columns with the option names`,
  );
}

/** Options of `formatCsv`. */
export interface FormatCsvOptions {
  /** The character between cells. Default ','. */
  readonly separator?: string | undefined;
  /** Whether the first row has the names of the columns. Default true. */
  readonly header?: boolean | undefined;
}

const formatOptions = {
  separator: separators.orElse(','), header: boolean.orElse(true),
} satisfies Table<FormatCsvOptions>;

const rowLists = new Kind<Iterable<TableRow>>(
  'a table, or rows', (x) => typeof x === 'object' && x !== null && Symbol.iterator in x,
);

/**
 * CSV text of a table, or of rows that all have the fields of the first. Dates of a table are
 * written in ISO form, NaN as an empty cell. Text is quoted where that is necessary. `parseCsv`
 * reads the same table from it, given the same types.
 */
export function formatCsv(
  rows: DataTable | Iterable<TableRow>, options: FormatCsvOptions = {},
): string {
  const { separator, header } = readOptions('formatCsv', options, formatOptions);
  checkArgument('formatCsv', 'rows', rows, rowLists);
  const all = [...rows];
  const types = rows instanceof DataTable ? rows.types : {};
  const names = rows instanceof DataTable ? rows.names : Object.keys(all.at(0) ?? {});
  const quoted = (text: string) => {
    // A row of one empty cell would be an empty line, which readers skip.
    const isSpecial =
      /["\r\n]|^\s|\s$/.test(text) || text.includes(separator) ||
      (text === '' && names.length === 1);
    return isSpecial ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = all.map((row, i) => {
    const extra = Object.keys(row).find((name) => !names.includes(name));
    const lacking = names.find((name) => row[name] === undefined);
    if (extra !== undefined || lacking !== undefined) {
      throw new TensorError(
        `formatCsv: row ${i} has the fields ${show(Object.keys(row))}, expected ${show(names)}`,
      );
    }
    return names.map((name) => quoted(cellText(row[name], types[name]))).join(separator);
  });
  return [...(header ? [names.map(quoted).join(separator)] : []), ...lines].join('\n') + '\n';
}

function cellText(value: number | boolean | string, type: ColumnType | undefined): string {
  if (typeof value !== 'number') return String(value);
  if (Number.isNaN(value)) return '';
  if (type === 'date') return new Date(value).toISOString();
  return Object.is(value, -0) ? '-0' : String(value);
}

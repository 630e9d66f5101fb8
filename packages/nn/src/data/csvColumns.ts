/**
 * Columns of a CSV text: the type of each, and its values as a typed array. Without a type that was
 * asked for, a column has the first of these that all its cells fit: integer, number, boolean,
 * date, string.
 */
import { Categories } from './categories.ts';
import { type Cells } from './csvCells.ts';
import { isCode, parseDate, parseNumber } from './csvValues.ts';

/** The type of a column of a table. */
export type ColumnType = 'number' | 'integer' | 'boolean' | 'date' | 'string' | 'category';

/**
 * A column of a table. Dates are milliseconds since 1970, UTC; numbers and dates that are missing
 * are NaN. Booleans are 0 and 1, and categories are their indices.
 */
export type Column =
  | { readonly type: 'number' | 'date'; readonly values: Float64Array }
  | { readonly type: 'integer' | 'boolean'; readonly values: Int32Array }
  | { readonly type: 'category'; readonly values: Int32Array; readonly categories: Categories }
  | { readonly type: 'string'; readonly values: readonly string[] };

/** Where a column is in the text, and how it is read. */
export interface ColumnPlace {
  /** Its number, from 0. */
  readonly index: number;
  readonly name: string;
  /** The row of its first value: 1 after a header, else 0. */
  readonly from: number;
  /** The type that was asked for. */
  readonly type: ColumnType | undefined;
  /** The spellings of missing values. */
  readonly missing: ReadonlySet<string>;
  /** The decimal point. */
  readonly decimal: string;
}

/** Types of which each cell is a number. */
type NumberType = Exclude<ColumnType, 'string' | 'category'>;

const booleans: ReadonlyMap<string, number> = new Map([
  ['true', 1], ['false', 0], ['yes', 1], ['no', 0], ['1', 1], ['0', 0],
]);

const expected: Readonly<Record<NumberType, string>> = {
  number: 'a number',
  integer: 'a whole number from -2147483648 to 2147483647',
  boolean: 'true or false',
  date: 'a date such as 2024-02-29 or 2024-02-29T12:30:00Z',
};

/** The number in the cell that `cells` is at; NaN if it does not fit the type. */
function valueOf(cells: Cells, type: NumberType, decimal: string): number {
  if (type === 'date') return parseDate(cells.content.trim());
  if (type === 'boolean') return booleans.get(cells.content.trim().toLowerCase()) ?? NaN;
  const value = parseNumber(cells.text, cells.start, cells.end, decimal);
  return type === 'number' || Object.is(value, value | 0) ? value : NaN;
}

/** The column at a place. Throws if a type was asked for that a cell does not fit. */
export function readColumn(cells: Cells, place: ColumnPlace): Column {
  const { type } = place;
  if (type === 'string') return stringColumn(cells, place);
  if (type === 'category') return categoryColumn(cells, place);
  if (type !== undefined) {
    const values = readValues(cells, place, type);
    return type === 'integer' || type === 'boolean'
      ? { type, values: Int32Array.from(values ?? []) }
      : { type, values: values ?? new Float64Array() };
  }
  for (const candidate of ['number', 'boolean', 'date'] as const) {
    const values = readValues(cells, place, candidate);
    if (values) return found(candidate, values);
  }
  return stringColumn(cells, place);
}

/** A column of a type that all its cells fit. Only numbers and dates can have missing values. */
function found(type: 'number' | 'boolean' | 'date', values: Float64Array): Column {
  if (type === 'date') return { type, values };
  const areIntegers = values.length > 0 && values.every((x) => Object.is(x, x | 0));
  if (!areIntegers) return { type: 'number', values };
  return { type: type === 'number' ? 'integer' : type, values: Int32Array.from(values) };
}

/**
 * The values of all cells, NaN where they are missing. Where one does not fit the type there are
 * none, or, if the type was asked for, an error.
 */
function readValues(
  cells: Cells, place: ColumnPlace, type: NumberType,
): Float64Array | undefined {
  const { index, from, missing, decimal, type: given } = place;
  const areNumbers = type === 'number';
  // Most spellings are not numbers; those that are, such as -999, must be looked for first.
  const mayBeNumber = [...missing].some(
    (text) => !Number.isNaN(parseNumber(text, 0, text.length, decimal)),
  );
  const values = new Float64Array(cells.rows - from);
  for (let i = 0; i < values.length; i++) {
    cells.find(i + from, index);
    const value = valueOf(cells, type, decimal);
    const isMissing =
      (mayBeNumber || Number.isNaN(value)) && missing.has(cells.content.trim());
    values[i] = isMissing ? NaN : value;
    const isWrong = given === undefined
      ? areNumbers && !isMissing && isCode(cells.text, cells.start, cells.end)
      : isMissing && (type === 'integer' || type === 'boolean');
    if (!isWrong && (isMissing || !Number.isNaN(value))) continue;
    if (given === undefined) return undefined;
    const problem = isMissing
      ? `the value is missing, which only numbers can be; expected ${expected[type]}`
      : `${JSON.stringify(cells.content.slice(0, 80))} is not ${expected[type]}`;
    throw cells.error(i + from, problem, place.name);
  }
  return values;
}

/** Strings are made at the first use of `values`: a file may have columns that nobody reads. */
function stringColumn(cells: Cells, { index, from }: ColumnPlace): Column {
  let made: readonly string[] | undefined;
  return {
    type: 'string',
    get values() {
      made ??= Array.from({ length: cells.rows - from }, (_, i) => cells.textOf(i + from, index));
      return made;
    },
  };
}

function categoryColumn(cells: Cells, place: ColumnPlace): Column {
  const { values } = stringColumn(cells, place) as { readonly values: readonly string[] };
  const categories = new Categories([...new Set(values)].sort());
  return { type: 'category', values: categories.encode(values), categories };
}

/** The values of a column in other rows. */
export function selectRows(column: Column, rows: ArrayLike<number>): Column {
  const { type, values } = column;
  if (type === 'string') return { type, values: Array.from(rows, (row) => values[row]) };
  if (type === 'number' || type === 'date') {
    return { type, values: Float64Array.from(rows, (row) => values[row]) };
  }
  const chosen = Int32Array.from(rows, (row) => values[row]);
  if (type !== 'category') return { type, values: chosen };
  return { type, values: chosen, categories: column.categories };
}

/**
 * Columns of a CSV text: the type of each, and its values as a typed array. Without a type that was
 * asked for, a column has the first of these that all its cells fit: integer, number, boolean,
 * date, string.
 */
import { Categories } from './categories.ts';
import { type Cells } from './csvCells.ts';
import { afterSpaces, beforeSpaces, isCode, parseDate, parseNumber } from './csvValues.ts';

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

/** The spellings of booleans, in lower case; the others only where booleans are asked for. */
const [booleans, otherBooleans]: readonly ReadonlyMap<string, number>[] = [
  new Map([['true', 1], ['false', 0]]), new Map([['yes', 1], ['no', 0], ['1', 1], ['0', 0]]),
];

/** The contents that fit each type, in errors. */
const expected: Readonly<Record<ColumnType, string>> = {
  number: 'a number',
  integer: 'a whole number from -2147483648 to 2147483647',
  boolean: 'true or false',
  date: 'a date such as 2024-02-29 or 2024-02-29T12:30:00Z',
  string: 'a string',
  category: 'a string',
};

/** The types that are tried, in this order, where none is asked for. */
const candidates: readonly ColumnType[] = ['number', 'boolean', 'date', 'string'];

/**
 * Rows are read in blocks of this size, one column after the other, so that the text of a block is
 * still in the processor's cache when the next column is read.
 */
const BLOCK = 256;

/** The columns at some places. Throws if a type was asked for that a cell does not fit. */
export function readColumns(cells: Cells, places: readonly ColumnPlace[]): Column[] {
  const readers = places.map((place) => new ColumnReader(cells, place));
  const first = places.at(0)?.from ?? 0;
  for (let row = first; row < cells.rows; row += BLOCK) {
    for (const reader of readers) reader.read(row, Math.min(row + BLOCK, cells.rows));
  }
  return readers.map((reader) => reader.column());
}

/** Reads a column, as numbers where its type is made of them. */
class ColumnReader {
  readonly #cells: Cells;
  readonly #place: ColumnPlace;
  /** The type that all cells so far fit. */
  #type: ColumnType;
  /** The values of these cells, NaN where they are missing. */
  readonly #values: Float64Array<ArrayBuffer>;
  /** Whether missing values may be written as numbers, such as -999. */
  readonly #hasMissingNumbers: boolean;

  constructor(cells: Cells, place: ColumnPlace) {
    const { from, type, missing, decimal } = place;
    this.#cells = cells;
    this.#place = place;
    this.#type = type ?? candidates[0];
    this.#values = new Float64Array(this.#isText ? 0 : cells.rows - from);
    this.#hasMissingNumbers = [...missing].some(
      (text) => !Number.isNaN(parseNumber(text, 0, text.length, decimal)),
    );
  }

  get #isText(): boolean {
    return this.#type === 'string' || this.#type === 'category';
  }

  /** Reads some rows; if one does not fit the type, all rows so far are read as the next type. */
  read(from: number, to: number): void {
    const { index, from: first } = this.#place;
    if (this.#isText) return;
    for (let row = from; row < to; row++) {
      this.#cells.find(row, index);
      const value = this.#parse();
      this.#values[row - first] = value;
      const isPlain = !this.#hasMissingNumbers && !Number.isNaN(value);
      if (isPlain || this.#fits(row)) continue;
      this.#type = candidates[candidates.indexOf(this.#type) + 1];
      return this.read(first, to);
    }
  }

  /** The number in the cell that was found last; NaN if it does not fit the type. */
  #parse(): number {
    const cells = this.#cells;
    const type = this.#type;
    const isFound = this.#place.type === undefined;
    if (type === 'boolean') {
      const word = cells.content.trim().toLowerCase();
      return booleans.get(word) ?? (isFound ? undefined : otherBooleans.get(word)) ?? NaN;
    }
    const { text } = cells;
    const start = afterSpaces(text, cells.start, cells.end);
    const end = beforeSpaces(text, start, cells.end);
    if (type === 'date') return parseDate(text, start, end);
    // 01234 is taken for a number only where numbers are asked for.
    if (isFound && isCode(text, start, end)) return NaN;
    const value = parseNumber(text, start, end, this.#place.decimal);
    return type === 'number' || Object.is(value, value | 0) ? value : NaN;
  }

  /** Whether the cell that was found last fits the type. Throws if not, and it was asked for. */
  #fits(row: number): boolean {
    const { from, missing, type: given, name } = this.#place;
    const { content } = this.#cells;
    const isMissing = missing.has(content.trim());
    if (isMissing) this.#values[row - from] = NaN;
    const isAllowed = isMissing
      ? given !== 'integer' && given !== 'boolean'
      : !Number.isNaN(this.#values[row - from]);
    if (isAllowed || given === undefined) return isAllowed;
    const problem = isMissing
      ? `the value is missing, which only numbers can be; expected ${expected[given]}`
      : `${JSON.stringify(content.slice(0, 80))} is not ${expected[given]}`;
    throw this.#cells.error(row, problem, name);
  }

  /** The column, after all rows were read. */
  column(): Column {
    const [type, values] = [this.#type, this.#values];
    if (type === 'string') return stringColumn(this.#cells, this.#place);
    if (type === 'category') return categoryColumn(this.#cells, this.#place);
    if (type === 'date') return { type, values };
    if (type === 'integer') return { type, values: new Int32Array(values) };
    // Only numbers and dates can be missing: with gaps, integers and booleans are numbers.
    const areIntegers = values.length > 0 && values.every(isInteger);
    if (type === 'boolean' && areIntegers) return { type, values: new Int32Array(values) };
    const isFound = this.#place.type === undefined;
    return isFound && areIntegers
      ? { type: 'integer', values: new Int32Array(values) }
      : { type: 'number', values };
  }
}

/** Whether a number can be in an Int32Array, which −0 cannot. */
function isInteger(value: number): boolean {
  return Object.is(value, value | 0);
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

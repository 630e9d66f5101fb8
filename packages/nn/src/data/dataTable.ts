/**
 * A table: columns by name, each a typed array, with a value for each row. Rows are made as objects
 * when they are asked for, so a table is also a data set that a `DataLoader` takes.
 */
import { type DType, Tensor, tensor, TensorError } from '@mambagrad/tensor';
import {
  checkArgument, dtypes, instanceOf, listOf, show, string,
} from '@mambagrad/tensor/options';
import type { Collated } from './collate.ts';
import { type Column, type ColumnType, selectRows } from './csvColumns.ts';
import { LazyDataset, requireIndices } from './dataset.ts';

/** A row of a table: a number, a boolean or a string for each column, by its name. */
export type TableRow = Readonly<Record<string, number | boolean | string>>;

/** The types of columns by name, or one for all of them. */
export type ColumnTypes = ColumnType | Readonly<Record<string, ColumnType>>;

/** A row of columns of given types; that of others is known only when they are read. */
export type RowOf<Types extends ColumnTypes> = Types extends ColumnType
  ? Readonly<Record<string, CellOf<Types>>>
  : TableRow & { readonly [Name in keyof Types]: CellOf<Types[Name]> };

type CellOf<Type> =
  Type extends 'string' | 'category' ? string : Type extends 'boolean' ? boolean : number;

const columnMaps = instanceOf(Map, 'a Map of columns by name');

/** Columns of equal length, by name, as `parseCsv` and `readCsv` give them. */
export class DataTable<Row extends TableRow = TableRow> extends LazyDataset<Row> {
  /** The number of rows. */
  readonly length: number;
  readonly #columns: ReadonlyMap<string, Column>;

  constructor(columns: ReadonlyMap<string, Column>) {
    checkArgument('DataTable', 'columns', columns, columnMaps);
    super();
    this.#columns = columns;
    this.length = columns.values().next().value?.values.length ?? 0;
    for (const [name, { values }] of columns) {
      if (values.length === this.length) continue;
      throw new TensorError(
        `DataTable: the column '${name}' has ${values.length} values, others have ${this.length}`,
      );
    }
  }

  /** The names of the columns, in their order. */
  get names(): string[] {
    return [...this.#columns.keys()];
  }

  /** The type of each column, by its name. */
  get types(): Readonly<Record<string, ColumnType>> {
    return Object.fromEntries(Array.from(this.#columns, ([name, { type }]) => [name, type]));
  }

  /** A column, with its type. Throws if there is none of that name. */
  column(name: string): Column {
    return this.#column('column', name);
  }

  /**
   * The values of a column that holds numbers, for booleans 0 and 1, for dates milliseconds since
   * 1970, for categories their indices; NaN where a number or a date is missing.
   */
  numbers(name: string): Float64Array {
    return this.#numbers('numbers', name);
  }

  /** The values of a column of strings or categories. */
  strings(name: string): readonly string[] {
    const column = this.#column('strings', name);
    if (column.type === 'string') return column.values;
    if (column.type === 'category') {
      const { values } = column.categories;
      return Array.from(column.values, (index) => values[index]);
    }
    throw new TensorError(
      `DataTable.strings: the column '${name}' is of type ${column.type}; read it with numbers, ` +
        `or ask for { types: { ${show(name)}: 'string' } }`,
    );
  }

  /** 1 where a column has a value, 0 where it is missing: NaN, or an empty string. */
  mask(name: string): Int32Array {
    const { type, values } = this.#column('mask', name);
    if (type === 'string') return Int32Array.from(values, (text) => (text === '' ? 0 : 1));
    return Int32Array.from(values, (value) => (Number.isNaN(value) ? 0 : 1));
  }

  /**
   * A tensor [rows, columns] of columns that hold numbers (see `numbers`), by default of all.
   * Throws if a column holds strings, or dates, of which float32 can hold only every other minute,
   * or if a number does not fit the dtype.
   */
  toTensor(names: readonly string[] = this.names, dtype: DType = 'f32'): Tensor {
    checkArgument('DataTable.toTensor', 'names', names, listOf(string));
    checkArgument('DataTable.toTensor', 'dtype', dtype, dtypes);
    const columns = names.map((name) => {
      if (this.#column('toTensor', name).type !== 'date' || dtype === 'f64') {
        return this.#numbers('toTensor', name);
      }
      throw new TensorError(
        `DataTable.toTensor: the column '${name}' holds dates, which are too large for ${dtype}; ` +
          'name the other columns, or make numbers of its dates first',
      );
    });
    const { length } = columns;
    const all = new Float64Array(this.length * length);
    columns.forEach((values, column) => {
      for (let row = 0; row < values.length; row++) all[row * length + column] = values[row];
    });
    return tensor(all, { shape: [this.length, length], dtype });
  }

  /** A table of these rows, from 0 to length − 1, in this order. */
  override select(rows: ArrayLike<number>): DataTable<Row> {
    requireIndices('DataTable.select', rows, this.length);
    return new DataTable(
      new Map(Array.from(this.#columns, ([name, column]) => [name, selectRows(column, rows)])),
    );
  }

  protected make(index: number): Row {
    return Object.fromEntries(
      Array.from(this.#columns, ([name, column]) => [name, cellOf(column, index)]),
    ) as Row;
  }

  protected override makeBatch(indices: ArrayLike<number>): Collated<Row> {
    const columns = [...this.#columns];
    // Of other values `collate` makes no batch; it says which one is the first.
    if (columns.some(([, column]) => !isNumeric(column))) return super.makeBatch(indices);
    const batch = columns.map(([name, { values }]) => (
      [name, tensor(Array.from(indices, (row) => values[row] as number))]
    ));
    return Object.fromEntries(batch) as Collated<Row>;
  }

  #numbers(op: string, name: string): Float64Array {
    const { type, values } = this.#column(op, name);
    if (type === 'number' || type === 'date') return values;
    if (type !== 'string') return Float64Array.from(values);
    throw new TensorError(
      `DataTable.${op}: the column '${name}' holds strings, such as ` +
        `${show(values[0] ?? '')}; encode them with Categories`,
    );
  }

  #column(op: string, name: string): Column {
    const column = this.#columns.get(name);
    if (column) return column;
    throw new TensorError(
      `DataTable.${op}: there is no column ${show(name)}, expected one of ${show(this.names)}`,
    );
  }
}

/** Whether the cells of a column are numbers. */
function isNumeric({ type }: Column): boolean {
  return type === 'number' || type === 'integer' || type === 'date';
}

function cellOf(column: Column, row: number): number | boolean | string {
  if (column.type === 'boolean') return column.values[row] === 1;
  if (column.type === 'category') return column.categories.values[column.values[row]];
  return column.values[row];
}

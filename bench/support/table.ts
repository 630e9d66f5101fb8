/**
 * Tables of measurements as text: numbers of three digits with the prefix that suits their size,
 * right-aligned, each with its spread, and its ratio to the first of the row.
 */

/** How long a call took, in milliseconds: the median, and the quartiles on both sides of it. */
export interface Measurement {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
  /** The number of calls. */
  readonly samples: number;
}

/**
 * What a table shows of a measurement: the time of a call, the time for each of the things that
 * the call works on, or how many of those it does a second.
 */
export type Quantity = 'time' | 'time of each' | 'rate';

export interface Row {
  readonly name: string;
  /** How many things a call works on. */
  readonly count: number;
  /** One for each column; undefined where it would take too long. */
  readonly cells: readonly (Measurement | undefined)[];
}

export interface Table {
  /** What is measured, on what, in which unit. */
  readonly title: string;
  readonly quantity: Quantity;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** A number in three significant digits, without an exponent. */
export function digits(value: number): string {
  return value >= 999.5 ? value.toFixed(0) : value.toPrecision(3);
}

const prefixes = [
  [1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, ''], [1e-3, 'm'], [1e-6, 'µ'], [1e-9, 'n'],
] as const;

/** A number with its unit and a prefix: 0.00123 of unit 's' is `1.23 ms`. */
export function withPrefix(value: number, unit: string): string {
  // Rounded before the prefix is chosen: 999.9 µs is 1.00 ms.
  const rounded = Number(value.toPrecision(3));
  const [size, prefix] = prefixes.find(([one]) => rounded >= one) ?? prefixes.slice(-1)[0];
  return `${digits(rounded / size)} ${prefix}${unit}`;
}

/** What the table shows of a measurement, in seconds or in things a second. */
export function valueOf({ median }: Measurement, { count }: Row, quantity: Quantity): number {
  const seconds = median / 1000;
  if (quantity === 'rate') return count / seconds;
  return quantity === 'time' ? seconds : seconds / count;
}

/** The same as text, with its unit; a dash for what was not measured. */
export function valueText(cell: Measurement | undefined, row: Row, quantity: Quantity): string {
  if (cell === undefined) return '–';
  return withPrefix(valueOf(cell, row, quantity), quantity === 'rate' ? '/s' : 's');
}

/** Half the distance of the quartiles, in percent of the median. */
export function spreadText({ median, lower, upper }: Measurement): string {
  return `±${((50 * (upper - lower)) / median).toFixed(0)}%`;
}

/** How many times as much: `×2.00` is twice as much, `÷2.00` half as much. */
export function ratioText(ratio: number): string {
  return ratio < 1 ? `÷${digits(1 / ratio)}` : `×${digits(ratio)}`;
}

/** The lines of a table: names to the left, all else to the right. */
export function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row
      .map((text, i) => (i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}

/** The same as a Markdown table. */
export function markdown([header, ...rows]: readonly (readonly string[])[]): string {
  const rule = header.map((_, i) => (i === 0 ? '---' : '--:'));
  return [header, rule, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** A table to be read: value and spread in each column, and from the second one on the ratio. */
export function formatTable({ title, quantity, columns, rows }: Table): string {
  const lines = rows.map((row) => {
    const [baseline] = row.cells;
    const cells = row.cells.map((cell, i) => {
      const value = valueText(cell, row, quantity);
      const spread = cell ? spreadText(cell) : '';
      const ratio = cell && baseline && i > 0
        ? ratioText(valueOf(cell, row, quantity) / valueOf(baseline, row, quantity))
        : '';
      return `${value} ${spread.padStart(5)}${i > 0 ? ratio.padStart(7) : ''}`;
    });
    return [row.name, ...cells];
  });
  return [title, ...align([['', ...columns], ...lines])].join('\n');
}

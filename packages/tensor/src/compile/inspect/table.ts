/** Tables of text, for the reports of a compiled function. */
import { checkArgument, Kind, listOf } from '../../core/options.ts';

const reportLists = new Kind<readonly object[]>(
  'an array of reports, as a compiled function gives them',
  listOf(new Kind('a report', (x) => typeof x === 'object' && x !== null)).accepts,
);

/** Throws in the name of `op` unless its argument is an array of reports. */
export function requireReports(op: string, reports: unknown): void {
  checkArgument(op, 'reports', reports, reportLists);
}

/** Rows of text cells, one row a line, with the columns aligned. */
export function formatTable(rows: readonly (readonly string[])[], numbers: number): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  // The first columns hold numbers, which end in line; words begin in line.
  return rows.map((row) =>
    row
      .map((cell, i) => (i < numbers ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}

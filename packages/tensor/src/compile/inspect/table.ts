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

/** Small images as characters, side by side. */
import { shade } from '../drawing/terminal.ts';

export interface Picture {
  /** Numbers from 0 to 1, row by row. */
  readonly rows: readonly (readonly number[])[];
  readonly caption: string;
}

/** The pictures of a line, and the characters between them. */
const ACROSS = 4;
const GAP = '   ';

/** Pictures of one size, four in a line, each above its caption. */
export function sideBySide(pictures: readonly Picture[]): string {
  const lines = Array.from({ length: Math.ceil(pictures.length / ACROSS) }, (_, i) => {
    const some = pictures.slice(i * ACROSS, (i + 1) * ACROSS);
    // A character is twice as high as it is wide.
    const drawn = some.map(({ rows, caption }) => [
      ...rows.map((row) => row.map((value) => shade(value).repeat(2)).join('')), caption, '',
    ]);
    const width = Math.max(...drawn.flat().map((text) => text.length));
    return drawn[0]
      .map((_line, row) => drawn.map((picture) => picture[row].padEnd(width)).join(GAP).trimEnd())
      .join('\n');
  });
  return lines.join('\n');
}

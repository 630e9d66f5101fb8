/** Tables of cells: numbers in boxes, and values as shades. */
import { type Box, box, type Color, type Mark, text } from './kit.ts';

/** A cell of a table: what it says, and how it looks. */
export interface Cell {
  readonly text: string;
  /** The colour of its ground. Default none. */
  readonly fill?: Color | undefined;
  /** Whether it is no element of its own, but one that is shown again: dashed, and paler. */
  readonly isGhost?: boolean;
}

/** Rows of cells; `size` is the width of a cell, and `high` its height. */
export function grid(
  x: number, y: number, rows: readonly (readonly Cell[])[], size: number, high = size,
): Mark {
  return rows.flatMap((row, i) => row.map((cell, j) => {
    const place: Box = { x: x + j * size, y: y + i * high, width: size - 3, height: high - 3 };
    const { fill, isGhost = false } = cell;
    const outline = isGhost ? 'line' : fill ?? 'line';
    const ground = box(place, {
      outline, fill: isGhost ? undefined : fill, radius: 3, class: isGhost ? 'thin dashed' : 'thin',
    });
    const middle = place.y + place.height / 2;
    if (cell.text === '') return ground;
    return ground + text(place.x + place.width / 2, middle, cell.text, {
      anchor: 'middle', class: 'small', color: isGhost ? 'quiet' : 'ink',
    });
  })).join('');
}

/** Opacities are rounded to this many steps, so that equal shades are equal text. */
const SHADES = 20;

/**
 * Values from −1 to 1 as shades, a row each: the more opaque the larger, in one colour above 0 and
 * in another below. A cell that is undefined stays empty.
 */
export function shades(
  { x, y, width, height }: Box, rows: readonly (readonly (number | undefined)[])[],
  [above, below]: readonly [Color, Color] = ['c0', 'c1'],
): Mark {
  const [wide, high] = [width / rows[0].length, height / rows.length];
  return rows.flatMap((row, i) => row.map((value, j) => {
    const step = Math.round(SHADES * Math.min(Math.abs(value ?? 0), 1));
    if (step === 0) return '';
    const place = { x: x + j * wide, y: y + i * high, width: wide - 0.6, height: high - 0.6 };
    return box(place, { fill: (value ?? 0) > 0 ? above : below, opacity: step / SHADES });
  })).join('');
}

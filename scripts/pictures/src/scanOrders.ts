/**
 * Orders in which a scan visits the cells of a grid: the path from the first cell, a dot, to the
 * last, and how many cells that are neighbours in the grid are near each other in the sequence.
 */
import {
  columnOrder, hilbertOrder, inverseOrder, rasterOrder, type ScanOrder, zigzagOrder,
} from '@mambagrad/mamba';
import { arrow, circle, line, type Mark, picture, type Point, text, WIDTH } from './kit.ts';

/** The size of the grid, and the orders by name. */
export interface ScanOrdersOptions {
  readonly size?: readonly [rows: number, columns: number];
  readonly orders?: Readonly<Record<string, ScanOrder>>;
}

/** The orders of the picture, by name. */
export const examples: Readonly<Record<string, ScanOrder>> = {
  'raster': rasterOrder, 'columns': columnOrder, 'zigzag': zigzagOrder, 'Hilbert': hilbertOrder,
};

const PANEL = WIDTH / 2;

/** Draws the paths, two beside each other. */
export function draw({ size = [8, 8], orders = examples }: ScanOrdersOptions = {}): string {
  const [rows, columns] = size;
  const cell = (PANEL - 40) / columns;
  const high = 62 + rows * cell;
  const entries = Object.entries(orders);
  const count = Math.ceil(entries.length / 2);
  const shares = entries.map(([, order]) => shareNear(inverseOrder(order(size)), size));
  return picture({
    height: count * high + 10,
    title: `Scan orders on a grid of ${rows} by ${columns}`,
    description: entries.map(([name], i) =>
      `${name}: ${percent(shares[i])} of neighbours are at most ${NEAR} steps apart`).join('; '),
  }, entries.map(([name, order], i) => {
    const [x, y] = [(i % 2) * PANEL + 20, Math.floor(i / 2) * high + 10];
    return [
      text(x, y + 10, name, { class: 'bold' }),
      text(x, y + 30, `${percent(shares[i])} of neighbours near`, {
        class: 'small', color: 'quiet',
      }),
      drawPath(order(size), columns, cell, [x, y + 46]),
    ].join('');
  }));
}

/** The path through the cells, with longer steps, which jump, paler than those to neighbours. */
function drawPath(
  cells: readonly number[], columns: number, cell: number, [left, top]: Point,
): Mark {
  const at = (place: number): Point =>
    [left + (place % columns + 0.5) * cell, top + (Math.floor(place / columns) + 0.5) * cell];
  const dots = cells.map((place) => circle(...at(place), 1.6, { fill: 'quiet', isPale: false }));
  const steps = cells.slice(1).map((place, i) => {
    const [from, to] = [at(cells[i]), at(place)];
    const isNear = Math.abs(from[0] - to[0]) + Math.abs(from[1] - to[1]) < 1.5 * cell;
    const isLast = i === cells.length - 2;
    if (isLast) return arrow([from, to], { color: 'c0', class: 'thick' });
    const kind = isNear ? { color: 'c0', class: 'thick' } as const
      : { color: 'c1', class: 'thin dashed' } as const;
    return line([from, to], kind);
  });
  return [...dots, ...steps, circle(...at(cells[0]), 5, { fill: 'c0', isPale: false })].join('');
}

/** Cells that are at most so many steps apart count as near. */
const NEAR = 4;

/** The share of neighbours in the grid that are near each other in the sequence. */
function shareNear(steps: readonly number[], [rows, columns]: readonly [number, number]): number {
  const distances = steps.flatMap((step, place) => [
    ...(place % columns < columns - 1 ? [Math.abs(steps[place + 1] - step)] : []),
    ...(place < (rows - 1) * columns ? [Math.abs(steps[place + columns] - step)] : []),
  ]);
  return distances.filter((distance) => distance <= NEAR).length / distances.length;
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

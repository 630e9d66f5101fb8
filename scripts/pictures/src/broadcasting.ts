/**
 * Broadcasting: two shapes are aligned at their last axes, and an axis of size 1 is repeated. No
 * element is copied for it: along that axis the stride is 0, so the same element is read again.
 */
import { tensor, type Tensor } from '@mambagrad/tensor';
import { broadcastShapes, broadcastStrides, stridesOf } from '@mambagrad/tensor/extend';
import { type Cell, grid } from './grid.ts';
import { type Mark, number, picture, text, WIDTH } from './kit.ts';

/** Two matrices or vectors, whose shapes go together. */
export interface BroadcastingOptions {
  readonly a?: Tensor;
  readonly b?: Tensor;
}

const CELL = 29;
const TOP = 62;
/** The most rows and columns that are drawn. */
const MOST = 6;

/** A list of sizes or strides as one of two, with something in front if there are fewer. */
function padded(list: readonly number[], front: number): readonly [number, number] {
  return [...Array.from({ length: 2 - list.length }, () => front), ...list] as [number, number];
}

/** Draws a + b. */
export function draw(options: BroadcastingOptions = {}): string {
  const { a = tensor([[10], [20], [30]]), b = tensor([1, 2, 3, 4]) } = options;
  const shape = broadcastShapes(a.shape, b.shape) ?? [];
  const sum = a.add(b);
  const [rows, columns] = shape.length > 2 ? [Infinity, 1] : padded(shape, 1);
  if (Math.max(rows, columns) > MOST) {
    throw new Error(`the result has the shape [${shape.join(', ')}]; at most two axes are drawn, ` +
      `of at most ${MOST} elements each`);
  }
  const width = columns * cellWidth(columns);
  const gap = (WIDTH - 3 * width) / 3;
  const places = [0, 1, 2].map((i) => gap / 2 + i * (width + gap));
  const middle = TOP + rows * CELL / 2 - 1;
  const sign = (x: number, content: string): Mark =>
    text(x - gap / 2 - 1, middle, content, { anchor: 'middle', class: 'bold' });
  return picture({
    height: TOP + rows * CELL + 62,
    title: 'Broadcasting: a + b',
    description: `a has the shape [${a.shape.join(', ')}], b [${b.shape.join(', ')}]; both are ` +
      `read as [${shape.join(', ')}], with a stride of 0 along each axis that is repeated. The ` +
      `sum is ${JSON.stringify(sum.toArray())}.`,
  }, [
    panel(places[0], 'a', a, shape, 'c0'), sign(places[1], '+'),
    panel(places[1], 'b', b, shape, 'c1'), sign(places[2], '='),
    panel(places[2], 'a + b', sum, shape, 'c2'),
  ]);
}

/** The width of a cell: with many columns less, so that three tables stand beside each other. */
const cellWidth = (columns: number): number => Math.min(CELL, 126 / columns);

/** A tensor as it is read: its own elements, and dashed those that are read again. */
function panel(
  x: number, name: string, tensor: Tensor, shape: readonly number[], fill: 'c0' | 'c1' | 'c2',
): Mark {
  const strides = broadcastStrides(tensor.shape, shape);
  const [[rows, columns], [down, across]] = [padded(shape, 1), padded(strides, 0)];
  const wide = cellWidth(columns);
  const cellAt = (i: number, j: number): Cell => ({
    text: number(tensor.data[i * down + j * across]),
    fill, isGhost: (i > 0 && down === 0) || (j > 0 && across === 0),
  });
  const cells = Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (_, j) => cellAt(i, j)));
  const bottom = TOP + rows * CELL;
  const list = (numbers: readonly number[]): string => `[${numbers.join(', ')}]`;
  const middle = x + columns * wide / 2 - 1.5;
  const label = (y: number, content: string, kind: 'ink' | 'quiet' = 'ink'): Mark =>
    text(middle, y, content, { anchor: 'middle', class: 'small', color: kind });
  return [
    text(middle, 20, name, { anchor: 'middle', class: 'bold', color: fill }),
    label(40, `shape ${list(tensor.shape)}`),
    grid(x, TOP, cells, wide, CELL),
    label(bottom + 14, `strides ${list(stridesOf(tensor.shape))}`, 'quiet'),
    label(bottom + 34, `read with ${list(strides)}`),
  ].join('');
}

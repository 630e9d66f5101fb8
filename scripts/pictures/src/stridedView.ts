/**
 * Movement ops as strides: permute, slice, flip, narrow and broadcastTo only choose which element
 * of the input each element of the result is. Element [i, j] is in memory at
 *
 *     offset + i · stride₀ + j · stride₁
 *
 * The numbers of the example are their own places, so the result shows its layout.
 */
import { arange, type Tensor } from '@mambagrad/tensor';
import { type Cell, grid } from './grid.ts';
import { line, type Mark, picture, text } from './kit.ts';

/** The shape of the input, and ops on it, by their text. */
export interface StridedViewOptions {
  readonly shape?: readonly [rows: number, columns: number];
  readonly ops?: Readonly<Record<string, (x: Tensor) => Tensor>>;
}

/** The ops of the picture, by their text. */
export const examples: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  'x': (x: Tensor) => x,
  'x.transpose(0, 1)': (x: Tensor) => x.transpose(0, 1),
  'x.flip(1)': (x: Tensor) => x.flip(1),
  'x.slice([0, 1], [3, 4], [1, 2])': (x: Tensor) => x.slice([0, 1], [3, 4], [1, 2]),
};

const CELL = 30;
const [LEFT, TOP] = [14, 46];

/** Draws the memory, and each op as it reads it. */
export function draw(options: StridedViewOptions = {}): string {
  const { shape = [3, 4], ops = examples } = options;
  const x = arange(0, shape[0] * shape[1]).reshape(shape);
  let y = TOP + CELL + 22;
  const panels = Object.entries(ops).map(([code, op]) => {
    const result = op(x);
    const panel = drawView(y, code, result, x.data.length);
    y += Math.max(result.shape[0] * CELL, 66) + 44;
    return panel;
  });
  const memory = Array.from(x.data, (value): Cell => ({ text: String(value), fill: 'c0' }));
  return picture({
    height: y - 6,
    title: 'Movement ops as strides',
    description: Object.entries(ops).map(([code, op]) => {
      const { offset, strides } = layoutOf(op(x));
      return `${code} begins at ${offset}, with the strides [${strides.join(', ')}]`;
    }).join('; '),
  }, [
    text(LEFT, 24, 'x in memory: row after row', { class: 'bold' }),
    grid(LEFT, TOP, [memory], CELL + 2.5), ...panels,
  ]);
}

/** Where a result that holds places of its input begins, and how far apart neighbours are. */
function layoutOf(
  { data, shape: [rows, columns] }: Tensor,
): { offset: number; strides: number[] } {
  const [offset] = data;
  // The stride of an axis with one element is never used.
  const strides = [rows > 1 ? data[columns] - offset : 0, columns > 1 ? data[1] - offset : 0];
  return { offset, strides };
}

/** The result of an op, with its first row marked, and the layout that it reads. */
function drawView(y: number, code: string, result: Tensor, size: number): Mark {
  const { offset, strides } = layoutOf(result);
  const [rows, columns] = result.shape;
  const cells = Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => ({
    text: String(result.data[i * columns + j]), ...(i === 0 && { fill: 'c1' as const }),
  })));
  const top = y + 28;
  const x = LEFT + 5 * CELL;
  const list = strides.map((stride) => minus(stride)).join(', ');
  const notes = [`offset ${offset}`, `strides [${list}]`];
  return [
    line([[LEFT, y - 6], [LEFT + 392, y - 6]], { class: 'thin' }),
    text(LEFT, y + 10, code, { class: 'code' }),
    grid(LEFT, top, cells, CELL),
    ...notes.map((note, i) => text(x, top + 12 + 20 * i, note, { class: 'small' })),
    // The places in memory that the first row reads.
    grid(x, top + 50, [Array.from({ length: size }, (_, place): Cell => ({
      text: '', ...(isRead(result, place) ? { fill: 'c1' } : {}),
    }))], 20.2, 14),
  ].join('');
}

function isRead({ data, shape: [, columns] }: Tensor, place: number): boolean {
  return data.subarray(0, columns).includes(place);
}

const minus = (value: number): string => String(value).replace('-', '−');

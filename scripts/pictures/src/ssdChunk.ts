/**
 * A chunk of SSD, in the order of its kernel: S = C·Bᵀ, what is left of S under the mask of decays,
 * what each step reads from the state before, the outputs, and the state at the end. All decays are
 * ½, so that every number can be written as a fraction and computed by hand. With one number of
 * state, the first channel is the second half of the example that chapter 22 begins with.
 */
import { type Tensor, tensor } from '@mambagrad/tensor';
import { type Cell, grid } from './grid.ts';
import { type Color, heading, type Mark, picture, text, WIDTH } from './kit.ts';

/** The sizes of a chunk. */
export interface SsdChunkOptions {
  /** From 1 to 4. Default 4. */
  readonly chunkSize?: number;
  /** From 1 to 3. Default 2. */
  readonly stateSize?: number;
}

/** The steps of the example, of which a chunk takes the first: inputs, B and C by step. */
const steps = {
  x: [[8, 0], [8, 8], [8, 16], [8, 8]],
  B: [[1, 0, 1], [1, 1, 0], [1, 2, 0], [1, 1, 1]],
  C: [[1, 1, 0], [1, 0, 1], [1, 1, 2], [1, 2, 0]],
};
/** The state before the chunk. */
const before = [[12, 4], [8, 0], [4, 8]];

/** The inputs of a chunk: X [Q, P], B and C [Q, N], and the state H [N, P]. */
export function inputsOf(
  chunkSize: number, stateSize: number,
): Record<'X' | 'B' | 'C' | 'H', Tensor> {
  const first = (rows: number[][]): Tensor => tensor(rows.slice(0, chunkSize));
  return {
    X: first(steps.x), B: first(steps.B).narrow(1, 0, stateSize),
    C: first(steps.C).narrow(1, 0, stateSize), H: tensor(before.slice(0, stateSize)),
  };
}

/** All matrices of a chunk whose decays are ½, by their names in chapter 22. */
export function chunkOf(chunkSize: number, stateSize: number) {
  const { X, B, C, H } = inputsOf(chunkSize, stateSize);
  const each = Array.from({ length: chunkSize }, (_, t) => t);
  const E = tensor(each.map((t) => each.map((s) => (s > t ? 0 : 0.5 ** (t - s)))));
  const since = tensor(each.map((t) => [0.5 ** (t + 1)]));
  const left = E.narrow(0, chunkSize - 1, 1).transpose(0, 1);
  const columnsB = B.transpose(0, 1);
  const S = C.matmul(columnsB);
  const M = S.mul(E);
  const read = since.mul(C.matmul(H));
  const Y = M.matmul(X).add(read);
  const leftX = left.mul(X);
  const kept = H.mul(0.5 ** chunkSize);
  const end = kept.add(columnsB.matmul(leftX));
  return { X, B, C, H, E, since, columnsB, S, M, read, Y, leftX, kept, end };
}

/** A part of an equation: a sign, or a matrix with its colour, perhaps of pairs of steps. */
type Part = string | readonly [matrix: Tensor, color: Color, isOfPairs?: 'pairs'];

/** An equation between matrices, and what it computes. */
interface Equation {
  readonly name: string;
  /** The shapes of its matrices. */
  readonly shapes: string;
  readonly parts: readonly Part[];
}

/** What the kernel computes, in its order. */
function equationsOf(chunkSize: number, stateSize: number): Equation[] {
  const { X, C, H, E, since, columnsB, S, M, read, Y, leftX, kept, end } =
    chunkOf(chunkSize, stateSize);
  const pairs = `[${chunkSize}, ${chunkSize}]`;
  const [ofX, ofC] = [`[${chunkSize}, ${CHANNELS}]`, `[${chunkSize}, ${stateSize}]`];
  const [ofB, ofH] = [`[${stateSize}, ${chunkSize}]`, `[${stateSize}, ${CHANNELS}]`];
  return [
    {
      name: 'S = C·Bᵀ, what t reads of s', shapes: `C ${ofC} · Bᵀ ${ofB} = S ${pairs}`,
      parts: [[C, 'c3'], '·', [columnsB, 'c4'], '=', [S, 'c0', 'pairs']],
    },
    {
      name: 'M = S ⊙ E, with the mask of decays', shapes: `S ${pairs} ⊙ E ${pairs} = M ${pairs}`,
      parts: [[S, 'c0', 'pairs'], '⊙', [E, 'quiet', 'pairs'], '=', [M, 'c0', 'pairs']],
    },
    {
      name: 'since ⊙ (C·H), read from the state before',
      shapes: `since [${chunkSize}, 1] ⊙ (C ${ofC} · H ${ofH}) = ${ofX}`,
      parts: [[since, 'quiet'], '⊙', [C, 'c3'], '·', [H, 'c2'], '=', [read, 'c2']],
    },
    {
      name: 'Y = line 3 + M·X, the outputs', shapes: `M ${pairs} · X ${ofX} = Y ${ofX}`,
      parts: [[read, 'c2'], '+', [M, 'c0', 'pairs'], '·', [X, 'c1'], '=', [Y, 'c1']],
    },
    {
      name: 'H ← whole·H + Bᵀ·(left ⊙ X), the state',
      shapes: `H ${ofH} + Bᵀ ${ofB} · (left ⊙ X) ${ofX}`,
      parts: [[kept, 'c2'], '+', [columnsB, 'c4'], '·', [leftX, 'c1'], '=', [end, 'c2']],
    },
  ];
}

const CHANNELS = 2;
/** The width of a cell for a digit and a fraction, and for more; its height; the room of a sign. */
const [NARROW, WIDE, HIGH, SIGN] = [29, 36, 25, 20];
const LEFT = 14;

/** Draws the equations, one below the other. */
export function draw(options: SsdChunkOptions = {}): string {
  const { chunkSize = 4, stateSize = 2 } = options;
  const equations = equationsOf(chunkSize, stateSize);
  const { Y, end } = chunkOf(chunkSize, stateSize);
  const marks: Mark[] = [];
  let y = 10;
  for (const [i, { name, shapes, parts }] of equations.entries()) {
    const rows = Math.max(...parts.map((part) => (typeof part === 'string' ? 0 : part[0].size(0))));
    marks.push(
      heading(LEFT, y + 10, `${i + 1}. ${name}`),
      text(LEFT, y + 31, shapes, { class: 'small', color: 'quiet' }),
      drawParts(parts, y + 46, rows * HIGH),
    );
    y += 46 + rows * HIGH + 16;
  }
  return picture({
    height: y,
    title: `A chunk of ${chunkSize} steps of SSD with ${stateSize} numbers of state, in matrices`,
    description: 'All decays are ½. The outputs of the first channel are ' +
      `${column(Y).join(', ')}; its state at the end is ${column(end).join(', ')}.`,
  }, marks);
}

/** The first column of a matrix, as text. */
const column = (matrix: Tensor): string[] =>
  Array.from(matrix.narrow(1, 0, 1).reshape([matrix.size(0)]).data, mixed);

/** Matrices and signs side by side, in the middle of a height. */
function drawParts(parts: readonly Part[], y: number, height: number): Mark {
  let x = LEFT;
  const marks = parts.map((part) => {
    const from = x;
    if (typeof part === 'string') {
      x += SIGN;
      return text(from + SIGN / 2 - 1.5, y + height / 2 - 1.5, part, {
        anchor: 'middle', class: 'bold',
      });
    }
    const [matrix, color, isOfPairs] = part;
    const [rows, columns] = matrix.shape;
    const isNarrow = Array.from(matrix.data).every((value) => mixed(value).length <= 2);
    const width = isNarrow ? NARROW : WIDE;
    x += columns * width;
    const cells = Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) =>
      cellOf(matrix.data[i * columns + j], color, isOfPairs === 'pairs' && j > i)));
    return grid(from, y + (height - rows * HIGH) / 2, cells, width, HIGH);
  });
  if (x > WIDTH) throw new Error(`ssdChunk: an equation needs ${x} units, a picture has ${WIDTH}`);
  return marks.join('');
}

/** A number in a cell; pairs in which the input comes after the output are left out. */
function cellOf(value: number, fill: Color, isLater: boolean): Cell {
  return isLater ? { text: '', isGhost: true } : { text: mixed(value), fill };
}

/** Eighths as they are written. */
const eighths = ['', '⅛', '¼', '⅜', '½', '⅝', '¾', '⅞'];

/** A number of eighths, or of sixteenths below 1, as it is written. */
export function mixed(value: number): string {
  const whole = Math.floor(value);
  const part = eighths[8 * (value - whole)];
  if (part === undefined) return `${16 * value}/16`;
  return whole === 0 && part !== '' ? part : `${whole}${part}`;
}

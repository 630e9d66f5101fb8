/**
 * Tiles and panels of a matrix product y = a·b, from the plan of the kernel: which blocks of a, b
 * and y it works on at one moment, and how far it has come. All of b is packed first, in panels of
 * NR columns. Then chunks of rows are computed, each by the loops that stand below the picture.
 */
import {
  buffer, load, MC, type MultiplyPlan, NR, planMultiply, plus, times,
} from '@mambagrad/kernel';
import { box, type Box, line, type Mark, picture, text, WIDTH } from './kit.ts';

/** The sizes of the product, and the moment: how many tiles were computed before. */
export interface MatmulTilesOptions {
  /** At least 288, or the product would be partitioned in another way. Default 300. */
  readonly rows?: number;
  /** Default 64. */
  readonly columns?: number;
  /** The number of terms of each sum. Default 1,200. */
  readonly depth?: number;
  /** Default 967. */
  readonly tiles?: number;
}

/** A range of rows, columns or k. */
type Range = readonly [from: number, to: number];

/** A register tile, and the blocks around it. */
interface Tile {
  readonly chunk: Range;
  readonly depths: Range;
  readonly block: Range;
  readonly panel: Range;
  readonly rows: Range;
}

/** The rows of a register tile, where multiplication and addition are two instructions. */
const MR = 4;

/** The plan of a product of two matrices that lie in memory row after row. */
export function planOf(rows: number, columns: number, depth: number): MultiplyPlan {
  const [a, b] = [buffer('a', 'f32', rows * depth), buffer('b', 'f32', depth * columns)];
  const y = buffer('y', 'f32', rows * columns);
  return planMultiply({
    a: (i, k) => load(a, plus(times(i, depth), k)),
    b: (k, j) => load(b, plus(times(k, columns), j)),
    y, indexOf: (i, j) => plus(times(i, columns), j), rows, columns, depth,
  });
}

/** All tiles of a product, in the order in which one thread would compute them. */
export function tilesOf(plan: MultiplyPlan): Tile[] {
  const { gemm, blocksPerChunk, strategy } = plan;
  if (gemm === undefined || strategy !== 'splitM') {
    throw new Error(`matmulTiles: expected a product of many rows, got one for ${strategy}`);
  }
  const { product: { rows, columns, depth }, blockDepth } = gemm;
  return ranges([0, rows], MC * blocksPerChunk).flatMap((chunk) =>
    ranges([0, depth], blockDepth).flatMap((depths) =>
      ranges(chunk, MC).flatMap((block) =>
        ranges([0, columns], NR).flatMap((panel) =>
          ranges(block, MR).map((own) => ({ chunk, depths, block, panel, rows: own }))))));
}

/** A range in pieces, the last of which may be shorter. */
function ranges([from, to]: Range, size: number): Range[] {
  return Array.from({ length: Math.ceil((to - from) / size) }, (_, i) =>
    [from + i * size, Math.min(from + (i + 1) * size, to)] as const);
}

const [A_LEFT, A_WIDTH, Y_LEFT] = [14, 150, 180];
const [B_TOP, B_HEIGHT, A_TOP, A_HEIGHT] = [56, 110, 196, 180];
const Y_WIDTH = WIDTH - 14 - Y_LEFT;

/** Draws the three matrices with the blocks of a moment, and the loops. */
export function draw(options: MatmulTilesOptions = {}): string {
  const { rows = 300, columns = 64, depth = 1200, tiles: done = 967 } = options;
  const plan = planOf(rows, columns, depth);
  const all = tilesOf(plan);
  const at = Math.max(0, Math.min(done, all.length - 1));
  const tile = all[at];
  const { depths: [k, endK], block: [i, endI], panel: [j, endJ] } = tile;
  const [inB, inA] = [kilobytes(NR * (endK - k)), kilobytes((endI - i) * (endK - k))];
  const top = A_TOP + A_HEIGHT + 90;
  return picture({
    height: top + 7 * LINE + 2,
    title: `The matrix product of ${rows} × ${depth} and ${depth} × ${columns}, in tiles`,
    description: `Tile ${at} of ${all.length}: rows ${span(tile.rows)} and columns ` +
      `${span(tile.panel)} of y, for k of ${span(tile.depths)}. The panel of b that it reads has ` +
      `${inB}, the block of a ${inA}.`,
  }, [
    text(14, 20, `tile ${at} of ${all.length}`, { class: 'bold' }),
    ...drawMatrices({ rows, columns, depth }, tile, progressOf(all.slice(0, at), all)),
    text(14, top - 48, `block of a, ${endI - i} × ${endK - k}: ${inA}, stays in the L2 cache`, {
      class: 'small', color: 'c0',
    }),
    text(14, top - 28, `panel of b, ${endK - k} × ${endJ - j}: ${inB}, stays in the L1 cache`, {
      class: 'small', color: 'c1',
    }),
    ...loopsOf(tile, plan).map((words, line) =>
      text(14, top + LINE * line, words, { class: 'code' })),
  ]);
}

const LINE = 20;

const span = ([from, to]: Range): string => `${from}..${to}`;
const kilobytes = (numbers: number): string => `${Math.round(4 * numbers / 1024)} KiB`;

/** The loops around a tile, each with the range that it has reached. */
function loopsOf({ chunk, depths, block, panel, rows }: Tile, { gemm }: MultiplyPlan): string[] {
  return [
    `pack b in ${gemm?.panels} panels of ${NR} columns`,
    `parallel for i in ${span(chunk)}`,
    `  for k in ${span(depths)}, KC = ${gemm?.blockDepth}`,
    `    for i in ${span(block)}, MC = ${MC}`,
    `      for j in ${span(panel)}, NR = ${NR}`,
    `        for i in ${span(rows)}, MR = ${MR}`,
    '          y[i, j] += a[i, k] · b[k, j]',
  ];
}

/** The share of its tiles that is done, for each block of rows and panel. */
function progressOf(done: readonly Tile[], all: readonly Tile[]): [Tile, number][] {
  const keyOf = ({ block, panel }: Tile): string => `${block[0]} ${panel[0]}`;
  const countIn = (tiles: readonly Tile[]): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const each of tiles) counts.set(keyOf(each), (counts.get(keyOf(each)) ?? 0) + 1);
    return counts;
  };
  const [finished, total] = [countIn(done), countIn(all)];
  const first = new Map(all.toReversed().map((each) => [keyOf(each), each]));
  return Array.from(finished, ([key, count]): [Tile, number] =>
    [first.get(key) ?? all[0], count / (total.get(key) ?? 1)]);
}

/** The matrices a, b and y, with the blocks around a tile, and y as far as it is computed. */
function drawMatrices(
  { rows, columns, depth }: Readonly<Record<'rows' | 'columns' | 'depth', number>>,
  { depths, block, panel, rows: own }: Tile, progress: readonly (readonly [Tile, number])[],
): Mark[] {
  const inA = (i: Range, k: Range): Box =>
    placed([A_LEFT, A_WIDTH, depth], k, [A_TOP, A_HEIGHT, rows], i);
  const inB = (k: Range, j: Range): Box =>
    placed([Y_LEFT, Y_WIDTH, columns], j, [B_TOP, B_HEIGHT, depth], k);
  const inY = (i: Range, j: Range): Box =>
    placed([Y_LEFT, Y_WIDTH, columns], j, [A_TOP, A_HEIGHT, rows], i);
  const name = (x: number, y: number, words: string): Mark =>
    text(x, y, words, { anchor: 'middle', class: 'small' });
  const frames = [inA([0, rows], [0, depth]), inB([0, depth], [0, columns]),
    inY([0, rows], [0, columns])];
  return [
    name(A_LEFT + A_WIDTH / 2, A_TOP - 14, `a: ${rows} × ${depth}`),
    name(Y_LEFT + Y_WIDTH / 2, B_TOP - 14, `b: ${depth} × ${columns}`),
    name(Y_LEFT + Y_WIDTH / 2, A_TOP + A_HEIGHT + 14, `y: ${rows} × ${columns}`),
    ...frames.map((frame) => box(frame, { fill: 'raised' })),
    ...progress.map(([tile, share]) =>
      box(inY(tile.block, tile.panel), { fill: 'c2', opacity: share / 3 })),
    ...ranges([0, columns], NR).slice(1).map(([j]) => {
      const { x, y, height } = inB([0, depth], [j, j]);
      return line([[x, y], [x, y + height]], { class: 'thin' });
    }),
    box(inA(block, depths), { fill: 'c0', outline: 'c0', class: 'thin' }),
    box(inA(own, depths), { fill: 'c0', isPale: false }),
    box(inB(depths, panel), { fill: 'c1', outline: 'c1' }),
    box(inY(block, panel), { outline: 'c2', class: 'thin' }),
    box(inY(own, panel), { fill: 'c2', isPale: false }),
    ...frames.map((frame) => box(frame, { outline: 'quiet', class: 'thin' })),
  ];
}

/** The place of a block of a matrix that is drawn at some place, with some width and height. */
function placed(
  [left, width, columns]: readonly [number, number, number], [j, endJ]: Range,
  [top, height, rows]: readonly [number, number, number], [i, endI]: Range,
): Box {
  return {
    x: left + j / columns * width, y: top + i / rows * height,
    width: (endJ - j) / columns * width, height: (endI - i) / rows * height,
  };
}

/**
 * Scan orders: the ways in which the cells of a grid can be arranged as a sequence. An order is a
 * permutation p: step s of the sequence is the cell with the row-major index p(s), so that
 *
 *     sequence[s] = grid[p(s)],     grid[c] = sequence[p⁻¹(c)],     p⁻¹(p(s)) = s
 */
import { type Shape, TensorError } from '@mambagrad/tensor';
import { callable, checkArgument, listOf, shapes, show, whole } from '@mambagrad/tensor/options';
import { hilbertCurve } from './hilbert.ts';

/** For a grid with the given sizes: the row-major index of the cell that each step visits. */
export type ScanOrder = (spatial: Shape) => number[];

/** All cells, with the axes nested in the given order: the last one varies fastest. */
function nestedOrder(op: string, spatial: Shape, axesOf: (rank: number) => number[]): number[] {
  checkArgument(op, 'spatial', spatial, shapes);
  const axes = axesOf(spatial.length);
  const stride = (axis: number) => spatial.slice(axis + 1).reduce((a, b) => a * b, 1);
  const along = (axis: number) => Array.from({ length: spatial[axis] }, (_, i) => i * stride(axis));
  return axes.reduce(
    (cells, axis) => cells.flatMap((cell) => along(axis).map((offset) => cell + offset)),
    [0],
  );
}

const axesUpTo = (rank: number): number[] => Array.from({ length: rank }, (_, axis) => axis);

/** Row by row: the last axis varies fastest. */
export const rasterOrder: ScanOrder = (spatial) => nestedOrder('rasterOrder', spatial, axesUpTo);

/** Column by column: the first axis varies fastest. */
export const columnOrder: ScanOrder = (spatial) =>
  nestedOrder('columnOrder', spatial, (rank) => axesUpTo(rank).reverse());

/** All cells of the last axes in an order of their own, there and back along those before. */
function foldedOrder(spatial: Shape, kept: number, order: (last: Shape) => number[]): number[] {
  if (spatial.length <= kept) return order(spatial);
  const [count, ...rest] = spatial;
  const inner = foldedOrder(rest, kept, order);
  const size = rest.reduce((product, one) => product * one, 1);
  const layers = [inner, inner.toReversed()];
  return Array.from({ length: count }, (_, i) =>
    layers[i % 2].map((cell) => cell + i * size)).flat();
}

/**
 * Row by row, every second one backwards, so that each step goes to a neighbour (a continuous or
 * boustrophedon scan; Hu et al., "ZigMa" (2024)). In N-D, so are planes and so on.
 */
export const zigzagOrder: ScanOrder = (spatial) => {
  checkArgument('zigzagOrder', 'spatial', spatial, shapes);
  return foldedOrder(spatial, 0, () => [0]);
};

/**
 * Along Hilbert's curve, generalised to grids of any size: each step goes to a neighbour, and cells
 * that are near in the grid are mostly near in the sequence. With more than three axes the curves
 * go through the last three, there and back along those before.
 */
export const hilbertOrder: ScanOrder = (spatial) => {
  checkArgument('hilbertOrder', 'spatial', spatial, shapes);
  return foldedOrder(spatial, 3, hilbertCurve);
};

/** An order from its last cell to its first. */
export function reverseOrder(order: ScanOrder): ScanOrder {
  checkArgument('reverseOrder', 'order', order, callable());
  return (spatial) => [...order(spatial)].reverse();
}

/**
 * The order of one layer in a stack whose layers alternate between directions: in 2-D along rows
 * forwards, along rows backwards, along columns forwards, along columns backwards, and so on (Li et
 * al., "Mamba-ND" (2024)).
 */
export function alternatingOrder(layer: number): ScanOrder {
  checkArgument('alternatingOrder', 'layer', layer, whole());
  const order: ScanOrder = (spatial) => nestedOrder('alternatingOrder', spatial, (rank) => {
    const fastest = rank - 1 - (Math.floor(layer / 2) % rank);
    return [...axesUpTo(rank).toSpliced(fastest, 1), fastest];
  });
  return layer % 2 === 0 ? order : reverseOrder(order);
}

/** Along rows and along columns, forwards and backwards (Liu et al., "VMamba" (2024)). */
export const crossOrders: readonly [ScanOrder, ScanOrder, ScanOrder, ScanOrder] = [
  rasterOrder, reverseOrder(rasterOrder), columnOrder, reverseOrder(columnOrder),
];

/**
 * The inverse of a permutation, the step at which each cell is visited: `inverseOrder(p)[p[s]]` is
 * s. Throws unless every cell appears once.
 */
export function inverseOrder(permutation: readonly number[]): number[] {
  checkArgument('inverseOrder', 'permutation', permutation, listOf(whole()));
  requirePermutation('inverseOrder: permutation', permutation, permutation.length);
  const steps = new Array<number>(permutation.length);
  permutation.forEach((cell, step) => (steps[cell] = step));
  return steps;
}

/** Throws, naming `subject`, unless each index from 0 to below `count` appears once. */
function requirePermutation(subject: string, found: readonly number[], count: number): void {
  const appears = new Uint8Array(count);
  for (const index of found) {
    if (Number.isInteger(index) && index >= 0 && index < count) appears[index] = 1;
  }
  if (found.length === count && !appears.includes(0)) return;
  throw new TensorError(
    `${subject} is ${show(found)}, expected each index from 0 to ${count - 1} once`,
  );
}

/** The permutation of a grid's cells in an order. Throws in the name of `op` if it is none. */
export function permutationOf(op: string, order: ScanOrder, spatial: Shape): readonly number[] {
  const permutation: unknown = order(spatial);
  const subject = `${op}: the given order of a grid [${spatial.join(', ')}]`;
  if (!Array.isArray(permutation)) {
    throw new TensorError(`${subject} is ${show(permutation)}, expected an array`);
  }
  const count = spatial.reduce((product, size) => product * size, 1);
  requirePermutation(subject, permutation, count);
  return permutation;
}

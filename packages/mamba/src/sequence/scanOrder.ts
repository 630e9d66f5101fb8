/**
 * Scan orders: the ways in which the places of a grid can be put in a row. An order is given as
 * the places' row-major numbers one after the other, a permutation, so that
 *
 *     sequence_s = grid_order(s),     grid_p = sequence_inverse(p),     inverse(order(s)) = s
 */
import { type Shape, TensorError } from '@mambagrad/tensor';
import { callable, checkArgument, listOf, shapes, show, whole } from '@mambagrad/tensor/options';

/** For a grid of the given size along each axis: the place that is visited at each step. */
export type ScanOrder = (spatial: Shape) => number[];

/** All places, with the axes nested as listed: the last one runs fastest. */
function nested(op: string, spatial: Shape, axesOf: (rank: number) => number[]): number[] {
  checkArgument(op, 'spatial', spatial, shapes);
  const axes = axesOf(spatial.length);
  const stride = (axis: number) => spatial.slice(axis + 1).reduce((a, b) => a * b, 1);
  const along = (axis: number) => Array.from({ length: spatial[axis] }, (_, i) => i * stride(axis));
  return axes.reduce(
    (places, axis) => places.flatMap((place) => along(axis).map((further) => place + further)),
    [0],
  );
}

const axesUpTo = (rank: number): number[] => Array.from({ length: rank }, (_, axis) => axis);

/** Row by row: the last axis runs fastest. */
export const rasterOrder: ScanOrder = (spatial) => nested('rasterOrder', spatial, axesUpTo);

/** Column by column: the first axis runs fastest. */
export const columnOrder: ScanOrder = (spatial) =>
  nested('columnOrder', spatial, (rank) => axesUpTo(rank).reverse());

/** The same places from the last to the first. */
export function reverseOrder(order: ScanOrder): ScanOrder {
  checkArgument('reverseOrder', 'order', order, callable());
  return (spatial) => [...order(spatial)].reverse();
}

/**
 * The order of one layer out of many, of which every two take turns with the fastest axis, there
 * and back: in 2-D along rows, back, along columns, back, and again (Li et al., "Mamba-ND" (2024)).
 */
export function alternatingOrder(layer: number): ScanOrder {
  checkArgument('alternatingOrder', 'layer', layer, whole());
  const order: ScanOrder = (spatial) => nested('alternatingOrder', spatial, (rank) => {
    const fastest = rank - 1 - (Math.floor(layer / 2) % rank);
    return [...axesUpTo(rank).toSpliced(fastest, 1), fastest];
  });
  return layer % 2 === 0 ? order : reverseOrder(order);
}

/** By rows and by columns, there and back (Liu et al., "VMamba" (2024)). */
export const crossOrders: readonly ScanOrder[] = [rasterOrder, columnOrder].flatMap((order) => [
  order,
  reverseOrder(order),
]);

/**
 * At which step each place is visited: `inverseOrder(p)[p[s]]` is s. Throws unless every place is
 * there once.
 */
export function inverseOrder(places: readonly number[]): number[] {
  checkArgument('inverseOrder', 'places', places, listOf(whole()));
  requirePermutation('inverseOrder: places', places, places.length);
  return inverse(places);
}

function inverse(places: readonly number[]): number[] {
  const steps = new Array<number>(places.length);
  places.forEach((place, step) => (steps[place] = step));
  return steps;
}

/** Throws, naming `subject`, unless the places are those of a grid of so many, each once. */
function requirePermutation(subject: string, places: readonly number[], count: number): void {
  const isThere = new Uint8Array(count);
  for (const place of places) {
    if (Number.isInteger(place) && place >= 0 && place < count) isThere[place] = 1;
  }
  if (places.length === count && !isThere.includes(0)) return;
  throw new TensorError(
    `${subject} are ${show(places)}, expected each place from 0 to ${count - 1} once`,
  );
}

/** The places of a grid in an order. Throws in the name of `op` unless each is there once. */
export function placesOf(op: string, order: ScanOrder, spatial: Shape): readonly number[] {
  const places: unknown = order(spatial);
  const subject = `${op}: the places of a grid [${spatial.join(', ')}] in the given order`;
  if (!Array.isArray(places)) {
    throw new TensorError(`${subject} are ${show(places)}, expected an array`);
  }
  requirePermutation(subject, places, spatial.reduce((product, size) => product * size, 1));
  return places;
}

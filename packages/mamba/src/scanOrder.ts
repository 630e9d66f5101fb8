/**
 * Scan orders: the ways in which the places of a grid can be put in a row. An order is given as
 * the places' row-major numbers one after the other, a permutation, so that
 *
 *     sequence_s = grid_order(s),     grid_p = sequence_inverse(p),     inverse(order(s)) = s
 */
import type { Shape } from '@mambagrad/tensor';

/** For a grid of the given size along each axis: the place that is visited at each step. */
export type ScanOrder = (spatial: Shape) => number[];

/** All places, with the axes nested as listed: the last one runs fastest. */
function nested(spatial: Shape, axes: readonly number[]): number[] {
  const stride = (axis: number) => spatial.slice(axis + 1).reduce((a, b) => a * b, 1);
  const along = (axis: number) => Array.from({ length: spatial[axis] }, (_, i) => i * stride(axis));
  return axes.reduce(
    (places, axis) => places.flatMap((place) => along(axis).map((further) => place + further)),
    [0],
  );
}

/** Row by row: the last axis runs fastest. */
export const rasterOrder: ScanOrder = (spatial) => nested(spatial, [...spatial.keys()]);

/** Column by column: the first axis runs fastest. */
export const columnOrder: ScanOrder = (spatial) => nested(spatial, [...spatial.keys()].reverse());

/** The same places from the last to the first. */
export function reverseOrder(order: ScanOrder): ScanOrder {
  return (spatial) => order(spatial).reverse();
}

/**
 * The order of one layer out of many, of which every two take turns with the fastest axis, there
 * and back: in 2-D along rows, back, along columns, back, and again (Li et al., "Mamba-ND" (2024)).
 */
export function alternatingOrder(layer: number): ScanOrder {
  const order: ScanOrder = (spatial) => {
    const fastest = spatial.length - 1 - (Math.floor(layer / 2) % spatial.length);
    return nested(spatial, [...[...spatial.keys()].toSpliced(fastest, 1), fastest]);
  };
  return layer % 2 === 0 ? order : reverseOrder(order);
}

/** By rows and by columns, there and back (Liu et al., "VMamba" (2024)). */
export const crossOrders: readonly ScanOrder[] = [rasterOrder, columnOrder].flatMap((order) => [
  order,
  reverseOrder(order),
]);

/** At which step each place is visited: `inverseOrder(p)[p[s]]` is s. */
export function inverseOrder(places: readonly number[]): number[] {
  const steps = new Array<number>(places.length);
  places.forEach((place, step) => (steps[place] = step));
  return steps;
}

/**
 * Curves of many points, made fit to be seen. A chart has a few hundred columns of pixels, and a
 * run may have a hundred thousand steps: in each column the first, lowest, highest and last point
 * are enough to draw the same picture. And to show a trend in noise, each point is replaced by a
 * mean of those around it, whose weights fall off exponentially to both sides:
 *
 *     sᵢ = Σⱼ d^|i−j| yⱼ / Σⱼ d^|i−j|        d = e^(−1/distance)
 *
 * Numbers that are not finite are gaps: they are not drawn, and count in no mean.
 */

/** Points of a curve, in the order of x. */
export interface Points {
  /** Their places along the curve, such as the numbers of steps; finite. */
  readonly x: readonly number[];
  /** Their values. */
  readonly y: readonly number[];
}

/**
 * The points to draw in a chart of so many columns, as parts of a curve without gaps; a point is
 * given by its index. At most four points of a column remain, among them the lowest and the
 * highest.
 */
export function pointsToDraw({ x, y }: Points, columns: number): number[][] {
  const last = x.length - 1;
  const scale = x[last] > x[0] ? columns / (x[last] - x[0]) : 0;
  const parts: number[][] = [];
  let [column, previous] = [-1, -2];
  /** First, lowest, highest and last of the column. */
  let kept: [number, number, number, number] = [0, 0, 0, 0];
  const flush = (): void => {
    if (column >= 0) parts[parts.length - 1].push(...new Set(kept.sort((a, b) => a - b)));
  };
  for (let i = 0; i <= last; i++) {
    if (!Number.isFinite(y[i])) continue;
    const here = Math.min(Math.floor((x[i] - x[0]) * scale), columns - 1);
    if (here !== column) {
      flush();
      if (previous !== i - 1) parts.push([]);
      [column, kept] = [here, [i, i, i, i]];
    } else {
      const [first, lowest, highest] = kept;
      kept = [first, y[i] < y[lowest] ? i : lowest, y[i] > y[highest] ? i : highest, i];
    }
    previous = i;
  }
  flush();
  return parts;
}

/**
 * Values smoothed over a distance, at which the weight of a neighbour has fallen to 1/e. Where a
 * value is not finite, the result is NaN.
 */
export function smooth(values: readonly number[], distance: number): number[] {
  const decay = Math.exp(-1 / distance);
  const smoothed = new Array<number>(values.length).fill(NaN);
  // From the left: the sum over j ≤ i, and its weights. From the right: the sum over j > i.
  const sums = new Float64Array(values.length);
  const weights = new Float64Array(values.length);
  let [sum, weight] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const isFinite = Number.isFinite(values[i]);
    sums[i] = sum = decay * sum + (isFinite ? values[i] : 0);
    weights[i] = weight = decay * weight + (isFinite ? 1 : 0);
  }
  [sum, weight] = [0, 0];
  for (let i = values.length - 1; i >= 0; i--) {
    if (Number.isFinite(values[i])) smoothed[i] = (sums[i] + sum) / (weights[i] + weight);
    const isFinite = Number.isFinite(values[i]);
    sum = decay * (sum + (isFinite ? values[i] : 0));
    weight = decay * (weight + (isFinite ? 1 : 0));
  }
  return smoothed;
}

/** The indices of the least and the greatest of the finite values; none if there is none. */
export function extremesOf(values: readonly number[]): number[] {
  let [least, greatest] = [-1, -1];
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) continue;
    if (least < 0 || values[i] < values[least]) least = i;
    if (greatest < 0 || values[i] > values[greatest]) greatest = i;
  }
  return least < 0 ? [] : [least, greatest];
}

/** The least and the greatest of the finite values of some arrays; NaN if there is none. */
export function rangeOf(all: readonly (readonly number[])[]): [least: number, greatest: number] {
  const extremes = all.flatMap((values) => extremesOf(values).map((i) => values[i]));
  if (extremes.length === 0) return [NaN, NaN];
  return [Math.min(...extremes), Math.max(...extremes)];
}

/** The index of the first of some ascending numbers that is not below `x`. */
export function indexOf(ascending: readonly number[], x: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

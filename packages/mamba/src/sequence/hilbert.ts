/**
 * Hilbert's curve through any grid. The curve visits a square quarter by quarter, each quarter
 * again by a curve, so that cells that are near in the sequence are near in the grid, and mostly
 * the other way round. Sizes need not be powers of two (Červený, "gilbert" (2018)): a box is cut
 * into pieces of about half its size, at even numbers where it can be, and a curve goes through
 * each of them from one corner to the next along its first side:
 *
 *     b2 ──▶ ▲        three pieces of a rectangle with sides a and b: up the first half of a,
 *     ▲      │        along a through the upper part, and down the second half; of a long one
 *     │      ▼        two, side by side; of a box up to five
 *
 * A curve ends at the other end of its first side only if that side is even, or all are odd: for
 * each step changes the colour of a chessboard. In a rectangle that decides which side is the
 * first. A box in 3-D takes its even part that way, and a layer for each side that is odd.
 */

/** A side of a box: how far the index goes with each step, backwards if negative, and its size. */
interface Side {
  readonly step: number;
  readonly count: number;
}

const back = ({ step, count }: Side): Side => ({ step: -step, count });
const long = ({ step, count }: Side): number => step * count;
/** From the first cell of a side to its last one. */
const across = ({ step, count }: Side): number => step * (count - 1);

/** The first half of a side, of an even size if it can be, and the rest. */
function halves({ step, count }: Side): readonly [Side, Side] {
  const half = Math.floor(count / 2);
  const first = half % 2 === 1 && count > 2 ? half + 1 : half;
  return [{ step, count: first }, { step, count: count - first }];
}

/** Adds the cells of a box from a corner on, to the corner across its side `a`. */
function walk(cells: number[], at: number, a: Side, b: Side, c: Side): void {
  const sides = [a, b, c];
  if (sides.some(({ count }) => count === 0)) return;
  const wide = sides.filter(({ count }) => count > 1);
  if (wide.length <= 1) {
    const { step, count } = wide.at(0) ?? a;
    for (let i = 0; i < count; i++) cells.push(at + i * step);
    return;
  }
  const [a1, a2] = halves(a);
  if (2 * a.count > 3 * Math.max(b.count, c.count)) {
    walk(cells, at, a1, b, c);
    walk(cells, at + long(a1), a2, b, c);
  } else if (3 * b.count > 4 * c.count) {
    walkAround(cells, at, a, b, c);
  } else if (3 * c.count > 4 * b.count) {
    walkAround(cells, at, a, c, b);
  } else {
    const [b1, b2] = halves(b);
    const [c1, c2] = halves(c);
    walk(cells, at, b1, c1, a1);
    walk(cells, at + long(b1), c, a1, b2);
    walk(cells, at + across(b1) + across(c), a, back(b1), back(c2));
    walk(cells, at + across(a) + long(b1) + across(c), back(c), back(a2), b2);
    walk(cells, at + across(a) + across(b1), back(b1), c1, back(a2));
  }
}

/** The three pieces of a box whose side `c` is short, or a single cell. */
function walkAround(cells: number[], at: number, a: Side, b: Side, c: Side): void {
  const [[a1, a2], [b1, b2]] = [halves(a), halves(b)];
  walk(cells, at, b1, c, a1);
  walk(cells, at + long(b1), a, b2, c);
  walk(cells, at + across(a) + across(b1), back(b1), c, back(a2));
}

/** A curve through a rectangle, whose first side is even, if one of them is. */
function walkRectangle(cells: number[], at: number, a: Side, b: Side): void {
  const isOdd = ({ count }: Side): number => count % 2;
  const isSwapped = isOdd(a) === isOdd(b) ? b.count > a.count : isOdd(b) === 0;
  const [first, second] = isSwapped ? [b, a] : [a, b];
  walk(cells, at, first, second, { step: 0, count: 1 });
}

/** A curve through a box: its even part, and then a layer for each side that is odd. */
function walkBox(cells: number[], sides: readonly Side[]): void {
  const isOdd = ({ count }: Side): boolean => count % 2 === 1;
  const even = (side: Side): Side => ({ ...side, count: side.count - (side.count % 2) });
  const [a, b, c] = sides.toSorted((x, y) =>
    Number(isOdd(y)) - Number(isOdd(x)) || y.count - x.count);
  const [a1, b1, c1] = [a, b, c].map(even);
  const flat = { step: 0, count: 1 };
  walk(cells, 0, a1, b1, c1);
  if (!isOdd(a)) return;
  // Each layer begins beside the corner at which the part before it ends.
  walk(cells, long(a1), b1, c1, flat);
  if (!isOdd(b)) return;
  walk(cells, long(a1) + long(b1), c1, back(a), flat);
  if (isOdd(c)) walk(cells, long(a1) + long(b1) + long(c1), back(a), back(b), flat);
}

/**
 * The row-major indices of the cells of a grid of up to three axes along Hilbert's curve. Each step
 * goes to a neighbour.
 */
export function hilbertCurve(spatial: readonly number[]): number[] {
  const cells: number[] = [];
  const sides = spatial.map((count, axis): Side => ({
    step: spatial.slice(axis + 1).reduce((product, size) => product * size, 1), count,
  }));
  if (sides.some(({ count }) => count === 0)) return cells;
  const [a, b, ...others] = sides.filter(({ count }) => count > 1);
  const single = { step: 0, count: 1 };
  if (others.length > 0) walkBox(cells, [a, b, ...others]);
  else walkRectangle(cells, 0, a ?? single, b ?? single);
  return cells;
}

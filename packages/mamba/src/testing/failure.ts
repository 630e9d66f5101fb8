/** Failures of properties: what differs, and the error that says so with the smallest input. */
import { TensorError } from '@mambagrad/tensor';

/** What was found to be wrong for one input. */
export class Difference extends Error {
  /** Lines that show both results, or whatever else it takes to see what is wrong. */
  readonly lines: readonly string[];

  constructor(message: string, lines: readonly string[] = []) {
    super(message);
    this.lines = lines;
  }
}

/** The error of `checkScan`, `checkAssociative` and `checkRecurrent`. */
export class PropertyError extends TensorError {
  /** The name of the property that does not hold. */
  readonly property: string;
  /** With this seed, the check fails in the same way again. */
  readonly seed: number;

  constructor(message: string, property: string, seed: number, cause: unknown) {
    super(message);
    this.property = property;
    this.seed = seed;
    this.cause = cause;
  }
}

/** A number as reports show it: six digits, or all that it has if it has fewer. */
function shortNumber(x: number): string {
  return Number.isFinite(x) ? String(Number(x.toPrecision(6))) : String(x);
}

/** The most numbers of an array that are shown. */
const SHOWN = 16;

/** Numbers as text, nested as their shape says; only the first ones if there are many. */
export function showNumbers(numbers: ArrayLike<number>, shape: readonly number[]): string {
  if (numbers.length > SHOWN) {
    const first = Array.from({ length: SHOWN }, (_, i) => shortNumber(numbers[i]));
    return `[${shape.join(', ')}]: ${first.join(', ')}, …`;
  }
  return nested(numbers, shape, 0);
}

function nested(numbers: ArrayLike<number>, shape: readonly number[], from: number): string {
  if (shape.length === 0) return shortNumber(numbers[from]);
  const [size, ...rest] = shape;
  const width = rest.reduce((product, each) => product * each, 1);
  const parts = Array.from({ length: size }, (_, i) => nested(numbers, rest, from + i * width));
  return `[${parts.join(', ')}]`;
}

/** The place of an element in an array of a shape: '1, 0, 2'. */
export function placeOf(element: number, shape: readonly number[]): string {
  let rest = element;
  const indices = shape.toReversed().map((size) => {
    const index = rest % size;
    rest = Math.floor(rest / size);
    return index;
  });
  return indices.reverse().join(', ');
}

/** Names and what they are, below each other. */
export function inColumns(shown: Readonly<Record<string, string>>): string[] {
  const width = Math.max(...Object.keys(shown).map(({ length }) => length));
  return Object.entries(shown).map(([name, text]) => `${name.padEnd(width)}  ${text}`);
}

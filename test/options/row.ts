/** A row of the table of options, and what rows are made of. */
import { Tensor, tensor } from '@mambagrad/tensor';

/** The interfaces of a call's options, the fewest of them, and what it gives with some. */
export interface Row {
  /** `package Interface Interface …` */
  readonly type: string;
  /** Made anew for each call. */
  readonly fewest: () => Readonly<Record<string, unknown>>;
  readonly run: (options: never) => unknown;
  /** Options that the types allow, but not beside the fewest. */
  readonly others?: readonly string[];
  /** What the call takes in the place of options. */
  readonly alsoTakes?: readonly unknown[];
}

/** A row of a call that needs no options at all. */
export const free = (type: string, run: (options: never) => unknown): Row =>
  ({ type, fewest: () => ({}), run });

/** Numbers from −1 to 1 in no order, the same at each call. */
export const some = (...shape: number[]): Tensor => {
  const count = shape.reduce((product, size) => product * size, 1);
  return tensor(Array.from({ length: count }, (_, i) => Math.sin(1 + 2.7 * i)), { shape });
};
export const positive = (...shape: number[]): Tensor => some(...shape).abs().add(0.1);
export const leaf = (...shape: number[]): Tensor => {
  const x = some(...shape);
  x.requiresGrad = true;
  return x;
};
export const tokens = (...shape: number[]): Tensor => some(...shape).mul(100).cast('i32').abs();

/** All that a generator gives. */
export async function all<T>(given: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of given) found.push(each);
  return found;
}

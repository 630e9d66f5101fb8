/** A solution of exercises/microkernel.ts. */
import * as k from '@mambagrad/kernel';

/** The statements that compute y = a · b. */
export function microkernel(
  a: k.Buffer, b: k.Buffer, y: k.Buffer, depth: number,
): k.Statements {
  const tile = [0, 1, 2, 3].flatMap((row) => [0, 4].map((column) => (
    { row, column, sum: k.variable('sum', 'f32x4') }
  )));
  return [
    tile.map(({ sum }) => k.set(sum, 0)),
    k.loop('k', depth, (at) => {
      const vectors = [0, 4].map((column) => ({ column, of: k.variable('b', 'f32x4') }));
      const factors = [0, 1, 2, 3].map(() => k.variable('a', 'f32'));
      return [
        vectors.map(({ column, of }) => k.set(of, k.load(b, k.ramp(k.add(k.mul(at, 8), column))))),
        factors.map((factor, row) => k.set(factor, k.load(a, k.add(at, row * depth)))),
        tile.map(({ row, column, sum }) => (
          k.set(sum, k.add(sum, k.mul(factors[row], vectors[column / 4].of)))
        )),
      ];
    }),
    tile.map(({ row, column, sum }) => k.store(y, k.ramp(8 * row + column), sum)),
  ];
}

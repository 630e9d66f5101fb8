/**
 * Sequences in chunks. Within a chunk of Q steps, results come from pairs of steps t and s, Q × Q
 * of them; from chunk to chunk a state is carried. From step s to step t a memory decays by the
 * product of all decays between them, the exponential of a sum of logarithms. Each such sum is
 * added up from the logarithms that lie between the two, so it is at most 0. A difference of two
 * longer sums, or a quotient of two products, is the same on paper, but loses its digits and ends
 * as 0/0.
 *
 * Two things in a chunk are made by halves: of all blocks of 2, 4, 8, … steps there is just one in
 * which s lies in the left half and t in the right one. Here is the size of these halves:
 *
 *          s  0 1 2 3
 *      t = 0  ·
 *          1  1 ·
 *          2  2 2 ·
 *          3  2 2 1 ·
 */
import { type Tensor, tensor } from '@mambagrad/tensor';

/** The number of steps of a chunk: a power of two, no larger than a short sequence needs. */
export function chunkSizeFor(length: number, most: number): number {
  return Math.min(most, 2 ** Math.ceil(Math.log2(length)));
}

/**
 * x [batch, length, H, width] in chunks of Q steps, [batch, H, chunks, Q, width]. Steps that are
 * missing to a whole chunk are zeros: they write nothing, and the logarithm 0 is a decay of 1.
 */
export function intoChunks(x: Tensor, size: number): Tensor {
  const [batch, length, heads, width] = x.shape;
  const count = Math.ceil(length / size);
  return x
    .pad([0, 0, 0, 0], [0, count * size - length, 0, 0])
    .reshape([batch, count, size, heads, width])
    .permute([0, 3, 1, 2, 4]);
}

/** The opposite of `intoChunks`: [batch, length, H, width] */
export function fromChunks(x: Tensor, length: number): Tensor {
  const [batch, heads, count, size, width] = x.shape;
  const steps = x.permute([0, 2, 3, 1, 4]).reshape([batch, count * size, heads, width]);
  return steps.narrow(1, 0, length);
}

/**
 * 1 for pairs of steps t (rows) and s (columns) that lie in the right and the left half of the same
 * block of 2 · half steps; for half 0, where t is s. i32 [size, size]
 */
export function pairsOf(size: number, half: number): Tensor {
  const blockOf = (t: number) => Math.floor(t / half);
  const isPair = (t: number, s: number) =>
    half === 0 ? t === s : blockOf(s) % 2 === 0 && blockOf(t) === blockOf(s) + 1;
  const steps = Array.from({ length: size }, (_, t) => t);
  return tensor(steps.map((t) => steps.map((s) => Number(isPair(t, s)))), { dtype: 'i32' });
}

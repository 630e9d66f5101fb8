/**
 * Rotations of pairs of numbers. A pair (u, w) of a vector turns by an angle θ in its plane:
 *
 *     (u, w) → (u cos θ − w sin θ, u sin θ + w cos θ)
 *
 * It is the product of the complex numbers u + iw and e^{iθ}, so a state that turns is a complex
 * state written with reals. Which numbers are a pair is a convention: neighbours, (2i, 2i + 1), or
 * the halves of the vector, (i, i + N/2). Both are the same up to the order of the numbers.
 */
import { concat, stack, type Tensor } from '@mambagrad/tensor';

/** Which numbers of a vector are pairs: neighbours, or one of each half. */
export type Pairing = 'neighbours' | 'halves';

/**
 * Turns the first pairs of x [..., N] by angles whose cosines and sines [..., pairs] are given,
 * which broadcast to x but for the last axis. What is in none of these pairs stays.
 */
export function rotate(x: Tensor, cos: Tensor, sin: Tensor, pairing: Pairing): Tensor {
  const [size, pairs] = [x, cos].map(({ shape }) => shape[shape.length - 1]);
  const turned = (u: Tensor, w: Tensor) =>
    [u.mul(cos).sub(w.mul(sin)), u.mul(sin).add(w.mul(cos))];
  if (pairing === 'neighbours') {
    const both = x.narrow(-1, 0, 2 * pairs).reshape([...x.shape.slice(0, -1), pairs, 2]);
    const [u, w] = turned(...takeBoth(both));
    const y = stack([u, w], -1).reshape([...u.shape.slice(0, -1), 2 * pairs]);
    return 2 * pairs === size ? y : concat([y, x.narrow(-1, 2 * pairs, size - 2 * pairs)], -1);
  }
  const half = size / 2;
  const [u, w] = turned(x.narrow(-1, 0, pairs), x.narrow(-1, half, pairs));
  if (pairs === half) return concat([u, w], -1);
  const rest = [pairs, half + pairs].map((start) => x.narrow(-1, start, half - pairs));
  return concat([u, rest[0], w, rest[1]], -1);
}

/** The first and the second numbers of pairs [..., 2]. */
function takeBoth(pairs: Tensor): [Tensor, Tensor] {
  const of = (i: number) => pairs.narrow(-1, i, 1).squeeze(-1);
  return [of(0), of(1)];
}

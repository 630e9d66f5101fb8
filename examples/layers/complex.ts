/**
 * Complex numbers as pairs of reals, and the linear scan of them,
 *
 *     h_t = λ ⊙ h_{t−1} + b_t,     λ = |λ| · (cos θ + i sin θ)
 *
 * A real decay can only fade. A complex one also turns the state, by the angle θ a step, so that a
 * channel can hear a rhythm or count modulo 2π/θ. A product of pairs mixes their parts:
 *
 *     (a + i b)(c + i d) = (ac − bd) + i (ad + bc)
 *
 * so it is not elementwise, and no real `linearScan`. But steps compose as before,
 * (λ₁, b₁) ∘ (λ₂, b₂) = (λ₁λ₂, λ₂b₁ + b₂), and `associativeScan` takes any such composition.
 */
import { associativeScan, concat, type ScanElements, type Tensor } from '@mambagrad/tensor';

/** A tensor of complex numbers, as two real tensors. */
export type Complex = readonly [real: Tensor, imaginary: Tensor];

export const plus = ([a, b]: Complex, [c, d]: Complex): Complex => [a.add(c), b.add(d)];

export const times = ([a, b]: Complex, [c, d]: Complex): Complex =>
  [a.mul(c).sub(b.mul(d)), a.mul(d).add(b.mul(c))];

/** z / w = z · w̄ / |w|²; w must not be 0. */
export function over(z: Complex, [c, d]: Complex): Complex {
  const square = c.square().add(d.square());
  return times(z, [c.div(square), d.neg().div(square)]);
}

/** e^{x + iy} = e^x (cos y + i sin y) */
export const exp = ([x, y]: Complex): Complex => [x.exp().mul(y.cos()), x.exp().mul(y.sin())];

/**
 * e^{x + iy} − 1, exact for small numbers too, where a subtraction would leave only rounding:
 * e^x cos y − 1 = (e^x − 1) cos y + (cos y − 1), and cos y − 1 = −2 sin²(y/2).
 */
export function expm1([x, y]: Complex): Complex {
  const turned = y.mul(0.5).sin().square().mul(-2);
  return [x.expm1().mul(y.cos()).add(turned), x.exp().mul(y.sin())];
}

/** One step after the other: (λ₁, b₁), then (λ₂, b₂). */
function compose([c, d, re, im]: ScanElements, [e, f, ...input]: ScanElements): Tensor[] {
  const [later, b] = [[e, f], input] as unknown as Complex[];
  return [...times([c, d], later), ...plus(times(later, [re, im]), b)];
}

/**
 * All states h_t, of decays, [N] or one for each input, of inputs [batch, length, N] and a state
 * before them [batch, N].
 */
export function complexScan(decay: Complex, inputs: Complex, state: Complex): Complex {
  const [, length, size] = inputs[0].shape;
  // The state before the first step comes first, as one more input, and is dropped again.
  const decays = decay.map((part) => part.ndim === 1
    ? part.broadcastTo([1, length + 1, size])
    : part.pad([0, 1, 0], [0, 0, 0]));
  const rows = inputs.map((part, i) => concat([state[i].unsqueeze(1), part], 1));
  const [, , re, im] = associativeScan(compose, [...decays, ...rows], { axis: 1 });
  return [re.narrow(1, 1, length), im.narrow(1, 1, length)];
}

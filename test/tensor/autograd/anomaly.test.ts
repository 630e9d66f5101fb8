/** Anomaly mode: the first op to give NaN or infinity is named, and nothing else changes. */
import {
  arange,
  concat,
  detectAnomaly,
  grad,
  noGrad,
  type Shape,
  Tensor,
  tensor,
  TensorError,
  zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSame, leaf } from '../../support/compare.ts';
import { type Draw, drawInteger, drawShape, drawTensor } from '../../support/draw.ts';

type Step = (x: Tensor) => Tensor;

/** Ops that keep finite numbers finite. */
const steps: readonly Step[] = [
  (x) => x.sin(),
  (x) => x.mul(0.5),
  (x) => x.add(x.cos()),
  (x) => x.reshape([x.numel]).reshape(x.shape),
  (x) => x.tanh().square(),
];

const drawChain = (g: Draw): Step => {
  const chain = g(() => fc.array(fc.constantFrom(...steps), { maxLength: 4 }));
  return (x) => chain.reduce((y, step) => step(y), x);
};

/** An index into a shape, and the same place as a tensor: there 1, else 0. */
function drawPlace(g: Draw, shape: Shape): { index: number[]; place: Tensor } {
  const index = shape.map((size) => drawInteger(g, 0, size - 1));
  let place = tensor(1, { dtype: 'f64' });
  for (const [axis, size] of [...shape.entries()].reverse()) {
    const before = zeros([index[axis], ...place.shape], { dtype: 'f64' });
    const after = zeros([size - 1 - index[axis], ...place.shape], { dtype: 'f64' });
    place = concat([before, place.unsqueeze(0), after]);
  }
  return { index, place };
}

const check = (property: (g: Draw) => void): void => {
  fc.assert(fc.property(fc.gen(), property), { numRuns: 60 });
};

function errorOf(body: () => unknown): Error {
  try {
    body();
  } catch (error) {
    if (error instanceof TensorError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('detectAnomaly', () => {
  it('names the first op and the element, whatever comes before and after', () => {
    check((g) => {
      const shape = drawShape(g, { empty: false });
      const x = drawTensor(g, shape);
      const [before, after] = [drawChain(g), drawChain(g)];
      const { index, place } = drawPlace(g, shape);
      const body = () => after(before(x).abs().add(1).sub(place.mul(100)).log());
      const at = shape.length > 0 ? ` at [${index.join(', ')}]` : '';
      const name = `f64[${shape.join(', ')}]`;
      const { message } = errorOf(() => detectAnomaly(body));
      expect(message).toContain(`detectAnomaly: log gave NaN${at} of ${name}\n  input 0: ${name}`);
    });
  });

  it('names the op whose gradient is not finite', () => {
    check((g) => {
      const shape = drawShape(g, { empty: false });
      const x = leaf(drawTensor(g, shape));
      const [before, after] = [drawChain(g), drawChain(g)];
      const { index, place } = drawPlace(g, shape);
      const kept = place.neg().add(1);
      const body = () => after(before(x).abs().add(1).mul(kept).sqrt().add(0.3)).sum().backward();
      const at = shape.length > 0 ? `at [${index.join(', ')}] of` : 'of';
      const { message } = errorOf(() => detectAnomaly(body));
      expect(message).toMatch(/gave -?(Infinity|NaN)/);
      expect(message).toContain(`${at} f64[${shape.join(', ')}], in the gradient of sqrt(`);
    });
  });

  it('changes nothing where all is finite', () => {
    check((g) => {
      const x = leaf(drawTensor(g, drawShape(g)));
      const chain = drawChain(g);
      const body = () => {
        const y = chain(x.mul(1)).sum();
        return [y, ...grad(y, [x])];
      };
      const expected = body();
      detectAnomaly(body).forEach((found, i) => expectSame(found, expected[i]));
    });
  });

  it('shows the range of every input, and what was not finite from the start', () => {
    const a = tensor([[0.1, 2], [-3, 4]]);
    const b = tensor([Infinity, NaN]);
    expect(errorOf(() => detectAnomaly(() => a.sub(1).mul(b))).message).toBe(
      'detectAnomaly: mul gave NaN at [0, 1] of f32[2, 2]\n' +
        '  input 0: f32[2, 2] from -4 to 3\n' +
        '  input 1: f32[2], 1 NaN, 1 infinite (given, not computed here)',
    );
    expect(detectAnomaly(() => a.greater(b).sum().item())).toBe(0);
    expect(errorOf(() => detectAnomaly(() => tensor(-0.1).log())).message).toBe(
      'detectAnomaly: log gave NaN of f32[]\n  input 0: f32[] from -0.1 to -0.1',
    );
  });

  it('lets infinities through that masks are made of, and finds what is wrong beside them', () => {
    check((g) => {
      const shape = drawShape(g, { minRank: 1, empty: false });
      const x = leaf(drawTensor(g, shape));
      // One element at least of each row is left in.
      const { place } = drawPlace(g, shape);
      const isKept = place.add(x.greater(0).cast('f64')).cast('i32');
      const kept = isKept.maximum(arange(0, shape.at(-1) ?? 0, 1, { dtype: 'i32' }).equal(0));
      const zero = tensor(0, { dtype: 'f64' });
      const scores: readonly Step[] = [
        (y) => kept.where(y, -Infinity),
        (y) => y.maskedFill(kept.equal(0), -Infinity),
        (y) => kept.where(zero, -Infinity).add(y),
        (y) => y.pad(shape.map(() => 1), shape.map(() => 0), { value: -Infinity }).slice(
          shape.map(() => 1), shape.map((size) => size + 1),
        ).sub(kept.equal(0).where(Infinity, zero)),
      ];
      const ends: readonly Step[] = [
        (y) => y.softmax(), (y) => y.logSoftmax().exp(), (y) => y.logsumexp(-1).exp(),
        (y) => y.max(-1), (y) => y.exp().cumsum(-1),
      ];
      const mask = g(() => fc.constantFrom(...scores));
      const end = g(() => fc.constantFrom(...ends));
      const body = () => end(mask(x)).mul(2).sum().backward();
      expect(() => detectAnomaly(body)).not.toThrow();
      // An overflow beside what is masked, and 0 · ∞.
      const overflow = () => mask(x).add(place.mul(1000)).exp().sum();
      expect(errorOf(() => detectAnomaly(overflow)).message).toContain('exp gave Infinity');
      const lost = () => mask(x).mul(kept.cast('f64')).sum();
      if (kept.data.every(Boolean)) return;
      expect(errorOf(() => detectAnomaly(lost)).message).toContain('mul gave NaN');
    });
  });

  it('shows the first inputs of an op that has many', () => {
    const many = Array.from({ length: 10_000 }, () => tensor([0, 1], { requiresGrad: true }));
    const inf = tensor([NaN, 1], { requiresGrad: true });
    const { message } = errorOf(() => detectAnomaly(() => concat([inf, ...many])));
    expect(message).toMatch(/concat gave NaN[^]*input 7: f32\[2\] from 0 to 1\n  and 9993 more$/);
    const joined = concat(many);
    const backwards = () => grad(joined.mul(0).sum().log(), [many[0]]);
    expect(errorOf(() => detectAnomaly(backwards)).message.length).toBeLessThan(1000);
  });

  it('shows where the op was applied whose gradient it is', () => {
    const x = tensor([4, 0], { requiresGrad: true });
    const applyRoot = (): Tensor => x.sqrt();
    const inside = errorOf(() => detectAnomaly(() => grad(applyRoot().sum(), [x])));
    expect(inside.cause).toMatchObject({ message: 'sqrt was applied here' });
    expect(String(inside.cause instanceof Error && inside.cause.stack)).toContain('applyRoot');
    const outside = applyRoot().sum();
    const error = errorOf(() => detectAnomaly(() => grad(outside, [x])));
    expect(error.message).toContain('in the gradient of sqrt(f32[2])');
    expect('cause' in error).toBe(false);
  });

  it('reaches gradients of gradients', () => {
    // (x^1.5)′ is 0 at 0, (x^1.5)″ = 0.75/√x is not.
    const x = tensor([1, 0], { dtype: 'f64', requiresGrad: true });
    const body = () => {
      const [slope] = grad(x.pow(1.5).sum(), [x], { createGraph: true });
      return grad(slope.sum(), [x]);
    };
    expect(() => detectAnomaly(body)).toThrow(
      /gave Infinity at \[1\] of f64\[2\], in the gradient of pow/,
    );
  });

  it('does not mistake an overflow, where a gradient is summed, for a wrong shape', () => {
    const x = tensor(0, { requiresGrad: true });
    const large = tensor([3e38, 3e38]);
    expect(() => detectAnomaly(() => grad(x.mul(large).sum(), [x]))).toThrow(
      /^detectAnomaly: sum gave Infinity.* in the gradient of mul\(f32\[\], f32\[2\]\)/,
    );
  });

  it('holds while its body runs, nested or not, and no longer', () => {
    const bad = (): Tensor => tensor([0]).log();
    const nested = () => {
      detectAnomaly(() => tensor([1]).log());
      return noGrad(bad);
    };
    expect(() => detectAnomaly(nested)).toThrow('log gave -Infinity');
    expect(() => detectAnomaly(() => tensor([1]).item.call(tensor([1, 2])))).toThrow('item: ');
    expect(bad().item()).toBe(-Infinity);
    expect(() => detectAnomaly(async () => 1)).toThrow('detectAnomaly: the function is async');
    expect(bad().item()).toBe(-Infinity);
  });

  it('forgets the gradient that it was in when an error ended the backward pass', () => {
    const x = tensor([0], { requiresGrad: true });
    detectAnomaly(() => {
      const { message } = errorOf(() => x.sqrt().backward());
      expect(message).toContain('in the gradient of sqrt');
      expect(errorOf(() => x.log()).message).not.toContain('in the gradient');
    });
  });
});

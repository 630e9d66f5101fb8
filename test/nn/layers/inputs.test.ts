/**
 * What layers say of inputs that they cannot take: which layer it is, what it was given, and what
 * would be right. Without a check some would be broadcast, and give a result of another shape.
 */
import { GatedFeedForward, LayerNorm, Linear, RMSNorm, Sequential } from '@mambagrad/nn';
import { describe as specOf, type DType, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const layers = {
  Linear: (features: number) => new Linear(features, 3),
  RMSNorm: (features: number) => new RMSNorm(features),
  LayerNorm: (features: number) => new LayerNorm(features),
};
const names = fc.constantFrom('Linear', 'RMSNorm', 'LayerNorm');
const sizes = fc.integer({ min: 1, max: 5 });
const shapes = fc.array(sizes, { maxLength: 3 });

describe('the input of a layer', () => {
  it('has the features of the layer as its last axis, or is an error that names both', () => {
    fc.assert(fc.property(names, sizes, shapes, (name, features, shape) => {
      const forward = () => layers[name](features).forward(zeros(shape));
      if (shape.at(-1) === features) {
        const last = name === 'Linear' ? 3 : features;
        expect([...forward().shape]).toEqual([...shape.slice(0, -1), last]);
      } else {
        const found = specOf(zeros(shape));
        expect(forward).toThrow(`${name}: x is ${found}, expected f32[..., ${features}]`);
      }
    }));
  });

  it('has the dtype of the layer', () => {
    fc.assert(fc.property(names, fc.constantFrom<DType>('i32', 'f64'), (name, dtype) => {
      expect(() => layers[name](4).forward(zeros([2, 4], { dtype }))).toThrow(
        `${name}: x is ${dtype}[2, 4], expected f32[..., 4]; use cast('f32') first`,
      );
    }));
    const double = new Linear(4, 3).to('f64');
    expect(double.forward(zeros([2, 4], { dtype: 'f64' })).dtype).toBe('f64');
    expect(() => double.forward(zeros([2, 4]))).toThrow("expected f64[..., 4]; use cast('f64')");
  });

  it('is a tensor', () => {
    fc.assert(fc.property(names, (name) => {
      const layer = layers[name](4);
      const [array, missing] = [[1, 2, 3, 4], undefined] as unknown[] as Tensor[];
      expect(() => layer.forward(array)).toThrow(
        `${name}: x is [1, 2, 3, 4], expected f32[..., 4]`,
      );
      expect(() => layer.forward(missing)).toThrow(`${name}: x is missing, expected f32[..., 4]`);
    }));
  });

  it('is checked in layers made of others, and in parts', () => {
    const wrong = tensor([[1, 2, 3]]);
    const right = 'Linear: x is f32[1, 3], expected f32[..., 4]';
    expect(() => new Sequential(new Linear(4, 2)).forward(wrong)).toThrow(right);
    expect(() => new GatedFeedForward(4, 8).forward(wrong)).toThrow(right);
    expect(() => new Linear(4, 2).forwardInParts(wrong, [1, 1])).toThrow(right);
  });
});

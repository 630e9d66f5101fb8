/** A token or target out of range: the error names what was called, and which element is wrong. */
import { compile, ones, type Tensor, tensor } from '@mambagrad/tensor';
import { crossEntropy, Embedding } from '@mambagrad/nn';
import { expect, it } from 'vitest';

const embedding = new Embedding(10, 16);
const i32 = { dtype: 'i32' } as const;

const calls: [string, (index: Tensor) => Tensor, string][] = [
  ['Embedding', (tokens) => embedding.forward(tokens), 'axis 0 of [10, 16]: expected 0 to 9'],
  ['crossEntropy', (targets) => crossEntropy(ones([2, 3, 10]), targets),
    'axis 2 of [2, 3, 10]: expected 0 to 9'],
];

it.each(calls)('%s', (name, call, where) => {
  for (const index of [10, -1, 2 ** 31 - 1]) {
    const wrong = tensor([[0, 1, 2], [3, index, -5]], i32);
    const message = `${name}: index ${index} (element 4) is out of range for ${where}`;
    expect(() => call(wrong)).toThrow(message);
    const compiled = compile(call);
    expect(() => compiled(wrong)).toThrow(message);
    expect(compiled(tensor([[0, 1, 2], [3, 4, 5]], i32)).numel).toBeGreaterThan(0);
  }
});

/** Anomaly mode and scans: the infinities that keep documents apart are meant, others are found. */
import { detectAnomaly, Generator, grad, normal, tensor, uniform } from '@mambagrad/tensor';
import { selectiveScan, ssd } from '@mambagrad/mamba';
import { expect, it } from 'vitest';

const generator = new Generator(3);
const segmentIds = tensor([[0, 0, 0, 1, 1, 1, 2, 2]], { dtype: 'i32' });
const [length, heads, channels, states] = [8, 2, 3, 4];
const draw = (...shape: number[]) => normal(shape, 0, 1, { generator });
const positive = (...shape: number[]) => uniform(shape, 0.1, 1, { generator });

it.each(['fused', 'chunked', 'recurrent'] as const)('ssd, %s', (algorithm) => {
  const inputs = [
    draw(1, length, heads, channels), positive(1, length, heads), positive(heads).neg(),
    draw(1, length, 1, states), draw(1, length, 1, states),
  ] as const;
  const leaves = inputs.map((x) => x.detach());
  for (const x of leaves) x.requiresGrad = true;
  const [x, dt, A, B, C] = leaves;
  const loss = (scale: number) => {
    const { y } = ssd(x.mul(scale), dt, A, B, C, { segmentIds, algorithm, chunkSize: 4 });
    return grad(y.square().sum(), leaves);
  };
  expect(() => detectAnomaly(() => loss(1))).not.toThrow();
  expect(() => detectAnomaly(() => loss(1e30))).toThrow(/^detectAnomaly: \w+ gave/);
});

it.each(['fused', 'sequential'] as const)('selectiveScan, %s', (algorithm) => {
  const leaves = [
    draw(1, length, channels), positive(1, length, channels), positive(channels, states).neg(),
    draw(1, length, states), draw(1, length, states),
  ].map((x) => x.detach());
  for (const x of leaves) x.requiresGrad = true;
  const [u, delta, A, B, C] = leaves;
  const loss = () => {
    const { y } = selectiveScan(u, delta, A, B, C, { segmentIds, algorithm });
    return grad(y.square().sum(), leaves);
  };
  expect(() => detectAnomaly(loss)).not.toThrow();
});

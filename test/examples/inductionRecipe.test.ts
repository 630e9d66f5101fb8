/** What the induction example does to the gates of its model before and after each step. */
import { SelectiveSSM } from '@mambagrad/mamba';
import { manualSeed } from '@mambagrad/tensor';
import { expect, it } from 'vitest';
import {
  createModel, finishStep, isOfStreams, prepareStep,
} from '../../examples/induction/recipe.ts';
import { expectClose } from '../support/compare.ts';

const steps = 100;

const create = () => {
  manualSeed(1);
  const model = createModel(4, 16, 2);
  const projections = model.namedModules().flatMap(([, each]) =>
    (each instanceof SelectiveSSM ? [each.dtProj] : []));
  return { model, projections };
};

it('disturbs the biases of Δ while states are carried on, and only within a step', () => {
  const { model, projections } = create();
  expect(projections).toHaveLength(2);
  const before = projections.map(({ bias }) => bias.detach());
  const changes: number[] = [];
  for (let step = 0; step < steps; step++) {
    prepareStep(model, step, steps);
    for (const [i, { bias }] of projections.entries()) {
      const change = bias.sub(before[i]).toArray() as number[];
      if (isOfStreams(step, steps)) changes.push(...change);
      else expect(change.every((each) => each === 0)).toBe(true);
    }
    finishStep(model, step + 1, steps);
    for (const [i, { bias }] of projections.entries()) expect(bias.data).toEqual(before[i].data);
  }
  // 57 steps, 2 layers, 32 channels.
  expect(changes).toHaveLength(57 * 2 * 32);
  const variance = changes.reduce((sum, each) => sum + each ** 2, 0) / changes.length;
  expect(variance).toBeGreaterThan(3.5);
  expect(variance).toBeLessThan(4.5);
});

it('multiplies the weights of Δ by 4 in all, and trains them only before', () => {
  const { model, projections } = create();
  const before = projections.map(({ weight }) => weight.detach());
  const trained: boolean[] = [];
  for (let step = 0; step < steps; step++) {
    prepareStep(model, step, steps);
    trained.push(projections.every(({ weight }) => weight.requiresGrad));
    finishStep(model, step + 1, steps);
  }
  expect(trained).toEqual(trained.map((_, step) => step < 30));
  for (const [i, { weight }] of projections.entries()) {
    expectClose(weight, before[i].mul(4), 1e-5, 1e-5);
  }
});

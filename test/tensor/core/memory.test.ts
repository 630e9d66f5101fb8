/**
 * A long eager training runs in flat memory: all that a step makes is garbage once the step is
 * over, and is collected like any object.
 */
import { AdamW, Linear } from '@mambagrad/nn';
import { Generator, type Tensor, uniform } from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { oneOf } from '../../support/soak.ts';
import { bytesInHeap } from '../../../bench/support/growth.ts';

const STEPS = 2000;

/** A tensor of a single number takes more; compiled code that still changes comes to less. */
const ALLOWED_PER_STEP = 200;

/**
 * Trains two layers to give back what they get, by either way of taking a step in turn, and says by
 * how many bytes per step memory grew in the second half.
 */
function growthPerStep(visit: (loss: Tensor) => void): number {
  const generator = new Generator(1);
  const hidden = new Linear(6, 20, { generator });
  const last = new Linear(20, 6, { generator });
  const optimizer = new AdamW([...hidden.parameters(), ...last.parameters()]);
  const train = () => {
    for (let step = 0; step < STEPS; step++) {
      const x = uniform([16, 6], -1, 1, { generator });
      const loss = last.forward(hidden.forward(x).tanh()).sub(x).square().mean();
      if (step % 2 === 0) {
        optimizer.minimize(loss);
      } else {
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
      }
      visit(loss);
    }
  };
  train();
  const before = bytesInHeap();
  train();
  return (bytesInHeap() - before) / STEPS;
}

describe('memory', () => {
  it('does not grow with the steps of a training', () => {
    expect(growthPerStep(() => {})).toBeLessThan(ALLOWED_PER_STEP);
  });

  if (oneOf([true, false]).includes(true)) it('is seen to grow if each step leaves a single ' +
    'number behind', () => {
    const kept: Tensor[] = [];
    const growth = growthPerStep((loss) => kept.push(loss.detach()));
    expect(kept).toHaveLength(2 * STEPS);
    expect(growth).toBeGreaterThan(ALLOWED_PER_STEP);
  });
});

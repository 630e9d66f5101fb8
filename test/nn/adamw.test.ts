/** AdamW against PyTorch's runs, and the two ways of taking a step. */
import { AdamW, clipNorm, Linear, Parameter } from '@mambagrad/nn';
import { Tensor, tensor, uniform } from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../support/compare.ts';
import { optimizerRuns } from '../support/golden.ts';

const stored = ({ shape, data }: { shape: readonly number[]; data: Float64Array }) =>
  tensor(data, { shape });

describe('AdamW', () => {
  // Without weight decay AdamW is Adam.
  const runs = optimizerRuns().filter(({ optimizer }) => optimizer.startsWith('adam'));

  it.each(runs)('meets golden run $run, $optimizer', (run) => {
    const { lr, betas, eps, weightDecay = 0 } = run.attrs as {
      lr: number;
      betas?: [number, number];
      eps?: number;
      weightDecay?: number;
    };
    const parameters = run.parameters[0].map((values) => new Parameter(stored(values)));
    const optimizer = new AdamW(parameters, {
      lr,
      weightDecay,
      ...(betas && { betas }),
      ...(eps && { eps }),
    });
    for (let step = 0; step < run.steps; step++) {
      let gradients: Tensor[] = run.gradients[step].map(stored);
      if (run.clipNorm !== null) {
        const { clipped, norm } = clipNorm(gradients, run.clipNorm);
        expect(norm.item()).toBeCloseTo(run.norms[step], 10);
        gradients = clipped;
      }
      parameters.forEach((parameter, k) => {
        parameter.grad = gradients[k];
      });
      optimizer.step();
      parameters.forEach((parameter, k) =>
        expectClose(parameter, run.parameters[step + 1][k], 1e-10),
      );
    }
  });

  it('minimize and backward with step do the same', () => {
    const x = uniform([4, 3]);
    const make = () => {
      const layer = new Linear(3, 2);
      layer.weight.assign(tensor([[1, 2, 3], [4, 5, 6]]));
      layer.bias?.assign(tensor([1, 2]));
      return { layer, optimizer: new AdamW(layer.parameters(), { lr: 0.1 }) };
    };
    const [one, two] = [make(), make()];
    for (let step = 0; step < 3; step++) {
      one.optimizer.minimize(one.layer.forward(x).square().mean());
      two.optimizer.zeroGrad();
      two.layer.forward(x).square().mean().backward();
      two.optimizer.step();
    }
    expectSame(two.layer.weight, one.layer.weight);
    expect(one.layer.weight.grad).toBeUndefined();
  });

  it('obeys a new learning rate, and leaves weight decay off where that is asked', () => {
    const decayed = new Parameter(tensor([1]));
    const kept = new Parameter(tensor([1]), { noWeightDecay: true });
    const optimizer = new AdamW([decayed, kept], { lr: 0, weightDecay: 0.5 });
    const loss = () => decayed.mul(0).add(kept.mul(0)).sum();
    optimizer.minimize(loss());
    expect([decayed.item(), kept.item()]).toEqual([1, 1]);
    optimizer.lr = 0.5;
    expect(optimizer.lr).toBe(0.5);
    optimizer.minimize(loss());
    expect([decayed.item(), kept.item()]).toEqual([0.75, 1]);
  });

  it('refuses a model without parameters, and one that the loss does not depend on', () => {
    expect(() => new AdamW([])).toThrow('AdamW: there are no parameters to train');
    const [used, unused] = [new Parameter(tensor([1])), new Parameter(tensor([1]))];
    const optimizer = new AdamW([used, unused]);
    expect(() => optimizer.minimize(used.sum())).toThrow('does not depend on input 1');
    optimizer.minimize(used.sum(), { allowUnused: true });
    expect(used.item()).toBeLessThan(1);
  });
});

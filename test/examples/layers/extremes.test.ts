/**
 * Where parallel forms go wrong: long sequences, decays near 1 and near 0, keys that are all alike.
 * The scans and memories alone, in float64 and float32, against a loop over the steps.
 */
import {
  compile, full, grad, normal, ones, stack, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Complex, complexScan } from '../../../examples/layers/complex.ts';
import { deltaRule, unit } from '../../../examples/layers/deltaNet.ts';
import { gatedLinearAttention } from '../../../examples/layers/gatedLinearAttention.ts';
import { expectClose, leaf, unevenCotangent } from '../../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';

type Memory = (...inputs: Tensor[]) => { y: Tensor; lastState: Tensor };

const [column, row] = [(x: Tensor) => x.unsqueeze(-1), (x: Tensor) => x.unsqueeze(-2)];

/** A memory as a loop; the first input is q, and `next` gives the state from the others. */
const loop = (next: (S: Tensor, ...step: Tensor[]) => Tensor): Memory => (...inputs) => {
  let S = inputs[inputs.length - 1];
  const steps = inputs.slice(0, -1).map((x) => x.unbind(1));
  const outputs = steps[0].map((q, t) => {
    S = next(S, ...steps.slice(1).map((each) => each[t]));
    return S.matmul(column(q)).squeeze(-1);
  });
  return { y: stack(outputs, 1), lastState: S };
};

const attentionLoop = loop((S, k, v, logDecay) =>
  S.mul(row(logDecay.exp())).add(column(v).mul(row(k))),
);

const deltaLoop = loop((S, k, v, beta, logDecay) => {
  const kept = S.mul(column(column(logDecay.exp())));
  const error = v.sub(kept.matmul(column(k)).squeeze(-1)).mul(column(beta));
  return kept.add(column(error).mul(row(k)));
});

/** y, the last state, and all gradients; from the last state alone, or from both. */
function everything(memory: Memory, isLastAlone: boolean, inputs: readonly Tensor[]): Tensor[] {
  const { y, lastState } = memory(...inputs);
  const end = lastState.mul(unevenCotangent(lastState)).sum();
  const loss = isLastAlone ? end : end.add(y.mul(unevenCotangent(y)).sum());
  return [y, lastState, ...grad(loss, inputs, { allowUnused: true }).flatMap((one) => one ?? [])];
}

/** The largest of all differences, in parts of the largest of all numbers. */
function errorOf(found: readonly Tensor[], exact: readonly Tensor[]): number {
  const largest = (list: readonly Tensor[]) => Math.max(...list.map((x) => x.abs().max().item()));
  return largest(found.map((x, i) => x.cast('f64').sub(exact[i]))) / largest(exact);
}

/**
 * Float64 is the loop's to 1e-10. Float32, eager and compiled, is near it, or no more than ten
 * times as far away as the loop is in float32.
 */
function expectLoop(memory: Memory, naive: Memory, g: Draw, inputs: readonly Tensor[]): void {
  const rounded = inputs.map((input) => leaf(input, 'f32'));
  const exact = rounded.map((input) => leaf(input));
  const isLastAlone = g(fc.boolean);
  const expected = everything(naive, isLastAlone, exact);
  const found = everything(memory, isLastAlone, exact);
  expected.forEach((one, i) => expectClose(found[i], one, 1e-10, 1e-12));
  const allowed = 1e-5 + 10 * errorOf(everything(naive, isLastAlone, rounded), expected);
  const program = compile((...args: Tensor[]) => everything(memory, isLastAlone, args));
  expect(errorOf(everything(memory, isLastAlone, rounded), expected)).toBeLessThan(allowed);
  expect(errorOf(program(...rounded), expected)).toBeLessThan(allowed);
}

/** Log decays of all sizes, also 0 and −∞. */
function drawLogDecays(g: Draw, shape: readonly number[]): Tensor {
  const sizes = [0, 1e-7, 1e-3, 0.1, 1, 30, 200, 1e5, Infinity];
  const kinds = g(() => fc.subarray(sizes, { minLength: 1 }));
  const picks = drawTensor(g, shape, 0, kinds.length).data;
  return tensor(Array.from(picks, (pick) => -kinds[Math.floor(pick)]), { shape, dtype: 'f64' });
}

function drawSizes(g: Draw) {
  const [B, L, H] = [drawInteger(g, 1, 2), drawInteger(g, 1, 40), drawInteger(g, 1, 2)];
  const [N, P] = [drawInteger(g, 1, 4), drawInteger(g, 1, 3)];
  return { keys: [B, L, H, N], values: [B, L, H, P], state: [B, H, P, N], steps: [B, L, H] };
}

describe('gatedLinearAttention', () => {
  it('is its loop, whatever the decays', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(1, 2, 8, 16, 64), (g, size) => {
        const { keys, values, state } = drawSizes(g);
        const inputs = [drawTensor(g, keys), drawTensor(g, keys), drawTensor(g, values),
          drawLogDecays(g, keys), drawTensor(g, state)];
        const memory: Memory = (q, k, v, logs, S) => gatedLinearAttention(q, k, v, logs, S, size);
        expectLoop(memory, attentionLoop, g, inputs);
      }),
      { numRuns: 2 },
    );
  });
});

describe('deltaRule', () => {
  it('is its loop, whatever the decays', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(1, 2, 8, 16, 64), (g, size) => {
        const { keys, values, state, steps } = drawSizes(g);
        const inputs = [drawTensor(g, keys), unit(drawTensor(g, keys)), drawTensor(g, values),
          drawTensor(g, steps, 0, 1), drawLogDecays(g, steps), drawTensor(g, state)];
        const memory: Memory = (q, k, v, beta, logs, S) =>
          deltaRule(q, k, v, beta, logs, S, size);
        expectLoop(memory, deltaLoop, g, inputs);
      }),
      { numRuns: 2 },
    );
  });

  it('is exact where keys are all but the same', () => {
    fc.assert(
      fc.property(
        fc.gen(), fc.constantFrom(0, 0.01), fc.constantFrom(0.5, 1, 1.9, 2),
        (g, noise, beta) => {
          const [L, N] = [34, 8];
          const common = drawTensor(g, [1, 1, 1, N]).add(3);
          const k = unit(common.add(drawTensor(g, [1, L, 1, N]).mul(noise)));
          const inputs = [drawTensor(g, [1, L, 1, N]), k, drawTensor(g, [1, L, 1, 4]),
            full([1, L, 1], beta, { dtype: 'f64' }), zeros([1, L, 1], { dtype: 'f64' }),
            drawTensor(g, [1, 1, 4, N])];
          const memory: Memory = (q, keys, v, rates, logs, S) =>
            deltaRule(q, keys, v, rates, logs, S);
          expectLoop(memory, deltaLoop, g, inputs);
        },
      ),
      { numRuns: 2 },
    );
  });

  it('with β = 1 says what was written last under a key, exactly that', () => {
    const keys = tensor([[1, 0], [0, 1], [1, 0]], { dtype: 'f64' }).reshape([1, 3, 1, 2]);
    const values = tensor([[1, 2], [3, 4], [5, 6]], { dtype: 'f64' }).reshape([1, 3, 1, 2]);
    const [beta, logs] = [ones, zeros].map((make) => make([1, 3, 1], { dtype: 'f64' }));
    const state = zeros([1, 1, 2, 2], { dtype: 'f64' });
    const { lastState } = deltaRule(keys, keys, values, beta, logs, state);
    expect(lastState.toArray()).toEqual([[[[5, 3], [6, 4]]]]);
  });
});

describe('complexScan', () => {
  it('stays exact over thousands of steps with decays near 1, from the state before', () => {
    const [length, size] = [4000, 3];
    const [radius, angle] = [tensor([0.9999, 0.999, 1]), tensor([0.3, 3, 0.001])];
    const decay: Complex = [radius.mul(angle.cos()), radius.mul(angle.sin())];
    const inputs: Complex = [normal([1, length, size]), normal([1, length, size])];
    const start: Complex = [normal([1, size]), normal([1, size])];
    const expected = [0, 1, 2].map((n) => {
      const at = (parts: Complex, i: number) => parts.map(({ data }) => data[i]);
      const [a, b] = at(decay, n);
      let [re, im] = at(start, n);
      for (let t = 0; t < length; t++) {
        const [u, v] = at(inputs, size * t + n);
        [re, im] = [a * re - b * im + u, a * im + b * re + v];
      }
      return [re, im];
    });
    const last = compile(() => complexScan(decay, inputs, start).map((part) =>
      part.narrow(1, length - 1, 1).flatten(),
    ))();
    last.forEach((part, i) => {
      const exact = tensor(expected.map((pair) => pair[i]), { dtype: 'f64' });
      expectClose(part, exact, 1e-4);
    });
  });
});

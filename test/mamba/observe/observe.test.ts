/**
 * What `observe` gives of a layer: the recurrence that it ran, and influence, decay and half-lives,
 * which are held to the Jacobian of the scan and to loops over steps.
 */
import { observe } from '@mambagrad/mamba';
import {
  concat, eye, jacobian, linearScan, ones, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { drawInteger, drawTensor } from '../../support/draw.ts';
import { drawFlags } from '../../support/sequences.ts';
import {
  blocksOf, drawObserved, layers, type Observable, pick, readOut, scanOf, signalOf, sizeOf, WIDTH,
} from '../../support/observed.ts';
import { runs } from '../../support/soak.ts';

test.each(Object.entries<Observable>(layers))('%s reports no steps as it does any', (_name, module) => {
  const shapesOf = (length: number) => {
    const { layers: [layer] } = observe(module, zeros([2, length, WIDTH], { dtype: 'f64' }));
    return [layer.u, layer.delta, layer.B, layer.C].map(({ shape }) => shape);
  };
  expect(shapesOf(0)).toEqual(shapesOf(1).map((shape) => shape.with(1, 0)));
});

test.each(Object.entries<Observable>(layers))('%s decays alike, whatever its D is', (_, module) => {
  const x = ones([1, 4, WIDTH], { dtype: 'f64' });
  const decay = () => observe(module, x).layers[0].decay();
  const before = decay();
  const skips = module.namedParameters().filter(([name]) => /(^|\.)D$/.test(name));
  expect(skips.length).toBeGreaterThan(0);
  for (const [, D] of skips) {
    const own = D.detach();
    D.assign(own.mul(0).add(Infinity));
    expectSame(decay(), before);
    D.assign(own);
  }
});

describe.each(Object.entries<Observable>(layers))('%s', (_, module) => {
  test('influence is the Jacobian of the scan', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        // A Jacobian of several rows is large, and of no more use: rows never meet.
        const drawn = drawObserved(g, module, drawInteger(g, 1, 4), 1);
        const { layer } = drawn;
        const derivative =
          jacobian((u) => scanOf(drawn, u), signalOf(layer), { allowUnused: true });
        const found = layer.influence({ skip: true });
        let total = 0;
        for (const { b, d, at } of blocksOf(layer)) {
          // [L, L] of one row and channel: outputs first, then inputs.
          const ofOutput = pick(pick(derivative, [b]), at, 1);
          const block = pick(pick(ofOutput, [b], 1), at, 2);
          expectClose(pick(found, [b, d]), block, 1e-10);
          total += block.abs().sum().item();
        }
        // Nothing else depends on anything: the blocks hold all of the Jacobian.
        expect(Math.abs(derivative.abs().sum().item() - total)).toBeLessThan(1e-9 * (1 + total));
      }),
      { numRuns: runs(12) },
    );
  });

  test('what is observed is what the layer ran', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [batch, length] = [drawInteger(g, 1, 2), drawInteger(g, 1, 6)];
        const x = drawTensor(g, [batch, length, WIDTH]);
        const flags = drawFlags(g, [batch, length]);
        const state = module.scan(drawTensor(g, [batch, 3, WIDTH])).state as never;
        const { y, layers: [layer] } = observe(module, x, { state, ...flags });
        const rows = flags.mask?.unsqueeze(-1) ?? ones([batch, length, 1], { dtype: 'i32' });
        const found = readOut(module, rows.where(x, 0), scanOf({ layer, flags }));
        expectClose(rows.where(found, 0), rows.where(y, 0), 1e-12);
      }),
      { numRuns: runs(12) },
    );
  });

  test('without skip it is that of the scan without D', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { layer } = drawObserved(g, module, drawInteger(g, 1, 5));
        const [length, count] = [signalOf(layer).shape[1], layer.D.numel];
        const diagonal = layer.influence({ skip: true }).sub(layer.influence());
        const ranks = length / layer.delta.shape[1];
        const kept = layer.mask?.cast('f64').repeatInterleave(ranks, 1) ??
          ones([1, length], { dtype: 'f64' });
        const expected = kept.reshape([-1, 1, length, 1])
          .mul(layer.D.reshape([count, 1, 1]))
          .mul(eye(length, length, { dtype: 'f64' }));
        expectClose(diagonal, expected.broadcastTo(diagonal.shape), 1e-12);
      }),
      { numRuns: runs(12) },
    );
  });

  test('stateInfluence is the Jacobian with respect to the state before', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const drawn = drawObserved(g, module, drawInteger(g, 1, 4), 1);
        const { layer } = drawn;
        const [batch, , ...channels] = signalOf(layer).shape;
        const start = layer.initialState ?? drawTensor(g, [batch, ...channels, sizeOf(layer)]);
        const derivative = jacobian((state) => scanOf(drawn, signalOf(layer), state), start, {
          allowUnused: true,
        });
        const found = layer.stateInfluence();
        for (const { b, d, at } of blocksOf(layer)) {
          const ofOutput = pick(pick(derivative, [b]), at, 1);
          expectClose(pick(found, [b, d]), pick(pick(ofOutput, [b], 1), at, 1), 1e-10);
        }
      }),
      { numRuns: runs(12) },
    );
  });

  test('decay, written and read are the recurrence', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const drawn = drawObserved(g, module, drawInteger(g, 1, 7));
        const { layer } = drawn;
        const [batch, length] = layer.delta.shape;
        const [, rows, ...channels] = signalOf(layer).shape;
        const isHeads = channels.length > 1;
        const ones = layer.written().shape.slice(2).map(() => 1);
        const decay = isHeads ? layer.decay().unsqueeze(3) : layer.decay();
        const h = linearScan(decay, layer.written(), {
          axis: 1,
          initialState: layer.initialState
            ?? zeros([batch, ...channels, sizeOf(layer)], { dtype: 'f64' }),
          reset: layer.reset?.reshape([batch, length, ...ones]),
        });
        const ranks = rows / Math.max(length, 1);
        const read = layer.read().reshape([batch, rows, channels[0], sizeOf(layer)]);
        const y = h.repeatInterleave(ranks, 1).mul(isHeads ? read.unsqueeze(3) : read).sum(-1);
        const skipped = signalOf(layer).mul(isHeads ? layer.D.unsqueeze(-1) : layer.D);
        expectClose(y.add(skipped), scanOf(drawn), 1e-12);
        expectClose(layer.logDecay().exp(), layer.decay(), 0);
      }),
      { numRuns: runs(12) },
    );
  });

  test('retention is the product of the decays since a step', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { layer } = drawObserved(g, module, drawInteger(g, 1, 7));
        const [batch, length] = layer.delta.shape;
        const from = drawInteger(g, 0, length - 1);
        const to = drawInteger(g, from + 1, length);
        const found = layer.retention({ from, to }).unbind(1);
        let expected = layer.decay().narrow(1, from, 1).squeeze(1).mul(0).add(1);
        for (let t = from; t < to; t++) {
          if (t > from) {
            const { reset } = layer;
            const factor = pick(layer.decay(), [t], 1);
            const kept = reset ? pick(reset, [t], 1).reshape([batch, 1, 1]).where(0, factor)
              : factor;
            expected = expected.mul(kept);
          }
          expectClose(found[t - from], expected, 1e-12);
        }
      }),
      { numRuns: runs(12) },
    );
  });

  test('half of a state is left after its half-life', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { layer } = drawObserved(g, module, drawInteger(g, 1, 7));
        const [batch, length] = layer.delta.shape;
        const from = drawInteger(g, 0, length - 1);
        const steps = [from, drawInteger(g, from + 1, length)] as const;
        // The geometric mean of the decays of the steps that count, to the power of the half-life.
        const decays = layer.decay({ steps });
        const counts = layer.mask?.narrow(1, from, steps[1] - from).sum(1).cast('f64')
          ?? zeros([batch], { dtype: 'f64' }).add(steps[1] - from);
        const mean = decays.log().sum(1).div(counts.reshape([batch, 1, 1])).exp();
        const isSome = counts.greater(0).reshape([batch, 1, 1]);
        const left = mean.pow(layer.halfLife({ steps }));
        expectClose(isSome.where(left, 0.5), zeros(left.shape, { dtype: 'f64' }).add(0.5), 1e-12);
        const infinite = isSome.where(1, layer.halfLife({ steps }));
        expect(infinite.data.every((x) => x === 1 || x === Infinity)).toBe(true);

        const perStep = layer.halfLifePerStep({ steps });
        const isHalf = decays.pow(perStep);
        for (const [i, value] of isHalf.data.entries()) {
          const isPadding = decays.data[i] === 1;
          expect(isPadding ? perStep.data[i] : value).toBeCloseTo(isPadding ? Infinity : 0.5, 12);
        }
      }),
      { numRuns: runs(12) },
    );
  });

  test('parts are parts of the whole', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const length = drawInteger(g, 1, 7);
        const { layer } = drawObserved(g, module, length);
        const range = () => {
          const from = drawInteger(g, 0, length - 1);
          return [from, drawInteger(g, from + 1, length)] as const;
        };
        const channels = [drawInteger(g, 0, layer.D.numel - 1), 0];
        const index = tensor(Int32Array.from(channels));
        const [outputs, inputs, steps] = [range(), range(), range()];
        const cut = (x: Tensor, axis: number, [from, to]: readonly [number, number], rank = 1) =>
          x.narrow(axis, rank * from, rank * (to - from));
        const rank = signalOf(layer).shape[1] / length;
        const skip = g(fc.boolean);
        const M = layer.influence({ skip }).indexSelect(1, index);
        const whole = cut(cut(M, 2, outputs, rank), 3, inputs, rank);
        expectClose(layer.influence({ channels, outputs, inputs, skip }), whole, 1e-13);
        const state = cut(layer.stateInfluence().indexSelect(1, index), 2, steps, rank);
        expectClose(layer.stateInfluence({ channels, steps }), state, 1e-13);
        for (const name of ['logDecay', 'decay', 'halfLifePerStep', 'written', 'read'] as const) {
          const axis = name === 'read' && rank > 1 ? 3 : 2;
          const part = cut(layer[name]().indexSelect(axis, index), 1, steps);
          expectSame(layer[name]({ channels, steps }), part);
        }
        const halfLife = layer.halfLife({ steps }).indexSelect(1, index);
        expectSame(layer.halfLife({ channels, steps }), halfLife);
        const [from, to] = steps;
        const retention = layer.retention({ from }).indexSelect(2, index).narrow(1, 0, to - from);
        expectClose(layer.retention({ channels, from, to }), retention, 1e-13);
      }),
      { numRuns: runs(12) },
    );
  });

  test('padding and other documents may hold NaN', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [batch, length] = [2, 6];
        const x = drawTensor(g, [batch, length, WIDTH]);
        const flags = drawFlags(g, [batch, length]);
        const isNaN = flags.mask?.equal(0) ?? zeros([batch, length], { dtype: 'i32' });
        const spoilt = isNaN.unsqueeze(-1).where(NaN, x);
        const [clean, found] = [x, spoilt].map((input) => observe(module, input, flags).layers[0]);
        for (const name of ['influence', 'stateInfluence', 'decay', 'written', 'read'] as const) {
          expectSame(found[name](), clean[name]());
        }
        // The second document of each row is NaN: the first is as it was, and neither hears the
        // other.
        const [reset, half] = [tensor([[0, 0, 0, 1, 0, 0]], { dtype: 'i32' }), length / 2];
        const packed = concat([x.narrow(1, 0, half), x.narrow(1, half, half).mul(NaN)], 1);
        const { layers: [both] } =
          observe(module, packed, { reset: reset.broadcastTo([batch, length]) });
        const { layers: [alone] } = observe(module, x.narrow(1, 0, half));
        const M = both.influence();
        const end = M.shape[2] / 2;
        expectClose(M.narrow(2, 0, end).narrow(3, 0, end), alone.influence(), 1e-13);
        const across =
          [M.narrow(2, end, end).narrow(3, 0, end), M.narrow(2, 0, end).narrow(3, end, end)];
        for (const part of across) expectSame(part, part.mul(0).maximum(0));
      }),
      { numRuns: runs(6) },
    );
  });
});

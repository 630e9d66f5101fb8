/**
 * What `observe` gives: the recurrences that the layers of any model ran, and influence, decay and
 * half-lives, which are held to the Jacobian of the scan and to loops over steps.
 */
import {
  BiMamba, gatedRmsNorm, Mamba, Mamba2, Mamba2Block, Mamba3Block, MambaBlock, MambaLM, MambaND,
  observe, ObservedLayer,
  selectiveScan, SelectiveSSM, type SequenceFlags, ssd,
} from '@mambagrad/mamba';
import { Linear, linear, Module } from '@mambagrad/nn';
import {
  concat, einsum, eye, Generator, jacobian, linearScan, ones, stack, type Tensor, tensor, zeros,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';
import { drawFlags } from '../../support/sequences.ts';
import { runs } from '../../support/soak.ts';

const generator = new Generator(5);
const WIDTH = 2;

type Observable = SelectiveSSM | Mamba2Block | Mamba3Block;

const heads = { hiddenSize: WIDTH, headDim: 2, stateSize: 4, generator };
const layers = {
  SelectiveSSM: new SelectiveSSM({ channels: WIDTH, stateSize: 3, generator }),
  Mamba2Block: new Mamba2Block({ ...heads, expandFactor: 4, numGroups: 2 }),
  Mamba3Block: new Mamba3Block({ ...heads, expandFactor: 4, numGroups: 2 }),
  'Mamba3Block of ranks': new Mamba3Block({ ...heads, mimoRank: 2 }),
} satisfies Readonly<Record<string, Observable>>;
for (const layer of Object.values<Observable>(layers)) {
  layer.to('f64');
  // Steps that are as small as at the start would hide mistakes.
  const bias = layer instanceof SelectiveSSM ? layer.dtProj.bias : layer.dtBias;
  bias.assign(bias.detach().add(3));
  // Ranks that begin alike would do so, too.
  for (const each of [bias, ...layer.parameters()]) {
    const noise = Float64Array.from({ length: each.numel }, (_, i) => 0.3 * Math.sin(1 + 1.7 * i));
    each.assign(each.detach().add(tensor(noise, { shape: each.shape })));
  }
}

test.each(Object.entries<Observable>(layers))('%s reports no steps as it does any', (_name, module) => {
  const shapesOf = (length: number) => {
    const { layers: [layer] } = observe(module, zeros([2, length, WIDTH], { dtype: 'f64' }));
    return [layer.u, layer.delta, layer.B, layer.C].map(({ shape }) => shape);
  };
  expect(shapesOf(0)).toEqual(shapesOf(1).map((shape) => shape.with(1, 0)));
});

/** An observation of a layer alone, and the flags of its input. */
interface Drawn {
  readonly layer: ObservedLayer;
  readonly flags: SequenceFlags;
}

function drawObserved(g: Draw, module: Observable, length: number, rows = 2): Drawn {
  const batch = drawInteger(g, 1, rows);
  const input = () => drawTensor(g, [batch, length, WIDTH]);
  const state = g(fc.boolean) ? module.scan(input()).state : undefined;
  const flags = drawFlags(g, [batch, length]);
  const { layers: [layer] } = observe(module, input(), { state: state as never, ...flags });
  return { layer, flags };
}

/** The signal of the scan, a row for each step, or for each rank of each step. */
function signalOf({ u }: ObservedLayer): Tensor {
  if (u.ndim < 5) return u;
  const [batch, length, rank, ...channels] = u.shape;
  return u.reshape([batch, length * rank, ...channels]);
}

/** The scan that the layer ran, on the values that were observed, as a function of two of them. */
function scanOf(
  { layer, flags }: Drawn, u = signalOf(layer), initialState = layer.initialState,
): Tensor {
  const { delta, A, B, C, D } = layer;
  if (layer.layer instanceof Mamba3Block) return stepByStep(layer, u, initialState);
  if (layer.layer instanceof Mamba2Block) {
    return ssd(u, delta, A.squeeze(-1), B, C, { ...flags, D, initialState }).y;
  }
  const [b, c] = [B, C].map((x) => x.squeeze(2));
  return selectiveScan(u, delta, A, b, c, { ...flags, D, initialState }).y;
}

/** The recurrence of Mamba-3 as its paper writes it, row by row and step by step. */
function stepByStep(layer: ObservedLayer, u: Tensor, initialState: Tensor | undefined): Tensor {
  const [batch, length, heads] = layer.delta.shape;
  const rank = u.shape[1] / Math.max(length, 1);
  const ranked = (x: Tensor) => (x.ndim === 4 ? x.unsqueeze(2) : x);
  const v = u.reshape([batch, length, rank, ...u.shape.slice(2)]);
  const [k, q] = [ranked(layer.B), ranked(layer.C)];
  const at = (x: Tensor, b: number, t: number) => pick(x, [b, t]);
  const perHead = (x: Tensor) => x.reshape([heads, 1, 1]);
  const product = (b: number, t: number) => einsum('rhp,rhn->hpn', at(v, b, t), at(k, b, t));
  const rows = Array.from({ length: batch }, (_, b) => {
    let S = initialState && pick(initialState, [b]);
    let last: number | undefined;
    let isReset = false;
    const ys = Array.from({ length }, (_x, t) => {
      isReset ||= layer.reset?.data[b * length + t] === 1;
      if (layer.mask?.data[b * length + t] === 0) return at(v, b, t).mul(0);
      if (isReset) [S, last] = [undefined, undefined];
      isReset = false;
      const [delta, gamma, A] =
        [layer.delta, layer.weight, layer.A].map((x) => perHead(at(x, b, t)));
      const start = last === undefined ? undefined : product(b, last).mul(delta.sub(gamma));
      const before = S && start ? S.add(start) : S ?? start;
      const written = product(b, t).mul(gamma);
      S = before ? before.mul(delta.mul(A).exp()).add(written) : written;
      last = t;
      return einsum('hpn,rhn->rhp', S, at(q, b, t)).add(at(v, b, t).mul(layer.D.unsqueeze(-1)));
    });
    return stack(ys);
  });
  return stack(rows).reshape(u.shape);
}

/** What a layer makes of the result of its scan. */
function readOut(module: Observable, x: Tensor, y: Tensor): Tensor {
  if (module instanceof SelectiveSSM) return y;
  const [batch, length] = x.shape;
  const inner = module.outProj.weight.shape[1];
  const z = linear(x, module.inProj.weight.narrow(0, 0, inner));
  if (module instanceof Mamba2Block) {
    const gated = gatedRmsNorm(y.reshape(z.shape), z, module.norm.weight, { normGroups: 2 });
    return module.outProj.forward(gated);
  }
  const [heads, rank] = module.BBias.shape;
  const headDim = inner / heads;
  const ofRanks = (weight?: Tensor) =>
    weight?.transpose(0, 1) ?? ones([heads, headDim], { dtype: 'f64' });
  const gates = z.reshape([batch, length, 1, heads, headDim]).mul(ofRanks(module.mimoZ)).silu();
  const read = y.reshape([batch, length, rank, heads, headDim]).mul(gates);
  return module.outProj.forward(read.mul(ofRanks(module.mimoO)).sum(2).reshape(z.shape));
}

/**
 * The elements of x [B, L, D, ..., B, L, D, ...] of equal row, and of channel d: of head d and p.
 */
function* blocksOf(layer: ObservedLayer): Iterable<{ b: number; d: number; at: number[] }> {
  const [batch, , ...channels] = signalOf(layer).shape;
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < channels[0]; d++) {
      for (let p = 0; p < (channels[1] ?? 1); p++) {
        yield { b, d, at: channels.length > 1 ? [d, p] : [d] };
      }
    }
  }
}

/** N */
const sizeOf = ({ B }: ObservedLayer): number => B.shape[B.ndim - 1];

/** x with the given numbers on its first axes. */
const pick = (x: Tensor, numbers: readonly number[], axis = 0): Tensor =>
  numbers.reduce((part, i) => part.narrow(axis, i, 1).squeeze(axis), x);

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

describe('observe', () => {
  const sizes = { hiddenSize: 4, stateSize: 2, numLayers: 2, generator };
  const tokens = tensor([[1, 4, 0, 2, 3]], { dtype: 'i32' });
  const x = drawFixed([1, 5, 4]);

  function drawFixed(shape: readonly number[]): Tensor {
    const count = shape.reduce((product, size) => product * size, 1);
    return tensor(Float32Array.from({ length: count }, (_, i) => Math.sin(1 + 1.7 * i)), { shape });
  }

  /** A model of somebody else's, with a layer of ours that runs twice. */
  class Classifier extends Module {
    readonly block = new MambaBlock({ hiddenSize: 4, stateSize: 2, generator });
    readonly head = new Linear(4, 3, { generator });

    forward(input: Tensor): Tensor {
      return this.head.forward(this.block.forward(this.block.forward(input)).mean(1));
    }
  }

  test('finds the layers of every model, by name and in order', () => {
    const names = (model: Module & { forward(x: Tensor): Tensor }, input = x) => {
      const { y, layers: found } = observe(model, input);
      expect(y.requiresGrad).toBe(false);
      expectClose(y, model.forward(input), 1e-6);
      return found.map(String);
    };
    const pool = 'none' as const;
    expect(names(new MambaLM({ ...sizes, vocabSize: 5 }), tokens)).toEqual([
      'layers.0.mixer.ssm: SelectiveSSM, 1 × 5 steps, 8 channels, state 2',
      'layers.1.mixer.ssm: SelectiveSSM, 1 × 5 steps, 8 channels, state 2',
    ]);
    expect(names(new MambaLM({ ...sizes, vocabSize: 5, layer: 'mamba2', headDim: 2 }), tokens)[1])
      .toBe('layers.1.mixer: Mamba2Block, 1 × 5 steps, 4 heads of 2 channels, state 2');
    const mamba3 = { ...sizes, stateSize: 4, vocabSize: 5, layer: 'mamba3', headDim: 4 } as const;
    expect(names(new MambaLM(mamba3), tokens)[0])
      .toBe('layers.0.mixer: Mamba3Block, 1 × 5 steps, 2 heads of 4 channels, state 4');
    expect(names(new MambaLM({ ...mamba3, mimoRank: 3 }), tokens)[1])
      .toBe('layers.1.mixer: Mamba3Block, 1 × 5 steps, 2 heads of 4 channels, state 4, 3 ranks');
    expect(names(new Mamba({ ...sizes, embedDim: 4, pool }))).toHaveLength(2);
    expect(names(new Mamba2({ ...sizes, embedDim: 4, headDim: 4, pool }))).toHaveLength(2);
    const both = new BiMamba({ ...sizes, embedDim: 4, dropout: 0, numLayers: 1, pool });
    expect(names(both)).toEqual([
      'layers.0.mixer.fromLeft: SelectiveSSM, 1 × 5 steps, 4 channels, state 2',
      'layers.0.mixer.fromRight: SelectiveSSM, 1 × 5 steps, 4 channels, state 2',
    ]);
    const createCore = () => new MambaBlock({ hiddenSize: 4, stateSize: 2, generator });
    const grid = new MambaND(createCore, { bidirectional: true });
    expect(names(grid, drawFixed([1, 2, 3, 4]))).toEqual([
      'cores.0.ssm: SelectiveSSM, 1 × 6 steps, 8 channels, state 2',
      'cores.1.ssm: SelectiveSSM, 1 × 6 steps, 8 channels, state 2',
    ]);
    expect(names(new Classifier()).map((line) => line.split(':')[0])).toEqual([
      'block.ssm', 'block.ssm',
    ]);
    expect(names(layers.Mamba2Block, x.narrow(2, 0, 2).cast('f64'))[0]).toMatch(/^Mamba2Block: /);
  });

  test('a scan from the right begins with the last step', () => {
    const model = new BiMamba({ ...sizes, embedDim: 4, numLayers: 1 });
    const [forwards, backwards] = [x, x.flip(1)].map((input) => observe(model, input).layers);
    const { fromLeft, fromRight } = model.layers[0].mixer as never as Record<string, SelectiveSSM>;
    expectSame(backwards[0].u, forwards[1].u);
    expect([forwards[0].layer, forwards[1].layer]).toEqual([fromLeft, fromRight]);
  });

  test('in pieces, from the state after the one before, it is as in one', () => {
    const model = new MambaLM({ ...sizes, vocabSize: 5 }).to('f64');
    const whole = observe(model, tokens);
    const first = observe(model, tokens.narrow(1, 0, 2));
    const second = observe(model, tokens.narrow(1, 2, 3), { state: first.state, layers: [1] });
    expectClose(concat([first.y, second.y], 1), whole.y, 1e-12);
    expect(second.layers).toHaveLength(1);
    expect(second.layers[0].name).toBe('layers.1.mixer.ssm');
    expectClose(second.layers[0].delta, whole.layers[1].delta.narrow(1, 2, 3), 1e-12);
  });

  test('runs in eval, and listens to nothing afterwards', () => {
    const model = new Mamba({ ...sizes, embedDim: 4, dropout: 0.9 });
    expectSame(observe(model, x).layers[1].delta, observe(model, x).layers[1].delta);
    expect(model.training).toBe(true);
    class Failing extends Classifier {
      override forward(input: Tensor): Tensor {
        observe(this.block, input);
        this.block.forward(input);
        throw new Error('after the block');
      }
    }
    const outer = new Failing();
    expect(() => observe(outer, x)).toThrow('after the block');
    expect(observe(model, x).layers).toHaveLength(2);
  });

  test('an observation within an observation is not part of the outer one', () => {
    class Looking extends Classifier {
      override forward(input: Tensor): Tensor {
        expect(observe(this.block, input).layers).toHaveLength(1);
        return super.forward(input);
      }
    }
    expect(observe(new Looking(), x).layers).toHaveLength(2);
  });

  test('keeps the digits of decays near 1', () => {
    const layer = new SelectiveSSM({ channels: 1, stateSize: 1, generator });
    layer.dtProj.bias.assign(tensor([-18]));
    layer.xProj.weight.assign(layer.xProj.weight.detach().mul(0));
    const { layers: [seen] } = observe(layer, drawFixed([1, 2, 1]));
    const expected = Math.log1p(Math.exp(-18));
    expect(seen.decay().data[0]).toBe(1);
    expect(-seen.logDecay().data[0] / expected).toBeCloseTo(1, 6);
    expect(seen.halfLife().item() / (Math.LN2 / expected)).toBeCloseTo(1, 6);
  });

  test('a long sequence costs what is looked at', () => {
    const layer = new SelectiveSSM({ channels: 2, stateSize: 2, generator }).to('f64');
    const length = 20_000;
    const long = drawFixed([1, length, 2]).cast('f64');
    const { layers: [seen] } = observe(layer, long);
    const [outputs, inputs] = [[length - 2, length], [length - 50, length]] as const;
    const wide = seen.influence({ outputs, channels: [1] });
    expect(wide.shape).toEqual([1, 1, 2, length]);
    const tall = seen.influence({ inputs, channels: [1] });
    expect(tall.shape).toEqual([1, 1, length, 50]);
    expectClose(wide.narrow(3, length - 50, 50), tall.narrow(2, length - 2, 2), 1e-12);
  });

  test('refuses what cannot be right', () => {
    const model = new Mamba({ ...sizes, embedDim: 4 });
    const { layers: [layer] } = observe(model, x);
    const call = (f: () => unknown, message: string) => expect(f).toThrow(message);
    call(() => observe(new Linear(4, 3), x),
      'observe: no layer of Linear ran a selective scan; expected a model with SelectiveSSM,');
    call(() => observe({} as never, x), 'observe: model is {}, expected a Module');
    call(() => observe(model, x, { layers: [2] }),
      'observe: layers has 2, expected numbers from 0 to 1');
    call(
      () => observe(model, x, { layer: [2] } as never),
      "observe: there is no option 'layer'; did you mean 'layers'?",
    );
    call(() => observe(model, tokens), 'Mamba: x is i32[1, 5], expected f32[batch, length, 4]');
    call(() => observe(new BiMamba({ ...sizes, embedDim: 4 }) as never, x, { state: [] as never }),
      'observe: BiMamba takes no state, as it has no scan');
    call(() => layer.influence({ channels: [8] }),
      'ObservedLayer.influence: channels has 8, expected numbers from 0 to 7');
    call(() => layer.influence({ channels: [] }),
      'ObservedLayer.influence: channels is [], expected an array of the numbers of channels');
    call(() => layer.influence({ outputs: [0, 6] }),
      'ObservedLayer.influence: outputs is [0, 6], expected a range within the 5 steps');
    call(() => layer.decay({ steps: [3, 3] }),
      'ObservedLayer.decay: steps is [3, 3], expected an array of two steps [from, to]');
    call(() => layer.retention({ from: 5 }),
      'ObservedLayer.retention: [from, to] is [5, 5], expected a range within the 5 steps');
  });
});

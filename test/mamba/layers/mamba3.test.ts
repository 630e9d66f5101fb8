/**
 * The Mamba-3 block: its start, its gradients, its chunks, the turn, and what it is without its
 * parts. Pieces, steps, packing and padding are tested with all recurrent modules.
 */
import {
  decayRate, Mamba3Block, type Mamba3BlockOptions, type Mamba3State, ssd,
} from '@mambagrad/mamba';
import { rmsNorm } from '@mambagrad/nn';
import {
  compile, concat, full, Generator, gradcheck, ones, type Tensor, tensor, uniform, withoutValues,
  zeros,
} from '@mambagrad/tensor';
import { checkPrimitive } from '@mambagrad/tensor/extend';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rotate } from '../../../packages/mamba/src/ops/rotation/rotate.ts';
import { turns } from '../../../packages/mamba/src/ops/rotation/turns.ts';
import { expectClose } from '../../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';
import { checkGradients } from '../../support/gradients.ts';
import { drawMamba3Sizes } from '../../support/sequences.ts';
import { runs } from '../../support/soak.ts';

function setField(owner: object, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (rest.length === 0) Reflect.set(owner, key, value);
  else setField(Reflect.get(owner, key) as object, rest, value);
}

/** A state with numbers in all of it. */
function drawState(g: Draw, block: Mamba3Block, batch: number): Mamba3State {
  const { theta, ssm, k, v } = block.stateShapes(batch);
  const [angles, ...others] = [theta, ssm, k, v].map((shape) => drawTensor(g, [...shape]));
  return { theta: angles.abs().add(1), ssm: others[0], k: others[1], v: others[2] };
}

/** All that a block gives. */
const flat = ({ y, state }: { y: Tensor; state: Mamba3State }): Tensor =>
  concat([y, state.theta, state.ssm, state.k, state.v].map((x) => x.flatten()));

const filled = (x: Tensor, value: number): boolean => x.data.every((y: number) => y === value);

describe('Mamba3Block', () => {
  it('starts as the authors say', () => {
    const block = new Mamba3Block({
      hiddenSize: 32, stateSize: 8, headDim: 2, numGroups: 4, mimoRank: 4, outputNorm: true,
      generator: new Generator(1),
    });
    expect(block.namedParameters().map(([name, { shape }]) => [name, shape])).toEqual([
      ['inProj.weight', [64 + 64 + 128 + 128 + 3 * 32 + 2, 32]],
      ['dtBias', [32]],
      ['BBias', [32, 4, 8]],
      ['CBias', [32, 4, 8]],
      ['BNorm.weight', [8]],
      ['CNorm.weight', [8]],
      ['mimoX', [32, 4, 2]],
      ['mimoZ', [32, 4, 2]],
      ['mimoO', [32, 4, 2]],
      ['D', [32]],
      ['norm.weight', [64]],
      ['outProj.weight', [32, 64]],
    ]);
    const delta = block.dtBias.softplus();
    expect(delta.min().item()).toBeGreaterThanOrEqual(0.000999);
    expect(delta.max().item()).toBeLessThanOrEqual(0.1001);
    expect(delta.log().mean().item()).toBeCloseTo(Math.log(0.01), 0);
    expect(block.inProj.weight.abs().max().item()).toBeLessThanOrEqual(1 / Math.sqrt(32));
    const { mimoX, mimoZ, mimoO, D, BBias, CBias } = block;
    for (const x of [mimoZ, D, BBias, CBias]) expect(x && filled(x, 1)).toBe(true);
    for (const x of [mimoX, mimoO]) expect(x && filled(x, 0.25)).toBe(true);
    const undecayed = block.namedParameters().filter(([, { noWeightDecay }]) => noWeightDecay);
    expect(undecayed.map(([name]) => name)).toEqual([
      'dtBias', 'BNorm.weight', 'CNorm.weight', 'D', 'norm.weight',
    ]);
    const fast = new Mamba3Block({ hiddenSize: 32, dtInit: [0.5, 0.5], headDim: 8 });
    expectClose(fast.dtBias.softplus(), full([8], 0.5), 1e-6);
  });

  it.each([
    ['SISO', {}, 3_821_872],
    ['SISO that turns as a whole', { ropeFraction: 1 }, 3_846_448],
    ['MIMO', { mimoRank: 4 }, 4_448_560],
    ['MIMO with a norm', { mimoRank: 4, outputNorm: true }, 4_450_096],
  ] as const)('has as many parameters as that of mamba_ssm: %s', (_name, form, count) => {
    const block = withoutValues(() => new Mamba3Block({ hiddenSize: 768, ...form }));
    expect(block.parameterCount()).toBe(count);
  });

  const small = { hiddenSize: 2, headDim: 2 };
  it.each<[string, Mamba3BlockOptions]>([
    ['SISO', { ...small, stateSize: 4 }],
    ['MIMO', {
      ...small, stateSize: 2, ropeFraction: 1, mimoRank: 2, numGroups: 2, outputNorm: true,
      decay: 'softplus',
    }],
  ])('has the gradients of finite differences, for input, state and parameters: %s', (_name, o) => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const block = new Mamba3Block(o).to('f64');
        const parameters = block.namedParameters();
        const { theta, ssm, k, v } = drawState(g, block, 1);
        checkGradients(
          (input, theta, ssm, k, v, ...values) => {
            parameters.forEach(([name], i) => setField(block, name.split('.'), values[i]));
            return flat(block.scan(input, { state: { theta, ssm, k, v } }));
          },
          [drawTensor(g, [1, 3, 2]), theta, ssm, k, v, ...block.parameters()],
          { step: 1e-6 },
        );
      }),
      { numRuns: 2 },
    );
  });

  it('gives the same for any size of its chunks', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 20 }), (g, length) => {
        const options = drawMamba3Sizes(g);
        const make = (chunkSize: number) =>
          new Mamba3Block({ ...options, chunkSize, generator: new Generator(1) }).to('f64');
        const x = drawTensor(g, [2, length, options.hiddenSize]);
        const [some, one] = [make(drawInteger(g, 1, 25)), make(1)];
        const state = drawState(g, some, 2);
        expectClose(flat(some.scan(x, { state })), flat(one.scan(x, { state })), 1e-12);
      }),
      { numRuns: runs(20) },
    );
  });

  it('reads only by how much the state has turned since it was written', () => {
    fc.assert(
      fc.property(fc.gen(), fc.double({ min: -7, max: 7, noNaN: true }), (g, shift) => {
        const options = drawMamba3Sizes(g);
        const block = new Mamba3Block(options).to('f64');
        const x = drawTensor(g, [2, drawInteger(g, 1, 9), options.hiddenSize]);
        const { theta, ssm, k, v } = drawState(g, block, 2);
        // A shift of all angles turns what was written before as well.
        const { rotation = (options.mimoRank ?? 1) > 1 ? 'halves' : 'neighbours' } = options;
        const by = (y: Tensor) => {
          const angles = full([...y.shape.slice(0, -1), theta.shape[2]], shift, { dtype: 'f64' });
          return rotate(y, angles.cos(), angles.sin(), rotation);
        };
        const shifted = { theta: theta.add(shift), ssm: by(ssm), k: by(k), v };
        const [found, expected] = [shifted, { theta, ssm, k, v }].map((state) =>
          block.scan(x, { state }));
        expectClose(found.y, expected.y, 1e-12);
        expectClose(found.state.ssm, by(expected.state.ssm), 1e-11);
        const { theta: last } = found.state;
        expect(last.min().item()).toBeGreaterThanOrEqual(0);
        expect(last.max().item()).toBeLessThan(2 * Math.PI);
      }),
      { numRuns: runs(20) },
    );
  });

  it('is Mamba-2 without trapezoid, turn and bias', () => {
    const [hiddenSize, headDim, stateSize, heads] = [4, 2, 4, 4];
    const block = new Mamba3Block({ hiddenSize, headDim, stateSize }).to('f64');
    for (const bias of [block.BBias, block.CBias]) bias.assign(zeros(bias.shape, { dtype: 'f64' }));
    // The first number of the input is 1, so a weight of it is a bias. λ is 1, A −1, angles are 0.
    const [inner, last] = [heads * headDim, 2 * heads * headDim + 2 * stateSize + heads];
    const weight = block.inProj.weight.detach();
    const constant = ones([heads, 1], { dtype: 'f64' }).mul(60).pad([0, 0], [0, hiddenSize - 1]);
    const none = zeros([heads, hiddenSize], { dtype: 'f64' });
    const rows = [weight.narrow(0, 0, last), none, constant, none.narrow(0, 0, 1)];
    block.inProj.weight.assign(concat(rows));
    const noise = uniform([2, 9, hiddenSize - 1], -2, 2, { generator: new Generator(4) });
    const u = ones([2, 9, 1]).concat([noise], -1).cast('f64');
    const [z, x, B, C, dt] = block.inProj.forward(u).split(
      [inner, inner, stateSize, stateSize, heads, 2 * heads + 1], -1,
    );
    const perHead = (y: Tensor) => y.reshape([2, 9, heads, headDim]);
    const normed = (y: Tensor, w: Tensor) => rmsNorm(y, w).unsqueeze(2);
    const scanned = ssd(
      perHead(x), dt.add(block.dtBias).softplus(), ones([heads], { dtype: 'f64' }).neg(),
      normed(B, block.BNorm.weight), normed(C, block.CNorm.weight), { D: block.D },
    );
    const expected = block.outProj.forward(scanned.y.reshape(z.shape).mul(z.silu()));
    const { y, state } = block.scan(u);
    expectClose(y, expected, 1e-12);
    expectClose(state.ssm, scanned.lastState, 1e-12);
  });

  it('is SISO up to the order of the state, if all ranks but one are silent', () => {
    const sizes = { hiddenSize: 4, headDim: 2, stateSize: 8, numGroups: 2 };
    const [heads, pairs] = [4, 2];
    const siso = new Mamba3Block({ ...sizes, generator: new Generator(2) }).to('f64');
    const mimo = new Mamba3Block({ ...sizes, mimoRank: 2 }).to('f64');
    // Neighbours go to the same place in both halves; the others anywhere.
    const order = tensor([0, 2, 4, 5, 1, 3, 6, 7], { dtype: 'i32' });
    const sorted = (x: Tensor, axis: number) => x.indexSelect(axis, order);
    const [z, x, B, C, rest] =
      siso.inProj.weight.split([8, 8, 16, 16, 3 * heads + pairs]).map((part) => part.detach());
    const twice = (part: Tensor) => {
      const first = sorted(part.reshape([2, 8, 4]), 1).reshape([16, 4]);
      return concat([first, first.mul(-3)]);
    };
    const noise = uniform([heads, 1, 8], -1, 1, { generator: new Generator(5) }).cast('f64');
    siso.BBias.assign(siso.BBias.detach().add(noise));
    const both = (bias: Tensor) => concat([sorted(bias.detach(), 2), noise], 1);
    const ranks = (value: number) =>
      tensor([value, 0], { dtype: 'f64', shape: [1, 2, 1] }).broadcastTo([heads, 2, 2]);
    mimo.inProj.weight.assign(concat([z, x, twice(B), twice(C), rest]));
    mimo.dtBias.assign(siso.dtBias.detach());
    mimo.BBias.assign(both(siso.BBias));
    mimo.CBias.assign(both(siso.CBias));
    mimo.mimoX?.assign(ranks(1));
    mimo.mimoO?.assign(ranks(1));
    mimo.outProj.weight.assign(siso.outProj.weight.detach());
    const u = uniform([2, 7, 4], -2, 2, { generator: new Generator(6) }).cast('f64');
    const [one, other] = [siso.scan(u), mimo.scan(u)];
    expectClose(other.y, one.y, 1e-12);
    expectClose(other.state.ssm, sorted(one.state.ssm, 3), 1e-12);
  });
});

describe('decayRate', () => {
  it('is 1 + x or 1 / (1 − x), or softplus', () => {
    const x = tensor([-9, -1, 0, 1, 9], { dtype: 'f64' });
    const expected = tensor([0.1, 0.5, 1, 2, 10], { dtype: 'f64' });
    expectClose(decayRate(x, 'heavyTail'), expected, 1e-15);
    expectClose(decayRate(x, 'softplus'), x.softplus(), 0);
    gradcheck((y) => decayRate(y, 'heavyTail'), [tensor([-9, -1, 0.1, 1], { dtype: 'f64' })]);
    // Both halves have the slope 1 where they meet.
    const zero = tensor([0, -0], { requiresGrad: true });
    decayRate(zero, 'heavyTail').sum().backward();
    expect(zero.grad?.toArray()).toEqual([1, 1]);
  });
});

describe('turns', () => {
  // No sum is near whole turns, where the result jumps.
  const delta =
    tensor([[[0.3, -0.2], [0.45, 0.15], [0.6, 0.25]], [[1.2, 0.1], [-0.7, 2.1], [0.1, 0.3]]]);
  const start = tensor([[0.1, 0.7], [0.05, 0.45]]);
  const reset = tensor([[0, 1, 0], [1, 0, 0]], { dtype: 'i32' });

  it.each([['without resets', undefined], ['with resets', reset]])('is an op: %s', (_name, flags) => {
    const only =
      ['reference', 'float32', 'gradients', 'secondGradients', 'guarded', 'compiled'] as const;
    checkPrimitive((x, y) => turns(x, y, flags), [delta, start], { name: 'turns', only });
  });

  it('loses no digits over many steps', () => {
    const length = 2 ** 16;
    const steps = uniform([1, length, 4], -0.3, 0.5, { generator: new Generator(3) });
    const none = zeros([1, 4]);
    const last = compile((x: Tensor) => turns(x, none, undefined).narrow(1, length - 1, 1))(steps);
    const sum = steps.cast('f64').sum(1);
    const error = sum.sub(last.squeeze(1).cast('f64'));
    expectClose(error, error.round(), 0, 1e-5);
    // Half a turn is a number of float32, so here nothing is rounded at all.
    const half = compile((x: Tensor) => turns(x, none, undefined))(full([1, length, 4], 0.5));
    const isExact = half.data.every((y: number, i: number) => y === (i % 8 < 4 ? 0.5 : 0));
    expect(isExact).toBe(true);
  });
});

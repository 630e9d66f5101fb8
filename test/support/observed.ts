/** Layers that are observed, and what they compute by loops and by functions of scans. */
import {
  gatedRmsNorm, Mamba2Block, Mamba3Block, observe, ObservedLayer, selectiveScan, SelectiveSSM,
  type SequenceFlags, ssd,
} from '@mambagrad/mamba';
import { linear } from '@mambagrad/nn';
import { einsum, Generator, ones, stack, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { type Draw, drawInteger, drawTensor } from './draw.ts';
import { drawFlags } from './sequences.ts';

export const generator = new Generator(5);
export const WIDTH = 2;

export type Observable = SelectiveSSM | Mamba2Block | Mamba3Block;

const heads = { hiddenSize: WIDTH, headDim: 2, stateSize: 4, generator };
export const layers = {
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

/** An observation of a layer alone, and the flags of its input. */
export interface Drawn {
  readonly layer: ObservedLayer;
  readonly flags: SequenceFlags;
}

export function drawObserved(g: Draw, module: Observable, length: number, rows = 2): Drawn {
  const batch = drawInteger(g, 1, rows);
  const input = () => drawTensor(g, [batch, length, WIDTH]);
  const state = g(fc.boolean) ? module.scan(input()).state : undefined;
  const flags = drawFlags(g, [batch, length]);
  const { layers: [layer] } = observe(module, input(), { state: state as never, ...flags });
  return { layer, flags };
}

/** The signal of the scan, a row for each step, or for each rank of each step. */
export function signalOf({ u }: ObservedLayer): Tensor {
  if (u.ndim < 5) return u;
  const [batch, length, rank, ...channels] = u.shape;
  return u.reshape([batch, length * rank, ...channels]);
}

/** The scan that the layer ran, on the values that were observed, as a function of two of them. */
export function scanOf(
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
function stepByStep(
  layer: ObservedLayer, u: Tensor, initialState: Tensor | undefined,
): Tensor {
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
export function readOut(module: Observable, x: Tensor, y: Tensor): Tensor {
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
export function* blocksOf(layer: ObservedLayer): Iterable<{ b: number; d: number; at: number[] }> {
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
export const sizeOf = ({ B }: ObservedLayer): number => B.shape[B.ndim - 1];

/** x with the given numbers on its first axes. */
export const pick = (x: Tensor, numbers: readonly number[], axis = 0): Tensor =>
  numbers.reduce((part, i) => part.narrow(axis, i, 1).squeeze(axis), x);

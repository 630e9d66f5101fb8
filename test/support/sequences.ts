/** Random sizes of models, and flags: where documents begin, and which steps are padding. */
import type { Mamba2BlockOptions, Mamba3BlockOptions, SequenceFlags } from '@mambagrad/mamba';
import { arange, type Shape, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import fc from 'fast-check';
import { type Draw, drawIndices, drawInteger, drawOrder } from './draw.ts';

/** Any flags for x of the given shape, each there or not; ids need not count up. */
export function drawFlags(g: Draw, [batch, length]: Shape): SequenceFlags {
  const flag = (limit: number) =>
    g(fc.boolean) ? drawIndices(g, [batch, length], limit) : undefined;
  return { reset: flag(2), segmentIds: flag(3), mask: flag(2) };
}

/**
 * The lengths of documents that fill the steps, at least one each, the same in every row; and flags
 * that say so: resets, ids or both.
 */
export function drawDocuments(
  g: Draw,
  [batch, length]: Shape,
): { lengths: number[]; flags: SequenceFlags } {
  const lengths: number[] = [];
  for (let left = length; left > 0; left -= lengths[lengths.length - 1]) {
    lengths.push(drawInteger(g, 1, left));
  }
  const spread = (valueOf: (document: number, step: number) => number) => {
    const row = lengths.flatMap((count, i) =>
      Array.from({ length: count }, (_, t) => valueOf(i, t)),
    );
    return tensor([row], { dtype: 'i32', shape: [1, length] }).broadcastTo([batch, length]);
  };
  const first = drawInteger(g, -1, 1);
  const flags = [
    { reset: spread((i, t) => Number(i > 0 && t === 0)) },
    { segmentIds: spread((i) => first + (i % 2)) },
    // Each says half of it.
    {
      reset: spread((i, t) => Number(i % 2 === 1 && t === 0)),
      segmentIds: spread((i) => first + Math.floor(i / 2)),
    },
  ];
  return { lengths, flags: flags[drawInteger(g, 0, 2)] };
}

/**
 * The places, ascending, of as many steps in each row as are no padding, at least `least`: i32
 * [batch, count].
 */
export function drawPlaces(g: Draw, [batch, length]: Shape, least = 0): Tensor {
  const count = drawInteger(g, least, length);
  const rows = Array.from({ length: batch }, () =>
    drawOrder(g, length).slice(0, count).sort((a, b) => a - b),
  );
  return tensor(Int32Array.from(rows.flat()), { shape: [batch, count] });
}

/** The mask that has ones at these places: i32 [batch, length]. */
export function maskOf(places: Tensor, length: number): Tensor {
  const none = zeros([places.shape[0], length], { dtype: 'i32' });
  return none.scatterAdd(1, places, places.mul(0).add(1));
}

/** The steps of x [batch, length, ...] at the places, [batch, count, ...]. */
export function take(x: Tensor, places: Tensor): Tensor {
  const [batch, count] = places.shape;
  const rows = arange(0, batch, 1, { dtype: 'i32' }).mul(x.shape[1]).unsqueeze(1).add(places);
  const flat = x.reshape([x.shape[0] * x.shape[1], ...x.shape.slice(2)]);
  return flat.indexSelect(0, rows.flatten()).reshape([batch, count, ...x.shape.slice(2)]);
}

/** Options of a small Mamba-2 block or model. */
export function drawMamba2Sizes(g: Draw): Mamba2BlockOptions {
  const [headDim, perGroup, numGroups] = [2, 2, 2].map((max) => drawInteger(g, 1, max));
  const inner = headDim * perGroup * numGroups;
  const expandFactor = inner % 2 === 0 ? drawInteger(g, 1, 2) : 1;
  return {
    hiddenSize: inner / expandFactor,
    stateSize: drawInteger(g, 1, 3),
    headDim,
    numGroups,
    expandFactor,
    convSize: drawInteger(g, 1, 4),
    chunkSize: drawInteger(g, 1, 5),
    ...(g(fc.boolean) && { normGroups: g(fc.boolean) ? 1 : inner }),
    normBeforeGate: g(fc.boolean),
    bias: g(fc.boolean),
    convBias: g(fc.boolean),
    ...(g(fc.boolean) && { dtLimit: [0.1, 1] as const }),
  };
}

/** Options of a small Mamba-3 block or model. */
export function drawMamba3Sizes(g: Draw): Mamba3BlockOptions {
  const [headDim, perGroup, numGroups] = [2, 2, 2].map((max) => drawInteger(g, 1, max));
  const inner = headDim * perGroup * numGroups;
  const expandFactor = inner % 2 === 0 ? drawInteger(g, 1, 2) : 1;
  const ropeFraction = g(fc.boolean) ? 1 : 0.5;
  return {
    hiddenSize: inner / expandFactor,
    stateSize: 2 * drawInteger(g, ropeFraction === 1 ? 1 : 2, 4),
    headDim,
    numGroups,
    expandFactor,
    ropeFraction,
    mimoRank: drawInteger(g, 1, 3),
    chunkSize: drawInteger(g, 1, 5),
    outputNorm: g(fc.boolean),
    decay: g(fc.boolean) ? 'heavyTail' : 'softplus',
    ...(g(fc.boolean) && { rotation: g(fc.boolean) ? 'neighbours' as const : 'halves' as const }),
  };
}

/**
 * A row for each op of the table: how to draw a call of it at which it is differentiable, and how
 * its golden cases are called. The properties in table.test.ts run over all rows; an op without one
 * fails there.
 */
import { concat, linearScan, ops, stack, type Tensor, where } from '@mambagrad/tensor';
import { type CheckPart, checkPrimitive } from '@mambagrad/tensor/extend';
import fc from 'fast-check';
import {
  type Draw,
  drawApart,
  drawAxes,
  drawAxis,
  drawBroadcastable,
  drawIndices,
  drawInteger,
  drawOrder,
  drawShape,
  drawTensor,
} from '../../support/draw.ts';
import {
  algorithm,
  alongAxis,
  argReduction,
  type Attributes,
  drawIndexShape,
  drawSlice,
  exponent,
  integers,
  joinWeighted,
  kinked,
  kinkedPair,
  pair,
  reduction,
  type Row,
  smooth,
  sorting,
  triangle,
  variance,
} from './families.ts';

export const rows: Readonly<Record<string, Row>> = {
  add: pair(ops.add),
  sub: pair(ops.sub),
  mul: pair(ops.mul),
  div: pair(ops.div, [-2, 2], [0.5, 2]),
  pow: pair(ops.pow, [0.3, 2]),
  maximum: kinkedPair(ops.maximum),
  minimum: kinkedPair(ops.minimum),
  neg: smooth(ops.neg),
  abs: kinked(ops.abs),
  sign: { ...kinked(ops.sign), constant: true },
  exp: smooth(ops.exp),
  expm1: smooth(ops.expm1),
  log: smooth(ops.log, 0.1, 3),
  log1p: smooth(ops.log1p, -0.8, 3),
  sqrt: smooth(ops.sqrt, 0.1, 3),
  rsqrt: smooth(ops.rsqrt, 0.2, 3),
  reciprocal: smooth(ops.reciprocal, 0.3, 3),
  square: smooth(ops.square),
  sin: smooth(ops.sin, -4, 4),
  cos: smooth(ops.cos, -4, 4),
  tanh: smooth(ops.tanh),
  erf: smooth(ops.erf, -4, 4),
  floor: { ...kinked(ops.floor, integers), constant: true },
  ceil: { ...kinked(ops.ceil, integers), constant: true },
  round: { ...kinked(ops.round, [-1.5, -0.5, 0.5, 1.5]), constant: true },
  clamp: {
    ...kinked((x) => x.clamp({ min: -0.7, max: 0.5 }), [-0.7, 0.5]),
    call: (bounds, [x]) => x.clamp(bounds),
  },
  relu: kinked(ops.relu),
  sigmoid: smooth(ops.sigmoid, -5, 5),
  softplus: smooth(ops.softplus, -5, 5),
  silu: smooth(ops.silu, -5, 5),
  gelu: {
    draw: (g) => {
      const approximate = g(fc.boolean) ? 'none' : 'tanh';
      const inputs = [drawTensor(g, drawShape(g), -4, 4)];
      return { inputs, apply: (x) => x.gelu({ approximate }) };
    },
    call: (options, [x]) => x.gelu(options),
  },
  softmax: alongAxis(ops.softmax),
  logSoftmax: { ...alongAxis(ops.logSoftmax), golden: 'log_softmax' },

  equal: { ...kinkedPair(ops.equal), constant: true },
  notEqual: { ...kinkedPair(ops.notEqual), constant: true },
  greater: { ...kinkedPair(ops.greater), constant: true },
  less: { ...kinkedPair(ops.less), constant: true },
  greaterEqual: { ...kinkedPair(ops.greaterEqual), constant: true },
  lessEqual: { ...kinkedPair(ops.lessEqual), constant: true },
  where: {
    draw: (g) => {
      const shape = drawShape(g);
      const condition = drawIndices(g, drawBroadcastable(g, shape), 2);
      const choices = [drawTensor(g, shape), drawTensor(g, drawBroadcastable(g, shape))];
      return { inputs: [condition, ...choices], apply: where };
    },
  },
  maskedFill: {
    draw: (g) => {
      const shape = drawShape(g);
      const mask = drawIndices(g, drawBroadcastable(g, shape), 2);
      return { inputs: [drawTensor(g, shape), mask], apply: (x, at) => x.maskedFill(at, 3) };
    },
  },
  isNaN: { ...smooth(ops.isNaN), constant: true },
  isFinite: { ...smooth(ops.isFinite), constant: true },
  cast: {
    draw: (g) => ({ inputs: [drawTensor(g, drawShape(g))], apply: (x) => x.cast('f64') }),
  },

  sum: reduction(ops.sum, { empty: true }),
  mean: reduction(ops.mean),
  max: reduction(ops.max),
  min: reduction(ops.min),
  logsumexp: reduction(ops.logsumexp),
  prod: reduction(ops.prod, { empty: true }),
  var: variance(ops.var),
  std: variance(ops.std),
  norm: {
    draw: (g) => {
      const shape = drawShape(g, { empty: false });
      const axes = drawAxes(g, shape);
      const p = g(exponent);
      const keepDims = g(fc.boolean);
      // Sizes that are apart, whatever the signs: the largest size decides where p is Infinity.
      const [places] = drawApart(g, [shape]);
      const signs = drawIndices(g, shape, 2).cast('f64').mul(2).sub(1);
      return {
        inputs: [places.add(2.002).mul(signs)], apply: (x) => x.norm(axes, { p, keepDims }),
      };
    },
  },
  argmax: argReduction(ops.argmax),
  argmin: argReduction(ops.argmin),
  cumsum: alongAxis(ops.cumsum),
  cumprod: alongAxis(ops.cumprod),
  argsort: {
    ...sorting((x, options) => x.argsort(options)),
    constant: true,
  },
  sort: sorting((x, options) => x.sort(options).values),
  topk: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1 });
      const axis = drawAxis(g, shape);
      const k = drawInteger(g, 0, shape.at(axis) ?? 0);
      return { inputs: drawApart(g, [shape]), apply: (x) => x.topk(k, axis).values };
    },
  },
  sumTo: {
    draw: (g) => {
      const shape = drawShape(g);
      const target = drawBroadcastable(g, shape);
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.sumTo(target) };
    },
  },

  matmul: {
    draw: (g) => {
      const batch = drawShape(g, { maxRank: 2 });
      const [rows, inner, columns] = drawShape(g, { minRank: 3, maxRank: 3 });
      // A single axis stands for one row of a, or one column of b.
      const isVector = () => drawInteger(g, 0, 4) === 0;
      const a = isVector() ? [inner] : [...drawBroadcastable(g, batch), rows, inner];
      const b = isVector() ? [inner] : [...batch, inner, columns];
      return { inputs: [drawTensor(g, a), drawTensor(g, b)], apply: ops.matmul };
    },
  },

  reshape: {
    draw: (g) => {
      const shape = drawShape(g);
      const count = shape.reduce((product, size) => product * size, 1);
      const target = g(fc.boolean) ? [1, count] : [...shape.slice(0, 1), -1, 1];
      const isAmbiguous = target.includes(-1) && shape.slice(0, 1).includes(0);
      return {
        inputs: [drawTensor(g, shape)],
        apply: (x) => x.reshape(isAmbiguous ? shape : target),
      };
    },
    call: ({ shape }, [x]) => x.reshape(shape as number[]),
  },
  flatten: {
    draw: (g) => {
      const shape = drawShape(g);
      const start = drawInteger(g, 0, Math.max(0, shape.length - 1));
      const end = drawInteger(g, start, Math.max(0, shape.length - 1));
      const [isPlain, isNegative] = [shape.length === 0 || g(fc.boolean), g(fc.boolean)];
      const axes = isNegative ? [start - shape.length, end - shape.length] : [start, end];
      return {
        inputs: [drawTensor(g, shape)], apply: (x) => (isPlain ? x.flatten() : x.flatten(...axes)),
      };
    },
  },
  unsqueeze: {
    draw: (g) => {
      const shape = drawShape(g);
      const axis = drawInteger(g, -shape.length - 1, shape.length);
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.unsqueeze(axis) };
    },
  },
  squeeze: {
    draw: (g) => {
      const shape = drawShape(g);
      const ones = shape.flatMap((size, axis) => (size === 1 && g(fc.boolean) ? [axis] : []));
      const axes = g(fc.boolean) ? ones : undefined;
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.squeeze(axes) };
    },
  },
  detach: { ...smooth(ops.detach), constant: true },
  permute: {
    draw: (g) => {
      const shape = drawShape(g, { maxRank: 4 });
      const order = drawOrder(g, shape.length);
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.permute(order) };
    },
    call: ({ order }, [x]) => x.permute(order as number[]),
  },
  transpose: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1 });
      const [first, second] = [drawAxis(g, shape), drawAxis(g, shape)];
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.transpose(first, second) };
    },
  },
  broadcastTo: {
    draw: (g) => {
      const shape = drawShape(g);
      const from = drawBroadcastable(g, shape);
      return { inputs: [drawTensor(g, from)], apply: (x) => x.broadcastTo(shape) };
    },
    golden: 'broadcast_to',
    call: ({ shape }, [x]) => x.broadcastTo(shape as number[]),
  },
  flip: {
    draw: (g) => {
      const shape = drawShape(g);
      const axes = drawAxes(g, shape);
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.flip(axes) };
    },
    call: ({ axes }, [x]) => x.flip(axes as number[]),
  },

  slice: {
    draw: (g) => {
      const shape = drawShape(g);
      const { start, stop, step } = drawSlice(g, shape);
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.slice(start, stop, step) };
    },
    call: ({ start, stop, step }, [x]) =>
      x.slice(start as number[], stop as number[], step as number[]),
  },
  narrow: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1 });
      const axis = drawAxis(g, shape);
      const size = shape.at(axis) ?? 0;
      const start = drawInteger(g, 0, size);
      const length = drawInteger(g, 0, size - start);
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.narrow(axis, start, length) };
    },
  },
  pad: {
    draw: (g) => {
      const shape = drawShape(g);
      const spread = shape.map(() => drawInteger(g, 1, 3));
      // Negative padding may cut off all there is, but not more.
      const lengths = shape.map((size, axis) => Math.max(0, (size - 1) * spread[axis] + 1));
      const before = lengths.map((length) => drawInteger(g, -length, 2));
      const after = lengths.map((length, axis) => drawInteger(g, -length - before[axis], 2));
      const value = drawInteger(g, -1, 1);
      return {
        inputs: [drawTensor(g, shape)],
        apply: (x) => x.pad(before, after, { value, spread }),
      };
    },
    call: ({ before, after, value }, [x]) =>
      x.pad(before as number[], after as number[], { value: value as number }),
  },
  split: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1 });
      const axis = drawAxis(g, shape);
      const size = drawInteger(g, 1, 3);
      return {
        inputs: [drawTensor(g, shape)],
        // Weighted differently, so that no piece can stand for another.
        apply: (x) => joinWeighted(x.split(size, axis), axis),
      };
    },
  },
  chunk: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1 });
      const axis = drawAxis(g, shape);
      const count = drawInteger(g, 1, 4);
      const inputs = [drawTensor(g, shape)];
      return { inputs, apply: (x) => joinWeighted(x.chunk(count, axis), axis) };
    },
  },
  unbind: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1, empty: false });
      const axis = drawAxis(g, shape);
      const inputs = [drawTensor(g, shape)];
      return { inputs, apply: (x) => stack(x.unbind(axis), -1) };
    },
  },
  tile: {
    draw: (g) => {
      const shape = drawShape(g);
      const counts = drawShape(g);
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.tile(counts) };
    },
  },
  repeatInterleave: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1 });
      const axis = drawAxis(g, shape);
      const count = drawInteger(g, 0, 3);
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.repeatInterleave(count, axis) };
    },
  },
  roll: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1 });
      const axis = drawAxis(g, shape);
      const shift = drawInteger(g, -7, 7);
      return { inputs: [drawTensor(g, shape)], apply: (x) => x.roll(shift, axis) };
    },
  },
  triu: triangle(ops.triu),
  tril: triangle(ops.tril),
  concat: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1 });
      const axis = drawAxis(g, shape);
      const at = axis < 0 ? axis + shape.length : axis;
      const shapes = Array.from({ length: drawInteger(g, 1, 3) }, () =>
        shape.with(at, drawInteger(g, 0, 3)),
      );
      return {
        inputs: shapes.map((each) => drawTensor(g, each)),
        apply: (...inputs) => concat(inputs, axis),
      };
    },
    call: ({ axis }, inputs) => concat(inputs, axis as number),
  },
  stack: {
    draw: (g) => {
      const shape = drawShape(g);
      const axis = drawInteger(g, -shape.length - 1, shape.length);
      const count = drawInteger(g, 1, 3);
      return {
        inputs: Array.from({ length: count }, () => drawTensor(g, shape)),
        apply: (...inputs) => stack(inputs, axis),
      };
    },
    call: ({ axis }, inputs) => stack(inputs, axis as number),
  },

  gather: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1, empty: false });
      const axis = drawAxis(g, shape);
      const index = drawIndices(g, drawIndexShape(g, shape, axis), shape.at(axis) ?? 0);
      return { inputs: [drawTensor(g, shape), index], apply: (x, at) => x.gather(axis, at) };
    },
    call: ({ axis }, [x, index]) => x.gather(axis as number, index),
  },
  scatterAdd: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1, empty: false });
      const axis = drawAxis(g, shape);
      const index = drawIndices(g, drawIndexShape(g, shape, axis), shape.at(axis) ?? 0);
      return {
        inputs: [drawTensor(g, shape), index, drawTensor(g, index.shape)],
        apply: (x, at, source) => x.scatterAdd(axis, at, source),
      };
    },
  },
  indexSelect: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1, empty: false });
      const axis = drawAxis(g, shape);
      const index = drawIndices(g, drawShape(g, { maxRank: 2 }), shape.at(axis) ?? 0);
      return { inputs: [drawTensor(g, shape), index], apply: (x, at) => x.indexSelect(axis, at) };
    },
    golden: 'index_select',
    call: ({ axis }, [x, index]) => x.indexSelect(axis as number, index),
  },

  oneHot: {
    draw: (g) => {
      const index = drawIndices(g, drawShape(g), 4);
      return { inputs: [index], apply: (at) => at.oneHot(4, 'f64') };
    },
    constant: true,
    golden: 'one_hot',
    call: ({ classes }, [index]) => index.oneHot(classes as number, 'f64'),
  },
  linearScan: {
    draw: (g) => {
      const shape = drawShape(g, { minRank: 1 });
      const axis = drawAxis(g, shape);
      const state = shape.toSpliced(axis, 1);
      const options = {
        axis,
        reverse: g(fc.boolean),
        algorithm: g(algorithm),
        reset: g(fc.boolean) ? drawIndices(g, drawBroadcastable(g, shape), 2) : undefined,
      };
      const a = drawTensor(g, drawBroadcastable(g, shape), -1, 1);
      const inputs = [a, drawTensor(g, shape), drawTensor(g, state)];
      return {
        inputs: g(fc.boolean) ? inputs : inputs.slice(0, 2),
        apply: (decay, x, initialState) => linearScan(decay, x, { ...options, initialState }),
      };
    },
  },
};

/** How the golden cases of an op are called. */
export function callOf(name: string) {
  const op = (ops as unknown as Record<string, (...inputs: Tensor[]) => Tensor>)[name];
  const simple = (_attributes: Attributes, inputs: readonly Tensor[]) => op(...inputs);
  return rows[name].call ?? simple;
}

/** Checks a call of an op that is drawn, in some of the ways in which an op can be checked. */
export function checkRow(name: string, g: Draw, only: readonly CheckPart[]): void {
  const { draw, constant = false, float32: tolerance } = rows[name];
  const { inputs, apply } = draw(g);
  checkPrimitive(apply, inputs, { name, only, constant, exact: constant, tolerance });
}

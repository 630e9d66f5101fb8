/**
 * A row for each op of the table: how to draw a call of it at which it is differentiable, and how
 * its golden cases are called. The properties in table.test.ts run over all rows; an op without one
 * fails there.
 */
import { linearScan, ops, type Tensor, where } from '@mambagrad/tensor';
import { type CheckPart, checkPrimitive } from '@mambagrad/tensor/extend';
import fc from 'fast-check';
import {
  type Draw, drawApart, drawAxes, drawAxis, drawBroadcastable, drawIndices, drawInteger, drawShape,
  drawTensor,
} from '../../support/draw.ts';
import {
  algorithm, alongAxis, argReduction, type Attributes, drawIndexShape, exponent, integers, kinked,
  kinkedPair, pair, reduction, type Row, smooth, sorting, variance,
} from './families.ts';
import { movements } from './movements.ts';

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
    // The approximation is 1 + tanh, which loses digits where it is near 0.
    drawAccurate: smooth((x) => x.gelu(), -9, 9).draw,
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

  ...movements,
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
  const { draw, drawAccurate = draw, constant = false, float32: tolerance } = rows[name];
  const { inputs, apply } = (only.includes('accuracy') ? drawAccurate : draw)(g);
  checkPrimitive(apply, inputs, { name, only, constant, exact: constant, tolerance });
}

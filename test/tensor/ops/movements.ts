/** The rows of the ops that move elements: to another shape, order or place, or beside others. */
import { concat, ops, stack } from '@mambagrad/tensor';
import fc from 'fast-check';
import {
  drawAxes, drawAxis, drawBroadcastable, drawInteger, drawOrder, drawShape, drawTensor,
} from '../../support/draw.ts';
import { drawSlice, joinWeighted, type Row, smooth, triangle } from './families.ts';

export const movements: Readonly<Record<string, Row>> = {
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
};

/** Laws that hold between ops: inverses, adjoints, and definitions in terms of plain loops. */
import { concat, ops, stack, Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import {
  type Draw,
  drawAxes,
  drawAxis,
  drawBroadcastable,
  drawInteger,
  drawOrder,
  drawShape,
  drawTensor,
} from '../../support/draw.ts';

function property(body: (g: Draw) => void): void {
  fc.assert(fc.property(fc.gen(), body));
}

/** ⟨f(x), y⟩ = ⟨x, f*(y)⟩, what makes f* the adjoint of a linear f. */
function expectAdjoint(
  g: Draw,
  x: Tensor,
  f: (x: Tensor) => Tensor,
  adjoint: (y: Tensor) => Tensor,
): void {
  const image = f(x);
  const y = drawTensor(g, image.shape);
  expectClose(image.mul(y).sum(), x.mul(adjoint(y)).sum(), 1e-12, 1e-12);
}

describe('inverse pairs', () => {
  it('permute and the inverse order; reshape and back; flip twice; roll forth and back', () =>
    property((g) => {
      const x = drawTensor(g, drawShape(g, { minRank: 1, maxRank: 4 }));
      const order = drawOrder(g, x.ndim);
      const inverse = order.map((_, i) => order.indexOf(i));
      expectSame(x.permute(order).permute(inverse), x);
      expectSame(x.flatten().reshape(x.shape), x);
      const sizeFrom = (axis: number) => x.shape.slice(axis).reduce((size, each) => size * each, 1);
      if (x.ndim > 1) expectSame(x.flatten(1), x.reshape([x.shape[0], sizeFrom(1)]));
      expectSame(x.flatten(-1), x);
      const axes = drawAxes(g, x.shape);
      expectSame(x.flip(axes).flip(axes), x);
      const axis = drawAxis(g, x.shape);
      const shift = drawInteger(g, -5, 5);
      expectSame(x.roll(shift, axis).roll(-shift, axis), x);
    }));

  it('split and concat, unbind and stack, chunk and concat', () =>
    property((g) => {
      const x = drawTensor(g, drawShape(g, { minRank: 1, empty: false }));
      const axis = drawAxis(g, x.shape);
      expectSame(concat(x.split(drawInteger(g, 1, 4), axis), axis), x);
      expectSame(concat(x.chunk(drawInteger(g, 1, 4), axis), axis), x);
      const at = axis < 0 ? axis + x.ndim : axis;
      expectSame(stack(x.unbind(at), at), x);
    }));

  it('pad and slice; pad and the negative pad', () =>
    property((g) => {
      const x = drawTensor(g, drawShape(g));
      const around = () => x.shape.map(() => drawInteger(g, 0, 3));
      const [before, after] = [around(), around()];
      const spread = x.shape.map(() => drawInteger(g, 1, 3));
      const padded = x.pad(before, after, { spread, value: 7 });
      const stop = padded.shape.map((size, axis) => size - after[axis]);
      if (x.numel > 0) expectSame(padded.slice(before, stop, spread), x);
      const minus = (sizes: number[]) => sizes.map((size) => -size);
      expectSame(x.pad(before, after).pad(minus(before), minus(after)), x);
    }));

  it('squeeze and unsqueeze; tril and the rest', () =>
    property((g) => {
      const x = drawTensor(g, drawShape(g, { minRank: 2, maxRank: 4 }));
      const axis = drawInteger(g, 0, x.ndim);
      expectSame(x.unsqueeze(axis).squeeze(axis), x);
      const diagonal = drawInteger(g, -3, 3);
      expectSame(x.tril(diagonal).add(x.triu(diagonal + 1)), x);
    }));
});

describe('adjoint pairs', () => {
  it('broadcastTo and sumTo', () =>
    property((g) => {
      const shape = drawShape(g);
      const x = drawTensor(g, drawBroadcastable(g, shape));
      expectAdjoint(g, x, (a) => a.broadcastTo(shape), (y) => y.sumTo(x.shape));
    }));

  it('gather and scatterAdd', () =>
    property((g) => {
      const x = drawTensor(g, drawShape(g, { minRank: 1, empty: false }));
      const axis = drawAxis(g, x.shape);
      const index = x.argsort({ axis });
      const zero = x.mul(0);
      expectAdjoint(g, x, (a) => a.gather(axis, index), (y) => zero.scatterAdd(axis, index, y));
    }));

  it('slice and pad', () =>
    property((g) => {
      const x = drawTensor(g, drawShape(g, { minRank: 1, empty: false }));
      const start = x.shape.map((size) => drawInteger(g, 0, size - 1));
      const rest = x.shape.map(() => 0);
      expectAdjoint(g, x, (a) => a.slice(start, x.shape), (y) => y.pad(start, rest));
    }));
});

describe('reductions', () => {
  const folds: [string, (x: Tensor) => Tensor, (values: number[]) => number][] = [
    ['sum', (x) => x.sum(-1), (values) => values.reduce((a, b) => a + b, 0)],
    ['prod', (x) => x.prod(-1), (values) => values.reduce((a, b) => a * b, 1)],
    ['max', (x) => x.max(-1), (values) => Math.max(...values)],
    ['min', (x) => x.min(-1), (values) => Math.min(...values)],
    ['mean', (x) => x.mean(-1), (values) => values.reduce((a, b) => a + b, 0) / values.length],
    ['argmax', (x) => x.argmax(-1), (values) => values.indexOf(Math.max(...values))],
    ['argmin', (x) => x.argmin(-1), (values) => values.indexOf(Math.min(...values))],
    ['norm', (x) => x.norm(-1), (values) => Math.hypot(...values)],
    [
      'logsumexp',
      (x) => x.logsumexp(-1),
      (values) => Math.log(values.reduce((a, b) => a + Math.exp(b), 0)),
    ],
  ];

  it.each(folds)('%s is the plain fold, whatever the order of the other axes', (_name, op, fold) =>
    property((g) => {
      const x = drawTensor(g, drawShape(g, { minRank: 1, empty: false }));
      const rows = x.reshape([-1, x.shape[x.ndim - 1]]).toArray() as number[][];
      const expected = tensor(rows.map(fold), { dtype: 'f64' });
      expectClose(op(x).cast('f64').flatten(), expected, 1e-13);
      const order = [...drawOrder(g, x.ndim - 1), x.ndim - 1];
      expectSame(op(x.permute(order)), op(x).permute(order.slice(0, -1)));
    }),
  );

  it('cumsum and cumprod are running folds', () =>
    property((g) => {
      const x = drawTensor(g, [drawInteger(g, 0, 6)]);
      const running = (fold: (a: number, b: number) => number, first: number) => {
        let total = first;
        return tensor(Float64Array.from(x.data, (value) => (total = fold(total, value))));
      };
      expectSame(x.cumsum(0), running((a, b) => a + b, 0));
      expectSame(x.cumprod(0), running((a, b) => a * b, 1));
    }));
});

describe('order', () => {
  it('sort is JavaScript’s, stable, and topk its beginning', () =>
    property((g) => {
      const x = drawTensor(g, drawShape(g, { minRank: 1 })).round();
      const axis = x.ndim - 1;
      const size = x.shape[axis];
      const { values, indices } = x.sort();
      const rows = x.reshape([x.numel / Math.max(1, size), size]).toArray() as number[][];
      const flat = rows.map((row) => row.toSorted((a, b) => a - b)).flat();
      expectSame(values.flatten(), tensor(Float64Array.from(flat)));
      expectSame(x.gather(axis, indices), values);
      const k = drawInteger(g, 0, size);
      const descending = x.sort({ descending: true });
      expectSame(x.topk(k).values, descending.values.narrow(axis, 0, k));
      // Equal elements keep their order in both directions.
      for (const order of [indices, descending.indices]) {
        const sorted = x.gather(axis, order);
        if (size < 2) continue;
        const [a, b] = [sorted.narrow(axis, 0, size - 1), sorted.narrow(axis, 1, size - 1)];
        const [i, j] = [order.narrow(axis, 0, size - 1), order.narrow(axis, 1, size - 1)];
        expect(a.equal(b).mul(i.greater(j)).sum().item()).toBe(0);
      }
    }));

  it('puts NaN last, and argmax finds it', () => {
    const x = tensor([2, NaN, -Infinity, 1]);
    expect(x.sort().values.toArray()).toEqual([-Infinity, 1, 2, NaN]);
    expect(x.topk(2).values.toArray()).toEqual([NaN, 2]);
    expect([x.argmax().item(), x.argmin().item()]).toEqual([1, 1]);
  });

  it('sort orders 32 bits as it does 64, by keys and by comparing', () => {
    const corners = [0, -0, NaN, Infinity, -Infinity, 2 ** -149, -(2 ** -149), 1, -1];
    const numbers = fc.oneof(
      fc.constantFrom(...corners), fc.float(), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    );
    fc.assert(fc.property(fc.array(numbers), fc.boolean(), (list, descending) => {
      const whole = list.map((value) => value | 0);
      const floats = tensor(Float32Array.from(list));
      for (const x of [floats, tensor(Int32Array.from(whole))]) {
        const [found, expected] = [x, x.cast('f64')].map((each) => each.sort({ descending }));
        expect(found.indices.data).toEqual(expected.indices.data);
        expect(Array.from(found.values.data)).toEqual(Array.from(expected.values.data));
      }
    }));
  });
});

describe('softmax', () => {
  it('adds up to 1, and does not change with a shift', () =>
    property((g) => {
      const x = drawTensor(g, drawShape(g, { minRank: 1, empty: false }));
      const axis = drawAxis(g, x.shape);
      const p = x.softmax(axis);
      expectClose(p.sum(axis), ops.add(p.sum(axis).mul(0), 1), 1e-14);
      expectClose(x.add(30).softmax(axis), p, 1e-13);
      expectClose(x.logSoftmax(axis).exp(), p, 1e-13);
    }));
});

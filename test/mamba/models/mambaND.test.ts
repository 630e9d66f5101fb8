/** Scan orders and MambaND: permutations with inverses, cores, directions, agreement in 1-D. */
import {
  alternatingOrder, columnOrder, crossOrders, hilbertOrder, inverseOrder, Mamba3Block, MambaND,
  rasterOrder, reverseOrder, type ScanOrder, SelectiveSSM, zigzagOrder,
} from '@mambagrad/mamba';
import { arange, compile, tensor, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { type Draw, drawInteger, drawOrder, drawShape, drawTensor } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

const orders: [string, ScanOrder][] = [
  ['raster', rasterOrder],
  ['column', columnOrder],
  ['zigzag', zigzagOrder],
  ['Hilbert', hilbertOrder],
  ['reversed raster', reverseOrder(rasterOrder)],
  ...crossOrders.map((order, i): [string, ScanOrder] => [`cross ${i}`, order]),
  ...[0, 1, 2, 3, 4, 5, 6].map((layer): [string, ScanOrder] => [
    `alternating ${layer}`,
    alternatingOrder(layer),
  ]),
];

const drawSpatial = (g: Draw) => drawShape(g, { minRank: 1, maxRank: 4 });

describe('scan orders', () => {
  it.each(orders)('%s is a permutation, with its inverse', (_, order) => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const spatial = drawSpatial(g);
        const places = order(spatial);
        const all = Array.from({ length: spatial.reduce((a, b) => a * b, 1) }, (_size, i) => i);
        expect(places.toSorted((a, b) => a - b)).toEqual(all);
        const inverse = inverseOrder(places);
        expect(places.map((place) => inverse[place])).toEqual(all);
        expect(inverse.map((step) => places[step])).toEqual(all);
        expect(reverseOrder(order)(spatial)).toEqual(places.toReversed());
      }),
      { numRuns: runs(30) },
    );
  });

  it('go along the axes that they say', () => {
    expect(rasterOrder([2, 3])).toEqual([0, 1, 2, 3, 4, 5]);
    expect(columnOrder([2, 3])).toEqual([0, 3, 1, 4, 2, 5]);
    expect([0, 1, 2, 3].map((layer) => alternatingOrder(layer)([2, 2]))).toEqual([
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [0, 2, 1, 3],
      [3, 1, 2, 0],
    ]);
    // In 3-D the fastest axis is the last, the second, the first, and then the last again.
    const second = (layer: number) => alternatingOrder(layer)([2, 3, 4])[1];
    expect([0, 2, 4, 6].map(second)).toEqual([1, 4, 12, 1]);
    expect(crossOrders.map((order) => order([2, 2]))).toEqual([
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [0, 2, 1, 3],
      [3, 1, 2, 0],
    ]);
  });

  /** How far apart the cells of one step and the next are, in steps along axes. */
  const distances = (places: readonly number[], spatial: readonly number[]): number[] => {
    const axesOf = (place: number): number[] => {
      let rest = place;
      return spatial.toReversed().map((size) => {
        const at = rest % size;
        rest = (rest - at) / size;
        return at;
      });
    };
    return places.slice(1).map((place, i) => {
      const [from, to] = [axesOf(places[i]), axesOf(place)];
      return to.reduce((sum, at, axis) => sum + Math.abs(at - from[axis]), 0);
    });
  };

  it.each([
    ['zigzag', zigzagOrder], ['Hilbert', hilbertOrder],
  ] as const)('%s goes to a neighbour with each step, in a grid of any size', (_name, order) => {
    const isContinuous = (spatial: readonly number[]) => {
      const places = order(spatial);
      if (distances(places, spatial).every((distance) => distance === 1)) return;
      expect(distances(places, spatial), `of [${spatial}]`).toEqual(places.slice(1).map(() => 1));
    };
    for (let height = 0; height <= 17; height++) {
      for (let width = 0; width <= 17; width++) isContinuous([height, width]);
    }
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [rank, most] = g(fc.constantFrom, ...[[2, 40], [3, 12], [4, 5], [5, 3]]);
        isContinuous(Array.from({ length: rank }, () => drawInteger(g, 1, most)));
      }),
      { numRuns: runs(40) },
    );
  });

  it('Hilbert keeps neighbours nearer than row by row', () => {
    // The mean distance in the sequence of cells that are neighbours in the grid.
    const meanGap = (order: ScanOrder, size: number): number => {
      const steps = inverseOrder(order([size, size]));
      const gaps = steps.flatMap((step, cell) => [
        ...((cell + 1) % size > 0 ? [Math.abs(steps[cell + 1] - step)] : []),
        ...(cell + size < steps.length ? [Math.abs(steps[cell + size] - step)] : []),
      ]);
      return gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    };
    // Of the classic curve, in a square of 2ⁿ, and of one that is neither.
    for (const size of [32, 29, 25]) {
      // Squares within the square are stretches of the sequence: windows of 4 × 4 stay together.
      const spread = (order: ScanOrder): number => {
        const places = order([size, size]);
        let total = 0;
        for (let s = 0; s + 16 <= places.length; s += 16) {
          const rows = places.slice(s, s + 16).map((place) => Math.floor(place / size));
          const columns = places.slice(s, s + 16).map((place) => place % size);
          const range = (all: number[]) => Math.max(...all) - Math.min(...all) + 1;
          total = Math.max(total, range(rows) + range(columns));
        }
        return total;
      };
      expect(spread(hilbertOrder)).toBeLessThanOrEqual(14);
      expect(spread(rasterOrder)).toBeGreaterThanOrEqual(17);
      expect(meanGap(hilbertOrder, size)).toBeLessThan(2 * meanGap(rasterOrder, size));
    }
    expect(hilbertOrder([4, 4])).toEqual([0, 4, 5, 1, 2, 3, 7, 6, 10, 11, 15, 14, 13, 9, 8, 12]);
    expect(zigzagOrder([2, 2, 2])).toEqual([0, 1, 3, 2, 6, 7, 5, 4]);
    expect([hilbertOrder([]), zigzagOrder([]), hilbertOrder([3])]).toEqual([[0], [0], [0, 1, 2]]);
  });

  it('agree with transposing and flipping a tensor', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const shape = drawShape(g, { minRank: 2, maxRank: 4 });
        const grid = arange(0, shape.reduce((a, b) => a * b, 1)).reshape(shape);
        const axes = shape.map((_, axis) => axis);
        const column = grid.permute(axes.toReversed()).flatten();
        expect(columnOrder(shape)).toEqual(Array.from(column.data));
        const swapped = grid.permute([...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
        expect(alternatingOrder(3)(shape)).toEqual(Array.from(swapped.flatten().flip().data));
      }),
      { numRuns: runs(30) },
    );
  });
});

const channels = 3;
const drawTensorOf = (shape: readonly number[]): Tensor =>
  tensor(Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)), {
    shape,
  });
const createCore = () => new SelectiveSSM({ channels, stateSize: 2 }).to('f64');
const mamba3 =
  { hiddenSize: channels, headDim: 2, numGroups: channels, stateSize: 4, chunkSize: 3 };
const cores: readonly (readonly [string, () => SelectiveSSM | Mamba3Block])[] = [
  ['selective scans', createCore],
  ['blocks of Mamba-3', () => new Mamba3Block(mamba3).to('f64')],
];

describe('MambaND', () => {
  it.each(cores)('of %s over a signal is that core, and in both directions the sum of two', (_name, create) => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const x = drawTensor(g, [2, drawInteger(g, 0, 8), channels]);
        const one = new MambaND(create);
        expectSame(one.forward(x), one.core.forward(x));
        const two = new MambaND(create, { bidirectional: true });
        const reverse = two.coreReverse.forward(x.flip(1)).flip(1);
        expectClose(two.forward(x), two.core.forward(x).add(reverse), 1e-14);
      }),
      { numRuns: runs(20) },
    );
  });

  it('has no second core unless it is bidirectional', () => {
    const one = new MambaND(createCore);
    expect(one.namedParameters().map(([name]) => name)).toEqual(
      one.core.namedParameters().map(([name]) => `cores.0.${name}`),
    );
    expect(() => one.coreReverse).toThrow('MambaND: there is no coreReverse; make it with');
    const two = new MambaND(createCore, { bidirectional: true });
    expect(two.parameterCount()).toBe(2 * one.parameterCount());
    expect(two.coreReverse.xProj.weight.data).not.toEqual(two.core.xProj.weight.data);
    expect(new MambaND(createCore, { order: 'cross' }).parameterCount()).toBe(
      4 * one.parameterCount(),
    );
  });

  it('runs its cores along rows and columns, there and back', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [height, width] = drawShape(g, { minRank: 2, maxRank: 2 });
        const x = drawTensor(g, [2, height, width, channels]);
        const nd = new MambaND(createCore, { order: 'cross' });
        const rows = (y: Tensor) => y.reshape([2, height * width, channels]);
        const transposed = (y: Tensor, from: Tensor) => y.reshape(from.shape).transpose(1, 2);
        const turned = x.transpose(1, 2);
        const [a, b, c, d] = nd.cores;
        const along = a.forward(rows(x)).add(b.forward(rows(x).flip(1)).flip(1)).reshape(x.shape);
        const down = c.forward(rows(turned)).add(d.forward(rows(turned).flip(1)).flip(1));
        expectClose(nd.forward(x), along.add(transposed(down, turned)), 1e-14);
      }),
      { numRuns: runs(20) },
    );
  });

  it('takes any order, over any number of axes, and puts every place back', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const spatial = drawSpatial(g);
        const count = spatial.reduce((a, b) => a * b, 1);
        const own = drawOrder(g, count);
        const all =
          [() => own, 'alternating', 'cross', 'raster', 'column', 'zigzag', 'hilbert'] as const;
        const drawn = () => all[drawInteger(g, 0, 6)];
        const chosen = g(fc.boolean) ? { order: drawn() } : { orders: [drawn(), drawn()] };
        // A core without memory does not mind the order.
        const core = createCore();
        const step = (x: Tensor) => core.forward(x.reshape([-1, 1, channels])).reshape(x.shape);
        const pointwise = () => Object.assign(createCore(), { forward: step });
        const options =
          { ...chosen, layer: drawInteger(g, 0, 5), bidirectional: g(fc.boolean) };
        const nd = new MambaND(pointwise, options);
        const x = drawTensor(g, [1, ...spatial, channels]);
        if (count > 0) expectClose(nd.forward(x), step(x).mul(nd.cores.length), 1e-14);
        else expect(nd.forward(x).shape).toEqual(x.shape);
      }),
      { numRuns: runs(40) },
    );
  });

  it.each(cores)('of %s sees only what comes before in its order, and compiles', (_name, create) => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 5 }), (g, layer) => {
        const spatial = drawShape(g, { minRank: 2, maxRank: 3, empty: false });
        const nd = new MambaND(create, { order: 'alternating', layer });
        const [x, other] = [0, 1].map(() => drawTensor(g, [1, ...spatial, channels]));
        const places = alternatingOrder(layer)(spatial);
        const steps = inverseOrder(places);
        const cut = drawInteger(g, 0, places.length);
        const kept = Int32Array.from(steps, (step) => (step < cut ? 1 : 0));
        const isKept = tensor(kept, { shape: [1, ...spatial, 1] });
        const changed = isKept.where(x, other);
        const seen = (y: Tensor) => isKept.where(y, 0);
        expectSame(seen(nd.forward(changed)), seen(nd.forward(x)));
        expectSame(compile((input: Tensor) => nd.forward(input))(x), nd.forward(x));
      }),
      { numRuns: runs(20) },
    );
  });

  it('takes several orders by name, with a core for each', () => {
    const x = drawTensorOf([1, 5, 6, channels]);
    const orders = ['hilbert', 'zigzag', columnOrder] as const;
    const nd = new MambaND(createCore, { orders });
    expect(nd.cores).toHaveLength(3);
    const parts = [hilbertOrder, zigzagOrder, columnOrder].map((order, i) => {
      const one = new MambaND(() => nd.cores[i], { order });
      return one.forward(x);
    });
    expectClose(nd.forward(x), parts.reduce((sum, part) => sum.add(part)), 1e-14);
    const both = new MambaND(createCore, { orders, bidirectional: true });
    expect(both.cores).toHaveLength(6);
    expect(new MambaND(createCore, { orders: ['cross', 'hilbert'] }).cores).toHaveLength(5);
    expect(() => new MambaND(createCore, { orders: [] })).toThrow('MambaND: orders is []');
    expect(() => new MambaND(createCore, { orders, order: 'raster' })).toThrow(
      'MambaND: both order and orders are given, expected one of them',
    );
    expect(() => new MambaND(createCore, { order: 'spiral' as 'zigzag' })).toThrow(
      "MambaND: order is 'spiral', expected 'raster' or 'column' or 'zigzag' or 'hilbert' or",
    );
  });

  it('asks for an axis of space', () => {
    expect(() => new MambaND(createCore).forward(arange(0, 6).reshape([2, 3]))).toThrow(
      'MambaND: x is f32[2, 3], expected [batch, ...spatial, channels]',
    );
  });
});

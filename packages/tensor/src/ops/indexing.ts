/**
 * Indexing by tensors. `gather` reads x at an index for each element along one axis; `scatterAdd`
 * adds to x there, and repeated indices add up. Each is the other's gradient: the gradient of an
 * element that was read is added where it was read.
 */
import * as k from '@mambagrad/kernel';
import { ones, zeros } from '../core/create.ts';
import type { DType } from '../core/dtype.ts';
import { flatIndex, forEach } from '../core/lowering.ts';
import { checkArgument, dtypes, readOptions, string, type Table } from '../core/options.ts';
import { definePrimitive } from '../core/primitive.ts';
import { check, failure, resolveAxis, sameShape, type Shape, stridesOf } from '../core/shape.ts';
import { offsetsOf } from '../core/strided.ts';
import type { Tensor, NDArray } from '../core/tensor.ts';
import { requireCount, requireIndices, requireSameDType, requireTensor } from './define.ts';

/** Options for ops that are composed of those here. */
export interface IndexingOptions {
  /** The op that errors name, which was called. Default that of this op. */
  readonly caller?: string | undefined;
}

const indexingOptions = { caller: string.optional() } satisfies Table<IndexingOptions>;

interface IndexAttributes {
  readonly axis: number;
  /** The op that errors name. */
  readonly caller: string;
  /** The number of elements for which each index of the caller is repeated: it selects slices. */
  readonly repeats: number;
}

/** The shape rule that gather and scatterAdd share. */
function checkIndex(op: string, x: Tensor, index: Tensor, axis: number): void {
  const fits = (size: number, other: number) => other === axis || size <= x.shape[other];
  const isWithin = index.ndim === x.ndim && index.shape.every(fits);
  check(isWithin)`${op}: index is ${index}, x is ${x}; expected as many axes, none longer than in x
    but axis ${axis}`;
}

/** For each element of the index, the offset in an array of `shape` of the element it selects. */
function placesOf(
  shape: Shape, index: NDArray, { axis, caller, repeats }: IndexAttributes,
): Int32Array {
  const strides = stridesOf(shape);
  const places = offsetsOf(index.shape, strides.with(axis, 0));
  const { data } = index;
  for (let i = 0; i < places.length; i++) {
    const position = data[i];
    if (position < 0 || position >= shape[axis]) {
      const element = Math.floor(i / repeats);
      throw failure`${caller}: index ${position} (element ${element}) is out of range for axis
        ${axis} of ${shape}: expected 0 to ${shape[axis] - 1}`;
    }
    places[i] += position * strides[axis];
  }
  return places;
}

const gatherPrimitive = definePrimitive<IndexAttributes>({
  name: 'gather',
  infer: ([x, index], { axis, caller }) => {
    checkIndex(caller, x, index, axis);
    return { shape: index.shape, dtype: x.dtype };
  },
  compute: ([{ shape, data: from }, index], { data }, attributes) => {
    const places = placesOf(shape, index, attributes);
    for (let i = 0; i < data.length; i++) data[i] = from[places[i]];
  },
  lower: ([{ shape }], { axis }) => ({
    element: (at, x, index) => x.at(at.with(axis, k.clampIndex(index.at(at), shape[axis]))),
    bound: { input: 1, size: shape[axis] },
  }),
  gradient: (g, _y, [x, index], { axis }) => [
    () => scatterAdd(zerosIn(x), axis, index, g),
    null,
  ],
});

/**
 * The elements of x at the given positions along `axis`: yᵢⱼ = x[index[i, j], j] for axis 0, and so
 * on, as PyTorch's gather. The result has the shape of `index` (i32).
 */
export function gather(
  x: Tensor, axis: number, index: Tensor, options: IndexingOptions = {},
): Tensor {
  const { caller = 'gather' } = readOptions('gather', options, indexingOptions);
  requireTensor(caller, 'x', x);
  requireIndices(caller, 'index', index);
  const at = resolveAxis(caller, axis, x.ndim);
  return gatherPrimitive([x, index], { axis: at, caller, repeats: 1 });
}

/** Zeros in the shape and dtype of x: one number, broadcast. */
function zerosIn({ shape, dtype }: Tensor): Tensor {
  return zeros([], { dtype }).broadcastTo(shape);
}

const scatterAddPrimitive = definePrimitive<IndexAttributes>({
  name: 'scatterAdd',
  infer: ([x, index, source], { axis, caller }) => {
    checkIndex(caller, x, index, axis);
    const isRight = sameShape(source.shape, index.shape);
    check(isRight)`scatterAdd: source is ${source}, index is ${index}; expected the same shape`;
    return x;
  },
  compute: ([x, index, { data: added }], { shape, data }, attributes) => {
    const totals = new Float64Array(x.data);
    const places = placesOf(shape, index, attributes);
    for (let i = 0; i < places.length; i++) totals[places[i]] += added[i];
    data.set(totals);
  },
  lower: ([{ shape }, { shape: indexShape }], { axis }) => ({
    kernel: ([x, index, source], y) => [
      forEach(shape, (at) => k.store(y, flatIndex(at, shape), x.at(at))),
      // Lanes can add to the same element only if they lie along the axis.
      forEach(
        indexShape,
        (at) => {
          const place = flatIndex(at.with(axis, k.clampIndex(index.at(at), shape[axis])), shape);
          return k.store(y, place, k.add(k.load(y, place), source.at(at)));
        },
        { isInLanes: axis !== shape.length - 1, work: 0 },
      ),
    ],
    bound: { input: 1, size: shape[axis] },
  }),
  gradient: (g, _y, [, index], { axis }) => [() => g, null, () => g.gather(axis, index)],
});

/**
 * x with `source` added at the given positions along `axis`: x[index[i, j], j] += source[i, j] for
 * axis 0, and so on. `index` (i32) and `source` have the same shape.
 */
export function scatterAdd(
  x: Tensor, axis: number, index: Tensor, source: Tensor, options: IndexingOptions = {},
): Tensor {
  const { caller = 'scatterAdd' } = readOptions('scatterAdd', options, indexingOptions);
  requireSameDType(caller, x, source, ['x', 'source']);
  requireIndices(caller, 'index', index);
  const at = resolveAxis(caller, axis, x.ndim);
  return scatterAddPrimitive([x, index, source], { axis: at, caller, repeats: 1 });
}

/**
 * Whole slices of x at the given positions along `axis`. The axes of the index replace that axis:
 * x [V, D] at axis 0 and an index [B, L] give [B, L, D].
 */
export function indexSelect(
  x: Tensor, axis: number, index: Tensor, options: IndexingOptions = {},
): Tensor {
  const { caller = 'indexSelect' } = readOptions('indexSelect', options, indexingOptions);
  requireTensor(caller, 'x', x);
  requireIndices(caller, 'index', index);
  const at = resolveAxis(caller, axis, x.ndim);
  const column = index.reshape(x.shape.map((_, other) => (other === at ? index.numel : 1)));
  const whole = column.broadcastTo(x.shape.with(at, index.numel));
  const repeats = stridesOf(x.shape)[at];
  const picked = gatherPrimitive([x, whole], { axis: at, caller, repeats });
  return picked.reshape(x.shape.toSpliced(at, 1, ...index.shape));
}

/**
 * For each index a row of zeros with a 1 at the index: i32 [...] gives [..., classes], f32 unless
 * another dtype is given.
 */
export function oneHot(index: Tensor, classes: number, dtype: DType = 'f32'): Tensor {
  requireIndices('oneHot', 'index', index);
  requireCount('oneHot', 'classes', classes, 0);
  checkArgument('oneHot', 'dtype', dtype, dtypes);
  const at = index.unsqueeze(-1);
  const one = ones(at.shape, { dtype });
  const none = zeros([...index.shape, classes], { dtype });
  return none.scatterAdd(-1, at, one, { caller: 'oneHot' });
}

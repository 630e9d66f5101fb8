/**
 * The linear recurrence h_t = a_t ⊙ h_{t−1} + b_t along one axis, with h_{−1} = 0 or a given state.
 *
 * One step is the map h ↦ a·h + b, and maps of this kind compose to maps of this kind:
 *
 *     (a₁, b₁) ∘ (a₂, b₂) = (a₁a₂, a₂b₁ + b₂)      first the left one; identity (1, 0)
 *
 * Composition is associative, so the prefixes h_t can be computed in any grouping: one by one
 * (`sequential`), up and down a tree (`blelloch`, 1990: 2·log₂ L rounds, O(L) work), by doubling
 * (`hillisSteele`, 1986: log₂ L rounds, O(L log L) work), or chunk by chunk (`chunked`: each chunk
 * starts from 0, then the last state of the chunk before it is carried in).
 *
 * The gradient runs backwards. With g_t the gradient of h_t from outside the scan, its whole
 * gradient is G_t = g_t + a_{t+1} ⊙ G_{t+1}: a linear scan in reverse. Then ∂b_t = G_t,
 * ∂a_t = G_t ⊙ h_{t−1} and ∂h_{−1} = a_0 ⊙ G_0.
 *
 * A factor of 0 does not forget everything: 0 · NaN and 0 · ∞ are NaN. So where `reset` is set, the
 * past is not multiplied but left out: h_t = b_t. Such steps compose, too (a segmented scan;
 * Blelloch, 1990): a composite whose later part has a reset equals that part.
 */
import * as k from '@mambagrad/kernel';
import { type Elements, flatIndex, forEach, type Index, isTrue } from '../core/lowering.ts';
import { axisNumber, boolean, readOptions, type Table, tensors, whole } from '../core/options.ts';
import { definePrimitive } from '../core/primitive.ts';
import { broadcastsTo, check, numelOf, resolveAxis, sameShape } from '../core/shape.ts';
import { orders, type ScanAlgorithm, scanAlgorithms } from '../core/scanPairs.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireBroadcast, requireFloat, requireSameDType } from './define.ts';

/** Options of `linearScan`: initial state, resets, direction and algorithm. */
export interface LinearScanOptions {
  /** h_{−1}, of the shape of b without the scanned axis. Default zeros. */
  readonly initialState?: Tensor | undefined;
  /** The time axis. Default 0. */
  readonly axis?: number | undefined;
  /** Whether to go from the last step to the first: h_t = a_t ⊙ h_{t+1} + b_t. Default false. */
  readonly reverse?: boolean | undefined;
  /** All give the same, up to rounding. Default 'sequential'. */
  readonly algorithm?: ScanAlgorithm | undefined;
  /** The number of steps in a chunk of the algorithm `chunked`. Default 64. */
  readonly chunkSize?: number | undefined;
  /**
   * Nonzero where the past is dropped, even NaN: h_t = b_t there. i32, of a shape that broadcasts
   * to that of a and b. Default none.
   */
  readonly reset?: Tensor | undefined;
}

const linearScanOptions = {
  initialState: tensors.optional(),
  axis: axisNumber.orElse(0),
  reverse: boolean.orElse(false),
  algorithm: scanAlgorithms.orElse('sequential'),
  chunkSize: whole(1).orElse(64),
  reset: tensors.optional(),
} satisfies Table<LinearScanOptions>;

interface ScanAttributes {
  readonly axis: number;
  readonly reverse: boolean;
  readonly algorithm: ScanAlgorithm;
  readonly chunkSize: number;
  /** Whether the last input holds the reset flags. */
  readonly hasReset: boolean;
}

/** The optional inputs after a and b. */
function optionalInputs<T>(
  inputs: readonly T[], { hasReset }: ScanAttributes,
): { readonly initialState: T | undefined; readonly reset: T | undefined } {
  const end = inputs.length - Number(hasReset);
  return { initialState: inputs.slice(2, end).at(0), reset: inputs.slice(end).at(0) };
}

const scanPrimitive = definePrimitive<ScanAttributes>({
  name: 'linearScan',
  infer: ([, b]) => b,
  compute: (inputs, { shape, data }, attributes) => {
    const { axis, reverse, algorithm, chunkSize } = attributes;
    const [a, b] = inputs;
    const { initialState, reset } = optionalInputs(inputs, attributes);
    const length = shape[axis];
    const width = numelOf(shape.slice(axis + 1));
    // Algorithms that combine steps first hold the composites in float64.
    const inPlace = algorithm === 'sequential';
    const factors = inPlace ? a.data : Float64Array.from(a.data);
    const states = inPlace ? data : new Float64Array(data.length);
    const isNew = reset && Uint8Array.from(reset.data, (flag) => (flag === 0 ? 0 : 1));
    states.set(b.data);
    for (let start = 0; start < data.length; start += length * width) {
      // Each step is a row of `width` neighbours.
      const rowOf = (t: number): number => start + (reverse ? length - 1 - t : t) * width;
      for (let lane = 0, row = rowOf(0); initialState && lane < width; lane++) {
        if (isNew?.[row + lane]) continue;
        states[row + lane] += factors[row + lane] * initialState.data[start / length + lane];
      }
      orders[algorithm](length, (s, t) => {
        const row = rowOf(t);
        const back = row - rowOf(s);
        for (let i = row; i < row + width; i++) {
          if (!isNew?.[i]) states[i] += factors[i] * states[i - back];
        }
        // In sequence, s holds a finished prefix by now, whose factor is not needed.
        if (inPlace) return;
        for (let i = row; i < row + width; i++) factors[i] *= factors[i - back];
        for (let i = row; isNew && i < row + width; i++) isNew[i] |= isNew[i - back];
      }, chunkSize);
    }
    if (!inPlace) data.set(states);
  },
  lower: (_inputs, attributes, { shape }) => {
    const { axis, reverse, algorithm } = attributes;
    if (algorithm !== 'sequential') return undefined;
    const last = shape[axis] - 1;
    const kernel = (inputs: readonly Elements[], y: k.Buffer): k.Statements =>
      forEach(shape.toSpliced(axis, 1), (beside) => {
        const [a, b] = inputs;
        const { initialState, reset } = optionalInputs(inputs, attributes);
        const at = (t: k.Operand): Index =>
          beside.toSpliced(axis, 0, reverse ? k.minus(last, t) : t);
        /** The state; or, if the step drops the past, its input alone. */
        const unlessReset = (t: k.Operand, state: k.Expr): k.Expr =>
          reset ? k.select(isTrue(reset.at(at(t))), b.at(at(t)), state) : state;
        const first = b.at(at(0));
        const start = initialState
          ? unlessReset(0, k.add(first, k.mul(a.at(at(0)), initialState.at(beside))))
          : first;
        const isWide = beside.some(k.isVector);
        const h = k.variable('h', isWide ? 'f32x4' : 'f32');
        return [
          k.set(h, start),
          k.store(y, flatIndex(at(0), shape), h),
          k.loop('t', { from: 1, to: last + 1 }, (t) => [
            k.set(h, unlessReset(t, k.mulAdd(a.at(at(t)), h, b.at(at(t))))),
            k.store(y, flatIndex(at(t), shape), h),
          ]),
        ];
      }, { work: 2 * last });
    return { kernel };
  },
  gradient: (g, h, inputs, attributes) => {
    const { axis, reverse, algorithm, chunkSize } = attributes;
    const [a] = inputs;
    const { initialState, reset } = optionalInputs(inputs, attributes);
    const [earlier, later] = reverse ? [-1, 1] as const : [1, -1] as const;
    const G = linearScan(shift(a, axis, later), g, {
      axis, reverse: !reverse, algorithm, chunkSize, reset: reset && shift(reset, axis, later),
    });
    const first = (x: Tensor): Tensor =>
      x.narrow(axis, reverse ? Math.max(x.shape[axis] - 1, 0) : 0, Math.min(x.shape[axis], 1));
    /** The contribution of the past: 0 where a reset dropped it. */
    const past = (flags: Tensor | undefined, x: Tensor): Tensor => flags?.where(0, x) ?? x;
    return [
      () => G.mul(past(reset, shift(h, axis, earlier, initialState))),
      () => G,
      () => past(reset && first(reset), first(G.mul(a))).sum(axis),
    ];
  },
});

/** x shifted one step later (1) or earlier (−1) in time; the free step gets `fill` (0). */
function shift(x: Tensor, axis: number, by: 1 | -1, fill?: Tensor): Tensor {
  const none = x.shape.map(() => 0);
  const put = (block: Tensor, before: number, after: number) =>
    block.pad(none.with(axis, before), none.with(axis, after));
  const moved = put(x, by, -by);
  if (fill === undefined) return moved;
  const gap = x.shape[axis] - 1;
  const edge = fill.unsqueeze(axis);
  return moved.add(by === 1 ? put(edge, 0, gap) : put(edge, gap, 0));
}

/**
 * All states h_t = a_t ⊙ h_{t−1} + b_t, in the shape to which a and b broadcast.
 * Differentiable any number of times with respect to a, b and the initial state.
 */
export function linearScan(a: Tensor, b: Tensor, options: LinearScanOptions = {}): Tensor {
  const given = readOptions('linearScan', options, linearScanOptions);
  const { initialState, reverse, algorithm, chunkSize, reset } = given;
  requireFloat('linearScan', 'a', a);
  requireSameDType('linearScan', a, b);
  const shape = requireBroadcast('linearScan', a, b);
  const axis = resolveAxis('linearScan', given.axis, shape.length);
  const inputs = [a.broadcastTo(shape), b.broadcastTo(shape)];
  if (initialState) {
    requireSameDType('linearScan', b, initialState, ['b', 'initialState']);
    const expected = { shape: shape.toSpliced(axis, 1), dtype: b.dtype };
    const isRight = sameShape(initialState.shape, expected.shape);
    check(isRight)`linearScan: initialState is ${initialState}, expected ${expected}`;
    inputs.push(initialState);
  }
  if (reset) {
    const fits = reset.dtype === 'i32' && broadcastsTo(reset.shape, shape);
    check(fits)`linearScan: reset is ${reset}, expected ${{ shape, dtype: 'i32' }} or what
      broadcasts to it`;
    inputs.push(reset.broadcastTo(shape));
  }
  return scanPrimitive(inputs, { axis, reverse, algorithm, chunkSize, hasReset: !!reset });
}

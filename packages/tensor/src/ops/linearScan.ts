/**
 * The linear recurrence h_t = a_t ⊙ h_{t−1} + b_t along one axis, with h_{−1} = 0 or a given state.
 *
 * One step is the map h ↦ a·h + b, and maps of this kind compose to maps of this kind:
 *
 *     (a₁, b₁) ∘ (a₂, b₂) = (a₁a₂, a₂b₁ + b₂)      first the left one; identity (1, 0)
 *
 * Composition is associative, so the h_t are the running composites in any grouping: one by one
 * (`sequential`), in a tree up and down (`blelloch`, 1990: 2·log₂ L rounds, O(L) work), by doubling
 * (`hillisSteele`, 1986: log₂ L rounds, O(L log L) work), or chunk by chunk (`chunked`: within each
 * as if from 0, then what the one before ends with is carried in).
 *
 * The gradient runs the other way. With g_t = ∂loss/∂h_t from outside, the whole G_t obeys
 * G_t = g_t + a_{t+1} ⊙ G_{t+1}: a linear scan in reverse. Then ∂b_t = G_t, ∂a_t = G_t ⊙ h_{t−1},
 * ∂h_{−1} = a_0 ⊙ G_0.
 */
import * as k from '@mambagrad/kernel';
import type { TypedArray } from '../dtype.ts';
import { type Elements, flatIndex, forEach, type Index, scaled } from '../lowering.ts';
import { type Apply, definePrimitive } from '../primitive.ts';
import { describe, numelOf, resolveAxis, sameShape, TensorError } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { requireBroadcast, requireFloat, requireSameDType } from './define.ts';

export type ScanAlgorithm = 'sequential' | 'blelloch' | 'hillisSteele' | 'chunked';

export interface LinearScanOptions {
  /** h_{−1}, of the shape of b without the scanned axis. Default 0. */
  readonly initialState?: Tensor | undefined;
  /** The time axis. Default 0. */
  readonly axis?: number;
  /** From the last step to the first: h_t = a_t ⊙ h_{t+1} + b_t. Default false. */
  readonly reverse?: boolean;
  /** Default `sequential`. All give the same, up to rounding. */
  readonly algorithm?: ScanAlgorithm | undefined;
  /** The number of steps in a chunk, where the algorithm is `chunked`. Default 64. */
  readonly chunkSize?: number | undefined;
}

interface ScanAttributes {
  readonly axis: number;
  readonly reverse: boolean;
  readonly algorithm: ScanAlgorithm;
  readonly chunkSize: number;
}

/** One run of time steps in an array: each step is a row of `width` neighbours. */
interface Sequence {
  /** Where the first step's row starts. */
  readonly offset: number;
  /** The number of steps. */
  readonly length: number;
  /** From one step to the next; negative in reverse. */
  readonly stride: number;
  readonly width: number;
}

/** Turns h, which holds b with the initial state folded in, into the states, using a. */
type ScanLoop = (a: TypedArray, h: TypedArray, sequence: Sequence, chunkSize: number) => void;

/** As the recurrence says. */
const sequential: ScanLoop = (a, h, { offset, length, stride, width }) => {
  for (let t = 1, row = offset + stride; t < length; t++, row += stride) {
    for (let i = row; i < row + width; i++) h[i] += a[i] * h[i - stride];
  }
};

/**
 * Blelloch's two sweeps over pairs (a, b), padded with the identity to a power of two. Up: every
 * node of a binary tree becomes the composite of its leaves. Down: every node is replaced by the
 * composite of all leaves before it, which it hands to its left child as it is, and to its right
 * child joined with the left one. Leaves then hold what came before them.
 */
const blelloch: ScanLoop = (a, h, sequence) => {
  const { length, width } = sequence;
  let size = 1;
  while (size < length) size *= 2;
  const factors = readRows(a, sequence, size, 1);
  const terms = readRows(h, sequence, size, 0);
  const root = (size - 1) * width;
  for (let half = 1; half < size; half *= 2) {
    for (let node = 2 * half - 1; node < size; node += 2 * half) {
      for (let right = node * width; right < (node + 1) * width; right++) {
        const left = right - half * width;
        terms[right] += factors[right] * terms[left];
        factors[right] *= factors[left];
      }
    }
  }
  factors.fill(1, root);
  terms.fill(0, root);
  for (let half = size / 2; half >= 1; half /= 2) {
    for (let node = 2 * half - 1; node < size; node += 2 * half) {
      for (let right = node * width; right < (node + 1) * width; right++) {
        const left = right - half * width;
        const leftFactor = factors[left];
        const leftTerm = terms[left];
        factors[left] = factors[right];
        terms[left] = terms[right];
        terms[right] = leftFactor * terms[right] + leftTerm;
        factors[right] *= leftFactor;
      }
    }
  }
  forEachElement(sequence, (at, i) => {
    h[at] += a[at] * terms[i];
  });
};

/**
 * Hillis and Steele's doubling: after the round with distance d, each element is the composite of
 * the 2d steps up to it. Going from the end, an element reads only what the round has not changed.
 */
const hillisSteele: ScanLoop = (a, h, sequence) => {
  const { length, width } = sequence;
  const factors = readRows(a, sequence, length, 1);
  const terms = readRows(h, sequence, length, 0);
  for (let distance = width; distance < length * width; distance *= 2) {
    for (let i = length * width - 1; i >= distance; i--) {
      terms[i] += factors[i] * terms[i - distance];
      factors[i] *= factors[i - distance];
    }
  }
  forEachElement(sequence, (at, i) => {
    h[at] = terms[i];
  });
};

/**
 * A chunk's states, scanned as if it began with 0, lack what the state before it adds: that, times
 * the product of the chunk's factors so far.
 */
const chunked: ScanLoop = (a, h, { offset, length, stride, width }, chunkSize) => {
  for (let first = 0; first < length; first += chunkSize) {
    const start = offset + first * stride;
    const chunk = { offset: start, length: Math.min(chunkSize, length - first), stride, width };
    sequential(a, h, chunk, chunkSize);
    const factors = new Float64Array(width).fill(1);
    if (first === 0) continue;
    forEachElement(chunk, (at, i) => {
      factors[i % width] *= a[at];
      h[at] += factors[i % width] * h[start - stride + (i % width)];
    });
  }
};

/** A double precision copy of the rows in order of time, and `fill` up to `size` rows. */
function readRows(from: TypedArray, sequence: Sequence, size: number, fill: number): Float64Array {
  const rows = new Float64Array(size * sequence.width).fill(fill);
  forEachElement(sequence, (at, i) => {
    rows[i] = from[at];
  });
  return rows;
}

/** Visits each element: where it is in the array, and its number in order of time. */
function forEachElement(
  { offset, length, stride, width }: Sequence,
  visit: (at: number, i: number) => void,
): void {
  for (let t = 0, i = 0; t < length; t++) {
    for (let lane = 0; lane < width; lane++, i++) visit(offset + t * stride + lane, i);
  }
}

const loops: Readonly<Record<ScanAlgorithm, ScanLoop>> = {
  sequential,
  blelloch,
  hillisSteele,
  chunked,
};

const scanPrimitive: Apply<ScanAttributes> = definePrimitive<ScanAttributes>({
  name: 'linearScan',
  infer: ([, b]) => b,
  compute: ([a, b, initialState], { shape, data }, { axis, reverse, algorithm, chunkSize }) => {
    const length = shape[axis];
    const width = numelOf(shape.slice(axis + 1));
    data.set(b.data);
    for (let i = 0; i < numelOf(shape.slice(0, axis)) && length > 0; i++) {
      const offset = (i * length + (reverse ? length - 1 : 0)) * width;
      for (let lane = 0; initialState && lane < width; lane++) {
        data[offset + lane] += a.data[offset + lane] * initialState.data[i * width + lane];
      }
      const sequence = { offset, length, width, stride: reverse ? -width : width };
      loops[algorithm](a.data, data, sequence, chunkSize);
    }
  },
  lower: (_inputs, { axis, reverse, algorithm }, { shape }) => {
    if (algorithm !== 'sequential') return undefined;
    const last = shape[axis] - 1;
    const kernel = ([a, b, initialState]: readonly Elements[], y: k.Buffer): k.Statements =>
      forEach(shape.toSpliced(axis, 1), (beside) => {
        const at = (t: k.Operand): Index =>
          beside.toSpliced(axis, 0, reverse ? scaled(t, -1, last) : t);
        const start = initialState ? k.mul(a.at(at(0)), initialState.at(beside)) : undefined;
        const first = b.at(at(0));
        const isWide = beside.some((i) => typeof i !== 'number' && i.type === 'i32x4');
        const h = k.variable('h', isWide ? 'f32x4' : 'f32');
        return [
          k.set(h, start ? k.add(first, start) : first),
          k.store(y, flatIndex(at(0), shape), h),
          k.loop('t', { from: 1, to: last + 1 }, (t) => [
            k.set(h, k.add(b.at(at(t)), k.mul(a.at(at(t)), h))),
            k.store(y, flatIndex(at(t), shape), h),
          ]),
        ];
      });
    return { kernel };
  },
  gradient: (g, h, [a, b, initialState], { axis, reverse, ...how }) => {
    const options = { axis, reverse: !reverse, ...how };
    const G = linearScan(shift(a, axis, reverse ? 1 : -1), g, options);
    const first = reverse ? Math.max(b.shape[axis] - 1, 0) : 0;
    return [
      () => G.mul(shift(h, axis, reverse ? -1 : 1, initialState)),
      () => G,
      () => G.mul(a).narrow(axis, first, Math.min(b.shape[axis], 1)).sum(axis),
    ];
  },
});

/** x moved one step later (1) or earlier (−1) in time; `fill` (0) takes the place that is free. */
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
 * The states h_t = a_t ⊙ h_{t−1} + b_t, all of them, in the shape to which a and b broadcast.
 * Differentiable any number of times with respect to a, b and the initial state.
 */
export function linearScan(a: Tensor, b: Tensor, options: LinearScanOptions = {}): Tensor {
  const { initialState, reverse = false, algorithm = 'sequential', chunkSize = 64 } = options;
  requireFloat('linearScan', 'a', a);
  requireSameDType('linearScan', a, b);
  if (!Object.hasOwn(loops, algorithm)) {
    throw new TensorError(
      `linearScan: unknown algorithm '${algorithm}', expected ${Object.keys(loops).join(', ')}`,
    );
  }
  if (!Number.isInteger(chunkSize) || chunkSize < 1) {
    throw new TensorError(`linearScan: chunkSize is ${chunkSize}, expected a whole number from 1`);
  }
  const shape = requireBroadcast('linearScan', a, b);
  const axis = resolveAxis('linearScan', options.axis ?? 0, shape.length);
  const inputs = [a.broadcastTo(shape), b.broadcastTo(shape)];
  if (initialState) {
    requireSameDType('linearScan', b, initialState, ['b', 'initialState']);
    const expected = { shape: shape.toSpliced(axis, 1), dtype: b.dtype };
    if (!sameShape(initialState.shape, expected.shape)) {
      throw new TensorError(
        `linearScan: initialState is ${describe(initialState)}, expected ${describe(expected)}`,
      );
    }
    inputs.push(initialState);
  }
  return scanPrimitive(inputs, { axis, reverse, algorithm, chunkSize });
}

/**
 * Running composites under any associative operation: y_t = x_0 ∘ x_1 ∘ … ∘ x_t along one axis.
 * Associativity lets the products be grouped as we like, so that few rounds suffice, each of which
 * combines many pairs at once. Made of tensor ops, hence differentiable.
 */
import {
  axisNumber, boolean, callable, checkArgument, oneOf, readOptions, type Table, tensorLists,
} from '../core/options.ts';
import { check, resolveAxis, sameShape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';

/** Elements of the scanned set: one or more tensors that belong together, such as (a, b). */
export type ScanElements = readonly Tensor[];

/**
 * The operation, on many pairs at once: the tensors of `earlier` and `later` have the elements'
 * shapes, but for the length of the scanned axis.
 */
export type Combine = (earlier: ScanElements, later: ScanElements) => ScanElements;

/** Options of `associativeScan`: along which axis, from which end, and in which grouping. */
export interface AssociativeScanOptions {
  /** The scanned axis. Default 0. */
  readonly axis?: number | undefined;
  /** From the last element to the first, which makes the last the earliest. Default false. */
  readonly reverse?: boolean | undefined;
  /** In which order neighbours are combined. Default 'blelloch'. */
  readonly algorithm?: 'blelloch' | 'hillisSteele' | undefined;
}

const scanOptions = {
  axis: axisNumber.orElse(0),
  reverse: boolean.orElse(false),
  algorithm: oneOf('blelloch', 'hillisSteele').orElse('blelloch'),
} satisfies Table<AssociativeScanOptions>;

type Algorithm = (combine: Combine, x: ScanElements, length: number, axis: number) => ScanElements;

/** Elements first, first + step, … below stop. */
function take(x: ScanElements, axis: number, first: number, stop: number, step = 1): ScanElements {
  return x.map((tensor) => {
    const along = (rest: number, own: number) => tensor.shape.map(() => rest).with(axis, own);
    return tensor.slice(along(0, first), tensor.shape.with(axis, stop), along(1, step));
  });
}

/**
 * The tree, without an identity: combine neighbours, scan the half as many results, which gives
 * every second composite, and combine each of those with the element after it for the others.
 */
const blelloch: Algorithm = (combine, x, length, axis) => {
  if (length < 2) return x;
  const half = Math.floor(length / 2);
  const pairs = combine(take(x, axis, 0, 2 * half, 2), take(x, axis, 1, 2 * half, 2));
  const odd = blelloch(combine, pairs, half, axis);
  // The composites up to 2, 4, …: there are as many as elements left at even places.
  const before = take(odd, axis, 0, Math.ceil(length / 2) - 1);
  const even = combine(before, take(x, axis, 2, length, 2));
  return x.map((tensor, i) => {
    const upToEven = tensor.narrow(axis, 0, 1).concat([even[i]], axis);
    const woven = upToEven.narrow(axis, 0, half).unsqueeze(axis + 1);
    const shape = tensor.shape.with(axis, 2 * half);
    const all = woven.concat([odd[i].unsqueeze(axis + 1)], axis + 1).reshape(shape);
    return length % 2 === 0 ? all : all.concat([upToEven.narrow(axis, half, 1)], axis);
  });
};

/** Doubling: in the round with distance d, each element takes in the d elements before it. */
const hillisSteele: Algorithm = (combine, x, length, axis) => {
  let current = x;
  for (let distance = 1; distance < length; distance *= 2) {
    const earlier = take(current, axis, 0, length - distance);
    const joined = combine(earlier, take(current, axis, distance, length));
    current = take(current, axis, 0, distance).map((done, i) => done.concat([joined[i]], axis));
  }
  return current;
};

const algorithms = { blelloch, hillisSteele };

/**
 * All running composites of `elements` under `combine`, which must be associative; it need not be
 * commutative, and the earlier operand is its first. Any length, 0 included; every tensor must have
 * the same length along `axis`. Source: Blelloch, "Prefix sums and their applications" (1990);
 * Hillis and Steele, "Data parallel algorithms" (1986).
 */
export function associativeScan(
  combine: Combine, elements: ScanElements, options: AssociativeScanOptions = {},
): Tensor[] {
  const { reverse, algorithm, ...given } = readOptions('associativeScan', options, scanOptions);
  checkArgument('associativeScan', 'combine', combine, callable());
  checkArgument('associativeScan', 'elements', elements, tensorLists);
  check(elements.length > 0)`associativeScan: expected at least one tensor of elements, got none`;
  const axis = resolveAxis('associativeScan', given.axis, elements[0].ndim);
  const length = elements[0].shape[axis];
  elements.forEach(({ shape }, i) => {
    check(shape[axis] === length)`associativeScan: tensor ${i} has ${shape[axis]} elements along
      axis ${axis}, the first has ${length}`;
  });
  const checked: Combine = (earlier, later) => {
    const joined = combine(earlier, later);
    checkArgument('associativeScan', 'what combine gave', joined, tensorLists);
    check(joined.length === later.length)`associativeScan: combine gave ${joined.length} tensors,
      expected ${later.length}`;
    joined.forEach(({ shape }, i) => {
      check(sameShape(shape, later[i].shape))`associativeScan: combine gave the shape ${shape} for
        tensor ${i}, expected ${later[i].shape}`;
    });
    return joined;
  };
  const ordered = reverse ? elements.map((tensor) => tensor.flip(axis)) : elements;
  const scanned = algorithms[algorithm](checked, ordered, length, axis);
  return scanned.map((tensor) => (reverse ? tensor.flip(axis) : tensor));
}

/**
 * Prefix scans under any associative operation: y_t = x_0 ∘ x_1 ∘ … ∘ x_t along one axis.
 * Associativity allows any grouping, so O(log n) rounds suffice, each of which combines many pairs
 * at once. The scan is composed of tensor ops, hence differentiable.
 */
import { asList, type List } from '@mambagrad/wasm';
import type { TensorsFor } from '../core/lists.ts';
import {
  axisNumber, boolean, callable, checkArgument, oneOf, readOptions, type Table, tensorLists,
} from '../core/options.ts';
import { check, resolveAxis, sameShape } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';

/** An element of the scan: one or more tensors that belong together, such as (a, b). */
export type ScanElements = readonly Tensor[];

/**
 * The operation, applied to many pairs at once: the tensors of `earlier` and `later` have the
 * elements' shapes, except for the length of the scanned axis.
 */
export type Combine = (earlier: List<Tensor>, later: List<Tensor>) => ScanElements;

/** Options of `associativeScan`: the axis, the direction, and the algorithm. */
export interface AssociativeScanOptions {
  /** The scanned axis. Default 0. */
  readonly axis?: number | undefined;
  /** Whether to scan from the last element to the first. Default false. */
  readonly reverse?: boolean | undefined;
  /** How elements are grouped. Default 'blelloch'. */
  readonly algorithm?: 'blelloch' | 'hillisSteele' | undefined;
}

const scanOptions = {
  axis: axisNumber.orElse(0),
  reverse: boolean.orElse(false),
  algorithm: oneOf('blelloch', 'hillisSteele').orElse('blelloch'),
} satisfies Table<AssociativeScanOptions>;

type Join = (earlier: ScanElements, later: ScanElements) => ScanElements;
type Algorithm = (combine: Join, x: ScanElements, length: number, axis: number) => ScanElements;

/** The elements first, first + step, … below stop along an axis. */
function take(x: ScanElements, axis: number, first: number, stop: number, step = 1): ScanElements {
  return x.map((tensor) => {
    const along = (rest: number, own: number) => tensor.shape.map(() => rest).with(axis, own);
    return tensor.slice(along(0, first), tensor.shape.with(axis, stop), along(1, step));
  });
}

/**
 * Blelloch's tree, without an identity element: combine pairs of neighbours, scan the results, half
 * as many, which gives every second prefix, and combine each of those with the element after it.
 */
const blelloch: Algorithm = (combine, x, length, axis) => {
  if (length < 2) return x;
  const half = Math.floor(length / 2);
  const pairs = combine(take(x, axis, 0, 2 * half, 2), take(x, axis, 1, 2 * half, 2));
  const odd = blelloch(combine, pairs, half, axis);
  // The prefixes before elements 2, 4, …
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

/** Doubling: in the round of distance d, each prefix is combined with the one d places before. */
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
 * All prefixes of `elements` combined by `combine`, which must be associative, but need not be
 * commutative: its first argument is the earlier one. Any length works, also 0; every tensor must
 * have the same length along `axis`. Source: Blelloch, "Prefix sums and their applications" (1990);
 * Hillis and Steele, "Data parallel algorithms" (1986).
 */
export function associativeScan<const Elements extends ScanElements>(
  combine: Combine, elements: Elements, options: AssociativeScanOptions = {},
): TensorsFor<Elements> {
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
  const checked: Join = (earlier, later) => {
    const joined = combine(asList(earlier), asList(later));
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
  const results = scanned.map((tensor) => (reverse ? tensor.flip(axis) : tensor));
  return results as TensorsFor<Elements>;
}

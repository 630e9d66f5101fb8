/**
 * Which inputs losses refuse. Shapes and dtypes are known at once; whether each element is right is
 * found out when the loss is computed, in a compiled function as well.
 */
import { describe, type Tensor, TensorError } from '@mambagrad/tensor';
import { definePrimitive } from '@mambagrad/tensor/extend';
import { checkArgument, tensors } from '@mambagrad/tensor/options';

/** Throws unless shapes are equal. Broadcasting would hide a mistake: [n] − [n, 1] is [n, n]. */
export function requireSame(op: string, predictions: Tensor, targets: Tensor): void {
  requireTensors(op, predictions, targets);
  if (describe(predictions) === describe(targets)) return;
  throw new TensorError(
    `${op}: predictions are ${describe(predictions)}, targets ${describe(targets)}; expected the ` +
      'same shape and dtype',
  );
}

/** Throws unless both arguments are tensors. */
export function requireTensors(op: string, predictions: Tensor, targets: Tensor): void {
  checkArgument(op, 'the first argument', predictions, tensors);
  checkArgument(op, 'targets', targets, tensors);
}

/** The words of the error for an element that is out of range. */
interface Range {
  readonly op: string;
  readonly name: string;
  /** What an element must be, such as 'between 0 and 1'. */
  readonly expected: string;
}

const checkedValues = definePrimitive<Range>({
  name: 'checkedValues',
  infer: ([values]) => values,
  compute: ([values, isWrong], { data }, { op, name, expected }) => {
    const wrong = isWrong.data.findIndex((x: number) => x !== 0);
    if (wrong < 0) return data.set(values.data);
    throw new TensorError(`${op}: element ${wrong} of ${name} is not ${expected}`);
  },
  lower: () => ({ element: (index, values) => values.at(index), bound: { input: 1, size: 1 } }),
  gradient: (g) => [() => g, null],
});

/**
 * The values, unchanged. If an element of `isRight` (i32) is 0, it throws that this element is not
 * as expected, also in a compiled function: a kernel looks for such an element, and if there is
 * one, the reference loop runs and throws.
 */
export function requireElements(values: Tensor, isRight: Tensor, range: Range): Tensor {
  return checkedValues([values, isRight.equal(0)], range);
}

/**
 * Weights, unchanged. Throws if they require gradients, or if one is negative or not finite, also
 * in a compiled function.
 */
export function requireWeights(op: string, name: string, weights: Tensor): Tensor {
  if (weights.requiresGrad) {
    throw new TensorError(`${op}: ${name} requires gradients, expected a constant; use detach()`);
  }
  const isRight = weights.greaterEqual(0).mul(weights.less(Infinity));
  return requireElements(weights, isRight, { op, name, expected: 'a finite number from 0' });
}

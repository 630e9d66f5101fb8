/**
 * The backward pass of one node
 *
 * A program computes a loss from numbers, step by step. We keep each number as a Value: it knows
 * the operation and the inputs that made it, and has a `grad`, the derivative of the loss with
 * respect to it, which is 0 at first.
 *
 * Backpropagation sets `loss.grad` to 1 and visits the values from the loss back to the first. When
 * it visits a node, `node.grad` is complete, and the node passes it on by the chain rule. For each
 * input x of the node,
 *
 *     d loss / d x   grows by   d loss / d node · d node / d x
 *
 * Write this visit. The operations are
 *
 *     leaf   a number that was given; it has no inputs
 *     add    a + b
 *     mul    a · b
 *     div    a / b
 *     exp    eᵃ
 *     relu   a if a > 0, else 0
 *
 * Check it with `npm run exercise backward`; add `-- --hint` for a hint.
 */

/** A number, and how it was computed. */
export interface Value {
  readonly op: 'leaf' | 'add' | 'mul' | 'div' | 'exp' | 'relu';
  readonly inputs: readonly Value[];
  readonly data: number;
  grad: number;
}

/** Adds to the `grad` of each input of the node what the node passes on to it. */
export function backward(node: Value): void {
  throw new Error('backward is not written yet');
}

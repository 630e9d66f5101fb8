/** A solution of exercises/backward.ts. */

/** A number, and how it was computed. */
export interface Value {
  readonly op: 'leaf' | 'add' | 'mul' | 'div' | 'exp' | 'relu';
  readonly inputs: readonly Value[];
  readonly data: number;
  grad: number;
}

/** Adds to the `grad` of each input of the node what the node passes on to it. */
export function backward(node: Value): void {
  const [a, b] = node.inputs;
  switch (node.op) {
    case 'leaf':
      break;
    case 'add':
      a.grad += node.grad;
      b.grad += node.grad;
      break;
    case 'mul':
      a.grad += node.grad * b.data;
      b.grad += node.grad * a.data;
      break;
    case 'div':
      a.grad += node.grad / b.data;
      b.grad -= (node.grad * a.data) / b.data ** 2;
      break;
    case 'exp':
      a.grad += node.grad * node.data;
      break;
    case 'relu':
      a.grad += a.data > 0 ? node.grad : 0;
      break;
  }
}

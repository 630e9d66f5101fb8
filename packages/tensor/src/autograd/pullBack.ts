/**
 * Backpropagation, also called reverse-mode differentiation. Every tensor that was computed from
 * tensors which require gradients has a node, which holds its primitive and inputs. For y = f(x₁,
 * …) and a loss that depends on y, the chain rule says
 *
 *     ∂loss/∂xᵢ  +=  ∂loss/∂y · ∂y/∂xᵢ
 *
 * So we go from the loss backwards. When the gradient of a node's result is complete, its gradient
 * rule (a vector-Jacobian product) adds to the gradient of each of its inputs. (An op with several
 * results is visited once: its rule gets the gradients of all of them.) Nodes are numbered as they
 * are made, so descending numbers are a reverse topological order, and the deepest graph needs no
 * recursion.
 */
import { show } from '@mambagrad/wasm/options';
import { graphOf } from '../core/graph.ts';
import { broadcastsTo, check, failure, sameShape } from '../core/shape.ts';
import { type InputGradients, type Node, Tensor, withMode } from '../core/tensor.ts';

/** A tensor, and the gradient of the final quantity with respect to it, in its shape. */
export type Seed = readonly [output: Tensor, cotangent: Tensor];

/**
 * The gradients with respect to those tensors of the graph that are wanted, of a quantity that
 * depends on the seeds' tensors. With `createGraph` they can be differentiated themselves.
 */
export function pullBack(
  op: string, seeds: readonly Seed[], isWanted: (tensor: Tensor) => boolean, createGraph: boolean,
): Map<Tensor, Tensor> {
  const tensors = graphOf(seeds.map(([output]) => output), (tensor) => tensor.requiresGrad);
  // Forwards: only tensors that depend on a wanted one need a gradient.
  const needed = new Set<Tensor>();
  for (const tensor of tensors) {
    const isBehind = tensor.node?.inputs.some((input) => needed.has(input));
    if (isBehind || isWanted(tensor)) needed.add(tensor);
  }
  const gradients = new Map<Tensor, Tensor>();
  const add = (tensor: Tensor, share: Tensor): void => {
    gradients.set(tensor, gradients.get(tensor)?.add(share) ?? share);
  };
  withMode(op, { recording: createGraph }, (mode) => {
    for (const [output, cotangent] of seeds) if (needed.has(output)) add(output, cotangent);
    let last: Node | undefined;
    for (const { node } of tensors.reverse()) {
      // The results of a node have its number, and so are neighbours.
      if (node === undefined || node === last) continue;
      last = node;
      const cotangents = node.results.map((result) => gradients.get(result));
      if (cotangents.every((g) => g === undefined)) continue;
      mode.differentiating = node;
      const shares = sharesOf(node, cotangents);
      for (const [i, input] of node.inputs.entries()) {
        const share = needed.has(input) ? shares[i]?.() : undefined;
        if (share !== undefined) add(input, fit(node.primitive.name, i, share, input));
      }
      for (const result of node.results) if (!isWanted(result)) gradients.delete(result);
    }
  });
  return gradients;
}

/** Applies a node's gradient rule. Values that were overwritten since throw if it reads them. */
function sharesOf(node: Node, cotangents: readonly (Tensor | undefined)[]): InputGradients {
  const [inputs, results] = [asTheyWere(node, 'input'), asTheyWere(node, 'result')];
  const { name, gradient } = node.primitive;
  const shares = gradient?.call(node.primitive, cotangents, results, inputs, node.attributes) ?? [];
  // Only inputs that require no gradient, such as flags, may be left out.
  const left = node.inputs.findIndex(({ requiresGrad }, i) => requiresGrad && !(i in shares));
  if (left < 0) return shares;
  throw failure`${name}: its gradient rule gave ${show(shares)}, which has nothing for input
    ${left}, ${inputs[left]}; expected a function, or null if it has no gradient`;
}

/** A node's inputs or results; those that were assigned to since throw when they are read. */
function asTheyWere(node: Node, kind: 'input' | 'result'): readonly Tensor[] {
  const tensors = kind === 'input' ? node.inputs : node.results;
  const isOverwritten = ({ assignedAt }: Tensor): boolean => assignedAt > node.id;
  if (!tensors.some(isOverwritten)) return tensors;
  return tensors.map((tensor, i) => {
    if (!isOverwritten(tensor)) return tensor;
    const { message } = failure`backward: ${node.primitive.name} needs the value that its ${kind}
      ${i}, ${tensor}, had before it was assigned another; compute again what follows from it, or
      call backward before assign`;
    return new Tensor(tensor, message);
  });
}

/** Sums a gradient over the axes along which its input was broadcast. */
function fit(op: string, i: number, gradient: Tensor, input: Tensor): Tensor {
  const { shape, dtype } = gradient;
  check(dtype === input.dtype)`${op}: its gradient rule gave ${gradient} for input ${i}, ${input}`;
  if (sameShape(shape, input.shape)) return gradient;
  const isRepeated = broadcastsTo(input.shape, shape);
  check(isRepeated)`${op}: its gradient rule gave the shape ${shape} for input ${i}, ${input}`;
  return gradient.sumTo(input.shape);
}

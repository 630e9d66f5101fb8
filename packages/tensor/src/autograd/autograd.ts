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
import { zerosLike } from '../core/create.ts';
import { graphOf } from '../core/graph.ts';
import {
  boolean, callable, checkArgument, type Read, readOptions, type Table, tensorLists, tensors,
} from '../core/options.ts';
import { broadcastsTo, check, describe, failure, sameShape } from '../core/shape.ts';
import { type InputGradients, type Node, Tensor, withMode } from '../core/tensor.ts';

/** Runs `body` without recording nodes: for updates, evaluation and generation. */
export function noGrad<T>(body: () => T): T {
  checkArgument('noGrad', 'body', body, callable());
  return withMode('noGrad', { recording: false }, body);
}

/** Runs `body` with nodes recorded, also within `noGrad`. */
export function enableGrad<T>(body: () => T): T {
  checkArgument('enableGrad', 'body', body, callable());
  return withMode('enableGrad', { recording: true }, body);
}

/** Options of `backward`: the cotangent, and whether gradients can be differentiated again. */
export interface BackwardOptions {
  /**
   * The gradient of the final quantity with respect to the tensor that the pass starts from, in its
   * shape. May be left out for a tensor of one element, where it is 1.
   */
  readonly cotangent?: Tensor | undefined;
  /** Whether the gradients can be differentiated themselves. Default false. */
  readonly createGraph?: boolean | undefined;
}

const backwardOptions = {
  cotangent: tensors.optional(),
  createGraph: boolean.orElse(false),
} satisfies Table<BackwardOptions>;

/** Options of `grad`: those of `backward`, and whether inputs may be unused. */
export interface GradOptions extends BackwardOptions {
  /**
   * Whether an input on which the output does not depend gets zeros, not an error. Default false.
   */
  readonly allowUnused?: boolean | undefined;
}

const gradOptions = {
  ...backwardOptions,
  allowUnused: boolean.orElse(false),
} satisfies Table<GradOptions>;

/**
 * The gradients of `output` with respect to each of `inputs`, in their shapes: leaves that require
 * gradients, or anything computed from such. Touches no `grad` field. Throws if `output` does not
 * depend on one of them (see `allowUnused`).
 */
export function grad(
  output: Tensor, inputs: readonly Tensor[], options: GradOptions = {},
): Tensor[] {
  checkArgument('grad', 'output', output, tensors);
  checkArgument('grad', 'inputs', inputs, tensorLists);
  const { allowUnused, ...how } = readOptions('grad', options, gradOptions);
  inputs.forEach((input, i) => {
    check(input.requiresGrad)`grad: input ${i}, ${input}, does not require gradients; set
      requiresGrad before it is used`;
  });
  // A constant depends on no input at all.
  if (allowUnused && !output.requiresGrad) return inputs.map((input) => zerosLike(input));
  const wanted = new Set(inputs);
  const gradients = pullBack('grad', output, (tensor) => wanted.has(tensor), how);
  return inputs.map((input, i) => {
    const found = gradients.get(input);
    check(found !== undefined || allowUnused)`grad: the output does not depend on
      input ${i}, ${input}; if that is meant, pass allowUnused: true for zeros`;
    return found ?? zerosLike(input);
  });
}

/**
 * Adds the gradient of `output`, usually a loss, to the `grad` of every leaf it depends on that
 * requires gradients.
 */
export function backward(output: Tensor, options: BackwardOptions = {}): void {
  checkArgument('backward', 'output', output, tensors);
  const how = readOptions('backward', options, backwardOptions);
  const gradients = pullBack('backward', output, ({ node }) => node === undefined, how);
  withMode('backward', { recording: how.createGraph }, () => {
    for (const [leaf, gradient] of gradients) leaf.grad = leaf.grad?.add(gradient) ?? gradient;
  });
}

/** The gradients of `output` with respect to those tensors of its graph that are wanted. */
function pullBack(
  op: string, output: Tensor, isWanted: (tensor: Tensor) => boolean,
  { cotangent, createGraph }: Read<typeof backwardOptions>,
): Map<Tensor, Tensor> {
  const seed = seedOf(op, output, cotangent);
  const tensors = graphOf(output, (tensor) => tensor.requiresGrad);
  // Forwards: only tensors that depend on a wanted one need a gradient.
  const needed = new Set<Tensor>();
  for (const tensor of tensors) {
    const isBehind = tensor.node?.inputs.some((input) => needed.has(input));
    if (isBehind || isWanted(tensor)) needed.add(tensor);
  }
  const gradients = new Map<Tensor, Tensor>();
  if (needed.has(output)) gradients.set(output, seed);
  withMode(op, { recording: createGraph }, (mode) => {
    const nodes = new Set(tensors.reverse().map(({ node }) => node));
    for (const node of nodes) {
      const cotangents = node?.results.map((result) => gradients.get(result)) ?? [];
      if (node === undefined || cotangents.every((g) => g === undefined)) continue;
      mode.differentiating = node;
      const shares = sharesOf(node, cotangents);
      for (const [i, input] of node.inputs.entries()) {
        const share = needed.has(input) ? shares[i]?.() : undefined;
        if (share === undefined) continue;
        const fitted = fit(node.primitive.name, i, share, input);
        gradients.set(input, gradients.get(input)?.add(fitted) ?? fitted);
      }
      for (const result of node.results) if (!isWanted(result)) gradients.delete(result);
    }
  });
  return gradients;
}

function seedOf(op: string, output: Tensor, cotangent: Tensor | undefined): Tensor {
  check(output.requiresGrad)`${op}: ${output} depends on nothing that requires gradients: was it
    computed under noGrad, or detached?`;
  if (cotangent !== undefined) {
    const isRight = describe(cotangent) === describe(output);
    check(isRight)`${op}: the cotangent is ${cotangent}, expected ${output}`;
    return cotangent;
  }
  check(output.numel === 1)`${op}: ${output} is not a scalar; reduce it (sum, mean) or pass a
    cotangent`;
  return zerosLike(output).add(1);
}

/** Applies a node's gradient rule. Values that were overwritten since throw if it reads them. */
function sharesOf(node: Node, cotangents: readonly (Tensor | undefined)[]): InputGradients {
  const inputs = node.inputs.map((input, i) => asItWas(node, 'input', input, i));
  const results = node.results.map((result, i) => asItWas(node, 'result', result, i));
  const { name, gradient } = node.primitive;
  const shares = gradient?.call(node.primitive, cotangents, results, inputs, node.attributes) ?? [];
  // Only inputs that require no gradient, such as flags, may be left out.
  const left = node.inputs.findIndex(({ requiresGrad }, i) => requiresGrad && !(i in shares));
  check(left < 0)`${name}: its gradient rule gave ${show(shares)}, which has nothing for input
    ${left}, ${inputs[left]}; expected a function, or null if it has no gradient`;
  return shares;
}

/** An input or result of a node; throws when it is read if it was assigned another value since. */
function asItWas({ id, primitive }: Node, kind: string, tensor: Tensor, i: number): Tensor {
  if (tensor.assignedAt <= id) return tensor;
  const { message } = failure`backward: ${primitive.name} needs the value that its ${kind} ${i},
    ${tensor}, had before it was assigned another; compute again what follows from it, or call
    backward before assign`;
  return new Tensor(tensor, message);
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

/**
 * Gradients: `grad` gives those of a tensor with respect to others, and `backward` leaves them in
 * the `grad` field of leaves. How they are computed stands in pullBack.ts.
 */
import { zerosLike } from '../core/create.ts';
import type { TensorsFor } from '../core/lists.ts';
import {
  boolean, callable, checkArgument, readOptions, type Table, tensorLists, tensors,
} from '../core/options.ts';
import { check, describe } from '../core/shape.ts';
import { type Tensor, withMode } from '../core/tensor.ts';
import { pullBack } from './pullBack.ts';

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
 * The gradients of `output` with respect to each of `inputs`, in their order and shapes. Inputs are
 * leaves that require gradients, or anything computed from such. Touches no `grad` field. Throws if
 * `output` does not depend on one of them (see `allowUnused`).
 */
export function grad<const Inputs extends readonly Tensor[]>(
  output: Tensor, inputs: Inputs, options: GradOptions = {},
): TensorsFor<Inputs> {
  return gradients(output, inputs, options) as TensorsFor<Inputs>;
}

function gradients(output: Tensor, inputs: readonly Tensor[], options: GradOptions): Tensor[] {
  checkArgument('grad', 'output', output, tensors);
  checkArgument('grad', 'inputs', inputs, tensorLists);
  const { allowUnused, cotangent, createGraph } = readOptions('grad', options, gradOptions);
  inputs.forEach((input, i) => {
    check(input.requiresGrad)`grad: input ${i}, ${input}, does not require gradients; set
      requiresGrad before it is used`;
  });
  // A constant depends on no input at all.
  if (allowUnused && !output.requiresGrad) return inputs.map((input) => zerosLike(input));
  const wanted = new Set(inputs);
  const seed = seedOf('grad', output, cotangent);
  const found = pullBack(
    'grad', [[output, seed]], (tensor) => wanted.has(tensor), createGraph,
  );
  return inputs.map((input, i) => {
    const gradient = found.get(input);
    check(gradient !== undefined || allowUnused)`grad: the output does not depend on
      input ${i}, ${input}; if that is meant, pass allowUnused: true for zeros`;
    return gradient ?? zerosLike(input);
  });
}

/**
 * Adds the gradient of `output`, usually a loss, to the `grad` of every leaf it depends on that
 * requires gradients. No two leaves share a gradient.
 */
export function backward(output: Tensor, options: BackwardOptions = {}): void {
  checkArgument('backward', 'output', output, tensors);
  const { cotangent, createGraph } = readOptions('backward', options, backwardOptions);
  const seed = seedOf('backward', output, cotangent);
  const gradients = pullBack(
    'backward', [[output, seed]], ({ node }) => node === undefined, createGraph,
  );
  withMode('backward', { recording: createGraph }, () => {
    const taken = new Set(cotangent && [cotangent]);
    for (const [leaf, gradient] of gradients) {
      leaf.grad = leaf.grad?.add(gradient) ?? unshared(gradient, taken);
    }
  });
}

/**
 * A gradient as a tensor that is not `taken`. The sum a + b has one gradient for both, and if both
 * leaves had the same tensor, to assign to one would change the other. One with a graph behind it
 * cannot be assigned to.
 */
function unshared(gradient: Tensor, taken: Set<Tensor>): Tensor {
  if (gradient.requiresGrad) return gradient;
  const own = taken.has(gradient) ? gradient.detach() : gradient;
  taken.add(own);
  return own;
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

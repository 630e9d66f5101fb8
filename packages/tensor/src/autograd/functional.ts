/**
 * Derivatives of functions: `grad` goes from a tensor back to its inputs; these take a function and
 * a point. For f: ℝⁿ → ℝᵐ and, where m = 1, its Hessian H,
 *
 *     jacobian:              J[i, j] = ∂fᵢ/∂xⱼ         m backward passes, one for each row
 *     hessianVectorProduct:  Hv = ∂(∂f/∂x · v)/∂x      two passes, and H is never stored
 *
 * The function is called with fresh leaves, so only its arguments count, not other tensors that it
 * reads.
 */
import { eye, zeros } from '../core/create.ts';
import { isFloat } from '../core/dtype.ts';
import type { Tensors } from '../core/lists.ts';
import {
  boolean, callable, checkArgument, readOptions, type Table, tensorLists, tensors,
} from '../core/options.ts';
import { check, describe } from '../core/shape.ts';
import { type Tensor, withMode } from '../core/tensor.ts';
import { grad, type GradOptions } from './autograd.ts';

/** Options of `valueAndGrad`, `jacobian` and `hessianVectorProduct`. */
export interface DerivativeOptions extends Omit<GradOptions, 'cotangent'> {
  /** Whether the results can be differentiated, and are not constants. Default false. */
  readonly createGraph?: boolean | undefined;
  /** Whether an input on which f does not depend gets zeros, not an error. Default false. */
  readonly allowUnused?: boolean | undefined;
}

const derivativeOptions = {
  createGraph: boolean.orElse(false),
  allowUnused: boolean.orElse(false),
} satisfies Table<DerivativeOptions>;

/** The value and gradients that a function made by `valueAndGrad` returns. */
export interface ValueAndGradients {
  /** The value of f, a 0-d tensor. */
  readonly value: Tensor;
  /** With respect to each argument that is f32 or f64, in their order and shapes. */
  readonly gradients: Tensors;
}

/**
 * A function that returns the value of `f` and its gradients with respect to its arguments, whether
 * those require gradients or not; i32 arguments are passed through. It throws if `f` does not
 * return a scalar, or does not depend on one of its floating arguments (see `allowUnused`).
 */
export function valueAndGrad<Inputs extends Tensor[]>(
  f: (...inputs: Inputs) => Tensor, options: DerivativeOptions = {},
): (...inputs: Inputs) => ValueAndGradients {
  checkArgument('valueAndGrad', 'f', f, callable());
  const how = readOptions('valueAndGrad', options, derivativeOptions);
  return (...inputs) => {
    checkArgument('valueAndGrad', 'the arguments of the function', inputs, tensorLists);
    return withMode('valueAndGrad', { recording: true }, () => {
      const own = inputs.map((x) => (isFloat(x.dtype) ? inputOf(x, how) : x));
      const value = requireScalar('valueAndGrad', f(...(own as Inputs)));
      const wanted = own.filter((x) => isFloat(x.dtype));
      const gradients = grad(value, wanted, how);
      return { value: how.createGraph ? value : value.detach(), gradients };
    });
  };
}

/**
 * The derivatives of all elements of y = f(x) with respect to all elements of x, in the shape
 * [...y.shape, ...x.shape]. Throws if y does not depend on x (see `allowUnused`).
 */
export function jacobian(
  f: (x: Tensor) => Tensor, x: Tensor, options: DerivativeOptions = {},
): Tensor {
  checkArgument('jacobian', 'f', f, callable());
  checkArgument('jacobian', 'x', x, tensors);
  const how = readOptions('jacobian', options, derivativeOptions);
  return withMode('jacobian', { recording: true }, () => {
    const input = inputOf(x, how);
    const y = requireTensor('jacobian', f(input));
    const units = eye(y.numel, y.numel, { dtype: y.dtype }).reshape([y.numel, ...y.shape]);
    const rows = units.unbind().map((cotangent) =>
      grad(y, [input], { ...how, cotangent })[0].unsqueeze(0),
    );
    const none = zeros([0, ...x.shape], { dtype: x.dtype });
    return none.concat(rows).reshape([...y.shape, ...x.shape]);
  });
}

/**
 * The product of a vector v and the Hessian of a scalar function at x. v and the result have the
 * shape of x; where f is linear the result is 0. Throws if `f` does not return a scalar or does not
 * depend on x (see `allowUnused`).
 */
export function hessianVectorProduct(
  f: (x: Tensor) => Tensor, x: Tensor, v: Tensor, options: DerivativeOptions = {},
): Tensor {
  checkArgument('hessianVectorProduct', 'f', f, callable());
  checkArgument('hessianVectorProduct', 'x', x, tensors);
  checkArgument('hessianVectorProduct', 'v', v, tensors);
  const how = readOptions('hessianVectorProduct', options, derivativeOptions);
  check(describe(v) === describe(x))`hessianVectorProduct: v is ${v}, expected ${x}`;
  return withMode('hessianVectorProduct', { recording: true }, () => {
    const input = inputOf(x, how);
    const value = requireScalar('hessianVectorProduct', f(input));
    const [gradient] = grad(value, [input], { ...how, createGraph: true });
    return grad(gradient, [input], { ...how, cotangent: v, allowUnused: true })[0];
  });
}

/** x as a fresh leaf; or, if gradients should flow on to x, as the result of a node. */
function inputOf(x: Tensor, { createGraph }: DerivativeOptions): Tensor {
  if (createGraph && x.requiresGrad) return x.unsqueeze(0).squeeze(0);
  const leaf = x.detach();
  leaf.requiresGrad = true;
  return leaf;
}

function requireTensor(op: string, value: Tensor): Tensor {
  checkArgument(op, 'the result of the function', value, tensors);
  return value;
}

function requireScalar(op: string, value: Tensor): Tensor {
  requireTensor(op, value);
  check(value.numel === 1)`${op}: the function returned ${value}, expected a scalar; reduce it (sum,
    mean)`;
  return value;
}

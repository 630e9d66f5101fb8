/**
 * Derivatives of functions: what `grad` does from a result back to its inputs, here for a function
 * of tensors at a point. For f: ℝⁿ → ℝᵐ and, where m = 1, its Hessian H,
 *
 *     jacobian:              J[i, j] = ∂fᵢ/∂xⱼ         m backward passes, one for each row
 *     hessianVectorProduct:  Hv = ∂(∂f/∂x · v)/∂x      two passes, and H is never stored
 *
 * The function gets inputs of its own, so only what it does with its arguments counts: not what
 * else it reads.
 */
import { eye, zeros } from '../core/create.ts';
import { isFloat } from '../core/dtype.ts';
import {
  boolean, callable, checkArgument, readOptions, type Table, tensorLists, tensors,
} from '../core/options.ts';
import { check, describe } from '../core/shape.ts';
import { type Tensor, withMode } from '../core/tensor.ts';
import { grad, type GradOptions } from './autograd.ts';

/** Options of `valueAndGrad`, `jacobian` and `hessianVectorProduct`. */
export interface DerivativeOptions extends Omit<GradOptions, 'cotangent'> {
  /** Whether the results shall be differentiable themselves, else constants. Default false. */
  readonly createGraph?: boolean | undefined;
  /** Give zeros for an input on which f does not depend, not an error. Default false. */
  readonly allowUnused?: boolean | undefined;
}

const derivativeOptions = {
  createGraph: boolean.orElse(false),
  allowUnused: boolean.orElse(false),
} satisfies Table<DerivativeOptions>;

/** The results of a function that `valueAndGrad` made. Constants, unless `createGraph` was set. */
export interface ValueAndGradients {
  /** The value of f, a 0-d tensor. */
  readonly value: Tensor;
  /** With respect to each argument that is f32 or f64, in their order and shapes. */
  readonly gradients: Tensor[];
}

/**
 * The function that gives the value of `f` and its gradients with respect to its arguments, whether
 * those require gradients or not; i32 arguments are passed on. Throws if `f` does not give a
 * scalar, or does not depend on one of its floating arguments (see `allowUnused`).
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
 * The derivative of every element of y = f(x) by every element of x: of shape
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
 * The Hessian of a scalar function at x times v, which has the shape of x, as does the result; 0
 * where f is linear. Throws if `f` does not give a scalar or does not depend on x (see
 * `allowUnused`).
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

/** x as an input of its own: a fresh leaf, or a node made of x, if gradients shall flow on. */
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
  check(value.numel === 1)`${op}: the function gave ${value}, expected a scalar; reduce it (sum,
    mean)`;
  return value;
}

/** The rows of what the tensor package exports. */
import {
  arange, argsort, associativeScan, backward, bernoulli, clamp, compile, eye, full, fullLike, gelu,
  grad, gradcheck, hessianVectorProduct, jacobian, linearScan, linspace, norm, normal, ones,
  onesLike, pad, scan, sort, std, Tensor, tensor, uniform, valueAndGrad, var as variance, zeros,
  zerosLike,
} from '@mambagrad/tensor';
import { checkPrimitive } from '@mambagrad/tensor/extend';
import { free, leaf, positive, some, type Row } from './row.ts';

export const tensorRows: Readonly<Record<string, Row>> = {
  tensor: free('tensor TensorOptions', (options) => tensor([1, 2, 3], options)),
  full: free('tensor CreateOptions', (options) => full([2], 3, options)),
  zeros: free('tensor CreateOptions', (options) => zeros([2], options)),
  ones: free('tensor CreateOptions', (options) => ones([2], options)),
  arange: free('tensor CreateOptions', (options) => arange(0, 3, 1, options)),
  linspace: free('tensor CreateOptions', (options) => linspace(0, 1, 3, options)),
  eye: free('tensor CreateOptions', (options) => eye(2, 3, options)),
  fullLike: free('tensor LikeOptions', (options) => fullLike(some(2), 3, options)),
  zerosLike: free('tensor LikeOptions', (options) => zerosLike(some(2), options)),
  onesLike: free('tensor LikeOptions', (options) => onesLike(some(2), options)),
  uniform: free('tensor RandomOptions', (options) => uniform([4], 0, 1, options)),
  normal: free('tensor RandomOptions', (options) => normal([4], 0, 1, options)),
  bernoulli: free('tensor RandomOptions', (options) => bernoulli([9], 0.5, options)),
  gelu: free('tensor GeluOptions', (options) => gelu(some(5), options)),
  clamp: free('tensor ClampOptions', (options) => clamp(some(5), options)),
  var: free('tensor VarianceOptions', (options) => variance(some(2, 3), 1, options)),
  std: free('tensor VarianceOptions', (options) => std(some(2, 3), 1, options)),
  norm: free('tensor NormOptions', (options) => norm(some(2, 3), 1, options)),
  argsort: free('tensor SortOptions', (options) => argsort(some(2, 3), options)),
  sort: free('tensor SortOptions', (options) => sort(some(2, 3), options)),
  pad: free('tensor PadOptions', (options) => pad(some(2, 3), [1, 0], [0, 2], options)),
  linearScan: free('tensor LinearScanOptions', (options) =>
    linearScan(positive(5, 3), some(5, 3), options),
  ),
  associativeScan: free('tensor AssociativeScanOptions', (options) =>
    associativeScan(([a], [b]) => [a.add(b)], [some(5, 3)], options),
  ),
  scan: free('tensor ScanOptions', (options) =>
    scan((a: Tensor, b: Tensor) => ({ state: a.add(b), output: a }), some(3), some(5, 3), options),
  ),
  grad: free('tensor GradOptions', (options) => {
    const x = leaf(3);
    return grad(x.square().sum(), [x], options);
  }),
  backward: free('tensor BackwardOptions', (options) => {
    const x = leaf(3);
    backward(x.square().sum(), options);
    return x.grad;
  }),
  valueAndGrad: free('tensor DerivativeOptions', (options) =>
    valueAndGrad((x) => x.square().sum(), options)(some(3)),
  ),
  jacobian: free('tensor DerivativeOptions', (options) =>
    jacobian((x) => x.square(), some(3), options),
  ),
  hessianVectorProduct: free('tensor DerivativeOptions', (options) =>
    hessianVectorProduct((x) => x.exp().sum(), some(3), some(3), options),
  ),
  checkPrimitive: free('tensor CheckOptions', (options) =>
    checkPrimitive((x) => x.exp(), [some(3)], options),
  ),
  gradcheck: free('tensor GradcheckOptions', (options) =>
    gradcheck((x) => x.exp(), [some(3).cast('f64')], options),
  ),
  compile: free('tensor CompileOptions', (options) =>
    compile((x: Tensor) => x.exp(), options)(some(5)),
  ),
};

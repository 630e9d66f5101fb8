/**
 * @mambagrad/tensor: tensors on typed arrays, with reverse-mode automatic differentiation.
 */
export { detectAnomaly } from './anomaly.ts';
export {
  backward, type BackwardOptions, enableGrad, grad, type GradOptions, noGrad,
} from './autograd.ts';
export {
  arange, type CreateOptions, eye, full, fullLike, linspace, ones, onesLike, tensor,
  type TensorData, type TensorOptions, zeros, zerosLike,
} from './create.ts';
export type { DType, TypedArray } from './dtype.ts';
export {
  type DerivativeOptions, hessianVectorProduct, jacobian, valueAndGrad, type ValueAndGradients,
} from './functional.ts';
export type { Bound, Elements, Index, Lowering } from './lowering.ts';
export { compile, type Compiled, type CompileOptions } from './compile/compile.ts';
export { formatKernels, type KernelReport } from './compile/explain.ts';
export { gradcheck, type GradcheckOptions } from './gradcheck.ts';
export { formatGraph, formatTree } from './graph.ts';
export * from './ops/activation.ts';
export {
  associativeScan, type AssociativeScanOptions, type Combine, type ScanElements,
} from './ops/associativeScan.ts';
export * from './ops/arrange.ts';
export * from './ops/blocks.ts';
export * from './ops/compare.ts';
export * from './ops/cumulative.ts';
export type { Operand } from './ops/define.ts';
export { einsum } from './ops/einsum.ts';
export * from './ops/elementwise.ts';
export * from './ops/indexing.ts';
export * from './ops/join.ts';
export { linearScan, type LinearScanOptions, type ScanAlgorithm } from './ops/linearScan.ts';
export * from './ops/matmul.ts';
export * from './ops/movement.ts';
// As JAX and TensorFlow call it.
export { detach as stopGradient } from './ops/movement.ts';
export {
  bernoulli, defaultGenerator, Generator, integers, manualSeed, normal, permutation,
  type RandomOptions, threefry2x32, uniform,
} from './ops/random.ts';
export * from './ops/reduce.ts';
export * from './ops/sort.ts';
export * from './ops/statistics.ts';
export { listOps, ops } from './ops/table.ts';
export { type Apply, definePrimitive, primitiveNames } from './primitive.ts';
export { type Axes, describe, type Shape, type Spec, TensorError } from './shape.ts';
export {
  guard, type InputGradients, type NestedArray, type Node, type Primitive, Tensor, type Value,
  withoutValues,
} from './tensor.ts';

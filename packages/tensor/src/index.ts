/**
 * @mambagrad/tensor: tensors on typed arrays, with reverse-mode automatic differentiation.
 */
export {
  backward,
  type BackwardOptions,
  grad,
  type GradOptions,
  noGrad,
} from './autograd.ts';
export {
  arange,
  type CreateOptions,
  full,
  ones,
  tensor,
  type TensorData,
  type TensorOptions,
  zeros,
} from './create.ts';
export type { DType, TypedArray } from './dtype.ts';
export { gradcheck, type GradcheckOptions } from './gradcheck.ts';
export * from './ops/activation.ts';
export {
  associativeScan,
  type AssociativeScanOptions,
  type Combine,
  type ScanElements,
} from './ops/associativeScan.ts';
export * from './ops/blocks.ts';
export * from './ops/compare.ts';
export type { Operand } from './ops/define.ts';
export * from './ops/elementwise.ts';
export * from './ops/indexing.ts';
export * from './ops/join.ts';
export { linearScan, type LinearScanOptions, type ScanAlgorithm } from './ops/linearScan.ts';
export * from './ops/matmul.ts';
export * from './ops/movement.ts';
export {
  defaultGenerator,
  Generator,
  manualSeed,
  normal,
  type RandomOptions,
  threefry2x32,
  uniform,
} from './ops/random.ts';
export * from './ops/reduce.ts';
export { listOps, ops } from './ops/table.ts';
export { type Apply, definePrimitive, primitiveNames } from './primitive.ts';
export { type Axes, type Shape, type Spec, TensorError } from './shape.ts';
export {
  type InputGradients,
  type NestedArray,
  type Node,
  type Primitive,
  Tensor,
  type Value,
} from './tensor.ts';

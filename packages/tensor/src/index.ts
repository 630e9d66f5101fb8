/**
 * @mambagrad/tensor: tensors on typed arrays, with reverse-mode automatic differentiation.
 */
export * from './anomaly.ts';
export * from './autograd.ts';
export { compile, type Compiled, type CompileOptions } from './compile/compile.ts';
export { closeThreads } from './compile/heap.ts';
export { formatKernels, type KernelReport } from './compile/explain.ts';
export * from './create.ts';
export type { DType, TypedArray } from './dtype.ts';
export * from './functional.ts';
export * from './gradcheck.ts';
export { formatGraph, formatTree } from './graph.ts';
export type { Bound, Elements, Finish, Index, Lowering } from './lowering.ts';
export * from './methods.ts';
export { setThreads } from '@mambagrad/wasm';
export * from './ops/associativeScan.ts';
export type { Operand } from './ops/define.ts';
export * from './ops/einsum.ts';
export * from './ops/join.ts';
// As JAX and TensorFlow call it.
export { detach as stopGradient } from './ops/movement.ts';
export * from './ops/random.ts';
export * from './ops/table.ts';
export { type Apply, definePrimitive, primitiveNames } from './primitive.ts';
export { type Axes, describe, type Shape, type Spec, TensorError } from './shape.ts';
export {
  guard, type InputGradients, type NestedArray, type Node, type Primitive, Tensor, type Value,
  withoutValues,
} from './tensor.ts';

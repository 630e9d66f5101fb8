/**
 * @mambagrad/tensor: tensors on typed arrays, with reverse-mode automatic differentiation. Authors
 * of ops find what they need in `@mambagrad/tensor/extend`.
 */
export * from './autograd/anomaly.ts';
export * from './autograd/autograd.ts';
export { compile, type Compiled, type CompileOptions } from './compile/compile.ts';
export { closeThreads, startThreads } from './compile/memory/heap.ts';
export type { Inspection } from './compile/inspect/inspection.ts';
export { formatKernels, type KernelReport, type ValueReport } from './compile/inspect/kernels.ts';
export { type AllocationReport, formatMemory } from './compile/inspect/memory.ts';
export { formatStages, type StagePart, type StageReport } from './compile/inspect/stages.ts';
export * from './core/create.ts';
export type { DType, TypedArray } from './core/dtype.ts';
export * from './autograd/functional.ts';
export * from './autograd/gradcheck.ts';
export { formatGraph, formatTree } from './core/graph.ts';
export * from './ops/methods.ts';
export { type List, setThreads, whyOneThread } from '@mambagrad/wasm';
export * from './ops/associativeScan.ts';
export type { Operand } from './ops/define.ts';
export * from './ops/einsum.ts';
export * from './ops/join.ts';
// As JAX and TensorFlow call it.
export { detach as stopGradient } from './ops/movement.ts';
export * from './ops/random.ts';
export * from './ops/table.ts';
export * from './scan/scan.ts';
export { type ScanAlgorithm, scanPairs } from './core/scanPairs.ts';
export { type Axes, describe, type Shape, type Spec, TensorError } from './core/shape.ts';
export type { Tensors, TensorsFor } from './core/lists.ts';
export { guard, type NestedArray, type Node, Tensor } from './core/tensor.ts';
export { withoutValues } from './core/withoutValues.ts';

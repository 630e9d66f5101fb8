/** The loop language: kernels as values, their mathematics, and the two emitters. */
export {
  addPhases, callPhase, compileWebAssembly, type EmitOptions, type PhaseFunction,
} from './emit/webassembly.ts';
export { compileJavaScript, printJavaScript, type Run } from './emit/javascript.ts';
export { countOperations } from './language/count.ts';
export { type Kernel, kernel, type Parameter, type Phase } from './language/kernel.ts';
export * from './math/elementary.ts';
export { buffer, load, scratch } from './language/memory.ts';
export * from './language/operations.ts';
export { formatNumber, printKernel } from './language/print.ts';
export { multiply, PRODUCTS } from './matmul/multiply.ts';
export { addUp, cut, type Cut, stretchOf } from './parallel/chunks.ts';
export { type Matrix, type Stretch } from './matmul/microkernel.ts';
export { isContiguous, type Product } from './matmul/gemm.ts';
export { lostProduct, lostSum } from './math/rounding.ts';
export {
  lanes, loop, parallel, type Range, set, split, type Statement, type Statements, store, when,
} from './language/statement.ts';
export {
  accumulateAt, type Accumulator, accumulator, type Element, isLong, reduce, reduceAll,
  type Reduction, SHORT, sum, type Total, whole,
} from './math/sums.ts';
export { cos, sin } from './math/trigonometry.ts';
export {
  type Buffer, constant, type Kind, type Load, type Operand, splat, type Type, type Expr,
  type Variable, variable,
} from './language/expression.ts';

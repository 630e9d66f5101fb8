/** The loop language: kernels as values, their mathematics, and two emitters. */
export {
  addRegions, callRegion, compileWebAssembly, type EmitOptions, type RegionFunction,
} from './emit/webassembly.ts';
export { compileGuarded } from './emit/guard.ts';
export { type CompiledKernel, compileJavaScript, printJavaScript } from './emit/javascript.ts';
export type { ScriptSizes } from './emit/scriptBody.ts';
export { countOperations } from './language/count.ts';
export { clampIndex, least, minus, plus, rowMajor, times } from './language/indexArithmetic.ts';
export { type Kernel, kernel, type Parameter, type Region } from './language/kernel.ts';
export * from './math/elementary.ts';
export { setExp2 } from './math/exp2.ts';
export { buffer, LINE_ELEMENTS, load, scratch } from './language/memory.ts';
export * from './language/operations.ts';
export { formatNumber, printKernel } from './language/print.ts';
export {
  multiply, MULTIPLY_ADDS_PER_OPERATION, type MultiplyPlan, type MultiplyStrategy, planMultiply,
} from './matmul/multiply.ts';
export {
  chunkRange, chunksAreFinest, type Partials, partition, type Partition, type PartitionOptions,
  reducePartials, rowAndPart, withFinestChunks,
} from './parallel/chunks.ts';
export {
  type Matrix, NR, type RegisterTile, registerTile, tileColumns, type TileSum,
} from './matmul/microkernel.ts';
export { type GemmPlan, MC, type Product } from './matmul/gemm.ts';
export { twoProductError, twoSumError } from './math/rounding.ts';
export {
  type Interval, intervalOf, loop, parallel, type Range, set, split, type Statement,
  type Statements, store, vectorized, when,
} from './language/statement.ts';
export {
  accumulateAt, type Accumulator, accumulator, compensated, type Element, isLongSum, reduce,
  reduceAll, type Reduction, SHORT_SUM, sum, type Total,
} from './math/sums.ts';
export { cos, sin } from './math/trigonometry.ts';
export {
  type Buffer, constant, type Expr, isVector, type Kind, type Load, type Operand, splat, type Type,
  type Variable, variable,
} from './language/expression.ts';

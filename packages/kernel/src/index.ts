/** The loop language: kernels as values, their mathematics, and the two emitters. */
export {
  addPhases, callPhase, compileWebAssembly, type EmitOptions, type PhaseFunction,
} from './webassembly.ts';
export { compileJavaScript, printJavaScript, type Run } from './javascript.ts';
export { countOperations } from './count.ts';
export { type Kernel, kernel, type Parameter, type Phase } from './kernel.ts';
export * from './math.ts';
export { buffer, load, scratch } from './memory.ts';
export * from './operations.ts';
export { printKernel } from './print.ts';
export { multiply, PRODUCTS } from './product.ts';
export { addUp, cut, type Cut, stretchOf } from './rounds.ts';
export { type Matrix, type Stretch } from './tile.ts';
export { isContiguous, type Product } from './tiles.ts';
export { lostProduct, lostSum } from './rounding.ts';
export {
  lanes, loop, parallel, type Range, set, split, type Statement, type Statements, store, when,
} from './statement.ts';
export {
  accumulateAt, type Accumulator, accumulator, type Element, isLong, reduce, reduceAll,
  type Reduction, SHORT, sum, type Total, whole,
} from './sums.ts';
export { cos, sin } from './trigonometry.ts';
export {
  type Buffer, constant, type Kind, type Load, type Operand, splat, type Type, type Value,
  type Variable, variable,
} from './value.ts';

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
export { addUp, cut, type Cut, stretchOf, sum } from './rounds.ts';
export { isContiguous, type Matrix, type Product, type Stretch } from './tiles.ts';
export {
  lanes, loop, parallel, type Range, reduce, type Reduction, set, type Statement, type Statements,
  store, when,
} from './statement.ts';
export {
  type Buffer, constant, type Kind, type Load, type Operand, splat, type Type, type Value,
  type Variable, variable,
} from './value.ts';

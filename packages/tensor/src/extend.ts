/**
 * @mambagrad/tensor/extend: the door for authors of ops. An op defined through it has all that the
 * library's own have: a gradient, and second ones; a place in compiled programs, fused with what
 * is around it; and errors in its name. This is x / (1 + |x|), whole:
 *
 *     import * as k from '@mambagrad/kernel';
 *     import { checkPrimitive, unary } from '@mambagrad/tensor/extend';
 *
 *     const softsign = unary(
 *       'mine.softsign', (x) => x / (1 + Math.abs(x)), (x) => k.div(x, k.add(1, k.abs(x))),
 *       (g, y) => g.mul(y.abs().sub(1).square()),
 *     );
 *     checkPrimitive(softsign, [tensor([[-2, 0.5, 1], [3, -0.1, 0.7]])]);
 *
 * `unary`, `binary` and `move` define the common kinds; `definePrimitive` defines any. Its `lower`
 * is written in the loop language of `@mambagrad/kernel`, which has masks, partial sums and matrix
 * products; what is here besides are indices, loops over shapes, and checks of inputs.
 */
export { compileOptions } from './compile/compile.ts';
export {
  inspectPasses, type InspectPassesOptions, type PassedOp, type PassesReport,
} from './compile/inspect/passes.ts';
export type { Pass } from './compile/passes/simplify.ts';
export {
  type Apply, type ApplyMulti, defineMultiPrimitive, definePrimitive, type MultiPrimitive,
  primitiveNames, type SinglePrimitive,
} from './core/primitive.ts';
export { asList } from '@mambagrad/wasm';
export type { InputGradients, NDArray, Primitive } from './core/tensor.ts';
export {
  type Bound, broadcastIndex, type Elements, type Epilogue, flatIndex, forEach,
  type ForEachOptions, type Index, isTrue, type Lowering, type LoweringOfAll,
  type SharedKernel, truth,
} from './core/lowering.ts';
export {
  broadcastShapes, broadcastStrides, check, failure, numelOf, reducedShape, resolveAxes,
  resolveAxis, sameShape, stridesOf,
} from './core/shape.ts';
export { type Lines, linesOf, type Rows, rowsOf } from './core/strided.ts';
export {
  type Binary, binary, move, type MoveDefinition, requireBroadcast, requireFloat, requireIndices,
  requireSameDType, requireTensor, tensorOf, type Unary, unary, valuesOf,
} from './ops/define.ts';
export {
  type CheckOptions, type CheckPart, checkPrimitive, type CheckReport,
} from './testing/checkPrimitive.ts';

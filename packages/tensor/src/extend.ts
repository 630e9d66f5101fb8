/**
 * @mambagrad/tensor/extend: the door for authors of ops.
 */
export { type Apply, definePrimitive, primitiveNames } from './core/primitive.ts';
export type { InputGradients, NDArray, Primitive } from './core/tensor.ts';
export type { Bound, Elements, Finish, Index, Lowering, Rounds } from './core/lowering.ts';
export {
  type CheckOptions, type CheckPart, checkPrimitive, type CheckReport,
} from './testing/checkPrimitive.ts';

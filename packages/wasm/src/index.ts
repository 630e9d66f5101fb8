/**
 * An assembler for WebAssembly: code written as typed expressions, turned into a module's bytes,
 * into readable text, or into functions that run. It knows nothing of tensors.
 */
export { Bytes } from './bytes.ts';
export {
  type Address, at, atomic, type Code, type Expression, f32, f32x4, f64, i32, i32x4, i64, i8x16,
  memory, type Operand, type Statement, type Statements, v128, words,
} from './code.ts';
export {
  block, branch, branchIf, call, type Callable, drop, forRange, type Global, type Local, loop,
  type Parameters, select, set, tee, unreachable, when,
} from './control.ts';
export * from './features.ts';
export * from './gaps.ts';
export * from './host.ts';
export type { Label } from './immediates.ts';
export { Liveness } from './liveness.ts';
export {
  type InstructionName, type ResultType, type Row, rows, type ValueType,
} from './instructions.ts';
export * from './module.ts';
export * from './names.ts';
export { addSharing } from './share.ts';
export { RESERVED, setThreads, type Shared, Threads, threadsFor } from './threads.ts';
export type { Body, BodyMaker, Limits, Memory, WasmFunction } from './parts.ts';

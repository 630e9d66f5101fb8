/**
 * An assembler for WebAssembly: code written as typed expressions, turned into a module's bytes,
 * into readable text, or into functions that run. It knows nothing of tensors.
 */
export { signed, unsigned } from './bytes.ts';
export {
  type Address, at, atomic, type Code, type Expression, f32, f32x4, f64, i32, i32x4, i64, i8x16,
  memory, type Operand, type Statement, type Statements, v128, words,
} from './code.ts';
export {
  block, branch, branchIf, call, type Callable, drop, forRange, type Global, type Label, type Local,
  loop, type Parameters, select, set, tee, unreachable, when,
} from './control.ts';
export { type Features, features } from './features.ts';
export type { Body, BodyMaker, WasmFunction } from './function.ts';
export {
  type CompiledModule, type Host, type HostMemory, type Imports, type Instance, webAssembly,
} from './host.ts';
export {
  type InstructionName, type ResultType, type Row, rows, type ValueType,
} from './instructions.ts';
export { Module } from './module.ts';
export type { ImportedFunction, Limits, Memory } from './parts.ts';

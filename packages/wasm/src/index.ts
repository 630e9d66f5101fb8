/**
 * An assembler for WebAssembly: typed expressions become the bytes of a module, readable text, or
 * functions that run. And threads that share the loops of a module. Nothing here knows of tensors.
 */
export { Bytes } from './assembler/bytes.ts';
export {
  type Address, at, atomic, type Code, type Expression, f32, f32x4, f64, f64x2, i32, i32x4, i64,
  i8x16, memory, type Operand, type Statement, type Statements, v128, words,
} from './assembler/code.ts';
export {
  assembled, block, branch, branchIf, call, type Callable, callInOrder, callPushed, drop, forRange,
  type Global, type Local, loop, type Parameters, select, set, tee, unreachable, when,
} from './assembler/control.ts';
export { CodeWriter, isInstruction } from './assembler/codeWriter.ts';
export * from './assembler/features.ts';
export * from './common/codeGeneration.ts';
export * from './common/freeList.ts';
export * from './common/host.ts';
export * from './common/list.ts';
export * from './common/memory.ts';
export { nextTurn, now, warn } from './common/platform.ts';
export type { Label } from './assembler/immediates.ts';
export { Watchdog } from './threads/watchdog.ts';
export {
  type InstructionName, type ResultType, type Row, rows, type ValueType,
} from './assembler/instructions.ts';
export * from './assembler/module.ts';
export * from './assembler/names.ts';
export { addWorkSharing } from './threads/share.ts';
export { setThreads, threadCountFor, whyOneThread } from './threads/count.ts';
export { type SharedProgram, ThreadPool } from './threads/threads.ts';
export { RESERVED_BYTES } from './threads/words.ts';
export type { Body, BodyMaker, Limits, Memory, WasmFunction } from './assembler/parts.ts';

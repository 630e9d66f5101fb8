/**
 * A kernel as plain JavaScript, with the same results as in WebAssembly, to the last bit. Its
 * statements are written by scriptBody.ts, as functions that engines can optimise, and its
 * expressions by scriptExpression.ts.
 */
import { Names, whyNoFunctions } from '@mambagrad/wasm';
import type { Buffer } from '../language/expression.ts';
import type { Kernel, Parameter } from '../language/kernel.ts';
import { laneLoops } from './lanes.ts';
import { blockOf, functionText, type ScriptSizes } from './scriptBody.ts';

/** Definitions before every kernel: the operations that have no infix sign, by their names. */
const PRELUDE = `\
const { abs, ceil, floor, fround, imul, round, sqrt } = Math;
const { trunc: truncate, min: minimum, max: maximum } = Math;
const f32 = new Float32Array(memory), i32 = new Int32Array(memory);
const float = new Float32Array(1), bits = new Int32Array(float.buffer);
const nearest = (x) => (x - floor(x) === 0.5 ? 2 * round(x / 2) : round(x));
const toInteger = (x) => maximum(-2147483648, minimum(x, 2147483647)) | 0;
const toBits = (x) => ((float[0] = x), bits[0]);
const fromBits = (x) => ((bits[0] = x), float[0]);
`;

const RESERVED =
  'await break case catch class const continue debugger default delete do else enum eval export ' +
  'extends false finally for function if implements import in instanceof interface let new null ' +
  'package private protected public return static super switch this throw true try typeof var ' +
  'void while with yield arguments undefined NaN Infinity memory scratch own';

/**
 * Runs a kernel on the memory it was compiled for. Its arguments are the parameters in order,
 * buffers as addresses in bytes; then, if the kernel has any, the address of its scratch memory;
 * and of the thread-local part, unless that follows the rest.
 */
export type CompiledKernel = (...given: readonly number[]) => void;

/** Sees every access of a kernel to memory while it runs; see guard.ts. */
export interface Guard {
  /** The number of each buffer. */
  readonly numbers: ReadonlyMap<Buffer, number>;
  /** Gives the place `at` in memory, of a buffer that begins at `start`; or throws. */
  read(at: number, start: number, buffer: number): number;
  write(at: number, start: number, buffer: number): number;
  /** Gives `a` if the condition holds, else `b`: both are computed, as in WebAssembly. */
  select(condition: unknown, a: number, b: number): number;
  /** Called before each iteration of a parallel loop, and at its end; returns `isRunning`. */
  iteration(isRunning: boolean, number: number): boolean;
}

/**
 * Compiles a kernel to JavaScript, to run on a memory, under a guard if there is one. Throws where
 * no functions may be made from text: a page can forbid that by its content security policy.
 */
export function compileJavaScript(
  kernel: Kernel, memory: ArrayBuffer | SharedArrayBuffer, guard?: Guard,
  sizes: ScriptSizes = SIZES,
): CompiledKernel {
  const parts = partsOf(kernel, guard, sizes);
  const last = `return ${parts.pop()};`;
  const text = ["'use strict';", PRELUDE, ...parts, last].join('\n');
  const whyNot = whyNoFunctions();
  if (whyNot !== undefined) throw new Error(`kernel ${kernel.name}: ${whyNot}`);
  const make = new Function('memory', '$guard', text) as (...given: unknown[]) => CompiledKernel;
  return make(memory, guard);
}

/** Long enough that a call, or a loop of four iterations, costs next to nothing. */
const SIZES: ScriptSizes = { lanes: 64, functions: 64 };

/**
 * The JavaScript of a kernel: functions, of which the last is the kernel. In them `f32` and `i32`
 * are views of all memory.
 */
export function printJavaScript(kernel: Kernel, sizes: ScriptSizes = SIZES): string {
  return partsOf(kernel, undefined, sizes).join('\n');
}

/** Declarations and functions, of which the last is the kernel. */
function partsOf(kernel: Kernel, guard: Guard | undefined, sizes: ScriptSizes): string[] {
  const names = new Names([...RESERVED.split(' '), ...(PRELUDE.match(/\w{2,}/g) ?? [])]);
  const name = names.of(kernel);
  const loops = laneLoops(kernel.body, sizes.lanes);
  const functions: string[] = [];
  const parameters = kernel.parameters.map((one) => names.of(one));
  const sharedBytes = kernel.scratchBytes - kernel.threadLocalBytes;
  const scratch = kernel.scratchBytes > 0 ? ['scratch', `own = scratch + ${sharedBytes}`] : [];
  const places = Array.from(kernel.scratch, ([one, offset]) => {
    const [from, bytes] = offset < sharedBytes ? ['scratch', 0] : ['own', sharedBytes];
    return `const ${names.of(one)} = (${from} >>> 2) + ${(offset - bytes) / 4};`;
  });
  const { lines } = blockOf({
    names, guarded: guard?.numbers, pointers: new Map(), held: { count: 0 },
    kernel: name, ...loops, sizes, functions,
  }, kernel.body);
  const conversions = kernel.parameters.map((one) => conversion(one, names.of(one)));
  const carried = loops.carried.size === 0 ? [] : [
    `const $floats = new Float32Array(${4 * loops.carried.size});`,
    `const $integers = new Int32Array(${4 * loops.carried.size});`,
  ];
  const inside = [...conversions, ...places, ...lines];
  return [...carried, ...functions, functionText(name, [...parameters, ...scratch], inside)];
}

/** The conversion of an argument to its type, or of an address from bytes to elements. */
function conversion(parameter: Parameter, name: string): string {
  if (!('node' in parameter)) return `${name} >>>= 2;`;
  return parameter.type === 'f32' ? `${name} = fround(${name});` : `${name} |= 0;`;
}

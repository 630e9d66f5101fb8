/**
 * A kernel as plain JavaScript. A vector is four numbers, and its operations are written out once
 * for each lane, just as for a single value. A mask is 0 or 1.
 *
 * JavaScript computes in float64, and `fround` after each operation rounds to float32. For
 * + − × ÷ √ of float32 numbers this gives exactly the bits of float32 arithmetic: a float64 has
 * more than twice the digits, so that rounding twice is the same as rounding once (Figueroa, 1995).
 */
import { Names } from '@mambagrad/wasm';
import { type Buffer, type Expr, kindOf, lanesOf } from '../language/expression.ts';
import type { Kernel, Parameter } from '../language/kernel.ts';
import { linesOf, sumOf } from '../language/print.ts';

/** Definitions before every kernel: the operations that have no infix sign, by their names. */
const PRELUDE = `\
const { abs, ceil, floor, fround, imul, round, sqrt } = Math;
const { trunc: truncate, min: minimum, max: maximum } = Math;
const f32 = new Float32Array(memory), i32 = new Int32Array(memory);
const float = new Float32Array(1), bits = new Int32Array(float.buffer);
const min = (a, b) => (b < a ? b : a);
const max = (a, b) => (a < b ? b : a);
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
 * Compiles a kernel to JavaScript, to run on a memory, under a guard if there is one. Needs an
 * engine that may compile text; a page can forbid that by its content security policy.
 */
export function compileJavaScript(
  kernel: Kernel, memory: ArrayBuffer | SharedArrayBuffer, guard?: Guard,
): CompiledKernel {
  const text = `'use strict';\n${PRELUDE}return ${printJavaScript(kernel, guard)};`;
  const make = new Function('memory', '$guard', text) as (...given: unknown[]) => CompiledKernel;
  return make(memory, guard);
}

/** All that the text of an expression depends on. */
interface Printing {
  readonly names: Names;
  /** The numbers of buffers, if accesses to them are guarded. */
  readonly guarded: Guard['numbers'] | undefined;
}

/** The JavaScript of a kernel: a function, in which `f32` and `i32` are views of all memory. */
export function printJavaScript(kernel: Kernel, guard?: Guard): string {
  const names = new Names([...RESERVED.split(' '), ...(PRELUDE.match(/\w{2,}/g) ?? [])]);
  const printing = { names, guarded: guard?.numbers };
  const parameters = kernel.parameters.map((one) => names.of(one));
  const sharedBytes = kernel.scratchBytes - kernel.threadLocalBytes;
  const scratch = kernel.scratchBytes > 0 ? ['scratch', `own = scratch + ${sharedBytes}`] : [];
  const single = (value: Expr): string => textOf(value, 0, printing);
  return [
    `function ${names.of(kernel)}(${[...parameters, ...scratch].join(', ')}) {`,
    ...kernel.parameters.map((one) => `  ${conversion(one, names.of(one))}`),
    ...Array.from(kernel.scratch, ([one, offset]) => {
      const [from, bytes] = offset < sharedBytes ? ['scratch', 0] : ['own', sharedBytes];
      return `  const ${names.of(one)} = (${from} >>> 2) + ${(offset - bytes) / 4};`;
    }),
    ...linesOf(kernel.body, names, {
      assign({ target, values: [value] }) {
        const isFirst = target.node === 'variable' && !names.has(target);
        const lanes = lanesOf(target) === 1 ? [0] : [0, 1, 2, 3];
        const targets = lanes.map((lane) => textOf(target, lane, printing, 'write'));
        const values = lanes.map((lane) => textOf(value, lane, printing));
        if (isFirst) return [`let ${pairs(targets, values)};`];
        if (lanes.length === 1) return [`${pairs(targets, values)};`];
        // All lanes are computed before one is assigned, as a lane may depend on others.
        const held = lanes.map((lane) => `$${lane}`);
        return ['{', `  const ${pairs(held, values)};`, `  ${pairs(targets, held)};`, '}'];
      },
      loop({ counter, values: [from, to], step, isParallel }) {
        const i = names.of(counter);
        const start = `let ${i} = ${single(from)}, $end = ${single(to)}`;
        const goesOn = guard && isParallel ? `$guard.iteration(${i} < $end, ${i})` : `${i} < $end`;
        return `for (${start}; ${goesOn}; ${i} += ${step}) {`;
      },
      when: ({ values: [condition] }) => `if (${single(condition)}) {`,
      otherwise: '} else {',
      end: ['}'],
    }),
    '}',
  ].join('\n');
}

/** The conversion of an argument to its type, or of an address from bytes to elements. */
function conversion(parameter: Parameter, name: string): string {
  if (!('node' in parameter)) return `${name} >>>= 2;`;
  return parameter.type === 'f32' ? `${name} = fround(${name});` : `${name} |= 0;`;
}

function pairs(targets: readonly string[], values: readonly string[]): string {
  return targets.map((target, i) => `${target} = ${values[i]}`).join(', ');
}

/** The text of one lane of a value, or of a target; a single value has only lane 0. */
function textOf(
  value: Expr, lane: number, printing: Printing, how: 'read' | 'write' = 'read',
): string {
  const { names, guarded } = printing;
  const laneOf = (input: Expr, which = lane): string => textOf(input, which, printing);
  if (value.node === 'constant') return Object.is(value.value, -0) ? '-0' : String(value.value);
  if (value.node === 'variable') {
    return lanesOf(value) === 1 ? names.of(value) : `${names.of(value)}$${lane}`;
  }
  if (value.node === 'load') {
    const { buffer, index } = value;
    const start = buffer.at === undefined ? names.of(buffer) : `${buffer.at / 4}`;
    const at = sumOf([start], index, index.constant + lane * index.step, laneOf);
    const number = guarded?.get(buffer);
    if (number === undefined) return `${buffer.kind}[${at}]`;
    return `${buffer.kind}[$guard.${how}(${at}, ${start}, ${number})]`;
  }
  const { name, inputs, detail, meaning: { sign, js } } = value;
  const [first] = inputs;
  if (name === 'splat') return laneOf(first, 0);
  if (name === 'ramp') return `(${laneOf(first, 0)} + ${lane} | 0)`;
  if (name === 'lane') return laneOf(first, detail[0]);
  if (name === 'shuffle') return laneOf(inputs[detail[lane] >> 2], detail[lane] & 3);
  if (name === 'any') return `(${[0, 1, 2, 3].map((each) => laneOf(first, each)).join(' | ')})`;
  const operands = [...inputs.map((input) => laneOf(input)), ...detail];
  if (guarded && name === 'select') return `$guard.select(${operands.join(', ')})`;
  if (js !== undefined) return js.replaceAll(/\b[abc]\b/g, (x) => `${operands['abc'.indexOf(x)]}`);
  if (name === 'mul' && kindOf(value) === 'i32') return `imul(${operands.join(', ')})`;
  if (sign === undefined) return `${name}(${operands.join(', ')})`;
  const text = operands.join(` ${sign} `);
  return kindOf(value) === 'f32' ? `fround(${text})` : `(${text} | 0)`;
}

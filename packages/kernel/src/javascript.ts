/**
 * A kernel as plain JavaScript. A vector is four numbers: what has lanes is written out once for
 * each, so a lane is computed as a single value is.
 *
 * Numbers are doubles here, and `fround` after each step gives what float32 arithmetic gives. For
 * + − × ÷ √ of two float32 numbers that holds to the last bit: a double has more than twice the
 * digits, so rounding it again is as good as rounding once (Figueroa 1995).
 */
import type { Kernel, Parameter } from './kernel.ts';
import { Names } from './print.ts';
import type { Statement } from './statement.ts';
import {
  type Buffer, type Index, type Kind, kindOf, lanesOf, type OperationName, type Value,
} from './value.ts';

type Row = (kind: Kind, ...operands: string[]) => string;

const numeric = (symbol: string): Row => (kind, a, b) =>
  kind === 'f32' ? `fround(${a} ${symbol} ${b})` : `(${a} ${symbol} ${b} | 0)`;
const infix = (symbol: string): Row => (_kind, a, b) => `(${a} ${symbol} ${b})`;
const call = (name: string): Row => (_kind, ...operands) => `${name}(${operands.join(', ')})`;
const logic = (bitwise: string, logical: string): Row => (kind, a, b) =>
  `(${a} ${kind === 'mask' ? logical : bitwise} ${b})`;

/** What moves lanes has no row: it only chooses which lane of an operand is written out. */
type Move = 'splat' | 'consecutive' | 'lane' | 'shuffle' | 'any';

const rows: Readonly<Record<Exclude<OperationName, Move>, Row>> = {
  add: numeric('+'),
  sub: numeric('-'),
  mul: (kind, a, b) => (kind === 'f32' ? `fround(${a} * ${b})` : `imul(${a}, ${b})`),
  div: numeric('/'),
  mulAdd: (_kind, a, b, c) => `fround(fround(${a} * ${b}) + ${c})`,
  sqrt: (_kind, a) => `fround(sqrt(${a}))`,
  neg: (_kind, a) => `(-${a})`,
  min: call('least'), max: call('most'), minimum: call('min'), maximum: call('max'),
  abs: call('abs'), floor: call('floor'), ceil: call('ceil'), truncate: call('trunc'),
  nearest: call('nearest'), toFloat: call('fround'), toInteger: call('toInteger'),
  bitsOf: call('bitsOf'), fromBits: call('fromBits'),
  equal: infix('==='), notEqual: infix('!=='), less: infix('<'), lessEqual: infix('<='),
  greater: infix('>'), greaterEqual: infix('>='),
  and: logic('&', '&&'), or: logic('|', '||'), xor: logic('^', '!=='),
  not: (kind, a) => (kind === 'mask' ? `(!${a})` : `(~${a})`),
  shiftLeft: infix('<<'), shiftRight: infix('>>'),
  shiftRightUnsigned: (_kind, a, distance) => `(${a} >>> ${distance} | 0)`,
  select: (_kind, mask, a, b) => `(${mask} ? ${a} : ${b})`,
};

/** What the text of every kernel may use. */
const PRELUDE = `\
const { abs, ceil, floor, fround, imul, max, min, round, sqrt, trunc } = Math;
const f32 = new Float32Array(memory), i32 = new Int32Array(memory);
const float = new Float32Array(1), bits = new Int32Array(float.buffer);
const least = (a, b) => (b < a ? b : a);
const most = (a, b) => (a < b ? b : a);
const nearest = (x) => (x - floor(x) === 0.5 ? 2 * round(x / 2) : round(x));
const toInteger = (x) => max(-2147483648, min(x, 2147483647)) | 0;
const bitsOf = (x) => ((float[0] = x), bits[0]);
const fromBits = (x) => ((bits[0] = x), float[0]);
`;

const RESERVED =
  'await break case catch class const continue debugger default delete do else enum eval export ' +
  'extends false finally for function if implements import in instanceof interface let new null ' +
  'package private protected public return static super switch this throw true try typeof var ' +
  'void while with yield arguments undefined NaN Infinity memory scratch';

/** Runs a kernel on the memory it was made for: places of buffers and numbers, then of scratch. */
export type Run = (...given: readonly number[]) => void;

/**
 * Compiles a kernel to JavaScript, to run on a memory. Needs an engine that may make code from
 * text; a page can forbid that by its content security policy.
 */
export function compileJavaScript(kernel: Kernel, memory: ArrayBuffer | SharedArrayBuffer): Run {
  const text = `'use strict';\n${PRELUDE}return ${printJavaScript(kernel)};`;
  return (new Function('memory', text) as (memory: object) => Run)(memory);
}

/** The JavaScript of a kernel: a function, in which `f32` and `i32` are all of memory. */
export function printJavaScript(kernel: Kernel): string {
  const used = PRELUDE.match(/\w{2,}/g) ?? [];
  const names = new Names([...RESERVED.split(' '), ...used]);
  const parameters = kernel.parameters.map((one) => names.of(one));
  const scratch = kernel.scratchBytes > 0 ? ['scratch'] : [];
  return [
    `function ${names.of(kernel)}(${[...parameters, ...scratch].join(', ')}) {`,
    ...kernel.parameters.map((one) => `  ${conversion(one, names.of(one))}`),
    ...[...kernel.scratch].map(([one, offset]) => (
      `  const ${names.of(one)} = (scratch >>> 2) + ${offset / 4};`
    )),
    ...block(kernel.body, kernel, names),
    '}',
  ].join('\n');
}

/** Arguments as numbers of their type, and the places of buffers in elements. */
function conversion(parameter: Parameter, name: string): string {
  if (!('node' in parameter)) return `${name} >>>= 2;`;
  return parameter.type === 'f32' ? `${name} = fround(${name});` : `${name} |= 0;`;
}

function block(statements: readonly Statement[], kernel: Kernel, outside: Names): string[] {
  const names = outside.inner();
  return statements
    .flatMap((statement) => linesOf(statement, kernel, names))
    .map((line) => `  ${line}`);
}

function linesOf(statement: Statement, kernel: Kernel, names: Names): string[] {
  const text = (value: Value): string => valueText(value, 0, names);
  switch (statement.statement) {
    case 'set': {
      const { variable, value } = statement;
      const isFirst = kernel.declarations.has(statement);
      const targets = placesOf(names.of(variable), lanesOf(variable));
      const values = targets.map((_, lane) => valueText(value, lane, names));
      return isFirst ? [`let ${pairs(targets, values)};`] : assign(targets, values);
    }
    case 'store': {
      const { buffer, index, value } = statement;
      const targets = placesOf('', index.lanes).map((_, lane) => (
        element(buffer, index, lane, names)
      ));
      return assign(targets, targets.map((_, lane) => valueText(value, lane, names)));
    }
    case 'loop': {
      const { counter, from, to, step, body } = statement;
      const within = names.inner();
      const i = within.of(counter);
      const [start, end] = [text(from), text(to)];
      const next = step === 1 ? `${i}++` : `${i} += ${step}`;
      return [
        `for (let ${i} = ${start}, $end = ${end}; ${i} < $end; ${next}) {`,
        ...block(body, kernel, within),
        '}',
      ];
    }
    default: {
      const { condition, then, otherwise } = statement;
      const last = otherwise.length === 0 ? [] : ['} else {', ...block(otherwise, kernel, names)];
      return [`if (${text(condition)}) {`, ...block(then, kernel, names), ...last, '}'];
    }
  }
}

/** The JavaScript variables for one of a kernel: itself, or one for each lane. */
function placesOf(name: string, lanes: 1 | 4): string[] {
  return lanes === 1 ? [name] : [0, 1, 2, 3].map((lane) => `${name}$${lane}`);
}

function pairs(targets: readonly string[], values: readonly string[]): string {
  return targets.map((target, i) => `${target} = ${values[i]}`).join(', ');
}

/** Computes all values before it writes one, as a lane may be computed from others. */
function assign(targets: readonly string[], values: readonly string[]): string[] {
  if (targets.length === 1) return [`${pairs(targets, values)};`];
  const held = placesOf('', 4);
  const lines = [...held, ...targets].map((target, i) => (
    i < 4 ? `  const ${target} = ${values[i]};` : `  ${target} = ${held[i - 4]};`
  ));
  return ['{', ...lines, '}'];
}

/** One lane of a value; of a single value, the value. */
function valueText(value: Value, lane: number, names: Names): string {
  switch (value.node) {
    case 'constant':
      return literal(value.value);
    case 'variable':
      return placesOf(names.of(value), lanesOf(value))[lanesOf(value) === 1 ? 0 : lane];
    case 'load':
      return element(value.buffer, value.index, lane, names);
    default: {
      const { name, inputs, detail } = value;
      const [first] = inputs;
      switch (name) {
        case 'splat':
          return valueText(first, 0, names);
        case 'consecutive':
          return `(${valueText(first, 0, names)} + ${lane} | 0)`;
        case 'lane':
          return valueText(first, detail[0], names);
        case 'shuffle':
          return valueText(inputs[detail[lane] >> 2], detail[lane] & 3, names);
        case 'any':
          return `(${[0, 1, 2, 3].map((each) => valueText(first, each, names)).join(' || ')})`;
        default: {
          const operands = inputs.map((input) => valueText(input, lane, names));
          return rows[name](kindOf(first), ...operands, ...detail.map(String));
        }
      }
    }
  }
}

function literal(value: number): string {
  const text = Object.is(value, -0) ? '-0' : String(value);
  return text.startsWith('-') ? `(${text})` : text;
}

/** An element of a buffer: the one of a lane. */
function element(buffer: Buffer, index: Index, lane: number, names: Names): string {
  const base = buffer.at === undefined ? names.of(buffer) : buffer.at / 4;
  const terms = index.terms.map(({ of, times }) => {
    const text = valueText(of, lane, names);
    return times === 1 ? text : `${literal(times)} * ${text}`;
  });
  const constant = index.constant + lane * index.step;
  const parts = [base, ...terms, ...(constant === 0 ? [] : [literal(constant)])];
  return `${buffer.kind}[${parts.join(' + ')}]`;
}

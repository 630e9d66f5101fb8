/**
 * Expressions as JavaScript: the text of one lane of a value. A mask is 0 or 1.
 *
 * JavaScript computes in float64, and `fround` after each operation rounds to float32. For
 * + − × ÷ √ of float32 numbers this gives exactly the bits of float32 arithmetic: a float64 has
 * more than twice the digits, so that rounding twice is the same as rounding once (Figueroa, 1995).
 *
 * No helper function is called in which numbers are computed: engines inline only so many calls,
 * and a number that a real call returns is allocated in memory.
 */
import type { Names } from '@mambagrad/wasm';
import {
  type Buffer, type Expr, kindOf, lanesOf, type Load, type Operation, type Variable,
} from '../language/expression.ts';
import { sumOf } from '../language/print.ts';

/** Which lane: a number, or the variable of a loop over the lanes. */
export type Lane = number | '$lane';

/** All that the text of an expression depends on. */
export interface Printing {
  readonly names: Names;
  /** The numbers of buffers, if accesses to them are guarded. */
  readonly guarded: ReadonlyMap<Buffer, number> | undefined;
  /** The variables whose four lanes are the same number. */
  readonly uniform: ReadonlySet<Expr>;
  /** The number of each variable that carries its lanes in memory; none of a lane loop's own. */
  readonly carried: ReadonlyMap<Variable, number>;
  /** Variables that hold what several indices have in common, by its text. */
  readonly pointers: ReadonlyMap<string, string>;
  /** How many values are held, since the expression that is printed uses them twice. */
  readonly held: { count: number };
}

/** The text of a lane of a value, or of a target; a single value has only lane 0. */
export function textOf(
  value: Expr, lane: Lane, printing: Printing, how: 'read' | 'write' = 'read',
): string {
  if (value.node === 'constant') return Object.is(value.value, -0) ? '-0' : String(value.value);
  if (value.node === 'variable') return variableText(value, lane, printing);
  if (value.node === 'operation') return operationText(value, lane, printing);
  const { buffer, index } = value;
  const base = baseText(value, lane, printing);
  const constant = index.constant + (lane === '$lane' ? 0 : lane * index.step);
  const start = printing.pointers.get(base) ?? base;
  const at = sumOf([start], { ...index, terms: [] }, constant, String);
  const number = printing.guarded?.get(buffer);
  if (number === undefined) return `${buffer.kind}[${at}]`;
  return `${buffer.kind}[$guard.${how}(${at}, ${startText(buffer, printing)}, ${number})]`;
}

function startText(buffer: Buffer, { names }: Printing): string {
  return buffer.at === undefined ? names.of(buffer) : `${buffer.at / 4}`;
}

/** An index but for its constant: the start of the buffer, and all terms. */
export function baseText({ buffer, index }: Load, lane: Lane, printing: Printing): string {
  const { step } = index;
  const moved = lane !== '$lane' || step === 0 ? [] : [step === 1 ? lane : `${step} * ${lane}`];
  const start = startText(buffer, printing);
  return sumOf([start, ...moved], index, 0, (of) => textOf(of, lane, printing));
}

function variableText(
  variable: Variable, lane: Lane, { names, uniform, carried }: Printing,
): string {
  const place = carried.get(variable);
  if (place !== undefined) return carriedText(variable, place, lane);
  const isOne = lane === '$lane' || lanesOf(variable) === 1 || uniform.has(variable);
  return isOne ? names.of(variable) : `${names.of(variable)}$${lane}`;
}

/** Where a variable carries a lane. */
export function carriedText(variable: Variable, place: number, lane: Lane): string {
  const first = 4 * place;
  const view = kindOf(variable) === 'f32' ? '$floats' : '$integers';
  return lane === '$lane' ? `${view}[${first} + $lane]` : `${view}[${first + lane}]`;
}

function operationText(value: Operation, lane: Lane, printing: Printing): string {
  const { name, inputs, detail, meaning: { sign, js } } = value;
  const [first] = inputs;
  const laneOf = (input: Expr, which: Lane = lane): string => textOf(input, which, printing);
  if (name === 'splat') return laneOf(first, 0);
  if (name === 'ramp') return `(${laneOf(first, 0)} + ${lane} | 0)`;
  if (name === 'lane') return laneOf(first, detail[0]);
  if (name === 'shuffle') {
    // Never in a lane loop, as it moves values between lanes.
    const from = detail[Number(lane)];
    return laneOf(inputs[from >> 2], from & 3);
  }
  if (name === 'any') return `(${[0, 1, 2, 3].map((each) => laneOf(first, each)).join(' | ')})`;
  if (name === 'min' || name === 'max') return extremeText(value, lane, printing);
  const operands = [...inputs.map((input) => laneOf(input)), ...detail];
  if (printing.guarded && name === 'select') return `$guard.select(${operands.join(', ')})`;
  if (js !== undefined) return js.replaceAll(/\b[abc]\b/g, (x) => `${operands['abc'.indexOf(x)]}`);
  if (name === 'mul' && kindOf(value) === 'i32') return `imul(${operands.join(', ')})`;
  if (sign === undefined) return `${name}(${operands.join(', ')})`;
  const text = operands.join(` ${sign} `);
  return kindOf(value) === 'f32' ? `fround(${text})` : `(${text} | 0)`;
}

/** The smaller or the larger one, which has each operand twice: a comparison and a choice. */
function extremeText({ name, inputs }: Operation, lane: Lane, printing: Printing): string {
  const { held } = printing;
  const before = held.count;
  const sets: string[] = [];
  const [a, b] = inputs.map((input) => {
    const text = textOf(input, lane, printing);
    if (/^-?[\w$.]+$/.test(text)) return text;
    const name = `$held${held.count++}`;
    sets.push(`${name} = ${text}`);
    return name;
  });
  held.count = before;
  const choice = name === 'min' ? `${b} < ${a} ? ${b} : ${a}` : `${a} < ${b} ? ${b} : ${a}`;
  return `(${[...sets, choice].join(', ')})`;
}

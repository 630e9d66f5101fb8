/**
 * Constant folding: a step whose inputs are all numbers that are known while tracing is computed
 * then, and not in each call.
 *
 *     %1 = constant 1,  %2 = constant 4,  %3 = div(%1, %2)       →       %3 = constant 0.25
 *
 * The result must have the bits that a kernel would give. So a step is folded if it lowers to a map
 * made of operations for which IEEE 754 leaves no choice: + − × ÷ √, and those that do not round.
 * JavaScript computes them in double precision, and rounding that to float32 is as good as rounding
 * once (Figueroa 1995).
 */
import * as k from '@mambagrad/kernel';
import { checkLowerings } from '../../core/checkLowering.ts';
import { allocate } from '../../core/dtype.ts';
import { Tensor } from '../../core/tensor.ts';
import { type Program, specOf, type Step, type Value } from '../trace/trace.ts';
import { type OnRemoved, rewritten } from './rewrite.ts';

/**
 * Folds constants. Where kernels may fuse multiplications with additions (`isFusing`), a product
 * that rounding changes is left to them: an addition may take it as it was.
 */
export function foldConstants<P extends Program>(
  program: P, isFusing: boolean, onRemoved?: OnRemoved,
): P {
  const constants = new Set(program.constants);
  const folded = new Map<Value, Value>();
  const resolve = (value: Value): Value => folded.get(value) ?? value;
  const steps: Step[] = [];
  for (const step of program.steps) {
    const { outputs: [output, ...others] } = step;
    const isChanged = step.inputs.some((input) => folded.has(input));
    const next = isChanged ? { ...step, inputs: step.inputs.map(resolve) } : step;
    const isCandidate = others.length === 0 && isNumber(output);
    const result = isCandidate ? resultOf(next, constants, isFusing) : undefined;
    if (result === undefined) {
      steps.push(next);
      continue;
    }
    const spec = specOf(output);
    const constant = new Tensor(spec, allocate(spec.dtype, 1).fill(result));
    constants.add(constant);
    const replacement: Value = { ...spec, from: constant };
    folded.set(output, replacement);
    onRemoved?.(output, replacement);
  }
  return rewritten({ ...program, constants }, steps, resolve);
}

/** Whether a value is a single number that kernels can compute with. */
function isNumber({ shape, dtype }: Value): boolean {
  return shape.length === 0 && dtype !== 'f64';
}

/** A number that the function made itself and never changes, as a constant of the loop language. */
function numberOf(value: Value, constants: ReadonlySet<Tensor>): k.Expr | undefined {
  const { from, dtype } = value;
  if (dtype === 'f64' || !isNumber(value) || !(from instanceof Tensor)) return undefined;
  return constants.has(from) ? k.constant(dtype, from.data[0]) : undefined;
}

/** The result of a step whose inputs are all known, or undefined if that is left to its kernel. */
function resultOf(
  { primitive, attributes, inputs, outputs }: Step, constants: ReadonlySet<Tensor>,
  isFusing: boolean,
): number | undefined {
  const numbers = inputs.flatMap((input) => numberOf(input, constants) ?? []);
  if (numbers.length < inputs.length) return undefined;
  const given = primitive.lower?.(inputs, attributes, outputs);
  if (given === undefined) return undefined;
  const [lowering] = checkLowerings(primitive.name, inputs, outputs, given);
  if (!('map' in lowering)) return undefined;
  const made = lowering.map(...numbers);
  const result = evaluate(made);
  // Which NaN a NaN is, engines leave open.
  if (result === undefined || Number.isNaN(result)) return undefined;
  return isFusing && isRounded(made, result) ? undefined : result;
}

/** Whether a value is a product, and has been rounded. */
function isRounded(value: k.Expr, result: number): boolean {
  if (value.node !== 'operation' || value.name !== 'mul' || value.type !== 'f32') return false;
  const [a, b] = value.inputs.map(evaluate);
  return a === undefined || b === undefined || a * b !== result;
}

/** Operations whose results have the same bits everywhere, before these are rounded. */
const exact: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (a) => -a,
  abs: Math.abs,
  sqrt: Math.sqrt,
  floor: Math.floor,
  ceil: Math.ceil,
  min: (a, b) => (b < a ? b : a),
  max: (a, b) => (b > a ? b : a),
  minimum: Math.min,
  maximum: Math.max,
  toFloat: (a) => a,
};

/** The value of an expression of constants, or undefined if it has operations of other kinds. */
function evaluate(value: k.Expr): number | undefined {
  if (value.node === 'constant') return value.value;
  if (value.node !== 'operation' || !(value.name in exact)) return undefined;
  const inputs = value.inputs.flatMap((input) => evaluate(input) ?? []);
  if (inputs.length < value.inputs.length) return undefined;
  const [a, b] = inputs;
  if (value.type === 'f32') return Math.fround(exact[value.name](a, b));
  return value.name === 'mul' ? Math.imul(a, b) : exact[value.name](a, b) | 0;
}

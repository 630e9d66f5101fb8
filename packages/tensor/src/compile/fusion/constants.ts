/** Numbers that stand in kernels as they are, and need no memory. */
import * as k from '@mambagrad/kernel';
import { Tensor } from '../../core/tensor.ts';
import type { Program, Value } from '../trace/trace.ts';

/** The numbers of a program that no run changes, as constants of the loop language. */
export function constantsOf(program: Program): Map<Value, k.Expr> {
  const constants = new Map<Value, k.Expr>();
  for (const value of program.steps.flatMap(({ inputs }) => inputs)) {
    const number = numberIn(program, value);
    if (number !== undefined) constants.set(value, number);
  }
  return constants;
}

/** A value as a constant of the loop language, if it is a number that no run changes. */
export function numberIn({ constants }: Program, value: Value): k.Expr | undefined {
  const { from, shape, dtype } = value;
  const isNumber = from instanceof Tensor && constants.has(from) && shape.length === 0;
  return isNumber && dtype !== 'f64' ? k.constant(dtype, from.data[0]) : undefined;
}

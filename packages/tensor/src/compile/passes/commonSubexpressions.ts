/**
 * Common subexpression elimination: what is computed twice is computed once.
 *
 *     %2 = exp(%0),  %3 = exp(%0),  %4 = mul(%2, %3)       →       %4 = mul(%2, %2)
 *
 * Numbers that are known while tracing are compared by what they are: each use of `x.mul(2)` makes
 * a constant, but all are the number 2.
 */
import { Tensor } from '../../core/tensor.ts';
import type { Program, Step, Value } from '../trace/trace.ts';
import { keyOf, numbering } from '../trace/tree.ts';
import { type OnRemoved, rewritten } from './rewrite.ts';

/**
 * Of steps with the same primitive, attributes and inputs only the first stays. Primitives are
 * functions of their inputs, random ones of their state, so equal calls have equal results.
 */
export function eliminateCommonSubexpressions<P extends Program>(
  program: P, onRemoved?: OnRemoved,
): P {
  const [numberOf, otherOf] = [numbering<Value>(), numbering<unknown>()];
  const identity = (value: unknown): string => `other ${otherOf(value)}`;
  const first = new Map<string, Step>();
  const replacements = new Map<Value, Value>();
  const resolve = (value: Value): Value => replacements.get(value) ?? value;
  const numbers = new Map<string, Value>();
  const resolveInput = (value: Value): Value => {
    const number = numberIn(program, value);
    if (number === undefined) return resolve(value);
    const known = numbers.get(number) ?? value;
    numbers.set(number, known);
    return known;
  };
  const steps: Step[] = [];
  for (const step of program.steps) {
    const inputs = step.inputs.map(resolveInput);
    const { primitive, attributes, outputs } = step;
    const key = `${primitive.name}(${inputs.map(numberOf).join()})${keyOf(attributes, identity)}`;
    const known = first.get(key);
    if (known) {
      outputs.forEach((output, i) => {
        replacements.set(output, known.outputs[i]);
        onRemoved?.(output, known.outputs[i]);
      });
    } else {
      first.set(key, step);
      steps.push({ ...step, inputs });
    }
  }
  return rewritten(program, steps, resolve);
}

/** A single number that the function made itself, as text: its dtype, and all of its bits. */
function numberIn({ constants }: Program, { from, shape, dtype }: Value): string | undefined {
  if (!(from instanceof Tensor) || shape.length > 0 || !constants.has(from)) return undefined;
  const [number] = from.data;
  return `${dtype} ${Object.is(number, -0) ? '-0' : number}`;
}

/**
 * Dead code elimination: steps whose results are not used are dropped, and of loops those results,
 * carries and inputs that are not.
 */
import { Loop, rearranged } from '../trace/loop.ts';
import { rootsOf, type Program, type Step, type Value } from '../trace/trace.ts';
import type { OnRemoved } from './rewrite.ts';

/** Drops every step of whose results none is returned, written, or read by a step that stays. */
export function eliminateDeadCode<P extends Program>(program: P, onRemoved?: OnRemoved): P {
  const used = new Set(rootsOf(program));
  const kept: Step[] = [];
  for (const step of program.steps.toReversed()) {
    if (!step.outputs.some((output) => used.has(output))) {
      step.outputs.forEach((output) => onRemoved?.(output));
      continue;
    }
    const { attributes } = step;
    const needed = attributes instanceof Loop ? prunedLoop(step, attributes, used) : step;
    kept.push(needed);
    for (const input of needed.inputs) used.add(input);
  }
  return { ...program, steps: kept.reverse() };
}

/** A step that is a loop, with what is used alone. */
function prunedLoop(step: Step, loop: Loop, used: ReadonlySet<Value>): Step {
  const { shape, shape: { carries, sequences } } = loop;
  const { results, body, inputs } = usedParts(step, loop, used);
  if (results.length === step.outputs.length && inputs.length === step.inputs.length) return step;
  const countBelow = (list: readonly number[], end: number): number =>
    list.filter((i) => i < end).length;
  const own = countBelow(results, carries);
  const pruned = new Loop(rearranged(body, inputs, body.results), {
    ...shape,
    carries: own,
    states: countBelow(results, shape.states),
    sequences: countBelow(inputs, carries + sequences) - own,
    outputs: results.length - own,
  });
  return {
    ...step,
    attributes: pruned,
    inputs: inputs.map((i) => step.inputs[i]),
    outputs: results.map((i) => step.outputs[i]),
  };
}

/**
 * The numbers of the results and inputs of a loop that are needed, and its body with these results.
 * A carry is needed if its last value is, or if the body reads it for something that is needed.
 */
function usedParts(
  { outputs }: Step, loop: Loop, used: ReadonlySet<Value>,
): { results: number[]; inputs: number[]; body: Loop['body'] } {
  const { body, shape: { carries } } = loop;
  const needed = new Set(outputs.flatMap((output, i) => (used.has(output) ? [i] : [])));
  for (;;) {
    const results = outputs.map((_, i) => i).filter((i) => needed.has(i));
    const pruned = eliminateDeadCode({ ...body, results: results.map((i) => body.results[i]) });
    const read = new Set([...pruned.results, ...pruned.steps.flatMap((step) => step.inputs)]);
    const inputs = body.inputs.map((_, i) => i).filter(
      (i) => read.has(body.inputs[i]) || (i < carries && needed.has(i)),
    );
    const missing = inputs.filter((i) => i < carries && !needed.has(i));
    if (missing.length === 0) return { results, inputs, body: pruned };
    for (const i of missing) needed.add(i);
  }
}

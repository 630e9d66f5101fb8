/** Dead code elimination: a step whose results nobody reads is left out. */
import { rootsOf, type Program, type Step } from '../trace/trace.ts';

/** Drops every step of whose results none is returned, written, or read by a step that stays. */
export function eliminateDeadCode(program: Program): Program {
  const used = new Set(rootsOf(program));
  const kept: Step[] = [];
  for (const step of program.steps.toReversed()) {
    if (!step.outputs.some((output) => used.has(output))) continue;
    kept.push(step);
    for (const input of step.inputs) used.add(input);
  }
  return { ...program, steps: kept.reverse() };
}

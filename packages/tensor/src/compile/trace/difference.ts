/**
 * How two traces of one function differ. A program is compared as a list of facts: the ops, their
 * attributes and inputs, what is assigned, and the result.
 */
import { formatAttributes } from '../../core/graph.ts';
import { describe } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { Loop } from './loop.ts';
import type { Program, Value } from './trace.ts';
import { keyOf, numbering } from './tree.ts';

/** The first fact that differs, as part of an error message; undefined if there is none. */
export function differenceOf(program: Program, again: Program): string | undefined {
  const numberOf = numbering<Tensor>();
  const [before, after] = [program, again].map((each) => factsOf(each, numberOf));
  const topics = [...before.keys(), ...after.keys()];
  const what = topics.find((topic) => before.get(topic) !== after.get(topic));
  if (what === undefined) return undefined;
  const [was, is] = [before, after].map((facts) => facts.get(what)?.slice(0, LONGEST) ?? 'nothing');
  return (
    `${what} is ${is}, and was ${was}; what changes from call to call must be an argument or state`
  );
}

/** The most letters of a fact that a message shows. */
const LONGEST = 200;

/** Everything about a program, by what it is about; `numberOf` tells state from other state. */
function factsOf(program: Program, numberOf: (state: Tensor) => number): Map<string, string> {
  const facts = new Map<string, string>();
  const names = new Map<Value, string>();
  const nameOf = (value: Value): string => {
    const { from } = value;
    if (from === 'step') return names.get(value) ?? '?';
    if (typeof from === 'number') return `argument ${from}`;
    if (program.constants.has(from)) return `constant ${describe(value)} ${from.data.join()}`;
    return `state ${numberOf(from)} ${describe(value)}`;
  };
  program.steps.forEach(({ primitive: { name }, attributes, inputs, outputs }, i) => {
    facts.set(`step ${i}`, name);
    facts.set(`the attributes of ${name} (step ${i})`, formatAttributes(attributes).join(', '));
    if (attributes instanceof Loop) {
      for (const [topic, fact] of factsOf(attributes.body, numberOf)) {
        facts.set(`within ${name} (step ${i}), ${topic}`, fact);
      }
    }
    inputs.forEach((input, j) => facts.set(`input ${j} of ${name} (step ${i})`, nameOf(input)));
    outputs.forEach((output, j) => {
      const which = outputs.length > 1 ? `result ${j} of ` : '';
      names.set(output, `${which}${name} (step ${i})`);
    });
  });
  for (const { state, value } of program.writes) {
    facts.set(`what is assigned to ${nameOf(state)}`, nameOf(value));
  }
  facts.set('the result', keyOf(program.rebuild(program.results.map(nameOf)), () => 'other'));
  return facts;
}

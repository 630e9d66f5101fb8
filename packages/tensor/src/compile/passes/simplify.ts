/**
 * Passes: functions from program to program that make it shorter without changing a bit of what it
 * gives. Two so far: what nobody reads is dropped, and what was computed before is not computed
 * again.
 */
import { formatAttributes } from '../../core/graph.ts';
import { describe } from '../../core/shape.ts';
import type { Tensor } from '../../core/tensor.ts';
import { endsOf, type Program, type Step, type Value } from '../trace/trace.ts';
import { keyOf } from '../trace/tree.ts';

/** Numbers things by the order in which they are met. */
function numbering<T>(): (thing: T) => number {
  const numbers = new Map<T, number>();
  return (thing) => {
    const number = numbers.get(thing) ?? numbers.size;
    numbers.set(thing, number);
    return number;
  };
}

/** Drops every step of whose results none is returned, written, or read by a step that stays. */
export function dropUnused(program: Program): Program {
  const used = new Set(endsOf(program));
  const kept: Step[] = [];
  for (const step of program.steps.toReversed()) {
    if (!step.outputs.some((output) => used.has(output))) continue;
    kept.push(step);
    for (const input of step.inputs) used.add(input);
  }
  return { ...program, steps: kept.reverse() };
}

/**
 * Common subexpressions: of steps with the same primitive, attributes and inputs only the first
 * stays. Primitives are functions of their inputs, random ones of their state, so equal calls have
 * equal results.
 */
export function shareEqual(program: Program): Program {
  const [numberOf, otherOf] = [numbering<Value>(), numbering<unknown>()];
  const identity = (value: unknown): string => `other ${otherOf(value)}`;
  const first = new Map<string, Step>();
  const instead = new Map<Value, Value>();
  const resolve = (value: Value): Value => instead.get(value) ?? value;
  const steps: Step[] = [];
  for (const step of program.steps) {
    const inputs = step.inputs.map(resolve);
    const { primitive, attributes, outputs } = step;
    const key = `${primitive.name}(${inputs.map(numberOf).join()})${keyOf(attributes, identity)}`;
    const known = first.get(key);
    if (known) outputs.forEach((output, i) => instead.set(output, known.outputs[i]));
    else {
      first.set(key, step);
      steps.push({ ...step, inputs });
    }
  }
  return {
    ...program,
    steps,
    writes: program.writes.map(({ state, value }) => ({ state, value: resolve(value) })),
    results: program.results.map(resolve),
  };
}

/** How two traces of one function differ: the first thing that is another, or undefined. */
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

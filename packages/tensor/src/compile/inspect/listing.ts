/**
 * The listing of a program: its steps, one a line, as `formatGraph` prints graphs. Values are
 * numbered as they occur, and other reports call them by these numbers.
 *
 *     %0 = argument 0  f32[2]
 *     %1 = captured  f32[2]
 *     %2 = mul(%0, %1)  f32[2]
 *     %3 = constant 0.5  f32[]
 *     %4 = add(%2, %3)  f32[2]
 *     return %4
 */
import { formatNumber } from '@mambagrad/kernel';
import { formatAttributes } from '../../core/graph.ts';
import { describe } from '../../core/shape.ts';
import { Loop } from '../trace/loop.ts';
import type { Program, Value } from '../trace/trace.ts';

/** The names of all values of a program: `%0`, `%1` and so on, in the order of the listing. */
export function valueNames({ steps, writes, results }: Program): Map<Value, string> {
  const names = new Map<Value, string>();
  const add = (value: Value): void => {
    if (!names.has(value)) names.set(value, `%${names.size}`);
  };
  for (const { inputs, outputs } of steps) [...inputs, ...outputs].forEach(add);
  for (const { state, value } of writes) [state, value].forEach(add);
  results.forEach(add);
  return names;
}

/** Where a value that no step makes comes from; of a constant that is a number, its value. */
function formatSource({ from, shape, dtype }: Value, { constants }: Program): string {
  if (from === 'step' || typeof from === 'number') return `argument ${from}`;
  if (!constants.has(from)) return 'captured';
  if (shape.length > 0) return 'constant';
  return `constant ${formatNumber(from.data[0], dtype === 'f32')}`;
}

/** A program as text, a step a line; results and writes last. */
export function formatProgram(program: Program): string {
  const names = valueNames(program);
  const lines: string[] = [];
  const printed = new Set<Value>();
  const use = (value: Value): string => {
    const name = names.get(value) ?? '?';
    if (value.from !== 'step' && !printed.has(value)) {
      lines.push(`${name} = ${formatSource(value, program)}  ${describe(value)}`);
    }
    printed.add(value);
    return name;
  };
  for (const { primitive, attributes, inputs, outputs } of program.steps) {
    const parts = [...inputs.map(use), ...formatAttributes(attributes)].join(', ');
    const [made, specs] = [outputs.map(use).join(', '), outputs.map(describe).join(', ')];
    lines.push(`${made} = ${primitive.name}(${parts})  ${specs}`);
    // The body of a loop is a program of its own.
    if (attributes instanceof Loop) lines.push(indented(formatProgram(attributes.body)));
  }
  for (const { state, value } of program.writes) {
    lines.push(`assign(${use(state)}, ${use(value)})`);
  }
  lines.push(`return ${program.results.map(use).join(', ')}`);
  return lines.join('\n');
}

function indented(text: string): string {
  return text.split('\n').map((line) => `  ${line}`).join('\n');
}

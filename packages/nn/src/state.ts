/**
 * State: tensors with names, such as what a model has learned and what an optimizer remembers. It
 * is what a checkpoint holds.
 */
import { describe, type Tensor, tensor, TensorError } from '@mambagrad/tensor';

/** Tensors by name, in a stable order. */
export type StateDict = ReadonlyMap<string, Tensor>;

/** The most that one error lists. */
const MOST_PROBLEMS = 1000;

type Named = readonly (readonly [string, Tensor])[];

/** The values of this moment: copies, which no later step changes. */
export function saveState(named: Named): StateDict {
  return new Map(named.map(([name, { data, shape }]) => [name, tensor(data, { shape })]));
}

/** Assigns all values, or none: everything that is wrong is in one error, in the name of `op`. */
export function loadState(op: string, named: Named, values: StateDict, strict = true): void {
  const own = new Map(named);
  const problems: string[] = [];
  if (strict) {
    const missing = [...own.keys()].filter((name) => !values.has(name));
    const unexpected = [...values.keys()].filter((name) => !own.has(name));
    for (const name of missing) problems.push(`${name} is missing`);
    // A file may have names of any length, and any number of them.
    for (const name of unexpected) problems.push(`${name.slice(0, 200)} is unexpected`);
  }
  for (const [name, target] of own) {
    const [found, expected] = [describe(values.get(name) ?? target), describe(target)];
    if (found !== expected) problems.push(`${name} is ${found}, expected ${expected}`);
  }
  const more = problems.splice(MOST_PROBLEMS).length;
  if (more > 0) problems.push(`and ${more} more`);
  if (problems.length > 0) throw new TensorError([`${op}:`, ...problems].join('\n  '));
  for (const [name, target] of own) target.assign(values.get(name) ?? target);
}

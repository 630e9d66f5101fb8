/**
 * State: tensors with names, such as what a model has learned and what an optimizer remembers. It
 * is what a checkpoint holds.
 */
import { describe, type Tensor, tensor, TensorError } from '@mambagrad/tensor';
import { checkArgument, type Kind, objectWith } from '@mambagrad/tensor/options';

/** Tensors by name, in a stable order. */
export type StateDict = ReadonlyMap<string, Tensor>;

/** The most that one error lists. */
const MOST_PROBLEMS = 1000;

type Named = readonly (readonly [string, Tensor])[];

const stateDicts: Kind<StateDict> = objectWith('a Map of tensors by name', 'get', 'has', 'keys');

/** Throws unless an argument of `op` can be state. */
export function requireState(op: string, values: unknown): void {
  checkArgument(op, 'values', values, stateDicts);
}

/** The values of this moment: copies, which no later step changes. Throws if a name comes twice. */
export function saveState(named: Named): StateDict {
  requireUnique('stateDict', named);
  return new Map(named.map(([name, { data, shape }]) => [name, tensor(data, { shape })]));
}

/**
 * Assigns all values, or none: everything that is wrong is in one error, in the name of `op`, after
 * the problems that were found before.
 */
export function loadState(
  op: string, named: Named, values: StateDict, strict = true, before: readonly string[] = [],
): void {
  requireState(op, values);
  requireUnique(op, named);
  const own = new Map(named);
  const problems = [...before];
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

/** Notes values; the function it gives puts back those that have changed since. */
export function rememberState(tensors: readonly Tensor[]): () => void {
  const kept = tensors.map((x) => [x, tensor(x.data, { shape: x.shape })] as const);
  return () => {
    for (const [x, before] of kept) {
      const { data } = x;
      if (before.data.some((value: number, i: number) => !Object.is(value, data[i]))) {
        x.assign(before);
      }
    }
  };
}

/** A file or a Map would keep only the last of two tensors with one name. */
function requireUnique(op: string, named: Named): void {
  const names = new Set<string>();
  for (const [name] of named) {
    if (names.has(name)) throw new TensorError(`${op}: two tensors have the name '${name}'`);
    names.add(name);
  }
}

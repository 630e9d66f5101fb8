/**
 * State: tensors by name, such as the parameters of a model and the moments of an optimizer. A
 * checkpoint holds such a state.
 */
import { describe, Tensor, tensor, TensorError } from '@mambagrad/tensor';
import { checkArgument, Kind, objectWith, show } from '@mambagrad/tensor/options';

/** Tensors by name, in a stable order. */
export type StateDict = ReadonlyMap<string, Tensor>;

/** An error lists at most this many problems. */
const MOST_PROBLEMS = 1000;

type Named = readonly (readonly [string, Tensor])[];

const stateDicts: Kind<StateDict> = objectWith('a Map of tensors by name', 'get', 'has', 'keys');

const namedLists = new Kind<Named>(
  'an array of pairs [name, tensor]',
  (x) => Array.isArray(x) && x.every((each) => Array.isArray(each) && each[1] instanceof Tensor),
);

/** Throws in the name of `op` unless its argument `values` is a map of tensors. */
export function requireState(op: string, values: unknown): void {
  checkArgument(op, 'values', values, stateDicts);
}

/** Copies of the current values, which later steps do not change. Throws if a name is repeated. */
export function saveState(named: Named): StateDict {
  checkArgument('saveState', 'named', named, namedLists);
  requireUnique('stateDict', named);
  return new Map(named.map(([name, { data, shape }]) => [name, tensor(data, { shape })]));
}

/**
 * Assigns to each tensor the value under its name. Throws one error, in the name of `op`, that
 * lists every problem, after those that were found `before`; then nothing is assigned. Without
 * `strict`, missing and unexpected names are no problem.
 */
export function loadState(
  op: string, named: Named, values: StateDict, strict = true, before: readonly string[] = [],
): void {
  requireState(op, values);
  requireUnique(op, named);
  const targets = new Map(named);
  const problems = [...before];
  if (strict) {
    const missing = [...targets.keys()].filter((name) => !values.has(name));
    const unexpected = [...values.keys()].filter((name) => !targets.has(name));
    for (const name of missing) problems.push(`${name} is missing`);
    // A file may have names of any length, and any number of them.
    for (const name of unexpected) problems.push(`${name.slice(0, 200)} is unexpected`);
  }
  for (const [name, target] of targets) {
    const value: unknown = values.get(name) ?? target;
    const [found, expected] = [
      value instanceof Tensor ? describe(value) : show(value), describe(target),
    ];
    if (found !== expected) problems.push(`${name} is ${found}, expected ${expected}`);
  }
  const more = problems.splice(MOST_PROBLEMS).length;
  if (more > 0) problems.push(`and ${more} more`);
  if (problems.length > 0) throw new TensorError([`${op}:`, ...problems].join('\n  '));
  for (const [name, target] of targets) target.assign(values.get(name) ?? target);
}

/** Copies values; the function that it returns restores those that have changed since. */
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

/** Throws unless names are unique: a file or a Map would keep only the last of two tensors. */
function requireUnique(op: string, named: Named): void {
  const names = new Set<string>();
  for (const [name] of named) {
    if (names.has(name)) throw new TensorError(`${op}: two tensors have the name '${name}'`);
    names.add(name);
  }
}

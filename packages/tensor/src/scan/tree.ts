/**
 * Trees of tensors, which a scan takes as states, inputs and outputs: a tensor, or plain objects
 * and arrays that hold tensors, nested as one likes. `undefined` stands for nothing.
 */
import { isPlain } from '../compile/trace/tree.ts';
import { show } from '../core/options.ts';
import { describe, failure } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';

/** A tree that is deeper than this most likely holds itself. */
const DEEPEST = 100;

/**
 * The structure of a tree, with dtypes and shapes, as text: `{ h: f32[2, 3], count: i32[] }`.
 * Throws if it holds anything but tensors; `name` is for the error.
 */
export function structureOf(name: string, tree: unknown, depth = 0): string {
  if (tree instanceof Tensor) return describe(tree);
  if (tree === undefined) return 'nothing';
  const isParent = typeof tree === 'object' && tree !== null;
  if (!isParent || !(Array.isArray(tree) || isPlain(tree))) {
    throw failure`scan: ${name} ${depth === 0 ? 'is' : 'holds'} ${show(tree)}; expected tensors, and
      plain objects and arrays of them`;
  }
  if (depth > DEEPEST) throw failure`scan: ${name} is nested more than ${DEEPEST} levels deep; does
    it hold itself?`;
  const next = (part: unknown): string => structureOf(name, part, depth + 1);
  if (Array.isArray(tree)) return `[${tree.map(next).join(', ')}]`;
  const parts = entriesOf(tree).map(([key, part]) => `${key}: ${next(part)}`);
  return `{ ${parts.join(', ')} }`;
}

/** The entries of an object by name: two that have them in another order are the same tree. */
function entriesOf(tree: object): [string, unknown][] {
  return Object.entries(tree).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The tensors of a tree, in order. Throws if it holds anything else; `name` is for the error. */
export function tensorsIn(name: string, tree: unknown): Tensor[] {
  structureOf(name, tree);
  const found: Tensor[] = [];
  mapTensors(tree, (tensor) => (found.push(tensor), tensor));
  return found;
}

/** A tree like this one with others in the places of its tensors, in order. */
export function withTensors(tree: unknown, others: readonly Tensor[]): unknown {
  let next = 0;
  return mapTensors(tree, () => others[next++]);
}

function mapTensors(tree: unknown, replace: (tensor: Tensor) => Tensor): unknown {
  if (tree instanceof Tensor) return replace(tree);
  if (Array.isArray(tree)) return tree.map((part) => mapTensors(part, replace));
  if (tree === undefined) return undefined;
  // The order of replacement is by name, that of the result as it was.
  return entriesOf(Object(tree)).reduce(
    (copy, [key, part]) => ({ ...copy, [key]: mapTensors(part, replace) }), { ...Object(tree) },
  );
}

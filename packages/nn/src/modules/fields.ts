/**
 * A walk over the fields of a tree of modules: the fields of each module, and the entries of the
 * arrays, plain objects, Maps and Sets in them. An element of an array or a Set is named by its
 * position, an entry of a Map by its key if that is a string or a number, else by its position.
 */
import { TensorError } from '@mambagrad/tensor';

/** A field, or an entry of a container, somewhere in the tree. */
export interface Field {
  /** The names of all fields from the root to this one, joined by dots. */
  readonly path: string;
  readonly value: unknown;
  /** Whether the value is still there, or another in its place. */
  readonly isCurrent: () => boolean;
  /** Replaces the value by another. */
  readonly replace: (value: unknown) => void;
}

/**
 * All fields of the tree below `owner`, depth first, in the order in which they were set. An object
 * that several fields hold is visited once.
 */
export function* fieldsOf(
  owner: object, isModule: (value: object) => boolean, path = '',
  seen: Set<object> = new Set([owner]),
): Iterable<Field> {
  for (const { name, value, isCurrent, replace } of entriesOf(owner)) {
    if (isObject(value) && seen.has(value)) continue;
    const fullPath = path === '' ? name : `${path}.${name}`;
    yield { path: fullPath, value, isCurrent, replace };
    if (!isObject(value) || !(isModule(value) || isContainer(value))) continue;
    yield* fieldsOf(value, isModule, fullPath, seen.add(value));
  }
}

type Entry = Omit<Field, 'path'> & { readonly name: string };

function entriesOf(owner: object): Entry[] {
  if (owner instanceof Map) {
    return Array.from(owner, ([key, value], i): Entry => {
      const isName = typeof key === 'string' || typeof key === 'number';
      return {
        name: String(isName ? key : i), value,
        isCurrent: () => owner.get(key) === value, replace: (other) => owner.set(key, other),
      };
    });
  }
  if (owner instanceof Set) {
    return Array.from(owner, (value, i): Entry => {
      // A Set cannot replace an element in place: all are added again, in their order.
      const replace = (other: unknown): void => {
        const all = [...owner].map((old: unknown) => (old === value ? other : old));
        owner.clear();
        for (const element of all) owner.add(element);
      };
      return { name: String(i), value, isCurrent: () => owner.has(value), replace };
    });
  }
  return Object.entries(owner).map(([name, value]): Entry => {
    const replace = (other: unknown): void => {
      if (Reflect.set(owner, name, other)) return;
      throw new TensorError(`Module: the field '${name}' is frozen and cannot be replaced`);
    };
    return { name, value, isCurrent: () => Reflect.get(owner, name) === value, replace };
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isContainer(value: object): boolean {
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * Selecting parameters by name. A string is a path, and stands for everything at or below it; a `*`
 * in it stands for any one name:
 *
 *     'encoder'           encoder.weight, encoder.layers.0.norm.weight, …
 *     'layers.*.norm'     layers.0.norm.weight, layers.1.norm.weight, …
 *
 * A regular expression is searched for in the name, and a function decides for itself.
 */
import { TensorError } from '@mambagrad/tensor';
import {
  callable, checkArgument, instanceOf, type Kind, show, string,
} from '@mambagrad/tensor/options';

/** A path, a regular expression, or a function of name and value. */
export type NameFilter<T> = string | RegExp | ((name: string, value: T) => boolean);

/** What a `NameFilter` may be. */
export function nameFilters<T>(): Kind<NameFilter<T>> {
  return string.or(instanceOf(RegExp)).or(callable<(name: string, value: T) => boolean>());
}

/**
 * The entries whose names match. Throws in the name of `op` and its `argument` if it is no filter,
 * or if none matches, which is a mistake in the name.
 */
export function selectNamed<T>(
  op: string, argument: string, named: readonly [string, T][], filter: NameFilter<T>,
): [string, T][] {
  checkArgument(op, argument, filter, nameFilters<T>());
  const found = named.filter(([name, value]) => matches(filter, name, value));
  if (found.length > 0) return found;
  const shown = filter instanceof RegExp ? String(filter) : show(filter);
  const names = named.slice(0, 8).map(([name]) => name).join(', ') || 'none';
  throw new TensorError(
    `${op}: ${argument} is ${shown}, which matches none of the parameters: ` +
      `${names}${named.length > 8 ? ', …' : ''}`,
  );
}

function matches<T>(filter: NameFilter<T>, name: string, value: T): boolean {
  if (typeof filter === 'function') return filter(name, value);
  if (filter instanceof RegExp) return name.search(filter) >= 0;
  const path = name.split('.');
  const parts = filter.split('.');
  return parts.length <= path.length && parts.every((part, i) => part === '*' || part === path[i]);
}

/** What the other files do with lists. */

/** The items in groups, those of one key together, in the order in which keys first appear. */
export function groupBy<T, Key>(items: readonly T[], keyOf: (item: T) => Key): Map<Key, T[]> {
  const groups = new Map<Key, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}

/** Names by how much they stand on: those that need no other first, equals by the alphabet. */
export function inOrder(names: readonly string[], needs: (name: string) => string[]): string[] {
  const heightOf = (name: string): number =>
    Math.max(0, ...needs(name).map((needed) => 1 + heightOf(needed)));
  return [...names].sort((a, b) => heightOf(a) - heightOf(b) || compare(a, b));
}

/** The order of code units, which is the same on every machine. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Lists of a length that their reader knows, such as a shape or the inputs of an op. Under
 * `noUncheckedIndexedAccess`, which `tsc --init` sets, TypeScript takes each item of an array for
 * one that may be undefined. The first eight of a `List` are taken for what they are:
 *
 *     const [batch, length] = x.shape;    // two numbers
 */

/** An array whose first eight items have the type T, never `T | undefined`. */
export type List<T> = readonly T[] & { readonly [I in 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7]: T };

/**
 * An array as a `List`. It is the same array; only its type changes.
 *
 *     const [first, second] = asList(pairs.flat());
 */
export function asList<Items extends readonly unknown[]>(
  items: Items,
): Items & List<Items[number]> {
  return items as Items & List<Items[number]>;
}

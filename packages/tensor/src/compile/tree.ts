/**
 * Arguments and results of a compiled function: tensors alone, or within plain objects and arrays,
 * nested as one likes, among other values.
 */
import { show } from '../options.ts';
import { check, describe, failure } from '../shape.ts';
import { Tensor } from '../tensor.ts';

/** A tree that is deeper than this most likely holds itself. */
const DEEPEST = 1000;

/** A copy of the tree with each tensor replaced. */
export function mapTensors(
  tree: unknown, replace: (tensor: Tensor) => unknown, depth = 0,
): unknown {
  if (tree instanceof Tensor) return replace(tree);
  if (typeof tree !== 'object' || tree === null) return tree;
  check(depth <= DEEPEST)`compile: an argument or result is nested more than ${DEEPEST} levels
    deep; does it hold itself?`;
  const next = (part: unknown): unknown => mapTensors(part, replace, depth + 1);
  if (Array.isArray(tree)) return tree.map(next);
  if (!isPlain(tree)) return tree;
  return Object.fromEntries(Object.entries(tree).map(([key, part]) => [key, next(part)]));
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The different tensors in a tree, in order. */
export function tensorsOf(tree: unknown): Tensor[] {
  const found = new Set<Tensor>();
  mapTensors(tree, (tensor) => found.add(tensor));
  return [...found];
}

/**
 * What a program depends on besides the tensors' values, as text: their shapes, dtypes, whether
 * they require gradients, which of them are one and the same, and all other values. Throws for
 * values that text cannot stand for, such as functions.
 */
export function signatureOf(args: readonly unknown[]): string {
  const order = tensorsOf(args);
  const keys = args.map((arg, argument) =>
    keyOf(arg, (value) => {
      if (value instanceof Tensor) {
        return `${describe(value)} ${value.requiresGrad} ${order.indexOf(value)}`;
      }
      const isItself = value === arg ? 'is' : 'holds';
      throw failure`compile: argument ${argument} of the function ${isItself} ${show(value)};
        expected tensors, numbers, strings, booleans, and plain objects and arrays of them`;
    }),
  );
  return keys.join();
}

/**
 * A value as text, different for different values: −0, NaN and undefined keep apart. `other` gives
 * the text for what is neither a primitive value nor a plain object or array.
 */
export function keyOf(value: unknown, other: (value: unknown) => string): string {
  if (Array.isArray(value)) return `[${value.map((part) => keyOf(part, other)).join()}]`;
  if (typeof value === 'object' && value !== null) {
    if (!isPlain(value)) return other(value);
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    const parts = entries.map(([key, part]) => `${JSON.stringify(key)}:${keyOf(part, other)}`);
    return `{${parts.join()}}`;
  }
  if (typeof value === 'function' || typeof value === 'symbol') return other(value);
  if (typeof value === 'string') return JSON.stringify(value);
  return Object.is(value, -0) ? '-0' : `${typeof value} ${String(value)}`;
}

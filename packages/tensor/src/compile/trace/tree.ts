/**
 * Arguments and results of a compiled function: tensors alone, or within plain objects and arrays,
 * nested as one likes, among other values.
 */
import { show } from '../../core/options.ts';
import { describe, failure } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';

/** A tree that is deeper than this most likely holds itself. */
const DEEPEST = 1000;

/** A copy of the tree with each tensor replaced. */
export function mapTensors(
  tree: unknown, replace: (tensor: Tensor) => unknown, depth = 0,
): unknown {
  if (tree instanceof Tensor) return replace(tree);
  if (typeof tree !== 'object' || tree === null) return tree;
  requireDepth(depth);
  const next = (part: unknown): unknown => mapTensors(part, replace, depth + 1);
  if (Array.isArray(tree)) return tree.map(next);
  if (!isPlain(tree)) return tree;
  const parts = tree as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.keys(parts).map((key) => [key, next(parts[key])]));
}

function requireDepth(depth: number): void {
  if (depth > DEEPEST) throw failure`compile: an argument or result is nested more than ${DEEPEST}
    levels deep; does it hold itself?`;
}

/** Whether a value is an object of no class, as `{}` makes. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The arguments of a call, as a program sees them. */
export interface Arguments {
  /** Their different tensors, in the order of the text. */
  readonly tensors: readonly Tensor[];
  /**
   * What a program depends on besides the tensors' values, as text: their shapes, dtypes, whether
   * they require gradients, which of them are one and the same, and all other values.
   */
  readonly signature: string;
}

/** Throws for values that text cannot stand for, such as functions. */
export function readArguments(args: readonly unknown[]): Arguments {
  const numbers = new Map<Tensor, number>();
  const keys = args.map((arg, argument) =>
    keyOf(arg, (value) => {
      if (value instanceof Tensor) {
        const number = numbers.get(value) ?? numbers.size;
        numbers.set(value, number);
        return `${describe(value)} ${value.requiresGrad} ${number}`;
      }
      const isItself = value === arg ? 'is' : 'holds';
      throw failure`compile: argument ${argument} of the function ${isItself} ${show(value)};
        expected tensors, numbers, strings, booleans, and plain objects and arrays of them`;
    }),
  );
  return { tensors: [...numbers.keys()], signature: keys.join() };
}

/**
 * A value as text, different for different values: −0, NaN and undefined keep apart. `other` gives
 * the text for what is neither a primitive value nor a plain object or array.
 */
export function keyOf(
  value: unknown, other: (value: unknown) => string, depth = 0,
): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function' || typeof value === 'symbol') return other(value);
  if (typeof value !== 'object' || value === null) {
    return Object.is(value, -0) ? '-0' : `${typeof value} ${String(value)}`;
  }
  if (value instanceof Tensor) return other(value);
  requireDepth(depth);
  const next = (part: unknown): string => keyOf(part, other, depth + 1);
  if (Array.isArray(value)) return `[${value.map(next).join()}]`;
  if (!isPlain(value)) return other(value);
  const parts = Object.keys(value).sort().map(
    (key) => `${JSON.stringify(key)}:${next((value as Record<string, unknown>)[key])}`,
  );
  return `{${parts.join()}}`;
}

/** Numbers things by the order in which they are met. */
export function numbering<T>(): (thing: T) => number {
  const numbers = new Map<T, number>();
  return (thing) => {
    const number = numbers.get(thing) ?? numbers.size;
    numbers.set(thing, number);
    return number;
  };
}

/**
 * Arguments and results of a compiled function: tensors alone, or within plain objects and arrays,
 * nested as one likes, among other values.
 */
import { show } from '../../core/options.ts';
import { failure } from '../../core/shape.ts';
import { currentMode, Tensor } from '../../core/tensor.ts';

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

/**
 * Gives a function that puts what it is given, in order, into the places of a tree's tensors.
 * `standIn` gives what stays there in between: the tensors themselves would be kept alive.
 */
export function rebuilder(
  tree: unknown, standIn: (tensor: Tensor) => Tensor,
): (tensors: readonly unknown[]) => unknown {
  let count = 0;
  const builderOf = (part: unknown): ((tensors: readonly unknown[]) => unknown) => {
    if (part instanceof Tensor) {
      const i = count++;
      return (tensors) => tensors[i];
    }
    if (Array.isArray(part)) {
      const builders = part.map(builderOf);
      return (tensors) => builders.map((build) => build(tensors));
    }
    if (typeof part !== 'object' || part === null || !isPlain(part)) return () => part;
    const form = part as Readonly<Record<string, unknown>>;
    const builders = Object.keys(form).map((key) => [key, builderOf(form[key])] as const);
    return (tensors) => {
      // A copy has all keys from the start, also __proto__, which is then a key like others.
      const copy = { ...form };
      for (const [key, build] of builders) copy[key] = build(tensors);
      return copy;
    };
  };
  return builderOf(mapTensors(tree, standIn));
}

/** The arguments of a call, as a program sees them. */
export interface Arguments {
  /** Their different tensors, in the order of the text. */
  readonly tensors: readonly Tensor[];
  /**
   * What a program depends on besides the tensors' values, as text: their shapes, dtypes, whether
   * they require gradients, which of them are one and the same, all other values, and whether
   * gradients are recorded.
   */
  readonly signature: string;
}

/** Where a tensor, an array and an object begin in a list of facts. */
const [TENSOR, ARRAY, OBJECT] = [Symbol('tensor'), Symbol('array'), Symbol('object')];

/**
 * Reads the arguments of the calls of a function. They are read as a list of facts; most calls have
 * the facts of the call before, and so its signature, which need not be made again.
 */
export class ArgumentReader {
  #facts: readonly unknown[] = [];
  #signature = '';

  /** Throws for values that text cannot stand for, such as functions. */
  read(args: readonly unknown[]): Arguments {
    const numbers = new Map<Tensor, number>();
    const facts: unknown[] = [currentMode().recording];
    for (let i = 0; i < args.length; i++) addFacts(facts, args[i], { numbers, args, argument: i });
    if (!areSame(facts, this.#facts)) {
      this.#facts = facts;
      this.#signature = keyOf(facts, String);
    }
    return { tensors: [...numbers.keys()], signature: this.#signature };
  }
}

function areSame(facts: readonly unknown[], others: readonly unknown[]): boolean {
  if (facts.length !== others.length) return false;
  for (let i = 0; i < facts.length; i++) if (!Object.is(facts[i], others[i])) return false;
  return true;
}

/** Which argument a value is a part of, and the numbers of the tensors that were met so far. */
interface Reading {
  readonly numbers: Map<Tensor, number>;
  readonly args: readonly unknown[];
  readonly argument: number;
}

/** Adds to the facts those by which a value differs from all others. */
function addFacts(facts: unknown[], value: unknown, reading: Reading, depth = 0): void {
  if (value instanceof Tensor) {
    const { numbers } = reading;
    const number = numbers.get(value) ?? numbers.size;
    numbers.set(value, number);
    const { dtype, requiresGrad, shape } = value;
    facts.push(TENSOR, number, dtype, requiresGrad, shape.length, ...shape);
  } else if (Array.isArray(value)) {
    requireDepth(depth);
    facts.push(ARRAY, value.length);
    for (let i = 0; i < value.length; i++) addFacts(facts, value[i], reading, depth + 1);
  } else if (typeof value === 'object' && value !== null && isPlain(value)) {
    requireDepth(depth);
    const keys = Object.keys(value).sort();
    facts.push(OBJECT, keys.length, ...keys);
    for (const key of keys) {
      addFacts(facts, (value as Record<string, unknown>)[key], reading, depth + 1);
    }
  } else {
    requirePrimitive(value, reading);
    facts.push(value);
  }
}

function requirePrimitive(value: unknown, { args, argument }: Reading): void {
  const isObject = typeof value === 'object' && value !== null;
  if (!isObject && typeof value !== 'function' && typeof value !== 'symbol') return;
  const isItself = value === args[argument] ? 'is' : 'holds';
  throw failure`compile: argument ${argument} of the function ${isItself} ${show(value)};
    expected tensors, numbers, strings, booleans, and plain objects and arrays of them`;
}

/** The different tensors in the arguments of a call, in the order in which they are numbered. */
export function tensorsIn(args: readonly unknown[]): readonly Tensor[] {
  return new ArgumentReader().read(args).tensors;
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

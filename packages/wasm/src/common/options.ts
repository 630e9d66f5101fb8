/**
 * Options: one check for every options object of every package. A function lists its options in a
 * table, each with its kind and its default, and reads what it was given through that table:
 *
 *     const table = { bias: boolean.orElse(true), size: whole(1).required() };
 *     const { bias, size } = readOptions('layer', given, table);
 *
 * A misspelt name, a value of the wrong kind and a missing option are errors, which name the
 * function, the option, what was given and what would be right. Undefined values count as absent.
 */

/** The kind of values that an option or argument accepts. */
export class Kind<T> {
  /** Its name in errors: "true or false". */
  readonly expected: string;
  /** Whether a value is of this kind. */
  readonly accepts: (value: unknown) => boolean;

  constructor(expected: string, accepts: (value: unknown) => boolean) {
    this.expected = expected;
    this.accepts = accepts;
  }

  /** An option of this kind that must be given. */
  required(): Option<T> {
    return { kind: this, isRequired: true };
  }

  /** An option of this kind that may be left out; it is then undefined. */
  optional(): Option<T | undefined> {
    return { kind: this, isRequired: false };
  }

  /** An option of this kind with a default. */
  orElse(fallback: T): Option<T> {
    return { kind: this, isRequired: false, fallback };
  }

  /** The values of this kind and of another. */
  or<U>(other: Kind<U>): Kind<T | U> {
    return new Kind(
      `${this.expected} or ${other.expected}`,
      (value) => this.accepts(value) || other.accepts(value),
    );
  }
}

/** An entry of a table of options. `T` is the type that `readOptions` gives for it. */
export interface Option<T> {
  /** The kind of its value. */
  readonly kind: Kind<unknown>;
  /** Whether it is an error to leave it out. */
  readonly isRequired: boolean;
  /** The value of an option that is left out; undefined if it has no default. */
  readonly fallback?: T;
}

/** A table with an entry for every key of an interface of options: `{ … } satisfies Table<O>`. */
export type Table<Options> = { readonly [Key in keyof Options]-?: Option<Options[Key]> };

/** A table in which every option has a default or is required, but for those that are named. */
export type FullTable<Options, Optional extends keyof Options = never> = {
  readonly [Key in keyof Options]-?: Option<
    Key extends Optional ? Options[Key] : Exclude<Options[Key], undefined>
  >;
};

/** The options read through a table: every key with its value, its default, or undefined. */
export type Read<T> = { readonly [Key in keyof T]: T[Key] extends Option<infer V> ? V : never };

// The kinds

/** True or false, and no other values that are truthy or falsy. */
export const boolean: Kind<boolean> = new Kind('true or false', (x) => typeof x === 'boolean');

/** A string, which may be empty. */
export const string: Kind<string> = new Kind('a string', (x) => typeof x === 'string');

/** Any function; its parameters and result cannot be checked. */
export function callable<F>(): Kind<F> {
  return new Kind('a function', (x) => typeof x === 'function');
}

/** The bounds of a number: `from` and `to` are included, `above` and `below` are excluded. */
export interface Bounds {
  /** The smallest number that is allowed. */
  readonly from?: number;
  /** The number must be larger than this. */
  readonly above?: number;
  /** The largest number that is allowed. */
  readonly to?: number;
  /** The number must be smaller than this. */
  readonly below?: number;
}

/** A number in bounds: not NaN, and finite unless `from` or `to` is infinite. */
export function number(bounds: Bounds = {}): Kind<number> {
  const { from = -Number.MAX_VALUE, to = Number.MAX_VALUE, above, below } = bounds;
  return new Kind(
    `a number${boundsText(bounds)}`,
    (x) =>
      typeof x === 'number' && x >= from && x <= to && !(above !== undefined && x <= above) &&
      !(below !== undefined && x >= below),
  );
}

/** A whole number from `from` to `to`. */
export function whole(from = 0, to: number = Number.MAX_SAFE_INTEGER): Kind<number> {
  const bounds = to === Number.MAX_SAFE_INTEGER ? { from } : { from, to };
  return new Kind(
    `a whole number${boundsText(bounds)}`,
    (x) => Number.isSafeInteger(x) && Number(x) >= from && Number(x) <= to,
  );
}

function boundsText({ from, above, to, below }: Bounds): string {
  if (from !== undefined && to !== undefined) return ` from ${from} to ${to}`;
  const parts = [
    from !== undefined && `from ${from}`, above !== undefined && `above ${above}`,
    to !== undefined && `at most ${to}`, below !== undefined && `below ${below}`,
  ].filter(Boolean);
  return parts.length === 0 ? '' : ` ${parts.join(' and ')}`;
}

/** One of a few strings, numbers or other constants. */
export function oneOf<const T extends readonly unknown[]>(...values: T): Kind<T[number]> {
  return new Kind(values.map((value) => show(value)).join(' or '), (x) => values.includes(x));
}

/** An array whose elements are all of a kind, of the given length if there is one. */
export function listOf<T>(kind: Kind<T>, length?: number): Kind<readonly T[]> {
  return new Kind(
    length === undefined ? arraysOf(kind.expected) : `an array of ${length}, each ${kind.expected}`,
    (x) => {
      if (!Array.isArray(x) || (length !== undefined && x.length !== length)) return false;
      // By index, as `every` skips the holes of a sparse array.
      for (let i = 0; i < x.length; i++) if (!kind.accepts(x[i])) return false;
      return true;
    },
  );
}

/** 'a whole number from 1' becomes 'an array of whole numbers from 1'. */
function arraysOf(expected: string): string {
  const [, noun, rest] = /^an? ((?:whole )?\w+)(.*)$/.exec(expected) ?? [];
  const isPlural = noun !== undefined && !expected.includes(' or ');
  return isPlural ? `an array of ${noun}s${rest}` : `an array, each element ${expected}`;
}

/** An instance of a class; `expected` is its name in errors. */
export function instanceOf<T>(
  constructor: abstract new (...args: never[]) => T, expected = `a ${constructor.name}`,
): Kind<T> {
  return new Kind(expected, (x) => x instanceof constructor);
}

/** An object that has the given methods; `expected` is its name in errors. */
export function objectWith<T>(
  expected: string, ...methods: readonly (keyof T & string)[]
): Kind<T> {
  return new Kind(expected, (x) => {
    const isObject = (typeof x === 'object' && x !== null) || typeof x === 'function';
    return isObject && methods.every((name) => typeof (x as Partial<T>)[name] === 'function');
  });
}

/** Any value, for options that are checked elsewhere or cannot be wrong. */
export function anything<T>(): Kind<T> {
  return new Kind('any value', () => true);
}

// The checks

/** The class of the errors that a check throws. */
export type Failure = new (message: string) => Error;

/**
 * Reads the options of `op` through their table. Throws a `failure` if they are not an object of
 * options, or if an option is unknown, missing, or not of its kind.
 */
export function readOptions<T extends Readonly<Record<string, Option<unknown>>>>(
  op: string, given: unknown, table: T, failure: Failure = Error,
): Read<T> {
  const known = Object.keys(table);
  if (!isOptions(given)) {
    const names = known.length > 3 ? [...known.slice(0, 3), '…'] : known;
    throw new failure(`${op}: options are ${show(given)}, expected { ${names.join(', ')} }`);
  }
  // Plain loops, for speed: ops that are called often read their options here.
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(table, key) || given[key] === undefined) continue;
    const meant = nearest(key, known);
    const help = meant ? `did you mean '${meant}'?` : `expected ${known.join(', ') || 'none'}`;
    throw new failure(`${op}: there is no option '${shorten(key)}'; ${help}`);
  }
  const read: Record<string, unknown> = {};
  for (const key of known) {
    const { kind, isRequired, fallback } = table[key];
    const value = given[key];
    const isAbsent = value === undefined && !isRequired;
    if (!isAbsent) checkArgument(op, key, value, kind, failure);
    read[key] = isAbsent ? fallback : value;
  }
  return read as Read<T>;
}

/** Throws a `failure` unless the value of an argument (or option) of `op` is of a kind. */
export function checkArgument(
  op: string, name: string, value: unknown, kind: Kind<unknown>, failure: Failure = Error,
): void {
  if (kind.accepts(value)) return;
  const found = value === undefined ? 'is missing' : `is ${show(value)}`;
  throw new failure(`${op}: ${name} ${found}, expected ${kind.expected}`);
}

/** The options that are in a table, to pass them on to a function that knows only those. */
export function pickOptions<Given extends object, Known extends object>(
  given: Given, table: Known,
): Pick<Given, keyof Given & keyof Known> {
  const entries = Object.entries(given).filter(([key]) => Object.hasOwn(table, key));
  return Object.fromEntries(entries) as Pick<Given, keyof Given & keyof Known>;
}

/** Whether a value can be an options object, and not an array, a tensor or other data. */
function isOptions(given: unknown): given is Readonly<Record<string, unknown>> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return false;
  const isData = ArrayBuffer.isView(given) || Symbol.iterator in given || given instanceof Promise;
  // A tensor, most likely: an argument in the place of the options.
  return !isData && !('shape' in given && 'dtype' in given && 'data' in given);
}

// Words for errors

/** The largest number of characters of a value that an error shows. */
const LONGEST = 80;
/** The largest number of elements or keys that it shows. */
const SHOWN = 8;

function shorten(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

/** A value as an error shows it: short, however large or deep it is. */
export function show(value: unknown, isInner = false): string {
  if (typeof value === 'string') return `'${shorten(value)}'`;
  if (typeof value === 'function') {
    return typeof value.name === 'string' && value.name !== ''
      ? `the function ${shorten(value.name)}`
      : 'a function';
  }
  if (typeof value === 'bigint') return shorten(`${value}n`);
  if (typeof value !== 'object' || value === null) {
    return Object.is(value, -0) ? '-0' : shorten(String(value));
  }
  if ('shape' in value && 'dtype' in value && Array.isArray(value.shape)) {
    return shorten(`${show(value.dtype, true).replaceAll("'", '')}${show(value.shape)}`);
  }
  if (Array.isArray(value)) {
    if (isInner && value.length > 0) return '[…]';
    const first = value.slice(0, SHOWN).map((element) => show(element, true));
    return `[${some(first, value.length)}]`;
  }
  const name = (Object.getPrototypeOf(value) as object | null)?.constructor?.name ?? 'Object';
  if (name === '') return 'an instance of a class without a name';
  if (name !== 'Object') return `a ${shorten(String(name))}`;
  const keys = Object.keys(value);
  return keys.length === 0 ? '{}' : `{ ${some(keys, keys.length)} }`;
}

/** The first parts of a list, as an error shows it. */
function some(parts: readonly string[], count: number): string {
  const text = shorten(parts.slice(0, SHOWN).join(', '));
  return count > SHOWN && !text.endsWith('…') ? `${text}, …` : text;
}

/** The known name that is most likely meant, if one is similar enough. */
function nearest(given: string, known: readonly string[]): string | undefined {
  const most = Math.max(1, Math.floor(given.length / 3));
  const all = known.map((name) => ({ name, edits: edits(shorten(given), name) }));
  const [best] = all.sort((a, b) => a.edits - b.edits);
  return best && best.edits <= most ? best.name : undefined;
}

/**
 * The Damerau–Levenshtein distance of two words, ignoring case: how many letters must be inserted,
 * deleted, changed or swapped with the next to turn one into the other.
 */
function edits(from: string, to: string): number {
  const [a, b] = [from.toLowerCase(), to.toLowerCase()];
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = rows[i - 1][j - 1] + Number(a[i - 1] !== b[j - 1]);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? rows[i - 2][j - 2] + 1 : Infinity;
      row.push(Math.min(changed, swapped, rows[i - 1][j] + 1, row[j - 1] + 1));
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}

/**
 * Shorter names for the variables of a module. A name is replaced at all of its places at once, by
 * one that is not used there. So each variable still means what it meant, in whatever scope it was
 * declared:
 *
 *     const sizes = shapes.map((shape) => size({ shape }));
 *     const a = b.map((c) => d({ shape: c }));
 *
 * Names that are declared in functions alone are replaced statement by statement, so that each
 * statement has the shortest ones to itself. Functions and classes whose names can be seen
 * (`f.name`) keep them, and so do globals.
 */
import { isKeyword, type Token } from './tokens.ts';
import type { Words } from './words.ts';

/** What is known of names from outside of the module. */
export interface Names {
  /** Those of imports, with the names that stand for them. */
  readonly given: ReadonlyMap<string, string>;
  /** Those of imports that are declared before the code, under the names that it has for them. */
  readonly declared: ReadonlySet<string>;
  /** Functions that keep their names, besides those whose values others have. */
  readonly kept: ReadonlySet<string>;
}

/** Shorter names for the words of a module, by the numbers of their tokens. */
export function shortNames(
  tokens: readonly Token[], words: Words, { given, declared, kept }: Names,
): Map<number, string> {
  const variables = variablesOf(tokens, words, declared);
  const taken = new Map([[WHOLE_MODULE, new Set(declared)]]);
  const isFree = (name: string, { units }: Variable): boolean =>
    [...units].every((unit) => taken.get(unit)?.has(name) !== true);
  const take = (name: string, { units }: Variable): void => {
    for (const unit of units) taken.set(unit, (taken.get(unit) ?? new Set()).add(name));
  };
  const names = new Map<number, string>();
  const isSeen = (name: string): boolean =>
    words.functions.has(name) && (kept.has(name) || words.values.has(name));
  const isShortened = ({ text }: Variable): boolean => text.startsWith('#') ||
    (words.declared.has(text) && !isSeen(text) && !isKeyword(text));
  for (const variable of variables) {
    const outside = given.get(variable.text);
    if (outside !== undefined) for (const place of variable.places) names.set(place, outside);
    else if (!isShortened(variable)) take(variable.text, variable);
  }
  // What is used most gets the shortest names.
  const shortened = variables.filter((each) => !given.has(each.text) && isShortened(each))
    .sort((a, b) => b.places.length - a.places.length);
  for (const variable of shortened) {
    const mark = variable.text.startsWith('#') ? '#' : '';
    for (const word of shortWords()) {
      if (!isFree(mark + word, variable)) continue;
      take(mark + word, variable);
      for (const place of variable.places) names.set(place, mark + word);
      break;
    }
  }
  return names;
}

/** A name where it means one thing: in the whole module, or in one of its statements. */
interface Variable {
  readonly text: string;
  /** The numbers of its tokens. */
  readonly places: number[];
  /** The statements in which it is. */
  readonly units: Set<number>;
}

/** Stands among the statements of a variable for the module itself. */
const WHOLE_MODULE = -1;

function variablesOf(
  tokens: readonly Token[], { uses, units, shared, declared }: Words, before: ReadonlySet<string>,
): Variable[] {
  const variables = new Map<string, Variable>();
  for (const [i, use] of uses) {
    if (use === 'key') continue;
    const { text } = tokens[i];
    const unit = units.get(i) ?? 0;
    const isShared = shared.has(text) || !declared.has(text) || before.has(text);
    const key = isShared ? text : `${unit} ${text}`;
    const known = variables.get(key);
    const variable = known ?? { text, places: [], units: new Set(isShared ? [WHOLE_MODULE] : []) };
    variable.places.push(i);
    variable.units.add(unit);
    variables.set(key, variable);
  }
  return [...variables.values()];
}

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** a, b, …, Z, aa, ab, … without keywords. */
function* shortWords(): Generator<string, never> {
  for (let length = 1, number = 0;; number++) {
    if (number === letters.length ** length) [length, number] = [length + 1, 0];
    let word = '';
    for (let rest = number; word.length < length; rest = Math.floor(rest / letters.length)) {
      word = letters[rest % letters.length] + word;
    }
    if (!isKeyword(word)) yield word;
  }
}

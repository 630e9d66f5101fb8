/**
 * Checks of an exercise. A check is a list of properties, sentences that are true of every right
 * answer, from simple to subtle. Each is tried on many inputs that fast-check draws. The first that
 * fails is reported with the smallest input on which it does:
 *
 *     check(exercise, module)  →  { status: 'done' | 'open' | 'failed', passed, … }
 *
 * It is a pure function of the reader's module, so it runs in Node and in a browser.
 */
import fc from 'fast-check';
import { copyOf, isAlike, show } from './values.ts';

/** A sentence that is true of every right answer, and how to try it. */
export interface Property<Module> {
  /** The sentence, as it is printed. */
  readonly says: string;
  /** Tries it on many inputs; `onInput` is told of each before the reader's code sees it. */
  run(module: Module, onInput: (input: string) => void): Failure | undefined;
}

/** The smallest input on which a property fails. */
export interface Failure {
  /** The input, a line for each part of it. */
  readonly input: string;
  readonly expected: string;
  readonly given: string;
  /** What such a failure usually comes from, if one can say. */
  readonly because: string | undefined;
}

/** A property, by how its inputs are drawn, and what is expected and given for each. */
export interface Definition<Module, Input> {
  readonly says: string;
  readonly because?: string | undefined;
  readonly inputs: fc.Arbitrary<Input>;
  /** The result of a right answer. */
  readonly expected: (input: Input) => unknown;
  /** The result of the reader's answer. */
  readonly given: (module: Module, input: Input) => unknown;
  /** The parts of the input to print. Default: the input itself, if it is an object. */
  readonly show?: (input: Input) => object;
  /** How far numbers may be apart, relative to their size where that is above 1. Default 1e-9. */
  readonly tolerance?: number;
  /** How many inputs are tried. Default 100. */
  readonly tries?: number;
}

/** An exercise: the functions to write, the properties that they must have, and hints. */
export interface Exercise<Module> {
  /** The name of its file. */
  readonly name: string;
  /** The name to show, such as 'The backward pass of one node'. */
  readonly title: string;
  /** The names of the functions to write. */
  readonly exports: readonly (keyof Module & string)[];
  readonly properties: readonly Property<Module>[];
  /** From a nudge to nearly the answer. */
  readonly hints: readonly string[];
}

/** The result of a check; `passed` are the properties that hold. */
export type Report =
  | { readonly status: 'done'; readonly passed: readonly string[] }
  | { readonly status: 'open'; readonly passed: readonly string[]; readonly problem: string }
  | {
    readonly status: 'failed'; readonly passed: readonly string[];
    /** The property that fails. */
    readonly property: string;
    readonly failure: Failure;
  };

/** The reader's function threw the error with which every exercise begins. */
class NotWritten extends Error {}

/** The same inputs are drawn each time, so that the same mistake gives the same message. */
const SEED = 1;

/** Makes a property of its definition. */
export function property<Module, Input>(definition: Definition<Module, Input>): Property<Module> {
  const { says, because, inputs, tolerance = 1e-9, tries = 100 } = definition;
  const { expected, show: partsOf = (input: Input) => input as object } = definition;
  return {
    says,
    run(module, onInput) {
      const attempt = (input: Input) => attemptOn(definition, module, input);
      const holds = (input: Input): boolean => {
        onInput(showInput(partsOf(input)));
        const given = attempt(input);
        return 'value' in given && isAlike(given.value, expected(input), tolerance);
      };
      const details = fc.check(fc.property(inputs, holds), { seed: SEED, numRuns: tries });
      if (details.errorInstance instanceof NotWritten) throw details.errorInstance;
      if (!details.failed) return undefined;
      const [input] = details.counterexample ?? [];
      if (input === undefined) throw details.errorInstance ?? new Error(`${says}: no input fits`);
      const given = attempt(input);
      const wanted = expected(input);
      const isClose = 'value' in given && show(given.value) === show(wanted);
      const digits = isClose ? 17 : undefined;
      return {
        input: showInput(partsOf(input)),
        expected: show(wanted, digits),
        given: 'value' in given ? show(given.value, digits) : given.problem,
        because: 'value' in given ? because : undefined,
      };
    },
  };
}

/** What the reader's code gives for an input, or what went wrong. */
function attemptOn<Module, Input>(
  { given }: Definition<Module, Input>, module: Module, input: Input,
): { readonly value: unknown } | { readonly problem: string } {
  const copy = copyOf(input);
  try {
    const value = given(module, copy);
    if (isAlike(copy, input, 0)) return { value };
    return { problem: 'the function changes its arguments; leave them as they are' };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (/^\w+ is not written yet$/.test(message)) throw new NotWritten(message);
    const name = error instanceof Error ? error.name : 'Error';
    return { problem: `an error is thrown: ${name}: ${message}` };
  }
}

function showInput(parts: object): string {
  return Object.entries(parts).map(([name, value]) => (
    typeof value === 'string'
      ? `${name}: ${value}`
      : `${name} = ${show(value).replaceAll('\n', `\n${' '.repeat(name.length + 3)}`)}`
  )).join('\n');
}

/** What is called while a check runs: with the property, and with each input of it. */
export interface Progress {
  readonly property: string;
  readonly input: string;
}

/** Holds the reader's module to the properties of an exercise. */
export function check<Module>(
  { exports, properties }: Exercise<Module>, module: object,
  onProgress: (progress: Progress) => void = () => {},
): Report {
  const missing = exports.find((name) => typeof Reflect.get(module, name) !== 'function');
  const passed: string[] = [];
  if (missing !== undefined) {
    return { status: 'open', passed, problem: `the file exports no function ${missing}` };
  }
  for (const { says, run } of properties) {
    try {
      const failure = run(module as Module, (input) => onProgress({ property: says, input }));
      if (failure) return { status: 'failed', passed, property: says, failure };
    } catch (error) {
      if (error instanceof NotWritten) return { status: 'open', passed, problem: error.message };
      throw error;
    }
    passed.push(says);
  }
  return { status: 'done', passed };
}

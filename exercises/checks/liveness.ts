/** The check of exercises/liveness.ts. */
import fc from 'fast-check';
import type * as solution from '../solutions/liveness.ts';
import type { Lifetime, Step } from '../solutions/liveness.ts';
import { type Exercise, property } from './check.ts';

type Module = typeof solution;

/** A program: its steps, and the values that it gives. */
interface Program {
  readonly steps: readonly Step[];
  readonly results: readonly string[];
}

/** The arguments of every program. */
const args = ['p', 'q'];
const nameOf = (i: number): string => `v${i}`;

/** Programs, whose values are p, q, v0, v1, …; each step reads up to two values before it. */
const programs = (maxLength: number): fc.Arbitrary<Program> => fc.record({
  picks: fc.array(fc.array(fc.nat(9), { maxLength: 2 }), { minLength: 1, maxLength }),
  results: fc.array(fc.nat(9), { minLength: 1, maxLength: 2 }),
}).map(({ picks, results }) => {
  const valuesBefore = (i: number) => [...args, ...picks.slice(0, i).map((_, j) => nameOf(j))];
  const pick = (number: number, from: readonly string[]) =>
    from[from.length - 1 - number % from.length];
  const all = valuesBefore(picks.length);
  return {
    steps: picks.map((numbers, i) => ({
      makes: nameOf(i), reads: [...new Set(numbers.map((number) => pick(number, valuesBefore(i))))],
    })),
    results: [...new Set(results.map((number) => pick(number, all)))],
  };
});

const textOf = ({ steps, results }: Program) => ({
  ...Object.fromEntries(steps.map(({ makes, reads }, i) => (
    [`step ${i}`, `${makes} from ${reads.length > 0 ? reads.join(' and ') : 'nothing'}`]
  ))),
  results: results.length > 0 ? results.join(', ') : 'none',
});

/** All lifetimes, each by looking through the whole program. */
function lifetimesOf({ steps, results }: Program): Map<string, Lifetime> {
  const named = [...steps.flatMap(({ makes, reads }) => [...reads, makes]), ...results];
  return new Map([...new Set(named)].map((value) => {
    const from = steps.findIndex(({ makes }) => makes === value);
    const lastRead = steps.findLastIndex(({ reads }) => reads.includes(value));
    return [value, { from, to: results.includes(value) ? steps.length : Math.max(from, lastRead) }];
  }));
}

/** A property of the lifetimes of some values, by default of all. */
const ofProgram = (
  says: string, because: string, inputs: fc.Arbitrary<Program>,
  only?: (program: Program) => readonly string[],
) => {
  const pick = (program: Program, lifetimes: Map<string, Lifetime>) => (
    only ? Object.fromEntries(only(program).map((name) => [name, lifetimes.get(name)])) : lifetimes
  );
  return property<Module, Program>({
    says, because, inputs,
    show: textOf,
    expected: (program) => pick(program, lifetimesOf(program)),
    given: ({ liveness }, program) => pick(program, liveness(program.steps, program.results)),
  });
};

/** A program of steps that read what is named, the first of which makes v0. */
const fixed = (reads: readonly (readonly string[])[], results: readonly string[] = []) => ({
  steps: reads.map((names, i) => ({ makes: nameOf(i), reads: names })), results,
});

/** The values that some step reads. */
const valuesRead = ({ steps }: Program): string[] =>
  [...new Set(steps.flatMap(({ reads }) => reads))];

const repeat = (count: number): string[][] => Array.from({ length: count }, () => []);

/** Gives every value a place in memory, by its lifetime: the first that is free. */
function placesOf(
  { steps }: Program, lifetimes: ReadonlyMap<string, Lifetime>,
): Map<string, number> {
  const places = new Map<string, number>();
  const busyUntil: number[] = [];
  const place = (value: string, at: number): void => {
    const free = busyUntil.findIndex((to) => to < at);
    const index = free < 0 ? busyUntil.length : free;
    places.set(value, index);
    busyUntil[index] = lifetimes.get(value)?.to ?? at;
  };
  for (const value of args) place(value, -1);
  for (const [i, { makes }] of steps.entries()) place(makes, i);
  return places;
}

/** Runs the program in memory that values share: which value each step and the end finds there. */
function foundIn(program: Program, lifetimes: ReadonlyMap<string, Lifetime>): string[] {
  const places = placesOf(program, lifetimes);
  const memory: string[] = [];
  for (const value of args) memory[places.get(value) ?? 0] = value;
  const readAll = (who: string, values: readonly string[]) =>
    values.map((value) => `${who} reads ${value} and finds ${memory[places.get(value) ?? 0]}`);
  const found = program.steps.flatMap(({ makes, reads }, i) => {
    const read = readAll(`step ${i}`, reads);
    memory[places.get(makes) ?? 0] = makes;
    return read;
  });
  return [...found, ...readAll('the caller', program.results)];
}

/** The exercise on liveness analysis. */
export const liveness: Exercise<Module> = {
  name: 'liveness',
  title: 'A liveness pass',
  exports: ['liveness'],
  properties: [
    ofProgram(
      'a value is alive from the step that makes it to the step that reads it',
      'Step i makes the value, so `from` is i; the step that reads it is `to`.',
      fc.tuple(fc.nat(2), fc.nat(2)).map(([before, between]) => fixed(
        [...repeat(before), [], ...repeat(between), [nameOf(before)]],
      )),
      valuesRead,
    ),
    ofProgram(
      'if several steps read a value, it is alive to the last of them',
      'A later read moves `to`, and leaves `from` as it is.',
      fc.nat(2).map((between) => fixed([[], ['v0'], ...repeat(between), ['v0']])),
      valuesRead,
    ),
    ofProgram(
      'a value that no step reads is alive at the step that makes it',
      'It is written somewhere, so it needs a place: from and to are both that step.',
      fc.nat(2).map((before) => fixed(repeat(before + 1))),
    ),
    ofProgram(
      'an argument is alive from −1',
      'No step makes it: it is there before step 0.',
      fc.nat(2).map((before) => fixed([...repeat(before), ['p']])), () => ['p'],
    ),
    ofProgram(
      'a result is alive to the end, steps.length',
      'The caller reads it when all steps are done, whichever step read it last.',
      fc.tuple(fc.nat(1), fc.nat(1)).map(([reads, after]) => fixed(
        [[], ...Array.from({ length: reads }, () => ['v0']), ...repeat(after)], ['v0'],
      )), () => ['v0'],
    ),
    ofProgram(
      'an argument that is a result is alive from −1 to the end',
      'A program may give back what it was given, without a step that reads it.',
      fc.nat(2).map((more) => fixed(repeat(1 + more), ['p'])), () => ['p'],
    ),
    property<Module, Program>({
      says: 'values that are never alive together can share memory',
      because: 'Memory was planned from your lifetimes: a value was overwritten too early, so ' +
        'its `to` is too small.',
      inputs: programs(6),
      show: textOf,
      expected: (program) => foundIn(program, lifetimesOf(program)),
      given: ({ liveness }, program) => foundIn(program, liveness(program.steps, program.results)),
    }),
    ofProgram(
      'in any program, no value is alive longer or shorter than it must be',
      'Compare the values one by one.',
      programs(6),
    ),
  ],
  hints: [
    'Make an empty Map and go through the steps in order. Each step tells you one value that is ' +
      'made, and which values are read at this time.',
    'When step i reads a value, its `to` is i for now; a later step may move it. If the value is ' +
      'not in the Map yet, no step has made it: it is an argument, and its `from` is −1.',
    'When step i makes a value, set { from: i, to: i }. After all steps, set `to` of each result ' +
      'to steps.length.',
  ],
};

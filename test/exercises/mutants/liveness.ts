/** Mistakes in exercises/liveness.ts. */
import * as liveness from '../../../exercises/solutions/liveness.ts';
import type { Mutant } from './mutant.ts';

type Lifetimes = Map<string, liveness.Lifetime>;
type Steps = readonly liveness.Step[];

/** The right lifetimes, changed. */
const living = (
  change: (
    lifetime: liveness.Lifetime, name: string, steps: Steps, results: readonly string[],
  ) => liveness.Lifetime | undefined,
): object => ({
  liveness: (steps: Steps, results: readonly string[]): Lifetimes => {
    const lifetimes: Lifetimes = new Map();
    for (const [name, lifetime] of liveness.liveness(steps, results)) {
      const changed = change(lifetime, name, steps, results);
      if (changed) lifetimes.set(name, changed);
    }
    return lifetimes;
  },
});

const readers = (steps: Steps, name: string): number[] =>
  steps.flatMap(({ reads }, i) => (reads.includes(name) ? [i] : []));

/** The mistakes. */
export const mutants: readonly Mutant[] = [
  ['a value is alive to the end', living(({ from }, _name, steps) => (
    { from, to: steps.length }
  )), /to the step that reads it/, /`to`/],
  ['the reader is left out', living(({ from, to }, _name, steps) => (
    { from, to: to === steps.length ? to : Math.max(from, to - 1) }
  )), /to the step that reads it/, /the step that reads it is `to`/],
  ['the first reader is taken for the last', living(({ from, to }, name, steps) => {
    const [first = to] = readers(steps, name);
    return { from, to: to === steps.length ? to : first };
  }), /last of them/, /A later read moves `to`/],
  ['`from` moves with every read', living(({ from, to }, name, steps) => {
    const all = readers(steps, name);
    return { from: all.length > 1 ? all[0] : from, to };
  }), /last of them/, /leaves `from` as it is/],
  ['a value that is not read is left out', living((lifetime, name, steps, results) => (
    readers(steps, name).length > 0 || results.includes(name) ? lifetime : undefined
  )), /no step reads/, /needs a place/],
  ['an argument is alive from 0', living(({ from, to }) => ({ from: Math.max(from, 0), to })),
    /alive from −1$/, /before step 0/],
  ['an argument is alive from its first reader', living(({ from, to }, name, steps) => (
    { from: from === -1 ? readers(steps, name)[0] ?? -1 : from, to }
  )), /alive from −1$/, /there before step 0/],
  ['results are forgotten', {
    liveness: (steps: Steps) => liveness.liveness(steps, []),
  }, /a result is alive to the end/, /The caller reads it/],
  ['a result ends at the last step', living(({ from, to }, _name, steps) => (
    { from, to: to === steps.length ? to - 1 : to }
  )), /a result is alive to the end/, /steps\.length/],
  ['a result that is an argument is forgotten', living((lifetime, name, steps) => (
    readers(steps, name).length === 0 && lifetime.from === -1 ? undefined : lifetime
  )), /an argument that is a result/, /give back what it was given/],
  ['a result that is read early ends there', living(({ from, to }, name, steps) => (
    { from, to: readers(steps, name).at(-1) ?? to }
  )), /a result is alive to the end/, /whichever step read it last/],
  ['the second value that a step reads is missed', {
    liveness: (steps: Steps, results: readonly string[]) => liveness.liveness(
      steps.map((step) => ({ ...step, reads: step.reads.slice(0, 1) })), results,
    ),
  }, /can share memory/, /overwritten too early/],
];

/** Mistakes in exercises/combine.ts. */
import * as combine from '../../../exercises/solutions/combine.ts';
import type { Mutant } from './mutant.ts';

type Step = combine.Step;

/** The mistakes. */
export const mutants: readonly Mutant[] = [
  ['the factors are added', {
    ...combine, combine: (earlier: Step, later: Step) => (
      { a: earlier.a + later.a, b: later.a * earlier.b + later.b }
    ),
  }, /factors of two steps multiply/, /then by later\.a/],
  ['the steps change places', {
    ...combine, combine: (earlier: Step, later: Step) => combine.combine(later, earlier),
  }, /takes every state/, /`earlier` comes first/],
  ['the earlier b does not decay', {
    ...combine, combine: (earlier: Step, later: Step) => (
      { a: earlier.a * later.a, b: earlier.b + later.b }
    ),
  }, /takes every state/, /Write out later\(earlier\(h\)\)/],
  ['the earlier b is lost', {
    ...combine, combine: (earlier: Step, later: Step) => ({ a: earlier.a * later.a, b: later.b }),
  }, /takes every state/, /the rest is b/],
  ['the identity is 0', {
    ...combine, identity: () => ({ a: 0, b: 0 }),
  }, /^the identity leaves/, /a · h \+ b = h/],
  ['the identity adds 1', {
    ...combine, identity: () => ({ a: 1, b: 1 }),
  }, /^the identity leaves/, /a · h \+ b = h/],
  ['a step is changed', {
    ...combine, combine: (earlier: { a: number; b: number }, later: Step) => {
      earlier.b = later.a * earlier.b + later.b;
      earlier.a *= later.a;
      return earlier;
    },
  }, /factors of two steps multiply/, /changes its arguments/],
];

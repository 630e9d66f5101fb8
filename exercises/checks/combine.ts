/** The check of exercises/combine.ts. */
import fc from 'fast-check';
import type * as solution from '../solutions/combine.ts';
import type { Step } from '../solutions/combine.ts';
import { type Exercise, property } from './check.ts';
import { nonZero, numbers } from './draw.ts';

type Module = typeof solution;

const steps: fc.Arbitrary<Step> = fc.record({ a: numbers, b: numbers });
const decays = steps.map(({ a }): Step => ({ a, b: 0 }));
const apply = ({ a, b }: Step, h: number): number => a * h + b;

/** The states by a loop, from 0. */
function statesOf(all: readonly Step[]): number[] {
  const states: number[] = [];
  for (const step of all) states.push(apply(step, states.at(-1) ?? 0));
  return states;
}

/** The states by doubling: after each round an element covers twice as many steps. */
function statesByDoubling({ combine }: Module, all: readonly Step[]): number[] {
  let elements = all;
  for (let distance = 1; distance < all.length; distance *= 2) {
    elements = elements.map((element, t) => (
      t < distance ? element : combine(elements[t - distance], element)
    ));
  }
  return elements.map(({ b }) => b);
}

/** The exercise on the operation of a scan. */
export const combine: Exercise<Module> = {
  name: 'combine',
  title: 'The combine of a scan',
  exports: ['combine', 'identity'],
  properties: [
    property<Module, { readonly earlier: Step; readonly later: Step }>({
      says: 'the factors of two steps multiply',
      because: 'With b = 0, the state is multiplied by earlier.a, then by later.a.',
      inputs: fc.record({ earlier: decays, later: decays }),
      expected: ({ earlier, later }) => ({ a: earlier.a * later.a, b: 0 }),
      given: (module, { earlier, later }) => module.combine(earlier, later),
    }),
    property<Module, { readonly earlier: Step; readonly later: Step; readonly h: number }>({
      says: 'the combined step takes every state to where the two steps take it',
      because: 'Write out later(earlier(h)) and collect what is multiplied by h: that is a, the ' +
        'rest is b. The order matters: `earlier` comes first.',
      inputs: fc.record({ earlier: steps, later: steps, h: numbers }),
      show: ({ earlier, later, h }) => ({ earlier, later, 'the state h': h }),
      expected: ({ earlier, later, h }) => apply(later, apply(earlier, h)),
      given: (module, { earlier, later, h }) => apply(module.combine(earlier, later), h),
    }),
    property<Module, { readonly first: Step; readonly second: Step; readonly third: Step }>({
      says: 'combine is associative: brackets make no difference',
      because: 'A tree may combine the last two steps before the first is known.',
      inputs: fc.record({ first: steps, second: steps, third: steps }),
      expected: ({ first, second, third }) => {
        const all = (h: number) => apply(third, apply(second, apply(first, h)));
        const whole = { a: all(1) - all(0), b: all(0) };
        return { '(1 ∘ 2) ∘ 3': whole, '1 ∘ (2 ∘ 3)': whole };
      },
      given: (module, { first, second, third }) => ({
        '(1 ∘ 2) ∘ 3': module.combine(module.combine(first, second), third),
        '1 ∘ (2 ∘ 3)': module.combine(first, module.combine(second, third)),
      }),
    }),
    property<Module, { readonly h: number }>({
      says: 'the identity leaves every state as it is',
      because: 'Which a and b make a · h + b = h for every h?',
      inputs: fc.record({ h: nonZero }),
      show: ({ h }) => ({ 'the state h': h }),
      expected: ({ h }) => h,
      given: (module, { h }) => apply(module.identity(), h),
    }),
    property<Module, { readonly step: Step }>({
      says: 'combining with the identity changes nothing, on either side',
      because: 'identity() is a step like any other: a = 1, b = 0.',
      inputs: fc.record({ step: steps }),
      expected: ({ step }) => ({ before: step, after: step }),
      given: (module, { step }) => ({
        before: module.combine(module.identity(), step),
        after: module.combine(step, module.identity()),
      }),
    }),
    property<Module, { readonly steps: readonly Step[] }>({
      says: 'a scan by doubling gives the states of a loop',
      because: 'Each element stands for a stretch of steps, which must be joined in their order.',
      inputs: fc.record({ steps: fc.array(steps, { maxLength: 9 }) }),
      expected: ({ steps: all }) => statesOf(all),
      given: (module, { steps: all }) => statesByDoubling(module, all),
    }),
  ],
  hints: [
    'Take a state h. After `earlier` it is earlier.a · h + earlier.b. Put that into `later`.',
    'later.a · (earlier.a · h + earlier.b) + later.b. Multiply out: which part has an h in it?',
    'a is later.a · earlier.a, and b is later.a · earlier.b + later.b. The identity has to make ' +
      'a · h + b = h, so its a is 1 and its b is 0.',
  ],
};

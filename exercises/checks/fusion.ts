/** The check of exercises/fusion.ts. */
import fc from 'fast-check';
import * as solution from '../solutions/fusion.ts';
import type { Op, Read } from '../solutions/fusion.ts';
import { type Exercise, property } from './check.ts';

type Module = typeof solution;

/** A group and an op that may join it. */
interface Case {
  readonly group: readonly Op[];
  readonly op: Op;
}

const sizes = fc.integer({ min: 3, max: 5 });
const element = fc.constantFrom<Read['element']>('same', 'other');
const same = (value: string): Read => ({ value, element: 'same' });
const other = (value: string): Read => ({ value, element: 'other' });
const op = (makes: string, size: number, reads: readonly Read[], isReduction = false): Op =>
  ({ makes, size, reads, isReduction });

/** An op as a line of a program. Reductions are called total. */
function lineOf({ makes, size, reads, isReduction }: Op): string {
  const texts = reads.map(({ value, element }) => (
    value === 'total' ? value : `${value}[${element === 'same' ? 'i' : 'n − 1 − i'}]`
  ));
  const work = isReduction
    ? `${makes} += ${texts.join(' + ')}`
    : `${makes}[i] = f(${texts.join(', ')})`;
  return `for i in 0..${size}:  ${work}`;
}

/** A property of single cases: whether the op can join. */
const ofCase = (
  says: string, because: string, inputs: fc.Arbitrary<Case>, expected: boolean,
) => property<Module, Case>({
  says, because, inputs,
  show: ({ group, op }) => ({
    ...Object.fromEntries(group.map((each, i) => [`group, op ${i}`, lineOf(each)])),
    'the op': lineOf(op),
  }),
  expected: () => expected,
  given: ({ canFuse }, { group, op }) => canFuse(group, op),
});

/** A group of ops over one size, of which `value` is one; each reads what is in memory. */
const groupsWith = (value: (size: number) => Op) => fc.record({
  size: sizes, before: fc.nat(1), after: fc.nat(1),
}).map(({ size, before, after }) => ({
  size,
  group: [
    ...['v', 'w'].slice(0, before).map((name) => op(name, size, [same('p')])),
    value(size),
    ...['s', 't'].slice(0, after).map((name) => op(name, size, [same('q')])),
  ],
}));

const mapped = groupsWith((size) => op('x', size, [same('p')]));
const summed = groupsWith((size) => op('total', size, [same('p')], true));

/** The kinds of ops of a program that is run. */
const kinds = {
  increase: { text: (x: string) => `${x} + 1`, isReduction: false },
  flip: { text: (x: string) => `${x} backwards`, isReduction: false },
  sum: { text: (x: string) => `the sum of ${x}`, isReduction: true },
  subtract: { text: (x: string, total: string) => `${x} − ${total}`, isReduction: false },
} as const;
type Kind = keyof typeof kinds;

/** An op that can be run. */
interface Runnable extends Op {
  readonly kind: Kind;
}

const start = { p: [3, 1, 4], q: [1, 5] };

/** Programs of ops on p, of 3 numbers, and q, of 2. */
const programs = fc.array(
  fc.record({
    kind: fc.constantFrom<Kind>('increase', 'flip', 'sum', 'subtract'), pick: fc.nat(9),
  }),
  { minLength: 1, maxLength: 5 },
).map((choices) => {
  const lists = new Map(Object.entries(start).map(([name, list]) => [name, list.length]));
  const totals: string[] = [];
  return choices.map(({ kind: wanted, pick }, i): Runnable => {
    const kind = wanted === 'subtract' && totals.length === 0 ? 'sum' : wanted;
    const names = [...lists.keys()].reverse();
    const from = names[pick % names.length];
    const size = lists.get(from) ?? 0;
    const makes = 'abcde'[i];
    const reads = [kind === 'flip' ? other(from) : same(from)];
    if (kind === 'subtract') reads.push(other(totals[totals.length - 1]));
    if (kind === 'sum') totals.push(makes);
    else lists.set(makes, size);
    return { ...op(makes, size, reads, kinds[kind].isReduction), kind };
  });
});

/** Puts each op into the group of the one before it if the rule allows that, else begins anew. */
function groupsOf(canFuse: Module['canFuse'], program: readonly Runnable[]): Runnable[][] {
  const groups: Runnable[][] = [];
  for (const one of program) {
    const last = groups.at(-1);
    if (last && canFuse(last, one)) last.push(one);
    else groups.push([one]);
  }
  return groups;
}

/** The values after running each group as one loop. What was not computed yet is NaN. */
function valuesOf(groups: readonly (readonly Runnable[])[]): Record<string, readonly number[]> {
  const values: Record<string, number[]> = { p: [...start.p], q: [...start.q] };
  for (const group of groups) {
    for (const { makes, size, isReduction } of group) {
      values[makes] = isReduction ? [0] : new Array<number>(size).fill(NaN);
    }
    for (let i = 0; i < group[0].size; i++) {
      for (const one of group) compute(values, one, i);
    }
  }
  const { p: _p, q: _q, ...computed } = values;
  return computed;
}

function compute(
  values: Record<string, number[]>, { kind, makes, reads }: Runnable, i: number,
): void {
  const [x, [total] = [0]] = reads.map(({ value }) => values[value]);
  if (kind === 'sum') values[makes][0] += x[i];
  if (kind === 'increase') values[makes][i] = x[i] + 1;
  if (kind === 'flip') values[makes][i] = x[x.length - 1 - i];
  if (kind === 'subtract') values[makes][i] = x[i] - total;
}

/** The names of the values that each loop computes. */
const namesIn = (groups: readonly (readonly Op[])[]): string[][] =>
  groups.map((group) => group.map(({ makes }) => makes));

const showProgram = (program: readonly Runnable[]) => ({
  ...start,
  ...Object.fromEntries(program.map(({ kind, makes, reads }) => {
    const [x, total = ''] = reads.map(({ value }) => value);
    return [makes, kinds[kind].text(x, total)];
  })),
});

/** The exercise on fusion. */
export const fusion: Exercise<Module> = {
  name: 'fusion',
  title: 'A fusion rule',
  exports: ['canFuse'],
  properties: [
    ofCase(
      'ops over the same elements, which read nothing of each other, share a loop',
      'All that the op reads was computed before the loop, so it can be read in any way.',
      fc.tuple(mapped, element).map(([{ size, group }, element]) => (
        { group, op: op('y', size, [{ value: 'q', element }]) }
      )),
      true,
    ),
    ofCase(
      'ops over different numbers of elements do not share a loop',
      'One loop has one number of iterations: compare op.size with the sizes in the group.',
      mapped.map(({ size, group }) => ({ group, op: op('y', size + 1, [same('q')]) })),
      false,
    ),
    ofCase(
      'an op can read element i of a value of the group',
      'Ops run in order at each i, so element i has just been computed.',
      mapped.map(({ size, group }) => ({ group, op: op('y', size, [same('x')]) })),
      true,
    ),
    ofCase(
      'an op cannot read another element of a value of the group',
      'At iteration i, another element may not have been computed yet.',
      mapped.map(({ size, group }) => ({ group, op: op('y', size, [other('x')]) })),
      false,
    ),
    ofCase(
      'a sum of values of the group can be computed in its loop',
      'A reduction only adds element i at iteration i. It is its result that must wait.',
      mapped.map(({ size, group }) => ({ group, op: op('total', size, [same('x')], true) })),
      true,
    ),
    ofCase(
      'an op cannot read the result of a reduction of the group',
      'The sum is complete only when the loop is over, and the op runs within it.',
      fc.tuple(summed, element).map(([{ size, group }, element]) => (
        { group, op: op('y', size, [same('q'), { value: 'total', element }]) }
      )),
      false,
    ),
    ofCase(
      'a reduction in the group is no obstacle to an op that does not read it',
      'Only the values that the op reads matter.',
      fc.tuple(summed, element).map(([{ size, group }, element]) => (
        { group, op: op('y', size, [{ value: 'q', element }]) }
      )),
      true,
    ),
    ofCase(
      'all that an op reads is looked at, and all ops of the group',
      'One read that is not there yet is enough, wherever its op is in the group.',
      mapped.chain(({ size, group }) => fc.constantFrom(
        op('y', size, [same('x'), other('x')]), op('y', size, [other('x'), same('q')]),
        op('y', size, [same('q'), other('x')]),
      ).map((op) => ({ group, op }))),
      false,
    ),
    property<Module, { readonly program: readonly Runnable[] }>({
      says: 'a program that is fused by the rule computes the same',
      because: 'NaN stands where an element was read before it was computed.',
      inputs: fc.record({ program: programs }),
      show: ({ program }) => showProgram(program),
      expected: ({ program }) => valuesOf(program.map((one) => [one])),
      given: ({ canFuse }, { program }) => valuesOf(groupsOf(canFuse, program)),
    }),
    property<Module, { readonly program: readonly Runnable[] }>({
      says: 'a program has as few loops as the rule allows',
      because: 'Each list is a loop, with the values that are computed in it.',
      inputs: fc.record({ program: programs }),
      show: ({ program }) => showProgram(program),
      expected: ({ program }) => namesIn(groupsOf(solution.canFuse, program)),
      given: ({ canFuse }, { program }) => namesIn(groupsOf(canFuse, program)),
    }),
  ],
  hints: [
    'Two questions decide. Do all ops of the group have the size of this op? And is everything ' +
      'that it reads available at iteration i?',
    'For a read, look for the op of the group that makes this value: ' +
      '`group.find(({ makes }) => makes === read.value)`. If there is none, it is in memory.',
    'If there is one, the read is fine only if it is of the same element, and if that op is no ' +
      'reduction. `op.reads.every(…)` asks it of all reads.',
  ],
};

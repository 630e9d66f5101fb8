/** Mistakes in exercises/fusion.ts. */
import * as fusion from '../../../exercises/solutions/fusion.ts';
import type { Mutant } from './mutant.ts';

type Op = fusion.Op;

/** The right rule, with another answer about a read of a value that the group makes. */
const fusing = (
  isAvailable: (read: fusion.Read, producer: Op) => boolean, isOfSize = true,
): object => ({
  canFuse: (group: readonly Op[], op: Op) => (
    (!isOfSize || group.every(({ size }) => size === op.size)) && op.reads.every((read) => {
      const producer = group.find(({ makes }) => makes === read.value);
      return producer === undefined || isAvailable(read, producer);
    })
  ),
});

/** The mistakes. */
export const mutants: readonly Mutant[] = [
  ['nothing is fused', { canFuse: () => false }, /share a loop$/, /computed before the loop/],
  ['everything is fused', { canFuse: () => true },
    /different numbers/, /one number of iterations/i],
  ['sizes are not compared', fusing(({ element }, { isReduction }) => (
    element === 'same' && !isReduction
  ), false), /different numbers/, /one number of iterations/i],
  ['nothing of the group may be read', fusing(() => false),
    /can read element i/, /just been computed/],
  ['any element may be read', fusing((_, { isReduction }) => !isReduction),
    /cannot read another element/, /may not have been computed/],
  ['reductions never join', {
    canFuse: (group: readonly Op[], op: Op) => !op.isReduction && fusion.canFuse(group, op),
  }, /^a sum of values/, /result that must wait/],
  ['sums are read at once', fusing(({ element }) => element === 'same'),
    /cannot read the result of a reduction/, /complete only when/],
  ['a reduction ends its group', {
    canFuse: (group: readonly Op[], op: Op) => (
      !group.some(({ isReduction }) => isReduction) && fusion.canFuse(group, op)
    ),
  }, /no obstacle/, /Only the values that the op reads/],
  ['only the first read is looked at', {
    canFuse: (group: readonly Op[], op: Op) => (
      fusion.canFuse(group, { ...op, reads: op.reads.slice(0, 1) })
    ),
  }, /cannot read the result|all that an op reads/, /./],
  ['values from before the loop may not be read backwards', {
    canFuse: (group: readonly Op[], op: Op) => (
      fusion.canFuse(group, op) && op.reads.every(({ element }) => element === 'same')
    ),
  }, /share a loop$/, /in any way/],
  ['only the last op of the group is looked at', {
    canFuse: (group: readonly Op[], op: Op) => fusion.canFuse(group.slice(-1), op),
  }, /cannot read another element/, /./],
];

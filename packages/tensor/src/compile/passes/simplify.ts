/** The list of passes, in order. Each makes a program shorter and changes no bit of its results. */
import { type Kind, oneOf } from '../../core/options.ts';
import { Loop } from '../trace/loop.ts';
import type { Program, Step } from '../trace/trace.ts';
import { eliminateCommonSubexpressions } from './commonSubexpressions.ts';
import { eliminateDeadCode } from './deadCode.ts';
import { foldConstants } from './foldConstants.ts';
import type { OnRemoved } from './rewrite.ts';

/**
 * What `compile` can leave out. Of the passes, `share` computes equal things once, `fold` computes
 * numbers that are known while tracing, and `drop` leaves out what nothing uses. Of later stages,
 * `inline` computes values where they are needed instead of materialising them, `group` fuses
 * several into one kernel, and `inPlace` puts results in the memory of values that are not needed
 * any more.
 */
export type Pass = 'share' | 'fold' | 'drop' | 'inline' | 'group' | 'inPlace';

/** The names of these, as a kind of option. */
export const passNames: Kind<Pass> = oneOf('share', 'fold', 'drop', 'inline', 'group', 'inPlace');

/** Is told of each value that a pass removes, and of the one that has its place, if any does. */
export type OnRemovedBy = (pass: Pass, ...values: Parameters<OnRemoved>) => void;

/**
 * Runs all passes on a program, the bodies of its loops first; `isFusing` says whether kernels may
 * fuse multiply-add. `onRemoved` is told what is removed, but for what is in bodies.
 */
export function simplify<P extends Program>(
  program: P, isFusing: boolean, without: ReadonlySet<Pass> = new Set(), onRemoved?: OnRemovedBy,
): P {
  const steps = program.steps.map((step): Step => {
    const { attributes: loop } = step;
    if (!(loop instanceof Loop)) return step;
    const body = simplify(loop.body, isFusing, without);
    return { ...step, attributes: new Loop(body, loop.shape) };
  });
  const told = (pass: Pass): OnRemoved | undefined =>
    onRemoved && ((...values) => onRemoved(pass, ...values));
  let simplified: P = { ...program, steps };
  if (!without.has('share')) simplified = eliminateCommonSubexpressions(simplified, told('share'));
  if (!without.has('fold')) simplified = foldConstants(simplified, isFusing, told('fold'));
  if (!without.has('drop')) simplified = eliminateDeadCode(simplified, told('drop'));
  return simplified;
}

/** The list of passes, in order. Each makes a program shorter and changes no bit of its results. */
import { Loop } from '../trace/loop.ts';
import type { Program, Step } from '../trace/trace.ts';
import { eliminateCommonSubexpressions } from './commonSubexpressions.ts';
import { eliminateDeadCode } from './deadCode.ts';
import { foldConstants } from './foldConstants.ts';
import { hoistInvariants } from './hoistInvariants.ts';

/**
 * What `compile` can leave out. Of the passes, `share` computes equal things once, `fold` computes
 * numbers that are known while tracing, and `hoist` moves what is the same in all iterations of a
 * loop before it. Of later stages, `inline` computes values where
 * they are needed instead of materialising them, `group` fuses several into one kernel, and
 * `inPlace` puts results in the memory of values that are not needed any more.
 */
export type Pass = 'share' | 'fold' | 'hoist' | 'inline' | 'group' | 'inPlace';

/**
 * Runs all passes on a program, the bodies of its loops first; `isFusing` says whether kernels may
 * fuse multiply-add.
 */
export function simplify<P extends Program>(
  program: P, isFusing: boolean, without: ReadonlySet<Pass> = new Set(),
): P {
  const steps = program.steps.flatMap((step): readonly Step[] => {
    const { attributes: loop } = step;
    if (!(loop instanceof Loop)) return [step];
    const body = simplify(loop.body, isFusing, without);
    const simplified = { ...step, attributes: new Loop(body, loop.shape) };
    return without.has('hoist') ? [simplified] : hoistInvariants(simplified);
  });
  let simplified: P = { ...program, steps };
  if (!without.has('share')) simplified = eliminateCommonSubexpressions(simplified);
  if (!without.has('fold')) simplified = foldConstants(simplified, isFusing);
  return eliminateDeadCode(simplified);
}

/** The list of passes, in order. Each makes a program shorter and changes no bit of its results. */
import { Loop } from '../trace/loop.ts';
import type { Program, Step } from '../trace/trace.ts';
import { eliminateCommonSubexpressions } from './commonSubexpressions.ts';
import { eliminateDeadCode } from './deadCode.ts';
import { foldConstants } from './foldConstants.ts';

/**
 * What `compile` can leave out. Of the passes, `share` computes equal things once, and `fold`
 * computes numbers that are known while tracing. Of later stages, `inline` computes values where
 * they are needed instead of materialising them, `group` fuses several into one kernel, and
 * `inPlace` puts results in the memory of values that are not needed any more.
 */
export type Pass = 'share' | 'fold' | 'inline' | 'group' | 'inPlace';

/**
 * Runs all passes on a program, the bodies of its loops first; `isFusing` says whether kernels may
 * fuse multiply-add.
 */
export function simplify<P extends Program>(
  program: P, isFusing: boolean, without: ReadonlySet<Pass> = new Set(),
): P {
  const steps = program.steps.map((step): Step => {
    const { attributes: loop } = step;
    if (!(loop instanceof Loop)) return step;
    const body = simplify(loop.body, isFusing, without);
    return { ...step, attributes: new Loop(body, loop.shape) };
  });
  let simplified: P = { ...program, steps };
  if (!without.has('share')) simplified = eliminateCommonSubexpressions(simplified);
  if (!without.has('fold')) simplified = foldConstants(simplified, isFusing);
  return eliminateDeadCode(simplified);
}

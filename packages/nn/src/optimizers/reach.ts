/**
 * Which parameters a loss reaches. A layer that is not found in any field of the model works, and
 * never learns: its parameters are leaves of the loss's graph that the optimizer does not hold. A
 * parameter that the loss never uses does not learn either. Neither can be seen in the numbers.
 */
import { describe, type Tensor } from '@mambagrad/tensor';
import { warn } from '@mambagrad/tensor/host';

/** The leaves on which a tensor depends and that require gradients, oldest first. */
export function leavesOf(output: Tensor): Set<Tensor> {
  const seen = new Set([output]);
  // A set also visits what is added to it on the way.
  for (const { node } of seen) {
    for (const input of node?.inputs ?? []) if (input.requiresGrad) seen.add(input);
  }
  const leaves = [...seen].filter(({ node, requiresGrad }) => !node && requiresGrad);
  return new Set(leaves.sort((a, b) => a.createdAt - b.createdAt));
}

/** A list of parameters as a warning shows it: at most eight, by name or else by shape. */
function list(parameters: readonly Tensor[], names: ReadonlyMap<Tensor, string>): string {
  const shown = parameters.slice(0, 8).map((x) => names.get(x) ?? describe(x));
  return `${shown.join(', ')}${parameters.length > 8 ? ', …' : ''}`;
}

/**
 * Warns of leaves that the losses depend on and that are not trained, and, if `isComplete`, of
 * trained parameters that no loss depends on.
 */
export function warnOfReach(
  op: string, losses: readonly Tensor[], trained: readonly Tensor[],
  names: ReadonlyMap<Tensor, string> = new Map(), isComplete = false,
): void {
  const reached = new Set(losses.flatMap((loss) => [...leavesOf(loss)]));
  const held = new Set(trained);
  const strangers = [...reached].filter((leaf) => !held.has(leaf));
  if (strangers.length > 0) {
    warn(
      `${op}: the loss depends on ${list(strangers, names)}, which the optimizer does not train; ` +
        'keep layers in fields of modules, and pass all parameters; if it is meant, set their ' +
        'requiresGrad to false',
    );
  }
  const idle = trained.filter((parameter) => parameter.requiresGrad && !reached.has(parameter));
  if (isComplete && idle.length > 0) {
    warn(`${op}: the loss does not depend on ${list(idle, names)}, which will not be trained`);
  }
}

/**
 * The parameters that a loss reaches, which shows two mistakes that no number does. A layer that is
 * in no field of the model computes, but never learns: its parameters are leaves of the loss's
 * graph, and the optimizer does not hold them. A parameter that no loss uses never learns either.
 * A third is found here, too: that all parameters are frozen.
 */
import { describe, type Tensor, TensorError } from '@mambagrad/tensor';
import { warn } from '@mambagrad/tensor/host';

/** Throws in the name of `op` if each of its parameters is frozen, so that nothing would learn. */
export function requireUnfrozen(op: string, parameters: readonly Tensor[]): void {
  if (parameters.some(({ requiresGrad }) => requiresGrad)) return;
  throw new TensorError(`${op}: all parameters are frozen; unfreeze() those that are to learn`);
}

/** The leaves on which a tensor depends and that require gradients, oldest first. */
export function leavesOf(output: Tensor): Set<Tensor> {
  const seen = new Set([output]);
  // Iteration over a set also visits what is added meanwhile.
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
 * Warns of leaves that the losses depend on and the optimizer does not train, and, with
 * `warnOfUnused`, of trained parameters that no loss depends on.
 */
export function warnOfReach(
  op: string, losses: readonly Tensor[], trained: readonly Tensor[],
  names: ReadonlyMap<Tensor, string> = new Map(), warnOfUnused = false,
): void {
  const reached = new Set(losses.flatMap((loss) => [...leavesOf(loss)]));
  const held = new Set(trained);
  const untrained = [...reached].filter((leaf) => !held.has(leaf));
  if (untrained.length > 0) {
    warn(
      `${op}: the loss depends on ${list(untrained, names)}, which the optimizer does not train; ` +
        'keep layers in fields of modules, and pass all parameters; if it is meant, set their ' +
        'requiresGrad to false',
    );
  }
  const unused = trained.filter((parameter) => parameter.requiresGrad && !reached.has(parameter));
  if (warnOfUnused && unused.length > 0) {
    warn(`${op}: the loss does not depend on ${list(unused, names)}, which will not be trained`);
  }
}

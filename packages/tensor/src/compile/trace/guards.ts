/**
 * Guards: what a program takes for granted, and a call must find unchanged. A call asks all guards
 * of a program, so they are cheap: whether one holds is looked up again only if something that it
 * depends on may have changed.
 *
 * A program outlives the call that it was traced in: what it keeps is made out here, where no
 * function can hold on to the arguments of that call.
 */
import { changes } from '../../core/changes.ts';
import type { Tensor } from '../../core/tensor.ts';

/** Whether something that a program takes for granted still holds. */
export type Guard = () => boolean;

/** Whether a setting is still what it is now. */
export function unchanged(read: () => unknown): Guard {
  const value = read();
  return () => Object.is(read(), value);
}

/** Whether a tensor was never assigned to. */
export function neverAssigned(tensor: Tensor): Guard {
  return () => tensor.assignedAt === 0;
}

/** Whether the gradient of a tensor is still this one, which may be long gone otherwise. */
export function sameGrad(tensor: Tensor, grad: Tensor | undefined): Guard {
  const kept = grad && new WeakRef(grad);
  return () => (tensor.grad === undefined ? !kept : tensor.grad === kept?.deref());
}

/**
 * Whether each of these tensors requires gradients as it did: one guard for all, which looks at
 * them again only after `requiresGrad` of any tensor has changed.
 */
export function sameRequiresGrad(before: ReadonlyMap<Tensor, boolean>): Guard {
  const captured = [...before];
  let heldAt = -1;
  return () => {
    const holds = heldAt === changes.requiresGrad ||
      captured.every(([tensor, requiredGrad]) => tensor.requiresGrad === requiredGrad);
    if (holds) heldAt = changes.requiresGrad;
    return holds;
  };
}

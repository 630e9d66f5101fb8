/**
 * Documents that begin in a state s other than zero. A scan is linear in its state, so it is the
 * scan that begins from zero at each document, plus what is left of s: that decays as any state
 * does, and takes nothing in,
 *
 *     e_t = α_t s  where a document begins,   else  e_t = α_t e_{t−1}
 *
 * and 0 before the first reset, as the first document has a state of its own to go on from.
 */
import { concat, linearScan, type Tensor, zeros } from '@mambagrad/tensor';
import { takeSteps } from '../sequence/sequence.ts';

/** The share of the state left at each step, e [B, L, ...], and at the steps that a scan gives. */
export interface Restarted {
  readonly all: Tensor;
  readonly last: Tensor;
  /** [B, any, ...], if the steps are given. */
  readonly at: Tensor | undefined;
}

/**
 * For decays α [B, L, ...] and a state s that broadcasts to [...], with flags of steps at which
 * documents begin, i32 [B, L], and steps after which states are wanted.
 */
export function restarted(
  decay: Tensor, s: Tensor | number, reset: Tensor, statesAt: Tensor | undefined,
): Restarted {
  const [batch, length, ...rest] = decay.shape;
  const isNew = reset.reshape([batch, length, ...rest.map(() => 1)]);
  const all = linearScan(decay, isNew.where(decay.mul(s), 0), { axis: 1, reset: isNew });
  const before = zeros([batch, 1, ...rest], { dtype: decay.dtype });
  const states = concat([before, all], 1);
  return {
    all,
    last: states.narrow(1, length, 1).squeeze(1),
    at: statesAt && takeSteps(states, statesAt.add(1)),
  };
}

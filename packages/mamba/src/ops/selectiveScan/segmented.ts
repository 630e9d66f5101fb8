/**
 * The selective scan of a long sequence by many threads, where there are too few channels to give
 * each thread some. What a stretch of steps does to the state is a pair, of what it keeps and what
 * it adds, and pairs compose associatively (see linearScan):
 *
 *     h_end = exp(A ΣΔ) ⊙ h_start + what the stretch gives from zero
 *
 * So the sequence is cut into segments, which run from zero at the same time; a scan over the pairs
 * gives the states between them; and the segments run again, from these. That is twice the work, in
 * a fraction of the time if there are several times as many threads as blocks of channels.
 */
import { concat, linearScan, type Tensor, zeros } from '@mambagrad/tensor';
import type { ChunkedResults } from '../gradients.ts';
import { fusedScan, type ScanInputs } from './fused.ts';

/** y [B, L, D] and the last state [B, D, N], by segments of so many steps; and their states. */
export function segmentedScan(
  [u, delta, A, B, C, initialState, ...flags]: ScanInputs, segmentSize = 256,
): ChunkedResults & { readonly size: number } {
  const [batch, length, channels] = u.shape;
  const size = Math.min(segmentSize, Math.max(length, 1));
  const count = Math.max(Math.ceil(length / size), 1);
  const states = [batch * count, channels, A.shape[1]];
  // Steps that fill up the last segment have Δ = 0, and change nothing.
  const cut = (x: Tensor): Tensor => {
    const last = x.shape.slice(2);
    const none = last.map(() => 0);
    const filled = x.pad([0, 0, ...none], [0, count * size - length, ...none]);
    return filled.reshape([batch * count, size, ...last]);
  };
  const [us, deltas, Bs, Cs] = [u, delta, B, C].map(cut);
  const resets = flags.map(cut);
  const run = (start: Tensor) => fusedScan([us, deltas, A, Bs, Cs, start, ...resets]);

  const lengthOf = deltas.sum(1);
  // Where a document begins within a segment, nothing of the state at its start is left at its end.
  const isCut = resets.at(0)?.notEqual(0).max(1, true);
  const kept = (isCut?.where(0, lengthOf) ?? lengthOf).unsqueeze(-1).mul(A).exp();
  const added = run(zeros(states, { dtype: u.dtype })).lastState;
  const [keeps, adds] = [kept, added].map((x) => x.reshape([batch, count, ...states.slice(1)]));
  const ends = linearScan(keeps, adds, {
    axis: 1, initialState, reset: isCut?.reshape([batch, count, 1, 1]),
  });
  const starts = concat([initialState.unsqueeze(1), ends.narrow(1, 0, count - 1)], 1);
  return {
    y: run(starts.reshape(states)).y.reshape([batch, count * size, channels]).narrow(1, 0, length),
    lastState: ends.narrow(1, count - 1, 1).squeeze(1),
    starts, size,
  };
}

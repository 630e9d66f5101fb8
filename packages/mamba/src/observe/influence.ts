/**
 * The hidden attention matrix. A state space layer without its state: unrolling the recurrence
 * gives each output as a sum over all inputs before it,
 *
 *     y_t = Σ_{s ≤ t} M_ts u_s,     M_ts = Σₙ C_tₙ exp(A_n (Δ_{s+1} + … + Δ_t)) B_sₙ Δ_s
 *
 * so M is a matrix as in attention, without a softmax: C asks, B answers, and the decay makes
 * distant steps count less (Dao and Gu (2024), section 3; Ali et al., "The Hidden Attention of
 * Mamba Models" (2024)). It is computed for some rows and columns, as all of it has L² entries.
 *
 * In Mamba-3 a step counts once more in the step after it: the last factor is one number on the
 * diagonal and another one below it.
 */
import { arange, type Tensor } from '@mambagrad/tensor';
import type { StepRange } from './parts.ts';
import type { Unrolled } from './unrolled.ts';

/** The steps of x [B, L, ...] in a range. */
export function stepsOf(x: Tensor, [from, to]: StepRange): Tensor {
  return x.narrow(1, from, to - from);
}

/** M for output steps (rows) and input steps (columns), [B, D, rows · R, columns · R]. */
export function influenceMatrix(unrolled: Unrolled, rows: StepRange, columns: StepRange): Tensor {
  const { time, rate, document } = unrolled;
  const [rank, , stateSize] = unrolled.B.shape.slice(2);
  const [C, B] = [
    byChannel(stepsOf(unrolled.C, rows)), byChannel(stepsOf(unrolled.B, columns)),
  ].map((x) => x.split(stateSize / rate.shape[1], -1));
  const elapsed = elapsedTime(time, rows, columns);
  // All ranks of a step write and read together.
  const forRanks = (x: Tensor) =>
    rank === 1 ? x : x.repeatInterleave(rank, 2).repeatInterleave(rank, 3);
  const terms = rate.split(1, 1).map((each, i) => {
    const decays = forRanks(elapsed.mul(each.unsqueeze(-1)).exp());
    return C[i].matmul(B[i].transpose(-2, -1)).mul(decays);
  });
  const sum = terms.reduce((total, term) => total.add(term));
  const written = sum.mul(forRanks(weights(unrolled, rows, columns)));
  // Selected, not multiplied by 0: other documents may hold NaN.
  return forRanks(hearingPairs(document, rows, columns)).where(written, 0);
}

/** The ranks of steps x [B, T, R, D, N] as steps, by channel: [B, D, T · R, N]. */
export function byChannel(x: Tensor): Tensor {
  const [batch, steps, rank, channels, stateSize] = x.shape;
  return x.permute([0, 3, 1, 2, 4]).reshape([batch, channels, steps * rank, stateSize]);
}

/** The factors of the writes of input steps in output steps, [B, D, rows or 1, columns]. */
function weights({ weight, laterWeight }: Unrolled, rows: StepRange, columns: StepRange): Tensor {
  const ofColumns = (x: Tensor) => stepsOf(x, columns).transpose(1, 2).unsqueeze(-2);
  if (!laterWeight) return ofColumns(weight);
  return isSameStep(rows, columns).where(ofColumns(weight), ofColumns(laterWeight));
}

/** Whether a row and a column are the same step, i32 [rows, columns]. */
export function isSameStep(rows: StepRange, columns: StepRange): Tensor {
  return stepNumbers(rows).unsqueeze(-1).equal(stepNumbers(columns));
}

/** Whether output step t (row) depends on input step s (column), [B or 1, 1, rows, columns]. */
function hearingPairs(
  document: Tensor | undefined, rows: StepRange, columns: StepRange,
): Tensor {
  const isEarlier = stepNumbers(columns).lessEqual(stepNumbers(rows).unsqueeze(-1));
  if (!document) return isEarlier.unsqueeze(0).unsqueeze(0);
  const [ofRows, ofColumns] = [rows, columns].map((steps) => stepsOf(document, steps));
  return ofRows.unsqueeze(-1).equal(ofColumns.unsqueeze(-2)).mul(isEarlier).unsqueeze(1);
}

/** The numbers of the steps of a range, i32. */
function stepNumbers([from, to]: StepRange): Tensor {
  return arange(from, to, 1, { dtype: 'i32' });
}

/**
 * The time that passes after step s (column) until step t (row), the sum of `time` [B, L, D] from
 * s + 1 to t: [B, D, rows, columns], 0 for s ≥ t. A difference of running sums would lose digits,
 * so only terms that belong are added up, along the rows or along the columns: memory grows with
 * the smaller of the two ranges, times the span of both.
 */
export function elapsedTime(time: Tensor, rows: StepRange, columns: StepRange): Tensor {
  const span = [Math.min(rows[0], columns[0]), Math.max(rows[1], columns[1])] as const;
  const [numRows, numColumns] = [rows, columns].map(([from, to]) => to - from);
  const steps = stepNumbers(span);
  const terms = stepsOf(time, span).transpose(1, 2);
  if (numColumns <= numRows) {
    // Row k holds the time of step k where k > s; the running sum from the top is what we want.
    const isAfter = steps.unsqueeze(-1).greater(stepNumbers(columns));
    const sums = isAfter.where(terms.unsqueeze(-1), 0).cumsum(-2);
    return sums.narrow(-2, rows[0] - span[0], numRows);
  }
  // Column k holds the time of step k where k ≤ t; the sum over all columns to the right of s.
  const isUntil = steps.lessEqual(stepNumbers(rows).unsqueeze(-1));
  const sums = isUntil.where(terms.unsqueeze(-2), 0).flip(-1).cumsum(-1).flip(-1);
  const start = columns[0] - span[0];
  return sums.pad([0, 0, 0, 0], [0, 0, 0, 1]).narrow(-1, start + 1, numColumns);
}

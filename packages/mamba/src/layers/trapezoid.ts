/**
 * The trapezoid. A state in continuous time, h′ = A h + k v, is discretised with a weighted mean of
 * both ends of a step of length Δ, where Mamba and Mamba-2 take only its end:
 *
 *     S_t = α_t (S_{t−1} + (1 − λ_t) Δ_t v_{t−1} k_{t−1}ᵀ) + λ_t Δ_t v_t k_tᵀ,     α = exp(Δ A)
 *     y_t = S_t q_t
 *
 * At λ = 1 it is the rule of Euler, as before, with an error of Δ²; at λ = ½ the trapezoid rule,
 * with Δ³. λ is learned from the input.
 *
 * That is two writes a step. But what step t−1 writes at its end and step t at its start is the
 * same product, so one scan does for both, if it is one step late: H_t, the bracket, is S_{t−1} and
 * what step t adds to it at its start, and
 *
 *     H_t = α_{t−1} H_{t−1} + (λ_{t−1} Δ_{t−1} + (1 − λ_t) Δ_t) v_{t−1} k_{t−1}ᵀ
 *     y_t = α_t H_t q_t + λ_t Δ_t (k_t · q_t) v_t
 *
 * is the recurrence of `discreteSSD`, for which k, v and α come a step late, and q at its time. No
 * result depends on a later step, not even in its rounding.
 *
 * With R ranks (MIMO) a step writes R products and reads R vectors, from one state. The scan then
 * has R substeps, of which only the first decays. The read of rank r is made in substep r, when the
 * products of later ranks are not yet written: these few are added to what it reads.
 */
import { concat, einsum, type Tensor, zeros } from '@mambagrad/tensor';
import { discreteSSD } from '../ops/ssd/discrete.ts';
import type { AfterSteps, ClosedRows } from '../sequence/gaps.ts';
import type { Recurrence } from './recurrence.ts';

/** What the steps of B rows are given: L steps, R ranks, H heads of P channels, N numbers each. */
export interface TrapezoidSteps {
  /** What the state is read with, [B, L, R, H, N]. */
  readonly q: Tensor;
  /** What it is written with, [B, L, R, H, N]. */
  readonly k: Tensor;
  /** What is written, before it is spread over the ranks, [B, L, H, P]. */
  readonly x: Tensor;
  /** Spreads x [B, L, H, P] over the ranks: v [B, L, R, H, P]. */
  readonly spread: (x: Tensor) => Tensor;
  /** Δ, [B, L, H]; 0 at padding. */
  readonly dt: Tensor;
  /** −A, the rate at which the state decays, [B, L, H]. */
  readonly rate: Tensor;
  /** log α = Δ A, [B, L, H]. */
  readonly logDecay: Tensor;
  /** λ, [B, L, H]. */
  readonly share: Tensor;
}

/** What a step takes from the one before it. */
export interface TrapezoidState {
  /** S, [B, H, P, N] */
  readonly ssm: Tensor;
  /** k of the step before, [B, R, H, N] */
  readonly k: Tensor;
  /** x of the step before, [B, H, P] */
  readonly v: Tensor;
}

/** What steps go through besides their inputs. */
export interface TrapezoidOptions {
  /** The chunk size of the scan. */
  readonly chunkSize: number;
  /** S where a document begins, [H, P, N]; undefined if it is zero */
  readonly resetState: Tensor | undefined;
  /** The steps after which states are wanted; undefined if there are none */
  readonly after: AfterSteps | undefined;
}

/** The results of a sequence of steps. */
export interface Trapezoidal {
  /** [B, L, R, H, P] */
  readonly y: Tensor;
  /** After all steps. */
  readonly state: TrapezoidState;
  /** After the steps of `after`, [B, count, ...] each. */
  readonly statesAt: TrapezoidState | undefined;
}

/** The results of L steps, at least one, whose gaps are closed. */
export function trapezoid(
  steps: TrapezoidSteps, before: TrapezoidState, rows: ClosedRows, options: TrapezoidOptions,
): Trapezoidal {
  const { q, k, x, spread, dt, logDecay, share } = steps;
  const { chunkSize, resetState, after } = options;
  const [batch, , rank, heads] = k.shape;
  const { reset } = rows;
  const none = zeros([batch, heads], { dtype: x.dtype });
  const atEnd = share.mul(dt);
  const weight = late(rows, none, atEnd).add(dt.sub(atEnd));
  const [v, lateK] = [spread(x), late(rows, before.k, k)];
  const written = spread(late(rows, before.v, x)).mul(perRank(weight));
  const scanned = discreteSSD(
    asSteps(written), substeps(late(rows, none, logDecay), rank), asSteps(lateK), asSteps(q),
    {
      initialState: before.ssm, resetState, chunkSize, reset: reset && substeps(reset, rank),
      // The last of the substeps of a step.
      statesAt: after?.done.mul(rank).sub(1),
    },
  );
  const read = scanned.y.reshape(v.shape);
  const all = rank === 1 ? read : read.add(attend(q, lateK, written, true));
  const decay = logDecay.exp();
  const y = all.mul(perRank(decay)).add(attend(q, k, v).mul(perRank(atEnd)));

  const end = (each: Tensor) => each.narrow(1, each.shape[1] - 1, 1).squeeze(1);
  const lastV = end(v).mul(end(perRank(atEnd)));
  const added = einsum('brhp,brhn->bhpn', lastV, end(k));
  const ssm = scanned.lastState.mul(end(decay).unsqueeze(-1).unsqueeze(-1)).add(added);
  return {
    y,
    state: { ssm, k: rows.last(before.k, k), v: rows.last(before.v, x) },
    statesAt: after && scanned.statesAt && {
      ssm: after.current(finished(scanned.statesAt, steps, after), resetState ?? 0),
      k: after.current(after.take(before.k, k), 0),
      v: after.current(after.take(before.v, x), 0),
    },
  };
}

/** S after some steps, of H [B, count, H, P, N] in them; before all steps both are the same. */
function finished(late: Tensor, steps: TrapezoidSteps, after: AfterSteps): Tensor {
  const { k, x, spread, dt, logDecay, share } = steps;
  const take = (each: Tensor) => {
    const { shape: [batch, , ...rest], dtype } = each;
    return after.take(zeros([batch, ...rest], { dtype }), each);
  };
  const decay = take(logDecay).exp().unsqueeze(-1).unsqueeze(-1);
  const written = take(spread(x).mul(perRank(share.mul(dt))));
  return late.mul(decay).add(einsum('bcrhp,bcrhn->bchpn', written, take(k)));
}

/** A sequence one step late, after `first`; where a document begins, there is nothing before. */
function late({ reset }: ClosedRows, first: Tensor, sequence: Tensor): Tensor {
  const [batch, length] = sequence.shape;
  const shifted = concat([first.unsqueeze(1), sequence.narrow(1, 0, length - 1)], 1);
  const isFirst = reset?.reshape([batch, length, ...first.shape.slice(1).map(() => 1)]);
  return isFirst ? isFirst.where(0, shifted) : shifted;
}

/** The recurrence that `trapezoid` runs, with its steps where they were before gaps were closed. */
export function recurrenceOf(
  steps: TrapezoidSteps, before: TrapezoidState, rows: ClosedRows,
): Pick<Recurrence, 'u' | 'delta' | 'A' | 'B' | 'C' | 'initialState' | 'trapezoid'> {
  const { q, k, x, spread, dt, rate, share } = steps;
  const { reset, open } = rows;
  const atEnd = share.mul(dt);
  const atStart = dt.sub(atEnd);
  const continued = reset?.unsqueeze(-1).where(0, atStart) ?? atStart;
  const later = atEnd.add(continued.narrow(1, 1, x.shape[1] - 1).pad([0, 0, 0], [0, 1, 0]));
  const isSingle = k.shape[2] === 1;
  const opened = (each: Tensor) => open(isSingle ? each.squeeze(2) : each);
  // The first step also writes what came before it. That is a part of the state before, here.
  const [lateB, lateV] = [late(rows, before.k, k), spread(late(rows, before.v.mul(0), x))];
  const [v, b] = [spread(before.v.unsqueeze(1)).squeeze(1), before.k];
  const written = einsum('brhp,brhn->bhpn', v, b);
  const factor = atStart.narrow(1, 0, 1).squeeze(1).unsqueeze(-1).unsqueeze(-1);
  return {
    u: opened(spread(x)), delta: open(dt), A: open(rate.neg()), B: opened(k), C: opened(q),
    initialState: before.ssm.add(written.mul(factor)),
    trapezoid: {
      atEnd: open(atEnd), later: open(later), atStart: open(atStart),
      lateU: opened(lateV), lateB: opened(lateB),
    },
  };
}

/** A number for each head of a step, [B, L, H], to be multiplied with all of its ranks. */
function perRank(x: Tensor): Tensor {
  return x.unsqueeze(2).unsqueeze(-1);
}

/** The ranks of steps [B, L, R, H, ...] as steps, [B, L · R, H, ...]. */
function asSteps(x: Tensor): Tensor {
  const [batch, length, rank, ...rest] = x.shape;
  return x.reshape([batch, length * rank, ...rest]);
}

/** x [B, L, ...] in the first of R substeps, and 0 in the others: [B, L · R, ...]. */
function substeps(x: Tensor, rank: number): Tensor {
  if (rank === 1) return x;
  const first = x.unsqueeze(2);
  const none = first.shape.map(() => 0);
  return asSteps(first.pad(none, none.with(2, rank - 1)));
}

/**
 * What each rank r of a step reads of the products that its ranks s, or its ranks s > r, write:
 * Σ_s (q_r · k_s) v_s, of q and k [B, L, R, H, N] and v [B, L, R, H, P].
 */
function attend(q: Tensor, k: Tensor, v: Tensor, isLaterOnly = false): Tensor {
  if (k.shape[2] === 1) return q.mul(k).sum(-1, true).mul(v);
  const scores = einsum('blrhn,blshn->blhrs', q, k);
  return einsum('blhrs,blshp->blrhp', isLaterOnly ? scores.triu(1) : scores, v);
}

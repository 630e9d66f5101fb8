/**
 * The Mamba-3 block (Lahoti et al., "Mamba-3" (2026)). One projection gives the gate z, the signal
 * x, B and C, and for each head a step size Δ, a decay rate, the weight λ of the trapezoid, and
 * angles. There is no convolution, and no decay that is a parameter:
 *
 *     z, x, B, C, Δ, A, λ, angle = W_in u
 *     θ ← θ + π tanh(angle) Δ,     k = Rot(θ)(norm(B) + b_B),     q = Rot(θ)(norm(C) + b_C)
 *     y = W_out (trapezoid(x, k, q) ⊙ silu(z))
 *
 * So the state turns while it decays (ops/rotation), and a step writes at both of its ends
 * (trapezoid.ts). With mimoRank R above 1 there are R vectors k, q and v for each step (MIMO), and
 *
 *     v_r = x ⊙ mimo_x_r,     out = Σ_r mimo_o_r ⊙ y_r ⊙ silu(z ⊙ mimo_z_r)
 *
 * I = expandFactor · hiddenSize is the inner width, P the channels of a head, H = I / P the number
 * of heads, G the number of groups, N the state size. Parameters have the layout of mamba_ssm.
 */
import { Linear, Parameter, RMSNorm, rmsNorm } from '@mambagrad/nn';
import { full, ones, type Shape, type Tensor, zeros } from '@mambagrad/tensor';
import { checkArgument, tensors } from '@mambagrad/tensor/options';
import { rotate } from '../ops/rotation/rotate.ts';
import { turns } from '../ops/rotation/turns.ts';
import { type AfterSteps, type ClosedRows, closeGaps } from '../sequence/gaps.ts';
import {
  asRows, type Scanned, type SequenceFlags, type SequenceOptions,
} from '../sequence/sequence.ts';
import { type BlockStateShapes, Mixer } from './block.ts';
import {
  type DecayRate, decayRates, type Mamba3BlockOptions, type Mamba3Sizes, mamba3Sizes,
} from './mamba3Options.ts';
import { report } from './recurrence.ts';
import { deltaBias, forRows, undecayed } from './selectiveSSM.ts';
import { recurrenceOf, trapezoid } from './trapezoid.ts';

/** The state of a block of Mamba-3: B rows, H heads. */
export type Mamba3State = {
  /** The angles by which the state has turned, from 0 to below 2π, [B, H, angles] */
  readonly theta: Tensor;
  /** The state of the SSM, [B, H, P, N] */
  readonly ssm: Tensor;
  /** What the last step wrote with, after bias and rotation, [B, R, H, N] */
  readonly k: Tensor;
  /** What the last step wrote, [B, H, P] */
  readonly v: Tensor;
};

const WHOLE_TURN = 2 * Math.PI;

/** The Mamba-3 block: x [batch, length, hidden] to the same shape, without residual connection. */
export class Mamba3Block extends Mixer<Mamba3State> {
  /** To z [I], x [I], B and C [R · G · N], Δ, A and λ [H], and the angles, in this order */
  readonly inProj: Linear;
  /** [H], added to the projection of Δ before softplus; it sets the time scale */
  readonly dtBias: Parameter;
  /** [H, R, N], added to B after its norm; 1 at the start */
  readonly BBias: Parameter;
  /** [H, R, N], added to C after its norm; 1 at the start */
  readonly CBias: Parameter;
  /** Of B, over the state; weight [N] */
  readonly BNorm: RMSNorm;
  /** Of C, over the state; weight [N] */
  readonly CNorm: RMSNorm;
  /** [H, R, P], from x to what each rank writes; 1/R at the start; undefined without MIMO */
  readonly mimoX: Parameter | undefined;
  /** [H, R, P], from z to the gate of each rank; 1 at the start; undefined without MIMO */
  readonly mimoZ: Parameter | undefined;
  /** [H, R, P], the weights of the ranks in the result; 1/R at the start; undefined without MIMO */
  readonly mimoO: Parameter | undefined;
  /** The skip connection, [H] */
  readonly D: Parameter;
  /** The SSM's state where a document begins, [H, P, N], if it is learned; initially 0 */
  readonly initStates: Parameter | undefined;
  /** Of each head before the gate; weight [I]; undefined without outputNorm */
  readonly norm: RMSNorm | undefined;
  readonly outProj: Linear;
  readonly #sizes: Mamba3Sizes;

  constructor(options: Mamba3BlockOptions) {
    super();
    this.#sizes = mamba3Sizes(new.target.name, options);
    const { hiddenSize, inner, heads, headDim, rank, stateSize, angles, read } = this.#sizes;
    const { generator, dtInit, outputNorm, learnableInitStates, normEps: eps } = this.#sizes;
    const withoutBias = { bias: false, generator };
    const width = 2 * inner + 2 * read + 3 * heads + angles;
    this.inProj = new Linear(hiddenSize, width, withoutBias);
    this.dtBias = deltaBias(heads, generator, dtInit);
    const [ofState, ofChannels] = [[heads, rank, stateSize], [heads, rank, headDim]];
    this.BBias = new Parameter(ones(ofState));
    this.CBias = new Parameter(ones(ofState));
    this.BNorm = new RMSNorm(stateSize, { eps });
    this.CNorm = new RMSNorm(stateSize, { eps });
    const mimo = (value: number) =>
      rank > 1 ? new Parameter(full(ofChannels, value)) : undefined;
    this.mimoX = mimo(1 / rank);
    this.mimoZ = mimo(1);
    this.mimoO = mimo(1 / rank);
    this.D = undecayed(ones([heads]));
    this.initStates = learnableInitStates
      ? undecayed(zeros([heads, headDim, stateSize]))
      : undefined;
    this.norm = outputNorm ? new RMSNorm(inner, { eps }) : undefined;
    this.outProj = new Linear(inner, hiddenSize, withoutBias);
  }

  stateShapes(batch: number): BlockStateShapes<Mamba3State> {
    const { heads, headDim, rank, stateSize, angles } = this.#sizes;
    return {
      theta: [batch, heads, angles],
      ssm: [batch, heads, headDim, stateSize],
      k: [batch, rank, heads, stateSize],
      v: [batch, heads, headDim],
    };
  }

  override initialState(batch: number): Mamba3State {
    const zeroState = super.initialState(batch);
    return { ...zeroState, ssm: forRows(this.initStates, batch) ?? zeroState.ssm };
  }

  mix(input: Tensor, options: SequenceOptions<Mamba3State> = {}): Scanned<Mamba3State> {
    const { x: u, state, statesAt, flags } = this.readSteps(input, options);
    const [batch, length] = u.shape;
    const { inner, read, heads, angles, headDim, chunkSize } = this.#sizes;
    const before = state ?? this.initialState(batch);
    if (length === 0) return this.#mixNothing(before, statesAt, flags);
    const rows = closeGaps(this.constructor.name, flags, [batch, length]);
    const perHead = 3 * heads + angles;
    const [z, x, B, C, rest] =
      this.inProj.forwardInParts(rows.close(u), [inner, inner, read, read, perHead]);
    const { dt, rate, logDecay, share, angle } = this.#dynamics(rest, rows);
    const after = statesAt && rows.after(statesAt);
    const turned = turnsOf(before.theta, angle, dt, rows, after);
    const [k, q] = [
      this.#normed(B, this.BNorm, this.BBias), this.#normed(C, this.CNorm, this.CBias),
    ].map((each) => rotate(each, turned.cos, turned.sin, this.#sizes.rotation));
    const channels = [batch, length, heads, headDim];
    const spread = (y: Tensor) => overRanks(y, this.mimoX);
    const steps = { q, k, x: x.reshape(channels), spread, dt, rate, logDecay, share };
    report(this, () => ({ ...recurrenceOf(steps, before, rows), D: this.D, flags }));
    const { y, state: next, statesAt: chosen } = trapezoid(
      steps, before, rows, { chunkSize, resetState: this.initStates, after },
    );
    const skipped = spread(steps.x).mul(this.D.unsqueeze(-1));
    const out = this.#readOut(y.add(skipped), z.reshape(channels));
    return {
      y: rows.open(out.reshape([batch, length, inner])),
      state: { theta: turned.theta, ...next },
      ...(turned.at && chosen && { statesAt: statesOf({ theta: turned.at, ...chosen }, asRows) }),
    };
  }

  /** Of no steps: the states are those before, of which each row has as many as are asked for. */
  #mixNothing(
    before: Mamba3State, statesAt: Tensor | undefined, flags: SequenceFlags,
  ): Scanned<Mamba3State> {
    const { inner, heads, headDim, stateSize, rank } = this.#sizes;
    const [batch] = before.ssm.shape;
    const none = (...rest: number[]) => zeros([batch, 0, ...rest], { dtype: before.ssm.dtype });
    report(this, () => {
      const ofRanks = rank === 1 ? [heads] : [rank, heads];
      const [delta, u, B] = [none(heads), none(...ofRanks, headDim), none(...ofRanks, stateSize)];
      const steps = { atEnd: delta, later: delta, atStart: delta, lateU: u, lateB: B };
      return {
        u, delta, A: delta, B, C: B, D: this.D, initialState: before.ssm, flags, trapezoid: steps,
      };
    });
    const repeated = (x: Tensor) => x.repeatInterleave(statesAt?.shape[1] ?? 0, 0);
    return {
      y: none(inner), state: before, ...(statesAt && { statesAt: statesOf(before, repeated) }),
    };
  }

  /** Δ, −A, log α and λ, [B, L, H], and the angles [B, L, a]; at padding Δ is 0. */
  #dynamics(projected: Tensor, { padding }: ClosedRows) {
    const { heads, angles, decay, aFloor } = this.#sizes;
    const [forDt, forA, forShare, angle] = projected.split([heads, heads, heads, angles], -1);
    const duration = forDt.add(this.dtBias).softplus();
    const dt = padding ? padding.unsqueeze(-1).where(0, duration) : duration;
    const rate = decayRate(forA, decay).clamp({ min: aFloor });
    return { dt, rate, logDecay: dt.mul(rate).neg(), share: forShare.sigmoid(), angle };
  }

  /** B or C, [B, L, R · G · N], normalised, for each head and with its bias: [B, L, R, H, N]. */
  #normed(x: Tensor, norm: RMSNorm, bias: Tensor): Tensor {
    const { rank, numGroups, heads, stateSize } = this.#sizes;
    const [batch, length] = x.shape;
    const groups = norm.forward(x.reshape([batch, length, rank, numGroups, 1, stateSize]));
    const biases = bias.transpose(0, 1).reshape([rank, numGroups, heads / numGroups, stateSize]);
    return groups.add(biases).reshape([batch, length, rank, heads, stateSize]);
  }

  /** Of what the ranks read, [B, L, R, H, P], the gated sum [B, L, H, P]; z [B, L, H, P]. */
  #readOut(y: Tensor, z: Tensor): Tensor {
    const { heads, headDim } = this.#sizes;
    const weight = this.norm?.weight.reshape([heads, headDim]);
    const normed = weight ? rmsNorm(y, weight, this.norm?.eps) : y;
    const gated = normed.mul(overRanks(z, this.mimoZ).silu());
    return this.mimoO ? gated.mul(this.mimoO.transpose(0, 1)).sum(2) : gated.squeeze(2);
  }
}

/**
 * The rate −A at which a state decays, of its projection x: 1 + x, and 1 / (1 − x) below 0 (heavy
 * tail: it nears 0 slowly, so that rates do not become too small), or softplus(x).
 */
export function decayRate(x: Tensor, kind: DecayRate): Tensor {
  checkArgument('decayRate', 'x', x, tensors);
  checkArgument('decayRate', 'kind', kind, decayRates);
  if (kind === 'softplus') return x.softplus();
  // The maximum, and not relu: each half then has half of the gradient at 0, where the slope is 1.
  return x.maximum(0).add(x.neg().maximum(0).add(1).reciprocal());
}

/** x [B, L, H, P] for each rank, times its weights [H, R, P] if there are any: [B, L, R, H, P]. */
function overRanks(x: Tensor, weights: Tensor | undefined): Tensor {
  const each = x.unsqueeze(2);
  return weights ? each.mul(weights.transpose(0, 1)) : each;
}

/** The state of which each part is mapped. */
function statesOf(
  { theta, ssm, k, v }: Mamba3State, map: (part: Tensor) => Tensor,
): Mamba3State {
  return { theta: map(theta), ssm: map(ssm), k: map(k), v: map(v) };
}

/**
 * The cosines and sines of the angles of all steps, [B, L, 1, H, a], the last angles [B, H, a], and
 * those after some steps, [B, count, H, a].
 */
function turnsOf(
  theta: Tensor, angle: Tensor, dt: Tensor, rows: ClosedRows, after: AfterSteps | undefined,
) {
  const [batch, length, heads] = dt.shape;
  const perHead: Shape = [batch, length, 1, heads, angle.shape[2]];
  const delta = angle.tanh().unsqueeze(2).mul(dt.unsqueeze(-1)).mul(0.5);
  const start = theta.div(WHOLE_TURN).reshape([batch, -1]);
  const turned = turns(delta.reshape([batch, length, -1]), start, rows.reset).mul(WHOLE_TURN);
  const angles = turned.reshape(perHead);
  const closed = angles.squeeze(2);
  return {
    cos: angles.cos(),
    sin: angles.sin(),
    theta: turned.narrow(1, length - 1, 1).reshape(theta.shape),
    at: after?.current(after.take(theta, closed), 0),
  };
}

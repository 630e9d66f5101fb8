/**
 * What can be read from the recurrence that a layer ran,
 *
 *     h_t = exp(Δ_t A) ⊙ h_{t−1} + Δ_t B_t u_t,     y_t = C_t · h_t + D ⊙ u_t
 *
 * Δ_t is a gate over time: at 0 the state stays and nothing is written; a large Δ_t replaces the
 * state by the input. The factor exp(Δ_t A) is what remains after one step, products of it are what
 * remains after several, and the influence of an input on an output is what C_t reads of the rest.
 */
import type { Module } from '@mambagrad/nn';
import { describe, type Tensor, TensorError } from '@mambagrad/tensor';
import { readOptions } from '@mambagrad/tensor/options';
import type { Recurrence } from '../layers/recurrence.ts';
import { clearPadding } from '../sequence/sequence.ts';
import { byChannel, elapsedTime, influenceMatrix, isSameStep, stepsOf } from './influence.ts';
import {
  type InfluenceOptions, influenceOptions, type PartOptions, partOptions, type RetentionOptions,
  retentionOptions, type StepRange,
} from './parts.ts';
import { ofChannels, takeOf, unroll, type Unrolled, writtenBy } from './unrolled.ts';

/**
 * The recurrence that a layer ran for an input: B rows, L steps, D channels with N numbers of state
 * each. Mamba-2 and Mamba-3 have heads in the place of channels: for their layers read D as the
 * number of heads, whose channels, P in each, share Δ and the influence. In a head all numbers of
 * the state decay alike, so what belongs to a decay has K = 1 entries, where Mamba has K = N. With
 * R ranks (MIMO) each step has R inputs and R outputs.
 *
 * Padding (`mask`) takes no time: Δ is 0 there, nothing is written and nothing is read.
 */
export class ObservedLayer {
  /** The path of the layer in the model, such as 'layers.0.mixer.ssm' */
  readonly name: string;
  /** The layer: a `SelectiveSSM`, a `Mamba2Block` or a `Mamba3Block` */
  readonly layer: Module;
  /** The step sizes Δ, [B, L, D] */
  readonly delta: Tensor;
  /** The factor with which a step is written, [B, L, D]: Δ; in Mamba-3 λ Δ, see `written` */
  readonly weight: Tensor;
  /** The signal that the scan reads, [B, L, D]; of heads [B, L, D, P]; of ranks [B, L, R, D, P] */
  readonly u: Tensor;
  /** The rates of decay, negative: [D, K]; in Mamba-3, where each step has its own, [B, L, D] */
  readonly A: Tensor;
  /** The input matrix, [B, L, G, N]: groups of channels share it; of ranks [B, L, R, D, N] */
  readonly B: Tensor;
  /** The output matrix, as B */
  readonly C: Tensor;
  /** The skip connection, [D]; [D, P] if it has a number for each channel of a head */
  readonly D: Tensor;
  /**
   * The state before the first step, [B, D, N], of heads [B, D, P, N]; undefined if zero. In
   * Mamba-3 it includes what the first step writes of the step before it.
   */
  readonly initialState: Tensor | undefined;
  /** i32 [B, L], 1 where the state is reset before the step; undefined if it never is */
  readonly reset: Tensor | undefined;
  /** i32 [B, L], 0 at padding; undefined if there is none */
  readonly mask: Tensor | undefined;
  readonly #all: Unrolled;

  /** Made by `observe`. */
  constructor(name: string, layer: Module, recurrence: Recurrence) {
    this.name = name;
    this.layer = layer;
    const all = unroll(name, recurrence);
    const { u, delta, A, D, initialState } = recurrence;
    this.delta = clearPadding(delta, all.mask);
    this.weight = all.weight;
    this.u = clearPadding(u, all.mask);
    this.A = A.ndim === 1 ? A.unsqueeze(-1) : A;
    const ofRanks = (x: Tensor) => (u.ndim > 4 ? x : x.squeeze(2));
    this.B = ofRanks(all.B);
    this.C = ofRanks(all.C);
    this.D = D;
    this.initialState = initialState;
    this.reset = all.reset;
    this.mask = all.mask;
    this.#all = all;
  }

  /** Name, class and sizes in one line. */
  toString(): string {
    const [batch, length, channels] = this.delta.shape;
    const unit = this.u.ndim > 3 ? `heads of ${this.u.shape.at(-1)} channels` : 'channels';
    const ranks = this.u.ndim > 4 ? `, ${this.u.shape[2]} ranks` : '';
    return `${this.name}: ${this.layer.constructor.name}, ${batch} × ${length} steps, ` +
      `${channels} ${unit}, state ${this.B.shape.at(-1)}${ranks}`;
  }

  /**
   * The hidden attention matrix, [B, D, outputs, inputs]: entry t, s is the derivative of output
   * y_t by input u_s for fixed Δ, B and C, that is how much output t owes to each unit of input s
   * (see influence.ts). It is 0 for s > t, across resets, and in rows and columns of padding. For
   * heads, it holds for each of their channels; of R ranks each step has R rows and R columns, one
   * after the other. With `initialState` h, all outputs of the scan are
   * y_t = Σ_s influence_ts u_s + stateInfluence_t · h, plus D u_t. The gate is not part of it.
   */
  influence(options: InfluenceOptions = {}): Tensor {
    const op = 'ObservedLayer.influence';
    const { channels, outputs, inputs, skip } = readOptions(op, options, influenceOptions);
    const rows = this.#range(op, 'outputs', outputs);
    const columns = this.#range(op, 'inputs', inputs);
    const unrolled = this.#unrolled(op, channels);
    const matrix = influenceMatrix(unrolled, rows, columns);
    if (!skip) return matrix;
    if (this.D.ndim === 2) {
      throw new TensorError(
        `${op}: skip is true, but D is ${describe(this.D)}, a number for each channel of a head; ` +
          'the channels of a head share a matrix only without it',
      );
    }
    const rank = unrolled.B.shape[2];
    const ofRank = ([from, to]: StepRange) => [rank * from, rank * to] as const;
    const isSame = isSameStep(ofRank(rows), ofRank(columns));
    const kept = this.mask && stepsOf(this.mask, rows).repeatInterleave(rank, 1);
    const D = takeOf(this.D, 0, this.#readChannels(op, channels)).reshape([-1, 1, 1]);
    return matrix.add(isSame.mul(kept?.unsqueeze(-1).unsqueeze(1) ?? 1).where(D, 0));
  }

  /**
   * How much each output owes to the state before the first step, a column of influence for each of
   * its numbers: [B, D, steps, N]; of ranks with R rows for each step. 0 from the first reset on.
   */
  stateInfluence(options: PartOptions = {}): Tensor {
    const op = 'ObservedLayer.stateInfluence';
    const { channels, steps } = this.#readPart(op, options);
    const { time, rate, C, document } = this.#unrolled(op, channels);
    const elapsed = stepsOf(time.cumsum(1), steps).unsqueeze(2).unsqueeze(-1);
    const read = stepsOf(C, steps).mul(elapsed.mul(rate).exp());
    const isFirst = document && stepsOf(document, steps).equal(0).reshape([
      ...stepsOf(document, steps).shape, 1, 1, 1,
    ]);
    return byChannel(isFirst?.where(read, 0) ?? read);
  }

  /**
   * Δ_t A, the logarithm of `decay`, [B, steps, D, K]; 0 at padding. Near 1 a decay in float32 has
   * few digits left, and its logarithm has all of them.
   */
  logDecay(options: PartOptions = {}): Tensor {
    return this.#logDecay('ObservedLayer.logDecay', options);
  }

  /**
   * The factors exp(Δ_t A) by which the state decays, [B, steps, D, K]; 1 at padding. Where the
   * state is reset nothing of it is kept, whatever the factor.
   */
  decay(options: PartOptions = {}): Tensor {
    return this.#logDecay('ObservedLayer.decay', options).exp();
  }

  /**
   * The half-lives of all numbers of the state, in steps, [B, D, K]: ln 2 / −mean(Δ_t A), with the
   * mean over the chosen steps that are not padding. After so many steps half of a state is left,
   * at the mean rate of these steps. Infinity where nothing decays.
   */
  halfLife(options: PartOptions = {}): Tensor {
    const op = 'ObservedLayer.halfLife';
    const { channels, steps } = this.#readPart(op, options);
    const { time, rate } = this.#unrolled(op, channels);
    const count = this.mask
      ? stepsOf(this.mask, steps).sum(1).maximum(1).cast(time.dtype).reshape([-1, 1, 1])
      : steps[1] - steps[0];
    return halfLifeOf(stepsOf(time, steps).sum(1).unsqueeze(-1).mul(rate).div(count));
  }

  /**
   * The half-life at each step, in steps, [B, steps, D, K]: ln 2 / −Δ_t A, after which half of a
   * state would be left if all steps were like this one. Infinity at padding.
   */
  halfLifePerStep(options: PartOptions = {}): Tensor {
    return halfLifeOf(this.#logDecay('ObservedLayer.halfLifePerStep', options));
  }

  /**
   * The share of the state after step `from` that is left after each of the steps from `from` to
   * before `to`: the products of the decays between, [B, to − from, D, K]. It begins at 1, and is 0
   * from the next reset on.
   */
  retention(options: RetentionOptions = {}): Tensor {
    const op = 'ObservedLayer.retention';
    const { channels, from, to = this.delta.shape[1] } =
      readOptions(op, options, retentionOptions);
    const steps = this.#range(op, '[from, to]', [from, to]);
    const { time, rate, document } = this.#unrolled(op, channels);
    const elapsed = elapsedTime(time, steps, [from, from + 1]).permute([0, 2, 1, 3]);
    const left = elapsed.mul(rate).exp();
    const isSame = document && stepsOf(document, steps).equal(stepsOf(document, [from, from + 1]));
    return isSame?.unsqueeze(-1).unsqueeze(-1).where(left, 0) ?? left;
  }

  /**
   * The addition to the state at each step, [B, steps, D, N], of heads [B, steps, D, P, N]:
   * Δ_t B_t u_t. It has N times the size of u, so choose channels or steps. In Mamba-3 a step
   * writes at both of its ends, λ_t Δ_t B_t u_t + exp(Δ_t A_t) (1 − λ_t) Δ_t B_{t−1} u_{t−1}.
   */
  written(options: PartOptions = {}): Tensor {
    const op = 'ObservedLayer.written';
    const { channels, steps } = this.#readPart(op, options);
    const unrolled = this.#unrolled(op, channels);
    const chosen = (x: Tensor) => stepsOf(x, steps);
    const { late } = unrolled;
    const atEnd = writtenBy(unrolled, chosen);
    const written = late ? atEnd.add(writtenBy(late, chosen)) : atEnd;
    return this.u.ndim === 3 ? written.squeeze(3) : written;
  }

  /** The vector that reads at each step, C_t: [B, steps, D, N], or [B, steps, R, D, N]. */
  read(options: PartOptions = {}): Tensor {
    const op = 'ObservedLayer.read';
    const { channels, steps } = this.#readPart(op, options);
    const { time, C } = this.#unrolled(op, channels);
    const [batch, count, rank, , stateSize] = stepsOf(C, steps).shape;
    const read = stepsOf(C, steps).broadcastTo([batch, count, rank, time.shape[2], stateSize]);
    return this.u.ndim > 4 ? read : read.squeeze(2);
  }

  #logDecay(op: string, options: PartOptions): Tensor {
    const { channels, steps } = this.#readPart(op, options);
    const { time, rate } = this.#unrolled(op, channels);
    return stepsOf(time, steps).unsqueeze(-1).mul(rate);
  }

  #readPart(op: string, options: PartOptions) {
    const { channels, steps } = readOptions(op, options, partOptions);
    return { channels, steps: this.#range(op, 'steps', steps) };
  }

  /** A range of steps, all by default. Throws in the name of `op` if it goes beyond the end. */
  #range(op: string, name: string, range: StepRange | undefined): StepRange {
    const length = this.delta.shape[1];
    if (range === undefined) return [0, length];
    if (range[1] <= length && range[0] < range[1]) return range;
    throw new TensorError(
      `${op}: ${name} is [${range.join(', ')}], expected a range within the ${length} steps`,
    );
  }

  /** The chosen channels. Throws in the name of `op` if there is none of such a number. */
  #readChannels(op: string, given: readonly number[] | undefined): readonly number[] {
    const count = this.D.shape[0];
    const channels = given ?? Array.from({ length: count }, (_, channel) => channel);
    const wrong = channels.find((channel) => channel >= count);
    if (wrong === undefined) return channels;
    throw new TensorError(`${op}: channels has ${wrong}, expected numbers from 0 to ${count - 1}`);
  }

  #unrolled(op: string, channels: readonly number[] | undefined): Unrolled {
    return ofChannels(this.#all, this.#readChannels(op, channels));
  }
}

/** ln 2 / −log decay */
function halfLifeOf(logDecay: Tensor): Tensor {
  return logDecay.neg().reciprocal().mul(Math.LN2);
}

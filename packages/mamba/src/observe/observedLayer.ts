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
import { describe, type Tensor, tensor, TensorError } from '@mambagrad/tensor';
import {
  boolean, Kind, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';
import type { Recurrence } from '../layers/recurrence.ts';
import { clearPadding, readFlags } from '../sequence/sequence.ts';
import {
  elapsedTime, influenceMatrix, stepNumbers, type StepRange, stepsOf, type Unrolled,
} from './influence.ts';

/** Which channels to look at; results for few of them need little memory. */
export interface ChannelOptions {
  /** The numbers of channels, or of heads in layers that have heads. Default all, in order. */
  readonly channels?: readonly number[] | undefined;
}

/** Which channels and steps to look at. */
export interface PartOptions extends ChannelOptions {
  /** Steps from the first to before the last. Default all. */
  readonly steps?: StepRange | undefined;
}

/** Options of `retention`. */
export interface RetentionOptions extends ChannelOptions {
  /** The step after which the state is followed. Default 0. */
  readonly from?: number | undefined;
  /** The step before which that ends. Default the length. */
  readonly to?: number | undefined;
}

/** Options of `influence`. */
export interface InfluenceOptions extends ChannelOptions {
  /** The steps t whose outputs are looked at, a row each. Default all. */
  readonly outputs?: StepRange | undefined;
  /** The steps s whose inputs are looked at, a column each. Default all. */
  readonly inputs?: StepRange | undefined;
  /** Whether the skip connection D counts, which adds D to the diagonal. Default false. */
  readonly skip?: boolean | undefined;
}

const channelLists: Kind<readonly number[]> = new Kind(
  'an array of the numbers of channels',
  (x) => Array.isArray(x) && x.length > 0 &&
    x.every((each) => Number.isInteger(each) && each >= 0),
);

const stepRanges: Kind<StepRange> = new Kind(
  'an array of two steps [from, to], from below to',
  (x) => Array.isArray(x) && x.length === 2 && x.every((each) => Number.isInteger(each)) &&
    x[0] >= 0 && x[0] < x[1],
);

const channelOptions = { channels: channelLists.optional() } satisfies Table<ChannelOptions>;

const partOptions = {
  ...channelOptions, steps: stepRanges.optional(),
} satisfies Table<PartOptions>;

const retentionOptions = {
  ...channelOptions, from: whole().orElse(0), to: whole(1).optional(),
} satisfies Table<RetentionOptions>;

const influenceOptions = {
  ...channelOptions,
  outputs: stepRanges.optional(),
  inputs: stepRanges.optional(),
  skip: boolean.orElse(false),
} satisfies Table<InfluenceOptions>;

/**
 * The recurrence that a layer ran for an input: B rows, L steps, D channels with N numbers of state
 * each. Mamba-2 has heads in the place of channels: for its layers read D as the number of heads,
 * whose channels, P in each, share Δ and the influence. In a head all numbers of the state decay
 * alike, so what belongs to a decay has K = 1 entries, where Mamba has K = N.
 *
 * Padding (`mask`) takes no time: Δ is 0 there, nothing is written and nothing is read.
 */
export class ObservedLayer {
  /** The path of the layer in the model, such as 'layers.0.mixer.ssm' */
  readonly name: string;
  /** The layer: a `SelectiveSSM` or a `Mamba2Block` */
  readonly layer: Module;
  /** The step sizes Δ, [B, L, D] */
  readonly delta: Tensor;
  /** The signal u that the layer reads, after convolution and SiLU: [B, L, D], of heads + [P] */
  readonly u: Tensor;
  /** The rates of decay, negative: [D, K] */
  readonly A: Tensor;
  /** The input matrix, [B, L, G, N]: G groups of channels next to each other share it */
  readonly B: Tensor;
  /** The output matrix, [B, L, G, N] */
  readonly C: Tensor;
  /** The skip connection, [D]; [D, P] if it has a number for each channel of a head */
  readonly D: Tensor;
  /** The state before the first step, [B, D, N], of heads [B, D, P, N]; undefined if zero */
  readonly initialState: Tensor | undefined;
  /** i32 [B, L], 1 where the state is reset before the step; undefined if it never is */
  readonly reset: Tensor | undefined;
  /** i32 [B, L], 0 at padding; undefined if there is none */
  readonly mask: Tensor | undefined;
  readonly #document: Tensor | undefined;

  /** Made by `observe`. */
  constructor(name: string, layer: Module, recurrence: Recurrence) {
    const { u, A, B, C, flags } = recurrence;
    const { reset, mask } = readFlags(name, flags, u.shape);
    const cleared = (x: Tensor) => clearPadding(x, mask);
    const grouped = (x: Tensor) => cleared(x.ndim === 3 ? x.unsqueeze(2) : x);
    this.name = name;
    this.layer = layer;
    this.delta = cleared(recurrence.delta);
    this.u = cleared(u);
    this.A = A.ndim === 1 ? A.unsqueeze(-1) : A;
    this.B = grouped(B);
    this.C = grouped(C);
    this.D = recurrence.D;
    this.initialState = recurrence.initialState;
    this.reset = reset;
    this.mask = mask;
    this.#document = reset?.cast(u.dtype).cumsum(1);
  }

  /** Name, class and sizes in one line. */
  toString(): string {
    const [batch, length, channels] = this.delta.shape;
    const unit = this.u.ndim === 4 ? `heads of ${this.u.shape[3]} channels` : 'channels';
    return `${this.name}: ${this.layer.constructor.name}, ${batch} × ${length} steps, ` +
      `${channels} ${unit}, state ${this.B.shape[3]}`;
  }

  /**
   * The hidden attention matrix, [B, D, outputs, inputs]: entry t, s is the derivative of output
   * y_t by input u_s for fixed Δ, B and C, that is how much output t owes to each unit of input s
   * (see influence.ts). It is 0 for s > t, across resets, and in rows and columns of padding. For
   * heads, it holds for each of their channels. With `initialState` h, all outputs of the scan are
   * y_t = Σ_s influence_ts u_s + stateInfluence_t · h, plus D u_t. The gate is not part of it.
   */
  influence(options: InfluenceOptions = {}): Tensor {
    const op = 'ObservedLayer.influence';
    const given = readOptions(op, options, influenceOptions);
    const [rows, columns] = [
      this.#range(op, 'outputs', given.outputs), this.#range(op, 'inputs', given.inputs),
    ];
    const matrix = influenceMatrix(this.#unrolled(op, given.channels), rows, columns);
    if (!given.skip) return matrix;
    if (this.D.ndim === 2) {
      throw new TensorError(
        `${op}: skip is true, but D is ${describe(this.D)}, a number for each channel of a head; ` +
          'the channels of a head share a matrix only without it',
      );
    }
    const isSame = stepNumbers(rows).unsqueeze(-1).equal(stepNumbers(columns));
    const counts = this.mask ? stepsOf(this.mask, rows).unsqueeze(-1).unsqueeze(1) : 1;
    const D = take(this.D, 0, this.#readChannels(op, given.channels)).reshape([-1, 1, 1]);
    return matrix.add(isSame.mul(counts).where(D, 0));
  }

  /**
   * How much each output owes to the state before the first step, a column of influence for each of
   * its numbers: [B, D, steps, N]. It is 0 from the first reset on.
   */
  stateInfluence(options: PartOptions = {}): Tensor {
    const op = 'ObservedLayer.stateInfluence';
    const { channels, steps } = this.#readPart(op, options);
    const { time, rate, C, document } = this.#unrolled(op, channels);
    const elapsed = stepsOf(time.cumsum(1), steps).unsqueeze(-1);
    const read = stepsOf(C, steps).mul(elapsed.mul(rate).exp());
    const isFirst = document && stepsOf(document, steps).equal(0).unsqueeze(-1).unsqueeze(-1);
    return (isFirst?.where(read, 0) ?? read).transpose(1, 2);
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
   * What is added to the state at each step, Δ_t B_t u_t: [B, steps, D, N], of heads
   * [B, steps, D, P, N]. It has N times the size of u, so choose channels or steps.
   */
  written(options: PartOptions = {}): Tensor {
    const op = 'ObservedLayer.written';
    const { channels, steps } = this.#readPart(op, options);
    const { weight, B } = this.#unrolled(op, channels);
    const u = take(stepsOf(this.u, steps), 2, this.#readChannels(op, channels)).unsqueeze(-1);
    const scaled = stepsOf(weight, steps).unsqueeze(-1).mul(stepsOf(B, steps));
    return u.ndim === 5 ? u.mul(scaled.unsqueeze(-2)) : u.mul(scaled);
  }

  /** What is read of the state at each step, C_t for each channel: [B, steps, D, N]. */
  read(options: PartOptions = {}): Tensor {
    const op = 'ObservedLayer.read';
    const { channels, steps } = this.#readPart(op, options);
    const { time, C } = this.#unrolled(op, channels);
    const shape = [...stepsOf(time, steps).shape, C.shape[3]];
    return stepsOf(C, steps).broadcastTo(shape);
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

  #unrolled(op: string, given: readonly number[] | undefined): Unrolled {
    const channels = this.#readChannels(op, given);
    const chosen = (x: Tensor, axis: number) => (given ? take(x, axis, channels) : x);
    // Groups of channels next to each other share B and C.
    const ofGroups = (x: Tensor) => {
      const size = this.D.shape[0] / x.shape[2];
      return x.shape[2] === 1 ? x : take(x, 2, channels.map((each) => Math.floor(each / size)));
    };
    const time = chosen(this.delta, 2);
    return {
      time, weight: time, rate: chosen(this.A, 0),
      B: ofGroups(this.B), C: ofGroups(this.C), document: this.#document,
    };
  }
}

/** The elements of an axis with the given numbers. */
function take(x: Tensor, axis: number, numbers: readonly number[]): Tensor {
  return x.indexSelect(axis, tensor(Int32Array.from(numbers)));
}

/** ln 2 / −log decay */
function halfLifeOf(logDecay: Tensor): Tensor {
  return logDecay.neg().reciprocal().mul(Math.LN2);
}

/**
 * What a layer remembers of selective copying, in numbers: how its step size Δ responds to tokens
 * and to noise, for how long its states last, how much of each token is left at the end, and where
 * the influence on the answers comes from.
 */
import type { ObservedLayer } from '@mambagrad/mamba';
import type { Tensor } from '@mambagrad/tensor';

/** The steps behind a token at which a response is looked for; the convolution reaches 3 back. */
export const REACH = 4;

/** Sequences of the task, `length` steps each; noise is 0. */
export interface Sequences {
  readonly inputs: ArrayLike<number>;
  readonly count: number;
  /** The steps before the answers. */
  readonly places: number;
  /** The number of tokens, which is that of the answers, too. */
  readonly tokens: number;
}

/** The steps at which the tokens of a sequence stand. */
export function positionsOf({ inputs, places, tokens }: Sequences, sequence: number): number[] {
  const start = sequence * (places + tokens);
  const steps = Array.from({ length: places }, (_, t) => t);
  return steps.filter((t) => inputs[start + t] !== 0);
}

/** The mean of some numbers. */
export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The middle one of some numbers. */
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** The mean and the median over channels; a few channels with a large Δ decide the mean. */
export interface Average {
  readonly mean: number;
  readonly median: number;
}

const averageOf = (values: readonly number[]): Average =>
  ({ mean: mean(values), median: median(values) });

/** How Δ responds to what is read. */
export interface Response {
  /** Δ at all tokens, at all noise, */
  readonly atTokens: Average;
  readonly atNoise: Average;
  /** so many steps behind a token, 0 to REACH − 1, */
  readonly behind: readonly Average[];
  /** and at noise farther from tokens. */
  readonly far: Average;
  /**
   * For each channel its mean Δ where nothing but noise is at the step and the REACH − 1 before.
   */
  readonly quiet: readonly number[];
  /** For each channel the mean Δ so many steps behind a token, 0 to REACH − 1, divided by quiet. */
  readonly factors: readonly (readonly number[])[];
  /** How many steps behind a token the most channels have their largest factor. */
  readonly delay: number;
}

/** The response of each channel's Δ, averaged over all sequences. */
export function responseOf(layer: ObservedLayer, sequences: Sequences): Response {
  const [, length, channels] = layer.delta.shape;
  const { data } = layer.delta;
  const sums = { token: sum(channels), noise: sum(channels), quiet: sum(channels) };
  const behind = Array.from({ length: REACH }, () => sum(channels));
  for (let sequence = 0; sequence < sequences.count; sequence++) {
    const positions = positionsOf(sequences, sequence);
    for (let t = 0; t < sequences.places; t++) {
      const start = (sequence * length + t) * channels;
      const deltas = data.subarray(start, start + channels);
      const since = t - (positions.findLast((position) => position <= t) ?? -Infinity);
      (since === 0 ? sums.token : sums.noise).add(deltas);
      if (since < REACH) behind[since].add(deltas);
      // At the first steps the convolution reads zeros, which are no noise.
      else if (t >= REACH - 1) sums.quiet.add(deltas);
    }
  }
  const quiet = sums.quiet.means();
  const responses = behind.map((each) => each.means());
  const factors = quiet.map((base, channel) => responses.map((each) => each[channel] / base));
  const best = factors.map((each) => each.indexOf(Math.max(...each)));
  const counts = behind.map((_, k) => best.filter((each) => each === k).length);
  return {
    atTokens: averageOf(sums.token.means()), atNoise: averageOf(sums.noise.means()),
    behind: responses.map(averageOf), far: averageOf(quiet), quiet, factors,
    delay: counts.indexOf(Math.max(...counts)),
  };
}

/** A running mean of vectors. */
function sum(width: number) {
  const total = new Float64Array(width);
  let count = 0;
  return {
    add(values: ArrayLike<number>): void {
      for (let i = 0; i < width; i++) total[i] += values[i];
      count++;
    },
    means: (): number[] => Array.from(total, (each) => each / count),
  };
}

/** The half-lives of the states of each channel, at the mean decay of all sequences, in steps. */
export function halfLivesOf(layer: ObservedLayer, { places }: Sequences): number[][] {
  // Rates can be averaged, half-lives cannot.
  const lives = layer.halfLife({ steps: [0, places] }).reciprocal().mean(0).reciprocal();
  return lives.toArray() as number[][];
}

/** The share of a token that is left, from the step at which it is written on, by channel. */
export interface Kept {
  readonly from: number;
  /** Shares from 1 at first, [step][channel] */
  readonly shares: readonly (readonly number[])[];
}

/**
 * What is left of each token of one sequence: of the vector that is written to a channel's state
 * `delay` steps behind the token, the length of the rest, through its length at first.
 */
export function keptOf(
  layer: ObservedLayer, positions: readonly number[], delay: number,
): Kept[] {
  return positions.map((position) => {
    const from = Math.min(position + delay, layer.u.shape[1] - 1);
    const size = (x: Tensor) => x.square().sum(-1).sqrt();
    const added = layer.written({ steps: [from, from + 1] });
    const written = added.reshape([...added.shape.slice(0, 3), -1]);
    const left = layer.retention({ from }).mul(written);
    return { from, shares: size(left).div(size(written)).squeeze(0).toArray() as number[][] };
  });
}

/** Where the influence on the answers comes from. */
export interface Influence {
  /** |influence|, the mean over channels: [sequence][answer][step]. */
  readonly rows: readonly (readonly (readonly number[])[])[];
  /** How much larger it is `delay` steps behind a token than at noise far from any. */
  readonly factor: number;
  /** The share of answers whose largest entry is `delay` steps behind some token, */
  readonly atTokens: number;
  /** that by chance, */
  readonly byChance: number;
  /** and the share whose largest entry of these is that of the token to be written. */
  readonly atOwnToken: number;
}

/** The rows of the hidden attention matrix that belong to the answers, up to the last place. */
export function influenceOf(
  layer: ObservedLayer, sequences: Sequences, delay: number,
): Influence {
  const { places, tokens, count } = sequences;
  const outputs = [places, places + tokens] as const;
  const matrix = layer.influence({ outputs, inputs: [0, places] }).abs().mean(1);
  const rows = matrix.toArray() as number[][][];
  const found = { tokens: [] as number[], quiet: [] as number[] };
  const hits = { any: 0, own: 0, chance: 0 };
  for (let sequence = 0; sequence < count; sequence++) {
    const positions = positionsOf(sequences, sequence);
    const delayed = positions.map((position) => position + delay);
    const inside = delayed.filter((step) => step < places);
    hits.chance += inside.length / places / count;
    rows[sequence].forEach((row, answer) => {
      const largest = row.indexOf(Math.max(...row));
      hits.any += Number(inside.includes(largest));
      const best = inside.reduce((one, other) => (row[other] > row[one] ? other : one), inside[0]);
      hits.own += Number(best === delayed[answer]);
      found.tokens.push(...inside.map((step) => row[step]));
      found.quiet.push(...row.filter((_, step) =>
        step >= REACH - 1 && !positions.some((at) => step >= at && step < at + REACH),
      ));
    });
  }
  const total = count * tokens;
  return {
    rows, factor: mean(found.tokens) / mean(found.quiet),
    atTokens: hits.any / total, byChance: hits.chance, atOwnToken: hits.own / total,
  };
}

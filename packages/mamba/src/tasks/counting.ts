/**
 * Counting modulo m, a task of tracking a state (Grazzi et al., "Unlocking state-tracking in linear
 * RNNs through negative eigenvalues" (2025); Mamba-3 (2026) trains on such tasks): the answer at
 * each position is how many tokens 1 have been read since the last reset, modulo m.
 *
 *     input    R 1 0 1 1 1 R 0 1 1        0 pass   1 count   R reset (2)
 *     target   0 1 1 2 0 1 0 0 1 2        modulo 3
 *
 * A state that decays by positive factors, hₜ = aₜ hₜ₋₁ + bₜ with 0 ≤ aₜ ≤ 1, forgets or adds up: a
 * token can bring two such states nearer to each other, but never swap them. A state that turns by
 * 2π/m with each count comes back after m of them. The first token is always a reset: it is the
 * direction from which turns are measured.
 */
import {
  bernoulli, concat, full, type Generator, integers, type Tensor, tensor,
} from '@mambagrad/tensor';
import { checkArgument, number, readOptions, type Table, whole } from '@mambagrad/tensor/options';
import { generatorOption, type TaskBatch } from './batch.ts';

/** Options of `counting`. */
export interface CountingOptions {
  /** The number of tokens after the first reset. Default 40. */
  readonly length?: number | undefined;
  /** m, from 1, the number of different answers. Default 3. */
  readonly modulus?: number | undefined;
  /** The probability of a reset at each position. Default 0.1. */
  readonly resetRate?: number | undefined;
  /** The source of random numbers. Default the generator that `manualSeed` seeds. */
  readonly generator?: Generator | undefined;
}

/** Options of `parity`. */
export interface ParityOptions extends Pick<CountingOptions, 'length' | 'generator'> {}

const parityOptions = {
  length: whole().orElse(40),
  generator: generatorOption,
} satisfies Table<ParityOptions>;

const countingOptions = {
  ...parityOptions,
  modulus: whole(1, 2 ** 31 - 1).orElse(3),
  resetRate: number({ from: 0, to: 1 }).orElse(0.1),
} satisfies Table<CountingOptions>;

const RESET = 2;

/**
 * A batch of `count` random sequences: inputs i32 [count, 1 + length], a reset (2) and then tokens
 * 0, 1 and 2; targets of the same shape, numbers below the modulus.
 */
export function counting(count: number, options: CountingOptions = {}): TaskBatch {
  const op = 'counting';
  checkArgument(op, 'count', count, whole());
  const { length, modulus, resetRate, generator } = readOptions(op, options, countingOptions);
  const bits = integers([count, length], 0, 2, generator);
  const isReset = bernoulli([count, length], resetRate, { generator }).cast('i32');
  return withAnswers(isReset.where(RESET, bits), modulus);
}

/**
 * A batch of `count` random sequences of bits: inputs i32 [count, 1 + length], a 2 and then the
 * bits; targets of the same shape, the parity of the bits so far: 1 if an odd number of them are 1.
 * It is `counting` modulo 2 without resets after the first.
 */
export function parity(count: number, options: ParityOptions = {}): TaskBatch {
  checkArgument('parity', 'count', count, whole());
  const { length, generator } = readOptions('parity', options, parityOptions);
  return withAnswers(integers([count, length], 0, 2, generator), 2);
}

/** The sequences with a reset before them, and the counts of their ones since the last reset. */
function withAnswers(tokens: Tensor, modulus: number): TaskBatch {
  const [count] = tokens.shape;
  const inputs = concat([full([count, 1], RESET, { dtype: 'i32' }), tokens], 1);
  let counted = 0;
  const targets = Int32Array.from(inputs.data, (token: number) => {
    counted = token === RESET ? 0 : (counted + token) % modulus;
    return counted;
  });
  return { inputs, targets: tensor(targets, { shape: inputs.shape, dtype: 'i32' }) };
}

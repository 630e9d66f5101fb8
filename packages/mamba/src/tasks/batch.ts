/** What the tasks have in common: a batch of sequences with its answers, and random places. */
import { Generator, type Tensor, uniform } from '@mambagrad/tensor';
import { instanceOf, type Option } from '@mambagrad/tensor/options';

/** Random sequences of a task, and what a model should say to them. */
export interface TaskBatch {
  /** Tokens, i32 [batch, length] */
  readonly inputs: Tensor;
  /**
   * The answers: i32 [batch, length], one for each position, where -100 means that nothing is
   * asked, as `crossEntropy` has it; or i32 [batch], if only the last position has one.
   */
  readonly targets: Tensor;
}

/** Of every task: the source of its random numbers. */
export const generatorOption: Option<Generator | undefined> = instanceOf(Generator).optional();

/** For each of `count` rows, `chosen` different places below `places`, in random order. */
export function randomPlaces(
  count: number, chosen: number, places: number, generator: Generator | undefined,
): Tensor {
  // The first of a random permutation.
  return uniform([count, places], 0, 1, { generator }).argsort().narrow(1, 0, chosen);
}

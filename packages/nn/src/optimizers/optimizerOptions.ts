/**
 * The options of optimizers, and of groups of parameters that are trained differently.
 */
import type { Tensor } from '@mambagrad/tensor';
import {
  boolean, type FullTable, type Kind, listOf, number, type Table, tensors,
} from '@mambagrad/tensor/options';
import { norms } from './clipping.ts';

/** Parameters with options in common; an option left out is as in those of the optimizer. */
export interface ParameterGroup {
  /** The parameters of the group. */
  readonly params: readonly Tensor[];
  /** The initial learning rate of the group; it stays in proportion to the optimizer's. */
  readonly lr?: number | undefined;
  /** λ, the weight decay. Parameters with `noWeightDecay` have none even so. */
  readonly weightDecay?: number | undefined;
}

/** The parameters that an optimizer trains, as tensors, as groups, or both. */
export type Trained = readonly (Tensor | ParameterGroup)[];

/** Options of every optimizer; a `ParameterGroup` may have its own. */
export interface OptimizerOptions {
  /** The learning rate, from 0. Default 1e-3; of `RMSprop` 0.01; of `Lion` 1e-4. */
  readonly lr?: number | undefined;
  /**
   * λ, the weight decay, from 0; parameters with `noWeightDecay` have none. Default 0; of `AdamW`
   * 0.01.
   */
  readonly weightDecay?: number | undefined;
}

/** Options of an optimizer's `step`, and of `Trainer`, which takes the steps. */
export interface StepOptions {
  /**
   * Scale the gradients down so that their norm, over all parameters, is at most this, a number
   * above 0. Default: they stay as they are.
   */
  readonly maxNorm?: number | undefined;
}

/** Options of `minimize`, which computes the gradients and then takes a step. */
export interface MinimizeOptions extends StepOptions {
  /** Take the gradient of parameters that the loss does not depend on as 0. Default false. */
  readonly allowUnused?: boolean | undefined;
}

/** A learning rate or a weight decay. */
export const rates: Kind<number> = number({ from: 0 });

/** Two decay rates of running means. */
export const pairOfBetas: Kind<readonly [number, number]> =
  listOf(number({ from: 0, below: 1 }), 2) as Kind<readonly [number, number]>;

export const groupOptions: Table<ParameterGroup> = {
  params: listOf(tensors).required(),
  lr: rates.optional(),
  weightDecay: rates.optional(),
};

export const optimizerOptions: FullTable<OptimizerOptions> = {
  lr: rates.orElse(1e-3), weightDecay: rates.orElse(0),
};

export const stepOptions: Table<StepOptions> = { maxNorm: norms.optional() };

export const minimizeOptions: FullTable<MinimizeOptions, 'maxNorm'> = {
  ...stepOptions, allowUnused: boolean.orElse(false),
};

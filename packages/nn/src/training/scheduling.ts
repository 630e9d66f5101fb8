/**
 * The learning rate of each step: the optimizer's base rate times the factor of a schedule. The
 * schedule is told how many steps the whole run has, counted from its beginning and not from where
 * it was resumed, so that a run that is resumed has the rates of one that nobody stopped.
 */
import { checkArgument, number } from '@mambagrad/tensor/options';
import type { Optimizer } from '../optimizers/optimizer.ts';
import type { Schedule } from '../optimizers/schedules.ts';
import type { Batches } from './batches.ts';
import type { Target } from './fitOptions.ts';

const factors = number({ from: 0 });

/**
 * The number of steps of a run to a target; undefined if it has no end, or if the data does not
 * know how many batches an epoch has.
 */
export function stepsOfRun(
  target: Target, data: Pick<Batches<unknown>, 'length'> | (() => unknown), accumulate: number,
): number | undefined {
  if ('steps' in target) return target.steps < Infinity ? target.steps : undefined;
  const batches = typeof data === 'function' ? undefined : data.length;
  if (batches === undefined || target.epochs === Infinity) return undefined;
  // No step reaches from one epoch into the next.
  return target.epochs * Math.ceil(batches / accumulate);
}

/** Gives the optimizer the rate for the step after `step` others, of `total` if that is known. */
export function scheduleLr(
  optimizer: Optimizer, schedule: Schedule, step: number, total: number | undefined,
): void {
  const factor = schedule(step, total);
  checkArgument(`schedule(${step})`, 'the factor', factor, factors);
  optimizer.scheduleLr(factor);
}

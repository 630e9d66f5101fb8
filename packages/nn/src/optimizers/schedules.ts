/**
 * Learning rate schedules. A schedule is a function from the number of steps taken so far to a
 * factor of the learning rate, so any such function of one number can be used:
 *
 *     const schedule = joinSchedules(warmUp(100), [100, cosineDecay(900)]);
 *     optimizer.lr = 1e-3 * schedule(step);   // before each step: 0, 1, 2, …
 *
 * A trainer also says how many steps the run has, so that the length of a decay need not be
 * computed: `joinSchedules(warmUp(100), [100, cosineDecay()])`.
 */

import { TensorError } from '@mambagrad/tensor';
import {
  callable, checkArgument, Kind, listOf, number, whole,
} from '@mambagrad/tensor/options';

/**
 * Maps the number of steps taken so far (0 before the first) to a factor of the learning rate.
 * `total` is the number of steps of the whole run, if it is known.
 */
export type Schedule = (step: number, total?: number) => number;

const schedules: Kind<Schedule> = callable();

const pairs = new Kind<readonly unknown[]>('a pair [from, schedule]', Array.isArray);

const lengths = number({ above: 0 });

/** Throws unless the length of a schedule is above 0 and its factor is not negative. */
function check(op: string, steps: number, name = 'final', factor = 0): void {
  checkArgument(op, 'steps', steps, lengths);
  checkArgument(op, name, factor, number({ from: 0 }));
}

/**
 * A schedule that falls from 1 to `final` along a curve, which maps the part of its steps that are
 * taken, from 0 to 1, to the part of the way down that is left. Its length is `steps`, or else that
 * of the run.
 */
function decay(
  op: string, steps: number | undefined, final: number, factorAt: (part: number) => number,
): Schedule {
  check(op, steps === undefined ? 1 : steps, 'final', final);
  return (step, total) => {
    const length = steps ?? total;
    if (length === undefined || !lengths.accepts(length)) {
      throw new TensorError(
        `${op}: steps is missing, and the run has no length: give steps, or train to a number of ` +
          'steps, or of epochs of data that knows its number of batches',
      );
    }
    return factorAt(step < length ? step / length : 1);
  };
}

/** Rises linearly from 1/steps for the first step to 1 for the last of `steps`; there it stays. */
export function warmUp(steps: number): Schedule {
  check('warmUp', steps);
  return (step) => Math.min(1, (step + 1) / steps);
}

/**
 * Falls linearly from 1 to `final` after `steps` steps; there it stays. Without steps it falls over
 * the whole run.
 */
export function linearDecay(steps?: number, final = 0): Schedule {
  return decay('linearDecay', steps, final, (part) => 1 + (final - 1) * part);
}

/**
 * Falls along half a cosine from 1 to `final` after `steps` steps; there it stays. Without steps it
 * falls over the whole run. Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm
 * restarts" (2017), equation 5.
 */
export function cosineDecay(steps?: number, final = 0): Schedule {
  return decay('cosineDecay', steps, final, (part) => (
    final + ((1 - final) * (1 + Math.cos(Math.PI * part))) / 2
  ));
}

/** Is multiplied by `factor` after every `steps` steps; starts at 1. */
export function stepDecay(steps: number, factor = 0.1): Schedule {
  check('stepDecay', steps, 'factor', factor);
  return (step) => factor ** Math.floor(step / steps);
}

/** The product of several schedules. */
export function multiplySchedules(...factors: readonly Schedule[]): Schedule {
  checkArgument('multiplySchedules', 'schedules', factors, listOf(schedules));
  return (step, total) =>
    factors.reduce((product, schedule) => product * schedule(step, total), 1);
}

/**
 * One schedule after another. Each of `others` takes over at its step `from`, which it sees as step
 * 0; these steps must ascend. A schedule that was made without a number of steps ends where the
 * next one takes over, and the last of them at the end of the run.
 */
export function joinSchedules(
  first: Schedule, ...others: readonly (readonly [from: number, schedule: Schedule])[]
): Schedule {
  checkArgument('joinSchedules', 'first', first, schedules);
  others.forEach((other, i) => {
    checkArgument('joinSchedules', `others[${i}]`, other, pairs);
    const [from, schedule] = other;
    const least = i === 0 ? 0 : others[i - 1][0];
    checkArgument('joinSchedules', `others[${i}][0]`, from, whole(least));
    checkArgument('joinSchedules', `others[${i}][1]`, schedule, schedules);
  });
  return (step, total) => {
    const [start, schedule] = others.findLast(([from]) => from <= step) ?? [0, first];
    const [end = total] = others.find(([from]) => from > step) ?? [];
    return schedule(step - start, end === undefined ? undefined : end - start);
  };
}

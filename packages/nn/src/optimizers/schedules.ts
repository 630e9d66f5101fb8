/**
 * Schedules: how the learning rate changes over time. A schedule is a function from the number of
 * steps taken so far to a factor, so any function of one number is a schedule:
 *
 *     const schedule = joinSchedules(warmUp(100), [100, cosineDecay(900)]);
 *     optimizer.lr = 1e-3 * schedule(step);   // before each step: 0, 1, 2, …
 */

import {
  callable, checkArgument, type Kind, listOf, number, whole,
} from '@mambagrad/tensor/options';

/** From the number of steps taken so far (0 before the first) to a factor of the learning rate. */
export type Schedule = (step: number) => number;

const schedules: Kind<Schedule> = callable();

/** Throws unless a schedule has a length above 0 and goes to, or by, a factor from 0. */
function check(op: string, steps: number, name = 'final', factor = 0): void {
  checkArgument(op, 'steps', steps, number({ above: 0 }));
  checkArgument(op, name, factor, number({ from: 0 }));
}

/** Up to 1 in even parts, from 1/steps for the first step to 1 for the last of `steps`. */
export function warmUp(steps: number): Schedule {
  check('warmUp', steps);
  return (step) => Math.min(1, (step + 1) / steps);
}

/** From 1 along a straight line to `final` after `steps` steps; there it stays. */
export function linearDecay(steps: number, final = 0): Schedule {
  check('linearDecay', steps, 'final', final);
  return (step) => 1 + (final - 1) * (step < steps ? step / steps : 1);
}

/**
 * From 1 along half a cosine to `final` after `steps` steps; there it stays. Loshchilov and Hutter,
 * "SGDR: stochastic gradient descent with warm restarts" (2017), equation 5.
 */
export function cosineDecay(steps: number, final = 0): Schedule {
  check('cosineDecay', steps, 'final', final);
  return (step) =>
    final + ((1 - final) * (1 + Math.cos(Math.PI * (step < steps ? step / steps : 1)))) / 2;
}

/** Times `factor` after every `steps` steps. */
export function stepDecay(steps: number, factor = 0.1): Schedule {
  check('stepDecay', steps, 'factor', factor);
  return (step) => factor ** Math.floor(step / steps);
}

/** All schedules at once: the product of their factors. */
export function multiplySchedules(...factors: readonly Schedule[]): Schedule {
  checkArgument('multiplySchedules', 'schedules', factors, listOf(schedules));
  return (step) => factors.reduce((product, schedule) => product * schedule(step), 1);
}

/** One schedule, then others, each from a step on (ascending) that is its own step 0. */
export function joinSchedules(
  first: Schedule, ...others: readonly (readonly [from: number, schedule: Schedule])[]
): Schedule {
  checkArgument('joinSchedules', 'first', first, schedules);
  others.forEach(([from, schedule], i) => {
    const least = i === 0 ? 0 : others[i - 1][0];
    checkArgument('joinSchedules', `others[${i}][0]`, from, whole(least));
    checkArgument('joinSchedules', `others[${i}][1]`, schedule, schedules);
  });
  return (step) => {
    const [start, schedule] = others.findLast(([from]) => from <= step) ?? [0, first];
    return schedule(step - start);
  };
}

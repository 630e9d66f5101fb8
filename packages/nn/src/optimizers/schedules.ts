/**
 * Learning rate schedules. A schedule is a function from the number of steps taken so far to a
 * factor of the learning rate, so any such function of one number can be used:
 *
 *     const schedule = joinSchedules(warmUp(100), [100, cosineDecay(900)]);
 *     optimizer.lr = 1e-3 * schedule(step);   // before each step: 0, 1, 2, …
 */

import {
  callable, checkArgument, type Kind, listOf, number, whole,
} from '@mambagrad/tensor/options';

/** Maps the number of steps taken so far (0 before the first) to a factor of the learning rate. */
export type Schedule = (step: number) => number;

const schedules: Kind<Schedule> = callable();

/** Throws unless the length of a schedule is above 0 and its factor is not negative. */
function check(op: string, steps: number, name = 'final', factor = 0): void {
  checkArgument(op, 'steps', steps, number({ above: 0 }));
  checkArgument(op, name, factor, number({ from: 0 }));
}

/** Rises linearly from 1/steps for the first step to 1 for the last of `steps`; there it stays. */
export function warmUp(steps: number): Schedule {
  check('warmUp', steps);
  return (step) => Math.min(1, (step + 1) / steps);
}

/** Falls linearly from 1 to `final` after `steps` steps; there it stays. */
export function linearDecay(steps: number, final = 0): Schedule {
  check('linearDecay', steps, 'final', final);
  return (step) => 1 + (final - 1) * (step < steps ? step / steps : 1);
}

/**
 * Falls along half a cosine from 1 to `final` after `steps` steps; there it stays. Loshchilov and
 * Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), equation 5.
 */
export function cosineDecay(steps: number, final = 0): Schedule {
  check('cosineDecay', steps, 'final', final);
  return (step) =>
    final + ((1 - final) * (1 + Math.cos(Math.PI * (step < steps ? step / steps : 1)))) / 2;
}

/** Is multiplied by `factor` after every `steps` steps; starts at 1. */
export function stepDecay(steps: number, factor = 0.1): Schedule {
  check('stepDecay', steps, 'factor', factor);
  return (step) => factor ** Math.floor(step / steps);
}

/** The product of several schedules. */
export function multiplySchedules(...factors: readonly Schedule[]): Schedule {
  checkArgument('multiplySchedules', 'schedules', factors, listOf(schedules));
  return (step) => factors.reduce((product, schedule) => product * schedule(step), 1);
}

/**
 * One schedule after another. Each of `others` takes over at its step `from`, which it sees as step
 * 0; these steps must ascend.
 */
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

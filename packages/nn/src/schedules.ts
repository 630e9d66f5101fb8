/**
 * Schedules: how the learning rate changes over time. A schedule is a function from the number of
 * steps taken so far to a factor, so any function of one number is a schedule:
 *
 *     const schedule = joinSchedules(warmUp(100), [100, cosineDecay(900)]);
 *     optimizer.lr = 1e-3 * schedule(step);   // before each step: 0, 1, 2, …
 */

/** From the number of steps taken so far (0 before the first) to a factor of the learning rate. */
export type Schedule = (step: number) => number;

/** Up to 1 in even parts, from 1/steps for the first step to 1 for the last of `steps`. */
export const warmUp = (steps: number): Schedule => (step) => Math.min(1, (step + 1) / steps);

/** From 1 along a straight line to `final` after `steps` steps; there it stays. */
export const linearDecay = (steps: number, final = 0): Schedule => (step) =>
  1 + (final - 1) * (step < steps ? step / steps : 1);

/**
 * From 1 along half a cosine to `final` after `steps` steps; there it stays. Loshchilov and Hutter,
 * "SGDR: stochastic gradient descent with warm restarts" (2017), equation 5.
 */
export const cosineDecay = (steps: number, final = 0): Schedule => (step) =>
  final + ((1 - final) * (1 + Math.cos(Math.PI * (step < steps ? step / steps : 1)))) / 2;

/** Times `factor` after every `steps` steps. */
export const stepDecay = (steps: number, factor = 0.1): Schedule => (step) =>
  factor ** Math.floor(step / steps);

/** All schedules at once: the product of their factors. */
export const multiplySchedules = (...schedules: readonly Schedule[]): Schedule => (step) =>
  schedules.reduce((product, schedule) => product * schedule(step), 1);

/** One schedule, then others, each from a step on (ascending) that is its own step 0. */
export function joinSchedules(
  first: Schedule, ...others: readonly (readonly [from: number, schedule: Schedule])[]
): Schedule {
  return (step) => {
    const [start, schedule] = others.findLast(([from]) => from <= step) ?? [0, first];
    return schedule(step - start);
  };
}

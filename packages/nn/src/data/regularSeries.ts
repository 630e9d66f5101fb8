/**
 * Series with gaps. A table that leaves out the months without a measurement is not a series in
 * equal steps: `windows` would take June for the month after April. Here every step gets a place,
 * and NaN where there is no value:
 *
 *     1958-04  317.46        1958-04  317.46
 *     1958-05  317.51   →    1958-05  317.51
 *     1958-07  315.86        1958-06  NaN
 *                            1958-07  315.86
 */
import { TensorError } from '@mambagrad/tensor';
import {
  checkArgument, Kind, oneOf, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';

/** Options of `regularSeries`. */
export interface RegularSeriesOptions {
  /** The time from one step to the next: a unit of the calendar (UTC), or milliseconds. */
  readonly every: 'hour' | 'day' | 'week' | 'month' | 'year' | number;
}

const milliseconds = { hour: 3_600_000, day: 86_400_000, week: 604_800_000 } as const;
const months = { month: 1, year: 12 } as const;

const regularSeriesOptions = {
  every: oneOf('hour', 'day', 'week', 'month', 'year').or(whole(1)).required(),
} satisfies Table<RegularSeriesOptions>;

/** A series with a place for each step, whether it has a value or not. */
export interface RegularSeries {
  /** The time of each step, in milliseconds since 1970. */
  readonly times: Float64Array;
  /** The value of each step; NaN where there is none. */
  readonly values: Float64Array;
}

const numberLists = new Kind<ArrayLike<number>>(
  'an array of numbers', (x) => ArrayBuffer.isView(x) || Array.isArray(x),
);

/** The most steps of a series: more are a mistake in a time, or in `every`. */
const MOST_STEPS = 2 ** 28;

/** Steps in time, counted from the first one. */
interface Clock {
  /** How many steps after the first a time is; not a whole number if it is between two. */
  readonly stepOf: (time: number) => number;
  readonly timeOf: (step: number) => number;
}

/**
 * A series in equal steps from values at some times, in milliseconds since 1970, as a column of
 * dates has them, in any order. It begins with the first time and ends with the last. Throws if two
 * times are equal, or if one is not a whole number of steps after the first; months and years are
 * counted in the calendar, from the same day and time of each.
 */
export function regularSeries(
  times: ArrayLike<number>, values: ArrayLike<number>, options: RegularSeriesOptions,
): RegularSeries {
  const op = 'regularSeries';
  const { every } = readOptions(op, options, regularSeriesOptions);
  checkArgument(op, 'times', times, numberLists);
  checkArgument(op, 'values', values, numberLists);
  if (times.length !== values.length || times.length === 0) {
    throw new TensorError(
      `${op}: there are ${times.length} times and ${values.length} values; expected as many, at ` +
        'least one',
    );
  }
  const first = Array.from(times).reduce((a, b) => Math.min(a, b));
  const clock = clockFrom(first, every);
  const steps = Array.from(times, (time, i) => {
    const step = clock.stepOf(time);
    if (Number.isInteger(step)) return step;
    throw new TensorError(
      `${op}: times[${i}] is ${dateOf(time)}, which is not a whole number of steps (every: ` +
        `${every}) after the first, ${dateOf(first)}`,
    );
  });
  const count = steps.reduce((a, b) => Math.max(a, b)) + 1;
  if (count > MOST_STEPS) {
    throw new TensorError(`${op}: from ${dateOf(first)} on there are ${count} steps, too many`);
  }
  const all = new Float64Array(count).fill(NaN);
  const isTaken = new Uint8Array(count);
  steps.forEach((step, i) => {
    if (isTaken[step]) throw new TensorError(`${op}: two values have the time ${dateOf(times[i])}`);
    isTaken[step] = 1;
    all[step] = values[i];
  });
  return { times: Float64Array.from(all, (_, step) => clock.timeOf(step)), values: all };
}

function clockFrom(first: number, every: RegularSeriesOptions['every']): Clock {
  if (every === 'month' || every === 'year') {
    const monthOf = (time: number) => {
      const date = new Date(time);
      return 12 * date.getUTCFullYear() + date.getUTCMonth();
    };
    // The part of a month before a time: the same for all times.
    const startOf = (month: number) =>
      new Date(0).setUTCFullYear(Math.floor(month / 12), month - 12 * Math.floor(month / 12), 1);
    const rest = (time: number) => time - startOf(monthOf(time));
    return {
      stepOf: (time) =>
        rest(time) === rest(first) ? (monthOf(time) - monthOf(first)) / months[every] : NaN,
      timeOf: (step) => startOf(monthOf(first) + step * months[every]) + rest(first),
    };
  }
  const length = typeof every === 'number' ? every : milliseconds[every];
  return { stepOf: (time) => (time - first) / length, timeOf: (step) => first + step * length };
}

/** A time in errors. */
function dateOf(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}

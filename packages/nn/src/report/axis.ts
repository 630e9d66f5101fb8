/**
 * The axis of a chart: from values to places on it, and its ticks, which are round numbers. A
 * linear axis has ticks at multiples of 1, 2 or 5 · 10ⁿ; a logarithmic one at powers of ten, and
 * between them at 2 and 5 times these, if there is room.
 */
import { shortPower } from './numbers.ts';

/** A round number on an axis. */
export interface Tick {
  /** The number. */
  readonly value: number;
  /** The number as text. */
  readonly label: string;
}

/** An axis, from the lowest value to the highest. */
export interface Axis {
  /** The round numbers on it, in order. */
  readonly ticks: readonly Tick[];
  /** The place of a value: 0 for the lowest that is shown, 1 for the highest. */
  readonly place: (value: number) => number;
  /** The lowest and the highest value that is shown, as exponents of ten on a logarithmic axis. */
  readonly ends: readonly [first: number, last: number];
}

/** How an axis is made: logarithmic or not, with a little room at both ends or not. */
interface AxisOptions {
  readonly isLog?: boolean;
  readonly isPadded?: boolean;
}

/**
 * An axis that shows the values from `min` to `max`, with about `count` ticks. By default it is
 * linear and padded. On a logarithmic axis both have to be above 0.
 */
export function createAxis(
  min: number, max: number, count: number,
  { isLog = false, isPadded = true }: AxisOptions = {},
): Axis {
  const of = isLog ? (value: number): number => Math.log10(limited(value)) : limited;
  const [lowest, last] = widened(of(min), of(max), isLog, isPadded);
  // Of values that are all positive, an axis begins at 0 rather than below.
  const first = !isLog && min >= 0 ? Math.max(lowest, 0) : lowest;
  const ticks = isLog ? logTicks(first, last, count) : linearTicks(first, last, count);
  const place = (value: number): number => (of(value) - first) / (last - first);
  return { ticks, place, ends: [first, last] };
}

/** The largest number of an axis, as differences are to be finite, and the smallest above 0. */
const [LARGEST, SMALLEST] = [1e300, 1e-300];

function limited(value: number): number {
  if (value !== 0 && Math.abs(value) < SMALLEST) return Math.sign(value) * SMALLEST;
  return Math.min(Math.max(value, -LARGEST), LARGEST);
}

/** A range with room at both ends; around a single value there is some in any case. */
function widened(
  first: number, last: number, isLog: boolean, isPadded: boolean,
): [number, number] {
  // A range of the last few digits has no round numbers in it: it counts as a single value.
  const size = isLog ? 1 : Math.max(Math.abs(first), Math.abs(last));
  const isRange = last - first > 1e-9 * size;
  const aroundValue = isLog || size === 0 ? 0.5 : size / 2;
  const room = !isRange ? aroundValue : isPadded ? (last - first) / 25 : 0;
  return [first - room, last + room];
}

function linearTicks(first: number, last: number, count: number): Tick[] {
  const power = 10 ** Math.floor(Math.log10((last - first) / count));
  const steps = [power, 2 * power, 5 * power, 10 * power];
  const rangeFor = (step: number): [from: number, to: number] =>
    [Math.ceil(first / step - 1e-9), Math.floor(last / step + 1e-9)];
  const isFit = (step: number): boolean => {
    const [from, to] = rangeFor(step);
    return to - from <= count;
  };
  const step = steps.find(isFit) ?? 10 * power;
  const [from, to] = rangeFor(step);
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => {
    // 3 · 0.1 is a little more than 0.3, and 3 / 10 is not.
    const value = step < 1 ? (from + i) / Math.round(1 / step) : (from + i) * step;
    return { value, label: tickLabel(value, step, Math.max(Math.abs(first), Math.abs(last))) };
  });
}

const UNITS = [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const;

/** A tick as text, with as many digits as tell it from its neighbours at the distance `step`. */
function tickLabel(value: number, step: number, largest: number): string {
  if (value === 0) return '0';
  if (largest >= 1e13 || largest < 1e-3) {
    return minus(shortPower(value, Math.min(2 + Math.ceil(Math.log10(largest / step)), 15)));
  }
  const isFit = ([unit]: readonly [number, string]): boolean =>
    largest >= 10 * unit && step >= unit / 100;
  const [unit, sign] = UNITS.find(isFit) ?? [1, ''];
  const decimals = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
  return minus(`${(value / unit).toFixed(Math.min(decimals, 10))}${sign}`);
}

/** The ticks between two exponents of ten. */
function logTicks(first: number, last: number, count: number): Tick[] {
  const decades = last - first;
  for (const factors of [[1], [1, 3], [1, 2, 5]]) {
    const ticks = powers(first, last, Math.max(1, Math.ceil(decades / count)), factors);
    if (ticks.length >= Math.min(3, count)) return ticks;
  }
  // Within one decade, round numbers do.
  return linearTicks(10 ** first, 10 ** last, count).filter(({ value }) => value > 0);
}

function powers(
  first: number, last: number, every: number, factors: readonly number[],
): Tick[] {
  const from = Math.floor(first / every);
  const exponents = Array.from(
    { length: Math.ceil(last / every) - from + 1 }, (_, i) => (from + i) * every,
  );
  return exponents.flatMap((exponent) =>
    factors.map((factor) => ({ factor, exponent }))
      .filter((each) => {
        const place = each.exponent + Math.log10(each.factor);
        return place >= first - 1e-9 && place <= last + 1e-9;
      })
      .map((each) => ({
        value: Number(`${each.factor}e${each.exponent}`), label: powerLabel(each.factor, exponent),
      })),
  );
}

function powerLabel(factor: number, exponent: number): string {
  if (exponent < -3 || exponent > 4) return minus(`${factor}e${exponent}`);
  const value = Number(`${factor}e${exponent}`);
  return value >= 1e4 ? `${value / 1e3}k` : String(value);
}

/** The sign of a negative number is as wide as a plus. */
function minus(text: string): string {
  return text.replaceAll('-', '−');
}

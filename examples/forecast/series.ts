/**
 * The CO₂ in the air over Mauna Loa, month by month, and how a forecaster sees it. It rises from
 * year to year and falls each summer, so no two months are alike; but the rise over a year,
 *
 *     rise(t) = value(t) − value(t − 12 months)
 *
 * has neither seasons nor much of a trend. A forecast of it is one of the value a year later:
 * value(t + 12) = value(t) + rise(t + 12).
 */
import { regularSeries } from '@mambagrad/nn';
import { readCsv } from '@mambagrad/nn/node';

/** A year, in steps of the series. */
export const YEAR = 12;

/** Monthly means, without a gap in time; NaN where there was no measurement. */
export interface Series {
  /** The beginning of each month, in milliseconds since 1970. */
  readonly times: Float64Array;
  /** Parts per million. */
  readonly values: Float64Array;
}

/** Reads a table with the columns Date and CO2. */
export function readSeries(path: string): Series {
  const table = readCsv(path);
  return regularSeries(table.numbers('Date'), table.numbers('CO2'), { every: 'month' });
}

/** The rise of each value over that of a year before; NaN where one is missing. */
export function risesOf(values: Float64Array): Float64Array {
  return values.map((value, i) => (i < YEAR ? NaN : value - values[i - YEAR]));
}

/** The index of the first month of a year. */
export function indexOfYear({ times }: Series, year: number): number {
  return times.indexOf(Date.UTC(year, 0, 1));
}

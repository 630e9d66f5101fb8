/**
 * How validation is judged: by one number of its results, the lower or the higher the better. The
 * best value so far is remembered. Training can end early: after `patience` evaluations in
 * succession without a better one it is over.
 */
import { TensorError } from '@mambagrad/tensor';
import { oneOf, readOptions, string, type Table } from '@mambagrad/tensor/options';

/** The number that judges an evaluation, and whether it is to become large or small. */
export interface BestOptions {
  /**
   * The name of the number: 'loss', another key of the loss function, or a metric. Of a metric that
   * gives an object it is a path: 'f1.macro'.
   */
  readonly metric: string;
  /** Whether the best value is the smallest or the largest. */
  readonly direction: 'min' | 'max';
}

const bestOptions = {
  metric: string.required(),
  direction: oneOf('min', 'max').required(),
} satisfies Table<BestOptions>;

/** The options; without them the lowest loss is the best. */
export function readBestOptions(given: BestOptions | undefined): BestOptions {
  if (given === undefined) return { metric: 'loss', direction: 'min' };
  return readOptions('Trainer: validation: best', given, bestOptions);
}

/** How validation has gone so far. */
export interface Judgement {
  /** The best value of an evaluation; Infinity before the first if low is good, else −Infinity. */
  readonly bestValue: number;
  /** The evaluations since that one, none of which was better. */
  readonly evaluationsSinceBest: number;
}

/** Before the first evaluation. */
export function notJudged(direction: BestOptions['direction']): Judgement {
  return { bestValue: direction === 'min' ? Infinity : -Infinity, evaluationsSinceBest: 0 };
}

/** After one more evaluation. A value that is equal, infinite or NaN is not better. */
export function afterEvaluation(
  before: Judgement, value: number, direction: BestOptions['direction'],
): Judgement {
  const { bestValue, evaluationsSinceBest } = before;
  const isBetter = direction === 'min' ? value < bestValue : value > bestValue;
  if (isBetter && Number.isFinite(value)) return { bestValue: value, evaluationsSinceBest: 0 };
  return { bestValue, evaluationsSinceBest: evaluationsSinceBest + 1 };
}

/** The number of an evaluation that judges it. Throws if there is none at that path. */
export function valueAt(results: Readonly<Record<string, unknown>>, metric: string): number {
  // A name with a dot of its own comes first.
  const found = results[metric] ?? metric.split('.').reduce<unknown>(
    (inner, name) => Object(inner)[name] as unknown, results,
  );
  if (typeof found === 'number') return found;
  throw new TensorError(
    `validation: best: metric is '${metric}', but an evaluation gives numbers for ` +
      numbersIn(results).map(([path]) => path).join(', '),
  );
}

/** The numbers in the results of an evaluation, with their paths. */
export function numbersIn(
  results: Readonly<Record<string, unknown>>,
): (readonly [path: string, value: number])[] {
  const isNumber = (entry: readonly [string, unknown]): entry is [string, number] =>
    typeof entry[1] === 'number';
  return Object.entries(results).flatMap((entry): (readonly [string, number])[] => {
    const [name, value] = entry;
    if (isNumber(entry)) return [entry];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
    return Object.entries(value).filter(isNumber).map(([key, x]) => [`${name}.${key}`, x]);
  });
}

/** Throws unless `metric` is, or is a part of, a loss or a metric of the given names. */
export function requireJudge(metric: string, names: readonly string[]): void {
  if (names.some((name) => metric === name || metric.startsWith(`${name}.`))) return;
  throw new TensorError(
    `validation: best: metric is '${metric}', expected one of ${names.join(', ')}`,
  );
}

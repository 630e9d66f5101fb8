/** What is told where the options of a run differ from those that it was begun with. */
import { TensorError } from '@mambagrad/tensor';

/** Options by name, as JSON holds them. */
export type Values = Readonly<Record<string, unknown>>;

/**
 * Throws in the name of `op` if a run, which was begun with the options `before`, is given others;
 * but for those of the names in `mayChange`. `run` and `elsewhere` are for the error.
 */
export function requireSameOptions(
  op: string, { run, elsewhere }: { readonly run: string; readonly elsewhere: string },
  before: Values, after: Values, mayChange: readonly string[],
): void {
  const differing = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .map((name) => ({ name, was: textOf(before[name]), is: textOf(after[name]) }))
    .filter(({ name, was, is }) => was !== is && !mayChange.includes(name));
  if (differing.length === 0) return;
  const all = differing.map(({ name, was, is }) => `${name} was ${was}, is ${is}`).join('; ');
  throw new TensorError(
    `${op}: ${run} has been begun with other options: ${all}; give the same ones, or ${elsewhere}`,
  );
}

/** A value as JSON; the order of keys makes no difference. */
function textOf(value: unknown): string {
  const inOrder = (_key: string, each: unknown): unknown => {
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.keys(each).sort().map((key) => [key, each[key as never]]));
  };
  return JSON.stringify(value, inOrder) ?? 'not given';
}

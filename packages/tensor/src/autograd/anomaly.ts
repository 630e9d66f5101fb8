/**
 * Anomaly mode finds the op that made a NaN or an infinity. In a loss they say little, because
 * every later op propagates them (NaN + x = NaN); the op to look at is the first that makes one.
 *
 * An infinity may be intended: masks put −∞ where softmax should give 0. So an infinity that an op
 * only propagates is not an error. To find out, we run the op again with 1 in place of every
 * infinity in its inputs and attributes: whatever is still infinite was made by the op. NaN is
 * never intended.
 */
import { allocate } from '../core/dtype.ts';
import { callable, checkArgument } from '../core/options.ts';
import { describe, formatShape, stridesOf, TensorError } from '../core/shape.ts';
import { currentMode, type Node, type Observer, type Tensor, withMode } from '../core/tensor.ts';

/**
 * Runs `body` and returns its result. The first op in it, forwards or backwards, that makes a NaN
 * or an infinity throws. The error names the op, the element, and the shape and range of values of
 * each input; in a backward pass also the op whose gradient is computed, and its cause shows where
 * that op was applied, if it was within `body`. Throws if `body` is async.
 */
export function detectAnomaly<T>(body: () => T): T {
  checkArgument('detectAnomaly', 'body', body, callable());
  return withMode('detectAnomaly', { observer: inspect }, body);
}

/** Where each node was recorded: an error with that stack, thrown only as a cause. */
const places = new WeakMap<Node, Error>();

/** The number of inputs of an op, such as concat, that an error shows. */
const MOST_INPUTS = 8;

const inspect: Observer = (primitive, inputs, results, attributes) => {
  const { name } = primitive;
  const node = results.find((result) => result.node !== undefined)?.node;
  if (node !== undefined) places.set(node, new Error(`${name} was applied here`));
  const elements = anomaliesOf(primitive, inputs, results, attributes);
  const which = elements.findIndex((element) => element >= 0);
  if (which < 0) return;
  const { differentiating } = currentMode();
  const [result, element] = [results[which], elements[which]];
  const { shape } = result;
  const shown = inputs.slice(0, MOST_INPUTS);
  const index = stridesOf(shape).map((stride, axis) => Math.floor(element / stride) % shape[axis]);
  const at = shape.length > 0 ? ` at ${formatShape(index)}` : '';
  const lines = [
    `detectAnomaly: ${name} gave ${result.data[element]}${at} of ` +
      (results.length > 1 ? `result ${which}, ` : '') + describe(result) +
      (differentiating ? `, in the gradient of ${formatCall(differentiating)}` : ''),
    ...shown.map((input, i) => `  input ${i}: ${describe(input)}${rangeOf(input)}`),
    ...(inputs.length > MOST_INPUTS ? [`  and ${inputs.length - MOST_INPUTS} more`] : []),
  ];
  const cause = differentiating && places.get(differentiating);
  throw new TensorError(lines.join('\n'), cause && { cause });
};

/**
 * For each result the first element that is NaN, or an infinity that the op made and did not only
 * propagate; −1 if there is none.
 */
const anomaliesOf = (...[primitive, inputs, results, attributes]: Parameters<Observer>) => {
  if (!results.some(({ data }) => data.some(isInfinite))) {
    return results.map(({ data }) => data.findIndex(Number.isNaN));
  }
  const again = results.map(({ shape, dtype, data }) => (
    { shape, data: allocate(dtype, data.length) }
  ));
  const finite = inputs.map((input) => ({ shape: input.shape, data: input.data.map(orOne) }));
  primitive.compute(finite, again, isRecord(attributes) ? mapValues(attributes) : attributes);
  return results.map(({ data }, i) => data.findIndex((value: number, at: number) =>
    Number.isNaN(value) || (isInfinite(value) && !Number.isFinite(again[i].data[at])),
  ));
};

function isInfinite(value: unknown): boolean {
  return value === Infinity || value === -Infinity;
}

function orOne<T>(value: T): T | 1 {
  return isInfinite(value) ? 1 : value;
}

function isRecord(attributes: unknown): attributes is Readonly<Record<string, unknown>> {
  return typeof attributes === 'object' && attributes !== null && !Array.isArray(attributes);
}

function mapValues(attributes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, orOne(value)]));
}

function formatCall({ primitive, inputs }: Node): string {
  const all = inputs.slice(0, MOST_INPUTS).map(describe);
  return `${primitive.name}(${[...all, ...(inputs.length > MOST_INPUTS ? ['…'] : [])].join(', ')})`;
}

/** The range of values as text: ` from -1 to 2, 1 NaN, 3 infinite`. */
function rangeOf({ data }: Tensor): string {
  const finite = data.filter((value: number) => Number.isFinite(value)).sort();
  const nan = data.filter((value: number) => Number.isNaN(value)).length;
  const infinite = data.length - finite.length - nan;
  const short = (value: number): number => Number(value.toPrecision(4));
  return [
    finite.length > 0 ? ` from ${short(finite[0])} to ${short(finite[finite.length - 1])}` : '',
    nan > 0 ? `, ${nan} NaN` : '',
    infinite > 0 ? `, ${infinite} infinite` : '',
    // If an op in the body had made them, it would have been reported.
    nan + infinite > 0 ? ' (given, not computed here)' : '',
  ].join('');
}

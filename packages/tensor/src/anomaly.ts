/**
 * Anomaly mode: finds where NaN or infinity comes from. One of them in a loss says little, as every
 * op on the way hands it on (NaN + x = NaN); the op to look at is the first whose result has one.
 */
import { describe, formatShape, stridesOf, TensorError } from './shape.ts';
import { mode, type Node, type Observer, type Tensor, withMode } from './tensor.ts';

/**
 * Runs `body` and returns its result; the first op in it, forwards or backwards, whose result
 * contains NaN or infinity throws. The error names the op, the element, and each input's shape and
 * range of values; in a backward pass also the op whose gradient is computed, and its cause shows
 * where that op was applied, if it was within `body`. Throws if `body` is async.
 */
export function detectAnomaly<T>(body: () => T): T {
  return withMode('detectAnomaly', { observer: inspect }, body);
}

/** Where each node was made: the stack of an error that is thrown only as a cause. */
const places = new WeakMap<Node, Error>();

const inspect: Observer = ({ name }, inputs, result) => {
  const { differentiating } = mode;
  if (result.node !== undefined) places.set(result.node, new Error(`${name} was applied here`));
  const element = result.data.findIndex((value: number) => !Number.isFinite(value));
  if (element < 0) return;
  const { shape } = result;
  const index = stridesOf(shape).map((stride, axis) => Math.floor(element / stride) % shape[axis]);
  const at = shape.length > 0 ? ` at ${formatShape(index)}` : '';
  const lines = [
    `detectAnomaly: ${name} gave ${result.data[element]}${at} of ${describe(result)}` +
      (differentiating ? `, in the gradient of ${formatCall(differentiating)}` : ''),
    ...inputs.map((input, i) => `  input ${i}: ${describe(input)}${rangeOf(input)}`),
  ];
  const cause = differentiating && places.get(differentiating);
  throw new TensorError(lines.join('\n'), cause && { cause });
};

function formatCall({ primitive, inputs }: Node): string {
  return `${primitive.name}(${inputs.map(describe).join(', ')})`;
}

/** ` from -1 to 2, 1 NaN, 3 infinite`, of what there is. */
function rangeOf({ data }: Tensor): string {
  const finite = data.filter((value: number) => Number.isFinite(value)).sort();
  const nan = data.filter((value: number) => Number.isNaN(value)).length;
  const infinite = data.length - finite.length - nan;
  const short = (value: number): number => Number(value.toPrecision(4));
  return [
    finite.length > 0 ? ` from ${short(finite[0])} to ${short(finite[finite.length - 1])}` : '',
    nan > 0 ? `, ${nan} NaN` : '',
    infinite > 0 ? `, ${infinite} infinite` : '',
    // Whatever an op of the body made was searched already.
    nan + infinite > 0 ? ' (given, not computed here)' : '',
  ].join('');
}

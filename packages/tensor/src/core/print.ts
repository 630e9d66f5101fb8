/**
 * Tensors as text, as NumPy prints arrays: aligned columns, one bracket per axis, and the middle of
 * large arrays left out.
 */
import type { TypedArray } from './dtype.ts';
import { numelOf, type Shape } from './shape.ts';

/** Above this many elements, only `EDGE` entries at both ends of every axis are shown. */
const SUMMARY_ABOVE = 1000;
const EDGE = 3;

/** The nested brackets of an array, without its dtype. Values have `digits` decimals (4). */
export function formatArray(data: TypedArray, shape: Shape, digits = 4): string {
  const edge = numelOf(shape) > SUMMARY_ABOVE ? EDGE : Infinity;
  const render = (text: (value: number) => string, axis = 0, offset = 0): string => {
    if (axis === shape.length) return text(data[offset]);
    const stride = numelOf(shape.slice(axis + 1));
    const breaks = shape.length - axis - 1;
    const separator = breaks === 0 ? ', ' : `,${'\n'.repeat(breaks)}${' '.repeat(axis + 1)}`;
    const count = Math.min(shape[axis], 2 * edge);
    const parts = Array.from({ length: count }, (_, i) => {
      const index = i < edge ? i : shape[axis] - count + i;
      return render(text, axis + 1, offset + index * stride);
    });
    if (count < shape[axis]) parts.splice(edge, 0, '...');
    return `[${parts.join(separator)}]`;
  };
  const shown: number[] = [];
  render((value) => String(shown.push(value)));
  const text = numberFormatter(shown, digits, data instanceof Int32Array);
  const width = shown.reduce((widest, value) => Math.max(widest, text(value).length), 0);
  return render((value) => text(value).padStart(width));
}

/** Fixed decimals, or exponents where the largest and smallest values differ too much. */
function numberFormatter(
  values: readonly number[], digits: number, integers: boolean,
): (value: number) => string {
  if (integers) return String;
  const sizes = values.filter((value) => Number.isFinite(value) && value !== 0).map(Math.abs);
  const largest = Math.max(0, ...sizes);
  const smallest = Math.min(Infinity, ...sizes);
  const scientific = largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1e6;
  const whole = sizes.every(Number.isInteger);
  return (value) => {
    if (!Number.isFinite(value)) return String(value).replace('Infinity', 'inf').toLowerCase();
    if (scientific && sizes.length > 0) return value.toExponential(digits);
    // If all values are whole, no decimals are shown, as in NumPy.
    return whole ? `${value.toFixed(0)}.` : value.toFixed(digits);
  };
}

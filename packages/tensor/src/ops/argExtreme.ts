/**
 * The index of the largest or smallest element along an axis. The kernel keeps the best element so
 * far and its index, in four lanes. Along the last axis each lane sees every fourth element, and at
 * the end the best lane wins; along another axis the lanes are neighbouring results.
 */
import * as k from '@mambagrad/kernel';
import { flatIndex, forEach } from '../core/lowering.ts';
import { boolean, checkArgument } from '../core/options.ts';
import { definePrimitive } from '../core/primitive.ts';
import { reducedShape, resolveAxes, resolveAxis } from '../core/shape.ts';
import { type Lines, linesOf, type NumberArray, ownLoop } from '../core/strided.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireNonEmpty, requireTensor } from './define.ts';

const LANES = 4;

type ArgReduction = (x: Tensor, axis?: number, keepDims?: boolean) => Tensor;

type Beats = (x: number, best: number) => boolean;

interface Extreme {
  readonly beats: Beats;
  /** The same in the loop language. */
  readonly lower: Readonly<Record<'f32' | 'i32', k.Binary>>;
}

/** A comparison with NaN beating numbers, made of the opposite comparison, which NaN fails. */
function orNaN(isNotBetter: k.Binary): k.Binary {
  return (x, best) => k.and(k.not(isNotBetter(x, best)), k.equal(best, best));
}

/** The reference loop, for the indices `found` of the best elements of all lines. */
const makeSearch = (beats: Beats) =>
  (x: NumberArray, found: NumberArray, { starts, length, stride }: Lines): void => {
    for (let i = 0; i < found.length; i++) {
      for (let j = 1, best = x[starts[i]]; j < length; j++) {
        const value = x[starts[i] + j * stride];
        if (beats(value, best) || (value !== value && best === best)) {
          found[i] = j;
          best = value;
        }
      }
    }
  };

/** The index of the element that beats all others; NaN beats numbers, and the first wins a tie. */
function argExtreme(name: string, { beats, lower }: Extreme): ArgReduction {
  const searchLines = ownLoop(name, makeSearch, beats);
  const apply = definePrimitive<number>({
    name,
    infer: ([x], axis) => {
      requireNonEmpty(name, x, [axis]);
      return { shape: x.shape.toSpliced(axis, 1), dtype: 'i32' };
    },
    compute: ([{ shape, data: x }], { data }, axis) => {
      searchLines(x, data, linesOf(shape, axis));
    },
    lower: ([{ shape, dtype }], axis, output) => ({
      kernel: ([x], y) => {
        const length = shape[axis];
        const isAcross = axis === shape.length - 1 && length >= LANES;
        const kind = dtype === 'i32' ? 'i32' : 'f32';
        return forEach(output.shape, (beside) => {
          const at = (j: k.Operand): k.Expr => x.at(beside.toSpliced(axis, 0, j));
          const line: Line = { length, beats: lower[kind], at };
          const best = bestOf(kind, beside.some(k.isVector) ? LANES : 1);
          return [
            isAcross ? searchInLanes(best, line) : search(best, line),
            k.store(y, flatIndex(beside, output.shape), best.index),
          ];
        }, { work: 4 * length, isInLanes: !isAcross });
      },
    }),
  });
  return (x, axis, keepDims = false) => {
    requireTensor(name, 'x', x);
    checkArgument(name, 'keepDims', keepDims, boolean);
    const axes = axis === undefined ? axis : [resolveAxis(name, axis, x.ndim)];
    const found = axes === undefined ? apply([x.flatten()], 0) : apply([x], axes[0]);
    return found.reshape(reducedShape(x.shape, resolveAxes(name, axes, x.ndim), keepDims));
  };
}

/** The best element so far and its index, of one line or of four lines next to each other. */
interface Best {
  readonly value: k.Variable;
  readonly index: k.Variable;
}

function bestOf(kind: 'f32' | 'i32', lanes: 1 | 4, suffix = ''): Best {
  const isWide = lanes === LANES;
  return {
    value: k.variable(`best${suffix}`, isWide ? `${kind}x4` : kind),
    index: k.variable(`index${suffix}`, isWide ? 'i32x4' : 'i32'),
  };
}

/** The elements that are compared with each other. */
interface Line {
  readonly length: number;
  readonly beats: k.Binary;
  readonly at: (j: k.Operand) => k.Expr;
}

/** Begins with the element j, or with four of them. */
function begin({ value, index }: Best, { at }: Line, j: k.Operand): k.Statements {
  return [k.set(value, at(j)), k.set(index, j)];
}

/** Takes the element j, or four of them, where it is better. Those before it win ties. */
function improve({ value, index }: Best, { at, beats }: Line, j: k.Expr): k.Statements {
  const next = k.variable('next', value.type);
  return [
    k.set(next, at(j)),
    k.set(index, k.select(beats(next, value), j, index)),
    k.set(value, k.select(beats(next, value), next, value)),
  ];
}

/** Finds the best element by comparing all, one after the other. */
function search(best: Best, line: Line): k.Statements {
  const others = { from: 1, to: line.length };
  return [begin(best, line, 0), k.loop('t', others, (j) => improve(best, line, j))];
}

/** Finds the best element of a line of at least four by every fourth element in a lane. */
function searchInLanes(best: Best, line: Line): k.Statements {
  const { length, beats } = line;
  const lanes = bestOf(best.value.type === 'i32' ? 'i32' : 'f32', LANES, 'Lanes');
  const inFours = length - (length % LANES);
  const compareLane = (lane: 1 | 2 | 3): k.Statements => {
    const [value, index] = [k.lane(lanes.value, lane), k.lane(lanes.index, lane)];
    const isTie = k.not(k.or(beats(value, best.value), beats(best.value, value)));
    const wins = k.or(beats(value, best.value), k.and(isTie, k.less(index, best.index)));
    return k.when(wins, [k.set(best.value, value), k.set(best.index, index)]);
  };
  return [
    begin(lanes, line, k.ramp(0)),
    k.loop('t', { from: LANES, to: inFours, step: LANES }, (j) =>
      improve(lanes, line, k.ramp(j)),
    ),
    k.set(best.value, k.lane(lanes.value, 0)),
    k.set(best.index, k.lane(lanes.index, 0)),
    ([1, 2, 3] as const).map(compareLane),
    k.loop('t', { from: inFours, to: length }, (j) => improve(best, line, j)),
  ];
}

/** The index of the largest element along an axis (of the flattened tensor if left out), i32. */
export const argmax: ArgReduction = argExtreme('argmax', {
  beats: (x, best) => x > best,
  lower: { f32: orNaN(k.lessEqual), i32: k.greater },
});

/** The index of the smallest element along an axis (of the flattened tensor if left out), i32. */
export const argmin: ArgReduction = argExtreme('argmin', {
  beats: (x, best) => x < best,
  lower: { f32: orNaN(k.greaterEqual), i32: k.less },
});

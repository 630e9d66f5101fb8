/**
 * Matrix products of tensors: one for each index of the axes before the last two, which broadcast.
 * With few rows tiles would be mostly empty, and to bring b into panels would cost more than the
 * product, which is then a sum along k for each number.
 */
import * as k from '@mambagrad/kernel';
import { broadcastIndex, type Elements, flatIndex, type Index, scaled } from './lowering.ts';
import type { Shape } from './shape.ts';

/** With fewer rows than this, tiles would be mostly empty. */
const FEW_ROWS = 4;

/** y = a·b over the last two axes. */
export function matrixProduct(a: Elements, b: Elements, y: k.Buffer, shape: Shape): k.Statements {
  const [rows, columns] = shape.slice(-2);
  const depth = a.shape[a.shape.length - 1];
  const batch = shape.slice(0, -2);
  const productAt = (index: Index): k.Product => {
    const [ofA, ofB] = [a, b].map((own) => broadcastIndex(index, own.shape.slice(0, -2)));
    return {
      a: (row, at) => a.at([...ofA, row, at]),
      b: (at, column) => b.at([...ofB, at, column]),
      place: (row, column) => flatIndex([...index, row, column], shape),
      ...{ rows, columns, depth, y },
    };
  };
  const multiply = (index: Index, isPart = false): k.Statements => {
    const product = productAt(index);
    const isAlongDepth = depth >= 4 && k.isContiguous((at) => product.b(at, 0));
    return rows < FEW_ROWS && isAlongDepth ? sums(product) : k.multiply(product, isPart);
  };
  const loops = batch.flatMap((count, axis) => (count === 1 ? [] : [axis]));
  const count = batch.reduce((product, size) => product * size, 1);
  if (loops.length === 0) return multiply(batch.map(() => 0));
  const cutAxes = loops.slice(0, 2);
  const extents = cutAxes.map((axis) => batch[axis]);
  const work = (rows * columns * depth * count) / 8;
  const pieces = k.cut(extents, work / extents.reduce((product, size) => product * size, 1));
  return k.parallel('round', pieces.rounds, (round) => {
    const [before, ...ranges] = pieces.of(round);
    const nest = (index: Index): k.Statements => {
      const axis = index.length;
      if (axis === batch.length) return multiply(index, true);
      if (batch[axis] === 1) return nest([...index, 0]);
      const at = cutAxes.indexOf(axis);
      return k.loop('m', at < 0 ? batch[axis] : ranges[at], (m) => nest([...index, m]));
    };
    return [before, nest([])];
  });
}

/** Each number as a sum along k, four neighbouring k in lanes; four columns at a time. */
function sums({ a, b, rows, columns, depth, place, y }: k.Product): k.Statements {
  const block = (row: number, j: k.Operand, width: number): k.Statements => {
    const numbers = Array.from({ length: width }, (_, n) => scaled(j, 1, n));
    const partial = numbers.map(() => k.variable('p', 'f32x4'));
    const total = numbers.map(() => k.variable('y', 'f32'));
    const add = (into: readonly k.Variable[], type: k.Type, at: k.Value): k.Statements => {
      const left = k.variable('a', type);
      return [
        k.set(left, a(row, at)),
        numbers.map((column, n) => k.set(into[n], k.mulAdd(left, b(at, column), into[n]))),
      ];
    };
    const whole = depth - (depth % 4);
    return [
      partial.map((one) => k.set(one, 0)),
      k.loop('k', { to: whole, step: 4 }, (at) => add(partial, 'f32x4', k.consecutive(at))),
      total.map((one, n) => k.set(one, k.reduceLanes(k.add, partial[n]))),
      k.loop('k', { from: whole, to: depth }, (at) => add(total, 'f32', at)),
      total.map((one, n) => k.store(y, place(row, numbers[n]), one)),
    ];
  };
  const whole = columns - (columns % 4);
  return Array.from({ length: rows }, (_, row) => [
    k.loop('j', { to: whole, step: 4 }, (j) => block(row, j, 4)),
    whole < columns ? block(row, whole, columns - whole) : [],
  ]);
}

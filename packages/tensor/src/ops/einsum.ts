/**
 * Einstein summation: `ij,jk->ik` names the axes of the operands and of the result. Elements with
 * equal indices along equal names are multiplied, and indices absent from the result are summed
 * over:
 *
 *     y_ik = Σ_j a_ij b_jk
 *
 * Operands are contracted two at a time, each time as a batched matrix product.
 */
import { arange } from '../core/create.ts';
import { checkArgument, string, tensorLists } from '../core/options.ts';
import { check, failure, numelOf } from '../core/shape.ts';
import type { Tensor } from '../core/tensor.ts';
import { requireFloat, requireSameDType } from './define.ts';

/** A tensor with a letter for each axis, none of them twice. */
interface Named {
  readonly x: Tensor;
  readonly axes: readonly string[];
}

/**
 * The sum of products that `spec` describes. Letters name axes; one may appear twice in an operand
 * (its diagonal). Without `->` the result has the letters that occur once, in alphabetical order.
 * Throws if the sizes of one letter differ, or a letter of the result is in no operand.
 */
export function einsum(spec: string, ...operands: readonly Tensor[]): Tensor {
  checkArgument('einsum', 'spec', spec, string);
  checkArgument('einsum', 'operands', operands, tensorLists);
  const { inputs, output, sizes } = parse(spec, operands);
  let result = takeDiagonals(operands[0], inputs[0]);
  for (let i = 1; i < operands.length; i++) {
    const wanted = new Set([...output, ...inputs.slice(i + 1).flat()]);
    result = contract(result, takeDiagonals(operands[i], inputs[i]), wanted, sizes);
  }
  const summed = sumOut(result, new Set(output));
  return summed.x.permute(output.map((name) => summed.axes.indexOf(name)));
}

/** The letters of each operand and of the result, and the size of each letter's axis. */
function parse(spec: string, operands: readonly Tensor[]) {
  const name = `einsum: '${spec}'`;
  const match = /^([a-zA-Z]*(?:,[a-zA-Z]*)*)(?:->([a-zA-Z]*))?$/.exec(spec.replaceAll(' ', ''));
  if (match === null) throw failure`${name}: expected letters, as in ij,jk->ik`;
  const inputs = match[1].split(',').map((names) => [...names]);
  const [named, given] = [inputs.length, operands.length];
  check(named === given)`${name}: it names ${named} operands, ${given} are given`;
  const sizes: Record<string, number> = {};
  inputs.forEach((names, i) => {
    const { shape, ndim } = operands[i];
    requireSameDType(name, operands[0], operands[i], ['operand 0', `operand ${i}`]);
    if (inputs.length > 1) requireFloat(name, `operand ${i}`, operands[i]);
    const isRight = names.length === ndim;
    check(isRight)`${name}: operand ${i} is ${operands[i]}, '${names.join('')}' names other axes`;
    names.forEach((letter, axis) => {
      const [size, own] = [sizes[letter] ?? shape[axis], shape[axis]];
      check(size === own)`${name}: axis ${letter} has the size ${size}, but ${own} in operand ${i}`;
      sizes[letter] = size;
    });
  });
  const all = inputs.flat();
  const once = all.filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).sort();
  const output = match[2] === undefined ? once : [...match[2]];
  const unknown = output.find((letter) => !all.includes(letter));
  check(unknown === undefined)`${name}: axis ${unknown} of the result is in no operand`;
  check(new Set(output).size === output.length)`${name}: the result names an axis twice`;
  return { inputs, output, sizes };
}

/** An axis named twice keeps only the elements whose two indices are equal. */
function takeDiagonals(x: Tensor, axes: readonly string[]): Named {
  const second = axes.findIndex((name, axis) => axes.indexOf(name) < axis);
  if (second < 0) return { x, axes };
  const first = axes.indexOf(axes[second]);
  const index = arange(0, x.shape[first], 1, { dtype: 'i32' });
  const column = index.reshape(x.shape.map((size, axis) => (axis === first ? size : 1)));
  const diagonal = x.gather(second, column.broadcastTo(x.shape.with(second, 1))).squeeze(second);
  return takeDiagonals(diagonal, axes.toSpliced(second, 1));
}

/** Sums over the indices that neither the result nor a later operand needs. */
function sumOut({ x, axes }: Named, wanted: ReadonlySet<string>): Named {
  const done = axes.flatMap((name, axis) => (wanted.has(name) ? [] : [axis]));
  if (done.length === 0) return { x, axes };
  return { x: x.sum(done), axes: axes.filter((name) => wanted.has(name)) };
}

/** The product of two operands as [batch, rows, inner] · [batch, inner, columns]. */
function contract(
  first: Named, second: Named, wanted: ReadonlySet<string>, sizes: Readonly<Record<string, number>>,
): Named {
  const a = sumOut(first, new Set([...wanted, ...second.axes]));
  const b = sumOut(second, new Set([...wanted, ...first.axes]));
  const shared = a.axes.filter((name) => b.axes.includes(name));
  const batch = shared.filter((name) => wanted.has(name));
  const inner = shared.filter((name) => !wanted.has(name));
  const rows = a.axes.filter((name) => !shared.includes(name));
  const columns = b.axes.filter((name) => !shared.includes(name));
  const sizeOf = (name: string): number => sizes[name];
  const arrange = ({ x, axes }: Named, groups: readonly (readonly string[])[]): Tensor =>
    x
      .permute(groups.flat().map((name) => axes.indexOf(name)))
      .reshape(groups.map((names) => numelOf(names.map(sizeOf))));
  const product = arrange(a, [batch, rows, inner]).matmul(arrange(b, [batch, inner, columns]));
  const axes = [...batch, ...rows, ...columns];
  return { x: product.reshape(axes.map(sizeOf)), axes };
}

/**
 * Einstein's notation: `ij,jk->ik` names the axes of the operands and of the result. Elements whose
 * equal names have equal indices are multiplied, and what the result does not name is summed over:
 *
 *     y_ik = Σ_j a_ij b_jk
 *
 * Two operands at a time are brought to the form of a batched matrix product.
 */
import { arange } from '../create.ts';
import { describe, numelOf, TensorError } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

/** A tensor with a letter for each axis, none of them twice. */
interface Named {
  readonly x: Tensor;
  readonly axes: readonly string[];
}

/**
 * The sum of products that `spec` describes. Letters name axes; one may stand twice in an operand
 * (its diagonal). Without `->` the result has the letters that occur once, in alphabetical order.
 * Throws if the sizes of one letter differ, or a letter of the result is in no operand.
 */
export function einsum(spec: string, ...operands: readonly Tensor[]): Tensor {
  const { inputs, output } = parse(spec, operands);
  let result = takeDiagonals(operands[0], inputs[0]);
  for (let i = 1; i < operands.length; i++) {
    const wanted = new Set([...output, ...inputs.slice(i + 1).flat()]);
    result = contract(result, takeDiagonals(operands[i], inputs[i]), wanted);
  }
  const summed = sumOut(result, new Set(output));
  return summed.x.permute(output.map((name) => summed.axes.indexOf(name)));
}

interface Parsed {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

function parse(spec: string, operands: readonly Tensor[]): Parsed {
  const fail = (why: string) => new TensorError(`einsum: '${spec}': ${why}`);
  const match = /^([a-zA-Z]*(?:,[a-zA-Z]*)*)(?:->([a-zA-Z]*))?$/.exec(spec.replaceAll(' ', ''));
  if (match === null) throw fail('expected letters, as in ij,jk->ik');
  const inputs = match[1].split(',').map((names) => [...names]);
  if (inputs.length !== operands.length) {
    throw fail(`it names ${inputs.length} operands, ${operands.length} are given`);
  }
  const sizes = new Map<string, number>();
  inputs.forEach((names, i) => {
    const { shape } = operands[i];
    if (names.length !== shape.length) {
      throw fail(`operand ${i} is ${describe(operands[i])}, '${names.join('')}' names other axes`);
    }
    names.forEach((name, axis) => {
      const size = sizes.get(name) ?? shape[axis];
      if (size !== shape[axis]) {
        throw fail(`axis ${name} has the size ${size}, but ${shape[axis]} in operand ${i}`);
      }
      sizes.set(name, size);
    });
  });
  const all = inputs.flat();
  const once = all.filter((name) => all.indexOf(name) === all.lastIndexOf(name)).sort();
  const output = match[2] === undefined ? once : [...match[2]];
  const unknown = output.find((name) => !sizes.has(name));
  if (unknown !== undefined) throw fail(`axis ${unknown} of the result is in no operand`);
  if (new Set(output).size !== output.length) throw fail('the result names an axis twice');
  return { inputs, output };
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

/** Sums over the axes that nobody wants any more. */
function sumOut({ x, axes }: Named, wanted: ReadonlySet<string>): Named {
  const done = axes.flatMap((name, axis) => (wanted.has(name) ? [] : [axis]));
  if (done.length === 0) return { x, axes };
  return { x: x.sum(done), axes: axes.filter((name) => wanted.has(name)) };
}

/** The product of two operands as [batch, rows, inner] · [batch, inner, columns]. */
function contract(first: Named, second: Named, wanted: ReadonlySet<string>): Named {
  const a = sumOut(first, new Set([...wanted, ...second.axes]));
  const b = sumOut(second, new Set([...wanted, ...first.axes]));
  const shared = a.axes.filter((name) => b.axes.includes(name));
  const batch = shared.filter((name) => wanted.has(name));
  const inner = shared.filter((name) => !wanted.has(name));
  const rows = a.axes.filter((name) => !shared.includes(name));
  const columns = b.axes.filter((name) => !shared.includes(name));
  const sizeOf = (name: string): number => {
    const at = a.axes.indexOf(name);
    return at >= 0 ? a.x.shape[at] : b.x.shape[b.axes.indexOf(name)];
  };
  const arrange = ({ x, axes }: Named, groups: readonly (readonly string[])[]): Tensor =>
    x
      .permute(groups.flat().map((name) => axes.indexOf(name)))
      .reshape(groups.map((names) => numelOf(names.map(sizeOf))));
  const product = arrange(a, [batch, rows, inner]).matmul(arrange(b, [batch, inner, columns]));
  const axes = [...batch, ...rows, ...columns];
  return { x: product.reshape(axes.map(sizeOf)), axes };
}

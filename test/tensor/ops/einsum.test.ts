/** einsum against its definition: loops over all values of all letters. */
import { einsum, gradcheck, ones, Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';
import { runs } from '../../support/soak.ts';

/** The sum over all assignments of numbers to letters, one product each. */
function byDefinition(spec: string, operands: readonly Tensor[]): Tensor {
  const [left, output] = spec.split('->');
  const inputs = left.split(',');
  const sizes = new Map<string, number>();
  inputs.forEach((names, i) =>
    [...names].forEach((name, axis) => sizes.set(name, operands[i].shape[axis])),
  );
  const letters = [...sizes.keys()];
  const count = (names: readonly string[]) =>
    names.reduce((product, name) => product * (sizes.get(name) ?? 1), 1);
  const offset = (names: string, at: ReadonlyMap<string, number>) =>
    [...names].reduce((sum, name) => sum * (sizes.get(name) ?? 1) + (at.get(name) ?? 0), 0);
  const result = new Float64Array(count([...output]));
  for (let i = 0; i < count(letters); i++) {
    const at = new Map<string, number>();
    let rest = i;
    for (const name of letters) {
      const size = sizes.get(name) ?? 1;
      at.set(name, rest % size);
      rest = Math.floor(rest / size);
    }
    result[offset(output, at)] += operands.reduce(
      (product, { data }, k) => product * data[offset(inputs[k], at)],
      1,
    );
  }
  return tensor(result, { shape: [...output].map((name) => sizes.get(name) ?? 1) });
}

/** One to three operands of up to three axes, letters repeated or not, and some as the result. */
function drawCall(g: Draw): { spec: string; operands: Tensor[] } {
  const letters = ['a', 'b', 'c', 'd'];
  const sizes = letters.map(() => drawInteger(g, 1, 3));
  const inputs = Array.from({ length: drawInteger(g, 1, 3) }, () =>
    Array.from({ length: drawInteger(g, 0, 3) }, () => drawInteger(g, 0, 3)),
  );
  const used = [...new Set(inputs.flat())];
  const output = used.filter(() => drawInteger(g, 0, 1) === 1);
  if (drawInteger(g, 0, 1) === 1) output.reverse();
  const spell = (names: number[]) => names.map((name) => letters[name]).join('');
  return {
    spec: `${inputs.map(spell).join(',')}->${spell(output)}`,
    operands: inputs.map((names) =>
      drawTensor(
        g,
        names.map((name) => sizes[name]),
      ),
    ),
  };
}

describe('einsum', () => {
  it('is its definition, over random specifications', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { spec, operands } = drawCall(g);
        expectClose(einsum(spec, ...operands), byDefinition(spec, operands), 1e-13);
      }),
      { numRuns: runs(300) },
    );
  });

  it('has the gradient of finite differences', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { spec, operands } = drawCall(g);
        gradcheck((...inputs) => einsum(spec, ...inputs), operands);
      }),
      { numRuns: runs(60) },
    );
  });

  it('orders the letters that occur once where no result is named', () => {
    const [a, b] = [ones([2, 3]), ones([3, 4])];
    expect(einsum('ij,jk', a, b).shape).toEqual([2, 4]);
    expect(einsum('ba', a).shape).toEqual([3, 2]);
    expect(einsum('ii', ones([3, 3])).item()).toBe(3);
  });

  it.each([
    ['i-j', [ones([2])], "einsum: 'i-j': expected letters, as in ij,jk->ik"],
    ['i,j', [ones([2])], "einsum: 'i,j': it names 2 operands, 1 are given"],
    ['ij', [ones([2])], "einsum: 'ij': operand 0 is f32[2], 'ij' names other axes"],
    ['ij,jk', [ones([2, 3]), ones([2, 3])], 'axis j has the size 3, but 2 in operand 1'],
    ['i->j', [ones([2])], 'axis j of the result is in no operand'],
    ['i->ii', [ones([2])], 'the result names an axis twice'],
  ])('refuses %s', (spec, operands, message) => {
    expect(() => einsum(spec, ...operands)).toThrow(message);
  });
});

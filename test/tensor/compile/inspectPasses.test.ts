/** Ops of a trace are followed through the passes as `compile` runs them. */
import { compile, grad, ones, tensor, type Tensor } from '@mambagrad/tensor';
import { inspectPasses, type Pass } from '@mambagrad/tensor/extend';
import { expect, test } from 'vitest';

const program = (x: Tensor): Tensor => {
  x.log();
  return x.exp().mul(x.exp()).mul(tensor(2).div(4));
};

test('a pass that removes an op is named, and what has its place', () => {
  const { ops, kernels } = inspectPasses(program, [ones([3])]);
  expect(ops.map(({ name, op, inputs, removedBy, replacement }) =>
    [name, op, inputs.join(' '), removedBy, replacement],
  )).toEqual([
    ['%1', 'log', '%0', 'drop', undefined],
    ['%2', 'exp', '%0', undefined, undefined],
    ['%3', 'exp', '%0', 'share', '%2'],
    ['%4', 'mul', '%2 %3', undefined, undefined],
    ['%7', 'div', '2 4', 'fold', '0.5'],
    ['%8', 'mul', '%4 %7', undefined, undefined],
  ]);
  expect(ops.map(({ kernels: own }) => own)).toEqual([[], [0], [], [0], [], [0]]);
  expect(kernels).toHaveLength(1);
});

test('numbers that are made anew are the same number, but for their sign and dtype', () => {
  const twice = (f: (x: Tensor) => Tensor, g = f) =>
    inspectPasses((x: Tensor) => f(x).exp().add(g(x).exp()), [ones([3])]).ops
      .filter(({ removedBy }) => removedBy === 'share').map(({ op }) => op);
  expect(twice((x) => x.sub(x.mean()))).toContain('sub');
  expect(twice((x) => x.mul(2))).toEqual(['mul', 'exp']);
  expect(twice((x) => x.mul(2), (x) => x.mul(3))).toEqual([]);
  expect(twice((x) => x.div(0), (x) => x.div(-0))).toEqual([]);
  expect(twice((x) => x.mul(NaN))).toEqual(['mul', 'exp']);
  expect(twice((x) => x.mul(tensor([2, 3, 4])))).toEqual([]);
});

test('what stays is what compile lists, with each pass and without', () => {
  const w = ones([4, 3], { requiresGrad: true });
  const loss = (x: Tensor) => grad(x.matmul(w).tanh().square().mean(), [w]);
  const lists: readonly (readonly Pass[])[] =
    [[], ['share'], ['fold'], ['drop'], ['group'], ['inline'], ['share', 'fold', 'drop']];
  for (const without of lists) {
    const compiled = compile(loss, { without }).inspect(ones([2, 4]));
    const { ops, kernels } = inspectPasses(loss, [ones([2, 4])], { without });
    const listed = Array.from(compiled.listing().matchAll(/ = (\w+)\(/g), ([, name]) => name);
    expect(ops.filter(({ removedBy }) => removedBy === undefined).map(({ op }) => op))
      .toEqual(listed);
    expect(ops.filter(({ removedBy }) => removedBy !== undefined && without.includes(removedBy)))
      .toEqual([]);
    expect(kernels.map(({ ops: own }) => own)).toEqual(
      compiled.kernels().map(({ ops: own }) => own),
    );
    kernels.forEach(({ ops: own }, i) =>
      expect(ops.filter((op) => op.kernels.includes(i)).map(({ op }) => op).sort()).toEqual(
        [...own].sort(),
      ));
  }
});

test('bad arguments are errors', () => {
  expect(() => inspectPasses(undefined as never, [])).toThrow(
    'inspectPasses: f is missing, expected a function',
  );
  expect(() => inspectPasses(program, [ones([1])], { without: ['cse' as never] })).toThrow(
    "inspectPasses: without is ['cse'], expected",
  );
});

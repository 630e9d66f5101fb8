/** The printed graph is a program: run line by line, it computes the tensor. */
import { formatGraph, formatTree, tensor, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Draw, drawInteger } from '../../support/draw.ts';

const number = (value: number, requiresGrad: boolean): Tensor =>
  tensor(value, { dtype: 'f64', requiresGrad });

const operations: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
  sub: (a, b) => a - b,
  maximum: Math.max,
};

/** A graph over a few whole numbers in which results are used any number of times. */
function drawGraph(g: Draw): Tensor[] {
  const made: Tensor[] = [number(2, true), number(-1, true), number(3, false)];
  for (let left = drawInteger(g, 0, 20); left > 0; left--) {
    const [a, b] = [0, 0].map(() => made[drawInteger(g, 0, made.length - 1)]);
    const name = g(() => fc.constantFrom('add', 'mul', 'sub', 'maximum'));
    made.push(a[name as 'add'](b));
  }
  return made;
}

/** Runs the lines of a printed graph of 0-d tensors, each of which must only use earlier ones. */
function run(text: string): number[] {
  const values: number[] = [];
  for (const line of text.split('\n')) {
    const leaf = /^%(\d+) = (?:leaf\(requiresGrad\)|constant)  f64\[\] (-?\d+)\.$/.exec(line);
    const node = /^%(\d+) = (\w+)\(%(\d+), %(\d+)\)  f64\[\]$/.exec(line);
    const [, position, ...rest] = leaf ?? node ?? [];
    expect(Number(position), line).toBe(values.length);
    if (leaf) {
      values.push(Number(rest[0]));
    } else {
      const [a, b] = [Number(rest[1]), Number(rest[2])];
      expect(Math.max(a, b)).toBeLessThan(values.length);
      values.push(operations[rest[0]](values[a], values[b]));
    }
  }
  return values;
}

function reachable(y: Tensor): number {
  const found = new Set([y]);
  for (const { node } of found) for (const input of node?.inputs ?? []) found.add(input);
  return found.size;
}

describe('formatGraph', () => {
  it('computes the tensor when it is run, each tensor once', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const y = drawGraph(g).at(-1) ?? number(0, false);
        const values = run(formatGraph(y));
        expect(values.at(-1)).toBe(y.item());
        expect(values).toHaveLength(reachable(y));
      }),
    );
  });

  it('shows attributes, shapes, and which leaves require gradients', () => {
    const x = tensor([[1, 2, 3], [4, 5, 6]], { requiresGrad: true });
    const y = x.mul(tensor([1, 0, 1])).mul(0.5);
    const sums = y.sum(1);
    const column = y.permute([1, 0]).narrow(0, 1, 1);
    expect(formatGraph(sums.add(column.cast('f64').cast('f32')))).toBe(
      [
        '%0 = leaf(requiresGrad)  f32[2, 3]',
        '%1 = constant  f32[3]',
        '%2 = mul(%0, %1)  f32[2, 3]',
        '%3 = constant  f32[] 0.5000',
        '%4 = mul(%2, %3)  f32[2, 3]',
        '%5 = sum(%4, axes=[1], keepDims=false)  f32[2]',
        '%6 = permute(%4, [1, 0])  f32[3, 2]',
        '%7 = slice(%6, start=[1, 0], stop=[2, 2], step=[1, 1])  f32[1, 2]',
        '%8 = cast(%7, f64)  f64[1, 2]',
        '%9 = cast(%8, f32)  f32[1, 2]',
        '%10 = add(%5, %9)  f32[1, 2]',
      ].join('\n'),
    );
  });

  it('cuts long attributes short', () => {
    const x = tensor([1], { requiresGrad: true }).reshape([1, 1, 1, 1, 1, 1, 1, 1, 1]);
    expect(formatGraph(x)).toMatch(/reshape\(%0, \[1, 1, 1, 1, 1, 1, 1, 1, \.\.\.\]\)/);
  });

  it('shows a tensor without a node as one line', () => {
    expect(formatGraph(tensor([1, 2]))).toBe('%0 = constant  f32[2]');
    expect(formatGraph(tensor([1, 2], { requiresGrad: true }))).toBe(
      '%0 = leaf(requiresGrad)  f32[2]',
    );
  });

  it('shows a graph a hundred thousand nodes deep', () => {
    let y = tensor(1, { requiresGrad: true });
    for (let i = 0; i < 100_000; i++) y = y.neg();
    const lines = formatGraph(y).split('\n');
    expect(lines).toHaveLength(100_001);
    expect(lines[100_000]).toBe('%100000 = neg(%99999)  f32[]');
  });
});

describe('formatTree', () => {
  it('indents what a tensor was computed from, each tensor once', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const squared = x.mul(x);
    expect(formatTree(squared.add(squared.mul(0.5)).sum())).toBe(
      [
        '%0 = sum(axes=[0], keepDims=false)  f32[]',
        '  %1 = add()  f32[2]',
        '    %2 = mul()  f32[2]',
        '      %3 = leaf(requiresGrad)  f32[2]',
        '      %3',
        '    %4 = mul()  f32[2]',
        '      %2',
        '      %5 = constant  f32[] 0.5000',
      ].join('\n'),
    );
  });

  it('has a line for every use of every tensor', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const y = drawGraph(g).at(-1) ?? number(0, false);
        const nodes = formatGraph(y).split('\n').filter((line) => line.includes('(%'));
        expect(formatTree(y).split('\n')).toHaveLength(1 + 2 * nodes.length);
      }),
    );
  });

  it('neither recurses nor moves in without end', () => {
    let y = tensor(1, { requiresGrad: true });
    for (let i = 0; i < 100_000; i++) y = y.neg();
    const lines = formatTree(y).split('\n');
    expect(lines).toHaveLength(100_001);
    expect(lines[100_000]).toBe(`${' '.repeat(80)}%100000 = leaf(requiresGrad)  f32[] 1.`);
  });
});

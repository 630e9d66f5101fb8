/** The check of exercises/backward.ts. */
import fc from 'fast-check';
import type * as solution from '../solutions/backward.ts';
import type { Value } from '../solutions/backward.ts';
import { type Definition, type Exercise, property } from './check.ts';
import { nonZero, numbers, upTo } from './draw.ts';

type Module = typeof solution;
type Op = Exclude<Value['op'], 'leaf'>;

const isBinary = (op: Op): boolean => op === 'add' || op === 'mul' || op === 'div';

const results: Readonly<Record<Op, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  exp: (a) => Math.exp(a),
  relu: (a) => Math.max(a, 0),
};

/** The derivatives with respect to a and b. */
const derivatives: Readonly<Record<Op, (a: number, b: number) => readonly [number, number]>> = {
  add: () => [1, 1],
  mul: (a, b) => [b, a],
  div: (a, b) => [1 / b, -a / b ** 2],
  exp: (a) => [Math.exp(a), 0],
  relu: (a) => [a > 0 ? 1 : 0, 0],
};

const leaf = (data: number, grad = 0): Value => ({ op: 'leaf', inputs: [], data, grad });

/** One node: its op, its inputs a and b, its gradient, and what a.grad and b.grad are before. */
interface OneNode {
  readonly op: Op;
  readonly a: number;
  readonly b: number;
  readonly grad: number;
  readonly before: readonly [a: number, b: number];
}

const nodes = (op: Op, before: fc.Arbitrary<number>): fc.Arbitrary<OneNode> => fc.record({
  op: fc.constant(op),
  // relu has no derivative at 0.
  a: op === 'relu' ? nonZero : numbers,
  b: op === 'div' ? nonZero : isBinary(op) ? numbers : fc.constant(0),
  grad: numbers,
  before: fc.tuple(before, isBinary(op) ? before : fc.constant(0)),
});

/** A property of one node: what a.grad and b.grad are afterwards. */
const ofNode = (
  says: string, because: string, inputs: fc.Arbitrary<OneNode>,
): Definition<Module, OneNode> => ({
  says, because, inputs,
  show: ({ op, a, b, grad, before }) => ({
    node: `${op} of a = ${a}${isBinary(op) ? ` and b = ${b}` : ''}, with node.grad = ${grad}`,
    ...(before.some((each) => each !== 0) && {
      before: isBinary(op) ? { 'a.grad': before[0], 'b.grad': before[1] } : { 'a.grad': before[0] },
    }),
  }),
  expected: ({ op, a, b, grad, before }) => {
    const [da, db] = derivatives[op](a, b);
    const [ofA, ofB] = [before[0] + grad * da, before[1] + grad * db];
    return isBinary(op) ? { 'a.grad': ofA, 'b.grad': ofB } : { 'a.grad': ofA };
  },
  given: ({ backward }, { op, a, b, grad, before }) => {
    const inputs = [leaf(a, before[0]), leaf(b, before[1])].slice(0, isBinary(op) ? 2 : 1);
    backward({ op, inputs, data: results[op](a, b), grad });
    const [ofA, ofB] = inputs;
    return isBinary(op) ? { 'a.grad': ofA.grad, 'b.grad': ofB.grad } : { 'a.grad': ofA.grad };
  },
});

const none = fc.constant(0);
const ops = fc.constantFrom<Op>('add', 'mul', 'div', 'exp', 'relu');

/** A program on two numbers: each step computes a value from values before, by their places. */
interface Program {
  readonly start: readonly [number, number];
  readonly steps: readonly { readonly op: Op; readonly of: readonly [number, number] }[];
}

const programs: fc.Arbitrary<Program> = fc.record({
  start: fc.tuple(numbers, numbers),
  steps: fc.array(
    fc.record({
      op: fc.constantFrom<Op>('add', 'mul', 'relu', 'exp', 'div'),
      of: fc.tuple(upTo(20), upTo(20)),
    }),
    { minLength: 1, maxLength: 5 },
  ),
}).map(({ start, steps }) => ({
  start, steps: steps.map(({ op, of: [i, j] }, at) => ({
    op, of: [i % (at + 2), j % (at + 2)] as const,
  })),
})).filter((program) => {
  const values = valuesOf(program);
  const isSmooth = program.steps.every(({ op, of: [i, j] }) => (
    (op !== 'relu' || values[i].data !== 0) && (op !== 'div' || Math.abs(values[j].data) > 0.1)
  ));
  return isSmooth && values.every(({ data }) => Math.abs(data) < 100);
});

function valuesOf({ start, steps }: Program): Value[] {
  const values = start.map((data) => leaf(data));
  for (const { op, of: [i, j] } of steps) {
    const [a, b] = [values[i], values[j]];
    const inputs = isBinary(op) ? [a, b] : [a];
    values.push({ op, inputs, data: results[op](a.data, b.data), grad: 0 });
  }
  return values;
}

/** The derivatives of the last value with respect to the first two, carried forward. */
function slopesOf({ start, steps }: Program): readonly number[] {
  const values = start.map((data, i) => ({ data, slopes: [i === 0 ? 1 : 0, i === 1 ? 1 : 0] }));
  for (const { op, of: [i, j] } of steps) {
    const [a, b] = [values[i], values[j]];
    const [da, db] = derivatives[op](a.data, b.data);
    values.push({
      data: results[op](a.data, b.data),
      slopes: a.slopes.map((slope, x) => da * slope + db * b.slopes[x]),
    });
  }
  return values[values.length - 1].slopes;
}

const formulas: Readonly<Record<Op, (a: string, b: string) => string>> = {
  add: (a, b) => `${a} + ${b}`, mul: (a, b) => `${a} · ${b}`, div: (a, b) => `${a} / ${b}`,
  exp: (a) => `exp(${a})`, relu: (a) => `relu(${a})`,
};

const name = (place: number): string => 'abcdefg'[place];

/** The exercise on backpropagation. */
export const backward: Exercise<Module> = {
  name: 'backward',
  title: 'The backward pass of one node',
  exports: ['backward'],
  properties: [
    property(ofNode(
      'add passes its gradient on to both inputs',
      'd(a + b)/da = 1, so a gets 1 · node.grad; b alike.', nodes('add', none),
    )),
    property(ofNode(
      'mul gives each input its gradient times the other input',
      'd(a · b)/da = b, so a gets node.grad · b, and b gets node.grad · a.', nodes('mul', none),
    )),
    property(ofNode(
      'exp gives its input its gradient times eᵃ',
      'd(eᵃ)/da = eᵃ, which the node has already: it is node.data.', nodes('exp', none),
    )),
    property(ofNode(
      'relu passes its gradient on where the input is positive, and nothing elsewhere',
      'Below 0 relu is constant, so its derivative is 0; above 0 it is 1.', nodes('relu', none),
    )),
    property(ofNode(
      'div gives a its gradient / b, and b its gradient · −a / b²',
      'd(a / b)/da = 1 / b and d(a / b)/db = −a / b².', nodes('div', none),
    )),
    property(ofNode(
      'what a.grad and b.grad hold already stays, and is added to',
      'A value may be used in several places, and each use adds its part: += instead of =.',
      ops.chain((op) => nodes(op, numbers)),
    )),
    property<Module, { readonly op: Op; readonly a: number; readonly grad: number }>({
      says: 'a value that is used twice by one node gets both parts',
      because: 'Here both inputs are the same object, so its grad is changed twice.',
      inputs: fc.record({
        op: fc.constantFrom<Op>('add', 'mul', 'div'), a: nonZero, grad: numbers,
      }),
      show: ({ op, a, grad }) => ({
        node: `${op} of a and a, the same value, with a = ${a} and node.grad = ${grad}`,
      }),
      expected: ({ op, a, grad }) => {
        const [da, db] = derivatives[op](a, a);
        return { 'a.grad': grad * da + grad * db };
      },
      given: (module, { op, a, grad }) => {
        const input = leaf(a);
        module.backward({ op, inputs: [input, input], data: results[op](a, a), grad });
        return { 'a.grad': input.grad };
      },
    }),
    property<Module, { readonly grad: number }>({
      says: 'a leaf passes nothing on, and keeps its gradient',
      because: 'The gradients of leaves are what the whole pass is for; they stay as they are.',
      inputs: fc.record({ grad: numbers }),
      show: ({ grad }) => ({ node: `a leaf with node.grad = ${grad}` }),
      expected: ({ grad }) => ({ 'node.grad': grad }),
      given: (module, { grad }) => {
        const node = leaf(3, grad);
        module.backward(node);
        return { 'node.grad': node.grad };
      },
    }),
    property<Module, Program>({
      says: 'visiting all values of a program, last to first, gives the gradients of the loss',
      because: 'The sum over all paths from an input to the loss: compare one step at a time.',
      inputs: programs,
      show: ({ start: [a, b], steps }) => ({
        a, b, ...Object.fromEntries(steps.map(({ op, of: [i, j] }, at) => {
          const end = at === steps.length - 1 ? ', the loss' : '';
          return [name(at + 2), formulas[op](name(i), name(j)) + end];
        })),
      }),
      expected: (program) => {
        const [ofA, ofB] = slopesOf(program);
        return { 'a.grad': ofA, 'b.grad': ofB };
      },
      given: (module, program) => {
        const values = valuesOf(program);
        values[values.length - 1].grad = 1;
        for (const value of [...values].reverse()) module.backward(value);
        return { 'a.grad': values[0].grad, 'b.grad': values[1].grad };
      },
    }),
  ],
  hints: [
    'Begin with `const [a, b] = node.inputs;` and a `switch (node.op)`. Write one op, run the ' +
      'check, then the next.',
    'For add, a small change of a changes the node by as much. So `a.grad += node.grad;` and the ' +
      'same for b.',
    'In general `a.grad += node.grad * (the derivative of the node with respect to a)`. For mul ' +
      'that derivative is b.data. Use += everywhere: a value may be used more than once.',
    'exp: `a.grad += node.grad * node.data`. relu: `if (a.data > 0) a.grad += node.grad`. div: ' +
      '`a.grad += node.grad / b.data` and `b.grad -= node.grad * a.data / b.data ** 2`.',
  ],
};

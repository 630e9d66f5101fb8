/** The check of exercises/microkernel.ts. */
import * as k from '@mambagrad/kernel';
import fc from 'fast-check';
import type * as solution from '../solutions/microkernel.ts';
import { type Exercise, property } from './check.ts';
import { oneOf, tableOf } from './draw.ts';

type Module = typeof solution;

const [ROWS, COLUMNS] = [4, 8];

/** The matrices, as rows. */
interface Factors {
  readonly a: readonly (readonly number[])[];
  readonly b: readonly (readonly number[])[];
}

const small = oneOf(1, 2, 0, 3, -1, -2);
const factors = (depth: number, a = small, b = small): fc.Arbitrary<Factors> =>
  fc.record({ a: tableOf(ROWS, depth, a), b: tableOf(depth, COLUMNS, b) });

const productOf = ({ a, b }: Factors): number[][] => a.map((row) => (
  Array.from({ length: COLUMNS }, (_, j) => row.reduce((sum, each, i) => sum + each * b[i][j], 0))
));

/** The kernel that the reader's statements make. */
function kernelOf({ microkernel }: Module, depth: number): k.Kernel {
  const a = k.buffer('a', 'f32', ROWS * depth);
  const b = k.buffer('b', 'f32', depth * COLUMNS);
  const y = k.buffer('y', 'f32', ROWS * COLUMNS);
  return k.kernel('microkernel', [a, b, y], microkernel(a, b, y, depth));
}

/** Runs the kernel on memory that holds a, b and, where y will be, other numbers. */
function run(module: Module, { a, b }: Factors): number[][] {
  const kernel = kernelOf(module, b.length);
  const [ofA, ofB] = [a.flat(), b.flat()];
  const start = ofA.length + ofB.length;
  const floats = new Float32Array(start + ROWS * COLUMNS).fill(1000);
  floats.set(ofA);
  floats.set(ofB, ofA.length);
  const { parameters } = kernel;
  k.compileGuarded(kernel, floats.buffer, parameters.slice(2))(0, 4 * ofA.length, 4 * start);
  return Array.from({ length: ROWS }, (_, row) => (
    Array.from(floats.subarray(start + row * COLUMNS, start + (row + 1) * COLUMNS))
  ));
}

/** The numbers of accesses of one run: of loads and stores, each of one number or of four. */
interface Accesses {
  a: number;
  b: number;
  y: number;
}

/** Counts the loads and stores of a kernel whose loops have constant bounds. */
function accessesOf(kernel: k.Kernel): Accesses {
  const counts: Accesses = { a: 0, b: 0, y: 0 };
  const count = (name: string, times: number): void => {
    if (name === 'a' || name === 'b' || name === 'y') counts[name] += times;
  };
  const visit = (value: k.Expr, times: number): void => {
    if (value.node === 'load') count(value.buffer.name, times);
    if (value.node === 'operation') value.inputs.forEach((input) => visit(input, times));
  };
  const walk = (statements: readonly k.Statement[], times: number): void => {
    for (const statement of statements) {
      statement.values.forEach((value) => visit(value, times));
      if (statement.statement === 'assign' && statement.target.node === 'load') {
        count(statement.target.buffer.name, times);
      }
      const [from, to] = statement.values.map((value) => (
        value.node === 'constant' ? value.value : 0
      ));
      const rounds = statement.statement === 'loop' ? (to - from) / statement.step : 1;
      statement.bodies.forEach((body) => walk(body, times * rounds));
    }
  };
  walk(kernel.body, 1);
  return counts;
}

function countStatements(statements: readonly k.Statement[]): number {
  return statements.reduce((count, { bodies }) => (
    bodies.reduce((inside, body) => inside + countStatements(body), count + 1)
  ), 0);
}

/** A property of the product of two matrices. */
const ofProduct = (says: string, because: string, inputs: fc.Arbitrary<Factors>) =>
  property<Module, Factors>({
    says, because, inputs,
    tries: 30,
    expected: productOf,
    given: run,
  });

const unit = (row: number): number[][] =>
  Array.from({ length: ROWS }, (_, i) => [i === row ? 1 : 0]);

/** The exercise on the innermost part of a matrix product. */
export const microkernel: Exercise<Module> = {
  name: 'microkernel',
  title: 'A micro-kernel',
  exports: ['microkernel'],
  properties: [
    ofProduct(
      'with depth 0 the product is 0',
      'y held other numbers before. Set the sums to 0 first, and store them after the loop.',
      fc.constant({ a: [[], [], [], []], b: [] }),
    ),
    ofProduct(
      'row i of y is a[i] times the row of b, if the depth is 1',
      'y[i, j] = a[i, 0] · b[0, j]. Are all 8 columns computed, in two vectors?',
      fc.nat(ROWS - 1).chain((row) => factors(1).map(({ b }) => ({ a: unit(row), b }))),
    ),
    ofProduct(
      'with depth 2 and more, products are added up',
      'The element of a in row i at k is at i · depth + k, that of b at k · 8 + j.',
      fc.integer({ min: 2, max: 4 }).chain((depth) => factors(depth)),
    ),
    property<Module, { readonly depth: number }>({
      says: 'the code is as long for every depth',
      because: 'k.loop makes a loop that runs in the kernel. A loop of JavaScript around k.set ' +
        'writes its body down again for each k.',
      inputs: fc.record({ depth: fc.integer({ min: 3, max: 6 }) }),
      tries: 4,
      expected: () => 'as many statements as for depth 2',
      given: (module, { depth }) => {
        const [two, all] = [2, depth].map((each) => countStatements(kernelOf(module, each).body));
        return two === all ? 'as many statements as for depth 2' : `${all} statements, not ${two}`;
      },
    }),
    property<Module, { readonly depth: number }>({
      says: 'y is written once, after the loop, and never read',
      because: 'While k runs, the sums stay in registers. 8 vectors are 8 stores, each of four.',
      inputs: fc.record({ depth: fc.integer({ min: 1, max: 6 }) }),
      tries: 6,
      expected: () => ({ 'loads and stores of y': 8 }),
      given: (module, { depth }) => ({
        'loads and stores of y': accessesOf(kernelOf(module, depth)).y,
      }),
    }),
    property<Module, { readonly depth: number }>({
      says: 'each k loads 4 numbers of a and 2 vectors of b',
      because: 'Load them into variables with k.set at the start of the iteration, and use ' +
        'those: an expression is evaluated again in each statement that uses it.',
      inputs: fc.record({ depth: fc.integer({ min: 1, max: 6 }) }),
      tries: 6,
      expected: ({ depth }) => ({ 'loads of a': 4 * depth, 'loads of b': 2 * depth }),
      given: (module, { depth }) => {
        const { a, b } = accessesOf(kernelOf(module, depth));
        return { 'loads of a': a, 'loads of b': b };
      },
    }),
  ],
  hints: [
    'Make 8 registers, one for each of 4 rows and 2 halves of a row: ' +
      '`k.variable(\'sum\', \'f32x4\')`. Begin with `k.set(sum, 0)` for each.',
    'In `k.loop(\'k\', depth, (at) => […])`, first set two registers to the vectors of b: ' +
      '`k.load(b, k.ramp(k.add(k.mul(at, 8), column)))` for column 0 and 4.',
    'Then set four registers of type f32 to the numbers of a: `k.load(a, k.add(at, row * depth))`.',
    'Then `k.set(sum, k.add(sum, k.mul(factor, vector)))` for all 8. After the loop ' +
      '`k.store(y, k.ramp(8 * row + column), sum)`.',
  ],
};

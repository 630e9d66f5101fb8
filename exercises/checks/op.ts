/** The check of exercises/op.ts. */
import { compile, grad, type Tensor, tensor } from '@mambagrad/tensor';
import { checkPrimitive, type Unary, unary } from '@mambagrad/tensor/extend';
import fc from 'fast-check';
import type * as solution from '../solutions/op.ts';
import { type Exercise, property } from './check.ts';
import { nonZero, numbers } from './draw.ts';

type Module = typeof solution;

const squareplus = (x: number): number => (x + Math.sqrt(x * x + 4)) / 2;
const slope = (x: number): number => (1 + x / Math.sqrt(x * x + 4)) / 2;
const slopeOfSlope = (x: number): number => 2 / (x * x + 4) ** 1.5;

let count = 0;
/** The three functions as an op; a primitive has a name of its own each time. */
function opOf({ compute, gradient, lower }: Module): Unary {
  count += 1;
  return unary(`exercise.squareplus${count}`, compute, lower, (g, _y, x) => gradient(g, x));
}

const leaf = (x: readonly number[], dtype: 'f32' | 'f64' = 'f64'): Tensor =>
  tensor(Float64Array.from(x), { dtype, requiresGrad: true });

/** Numbers at which the op is tried. */
interface Points {
  readonly x: readonly number[];
}

const points: fc.Arbitrary<Points> =
  fc.record({ x: fc.array(numbers, { minLength: 1, maxLength: 5 }) });

/** The exercise on an op. */
export const op: Exercise<Module> = {
  name: 'op',
  title: 'An op with its gradient and its lowering',
  exports: ['compute', 'gradient', 'lower'],
  properties: [
    property<Module, { readonly x: number }>({
      says: 'compute gives (x + √(x² + 4)) / 2',
      because: 'At 0 it is 1, for large x it is nearly x, and it is never negative.',
      inputs: fc.record({ x: numbers }),
      expected: ({ x }) => squareplus(x),
      given: ({ compute }, { x }) => compute(x),
    }),
    property<Module, { readonly x: number }>({
      says: 'with g = 1, gradient gives the derivative dy/dx',
      because: 'It is (1 + x / √(x² + 4)) / 2: at 0 that is 1/2, and for large x nearly 1.',
      inputs: fc.record({ x: numbers }),
      expected: ({ x }) => slope(x),
      given: ({ gradient }, { x }) => gradient(tensor(1, { dtype: 'f64' }), leaf([x])).data[0],
    }),
    property<Module, { readonly x: number; readonly g: number }>({
      says: 'gradient multiplies the derivative by g',
      because: 'g says how the loss changes with y; the chain rule multiplies it by dy/dx.',
      inputs: fc.record({ x: numbers, g: nonZero }),
      expected: ({ x, g }) => g * slope(x),
      given: ({ gradient }, { x, g }) => gradient(tensor(g, { dtype: 'f64' }), leaf([x])).data[0],
    }),
    property<Module, Points>({
      says: 'the gradient has one number for each x, each from its own',
      because: 'Work with whole tensors: g.mul(…) and so on, element by element.',
      inputs: points,
      expected: ({ x }) => x.map(slope),
      given: ({ gradient }, { x }) => {
        const given = gradient(tensor(x.map(() => 1), { dtype: 'f64' }), leaf(x));
        return Array.from(given.data);
      },
    }),
    property<Module, Points>({
      says: 'the gradient can be differentiated again',
      because: 'It must be made of tensor methods all the way. `data`, `item()` and `tensor(…)` ' +
        'take a number out of the graph, and to autograd it is a constant.',
      inputs: points,
      expected: ({ x }) => x.map(slopeOfSlope),
      given: ({ gradient }, { x }) => {
        const input = leaf(x);
        const first = gradient(tensor(x.map(() => 1), { dtype: 'f64' }), input).sum();
        const [second] = grad(first, [input], { allowUnused: true });
        return Array.from(second.data);
      },
    }),
    property<Module, Points>({
      says: 'lower gives the same function, in WebAssembly',
      because: 'The compiled op runs the kernel that is made of your expression.',
      inputs: points,
      tolerance: 1e-6,
      tries: 12,
      expected: ({ x }) => x.map(squareplus),
      given: (module, { x }) => Array.from(compile(opOf(module))(leaf(x, 'f32')).data),
    }),
    property<Module, { readonly check: string }>({
      says: 'it passes checkPrimitive, the test of all ops of this library',
      inputs: fc.constant({ check: 'checkPrimitive on 8 numbers' }),
      tries: 1,
      expected: () => 'every check passes',
      given: (module) => {
        checkPrimitive(opOf(module), [tensor([[-3, -1.5, -0.5, 0], [0.25, 0.5, 1, 2]])]);
        return 'every check passes';
      },
    }),
  ],
  hints: [
    'Begin with compute: `return (x + Math.sqrt(x * x + 4)) / 2;`. Run the check, then go on.',
    'In gradient, x is a tensor: `const root = x.square().add(4).sqrt();`. What is dy/dx, of x ' +
      'and root?',
    'gradient: `return g.mul(x.div(root).add(1).div(2));`. The g is what the chain rule is about.',
    'lower says what compute says, in other words: `k.sqrt(k.add(k.mul(x, x), 4))` is the root, ' +
      'and `k.mul(k.add(x, root), 0.5)` the rest.',
  ],
};


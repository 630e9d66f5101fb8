/** What `scan` refuses, eagerly and while a function is traced, and how it says so. */
import {
  compile, ones, scan, type ScanOptions, type Tensor, TensorError, zeros,
} from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';

const h = zeros([2, 3]);
const x = ones([4, 3]);
const i32 = { dtype: 'i32' } as const;

type AnyStep = (state: never, input: never) => { state: unknown; output?: unknown };

/** Calls of `scan`, and what the error says. */
const calls: Readonly<Record<string, readonly [() => unknown, string]>> = {
  'a state that changes its shape': [
    () => run((state: Tensor, row: Tensor) => ({ state: state.sum(0).add(row) })),
    'scan: the step gave the state f32[3], and was given f32[2, 3]; its structure, shapes and',
  ],
  'a state that changes its dtype': [
    () => run((state: Tensor) => ({ state: state.cast('i32') })),
    'scan: the step gave the state i32[2, 3], and was given f32[2, 3]',
  ],
  'a state that changes its structure': [
    () => run(([a]: Tensor[]) => ({ state: { a } }), [h, x]),
    'scan: the step gave the state { a: f32[2, 3] }, and was given [f32[2, 3], f32[4, 3]]',
  ],
  'a state that loses a part': [
    () => run(({ a }: { readonly a: Tensor }) => ({ state: { a } }), { a: h, b: x }),
    'scan: the step gave the state { a: f32[2, 3] }, and was given { a: f32[2, 3], b: f32[4, 3] }',
  ],
  'a state that is no tensor': [
    () => run((state: Tensor) => ({ state }), 3),
    'scan: the initial state is 3; expected tensors, and plain objects and arrays of them',
  ],
  'an output that holds a number': [
    () => run((state: Tensor) => ({ state, output: [state, 1] })),
    'scan: the output holds 1; expected tensors, and plain objects and arrays of them',
  ],
  'a step that gives a tensor': [
    () => run(((state: Tensor) => state) as never),
    'scan: the step gave f32[2, 3], expected { state, output }',
  ],
  'a step that gives nothing': [
    () => run((() => undefined) as never),
    'scan: the step gave undefined, expected { state, output }',
  ],
  'no step': [() => run(undefined as never), 'scan: step is missing, expected a function'],
  'inputs of different lengths': [
    () => run((state: Tensor) => ({ state }), h, { a: x, b: ones([5, 3]) }),
    'inputs have different lengths along axis 0: tensor 0 is f32[4, 3], tensor 1 is f32[5, 3]',
  ],
  'a length that the inputs do not have': [
    () => run((state: Tensor) => ({ state }), h, x, { length: 5 }),
    'scan: length is 5, and the inputs have length 4',
  ],
  'inputs of length 0': [
    () => run((state: Tensor) => ({ state }), h, zeros([0, 3])),
    'scan: the inputs have length 0, expected at least one step',
  ],
  'no inputs and no length': [
    () => run((state: Tensor) => ({ state }), h, []),
    'scan: there are no inputs; expected the option length',
  ],
  'an axis that the inputs do not have': [
    () => run((state: Tensor) => ({ state }), h, x, { axis: 2 }), 'scan: axis 2 is out of range',
  ],
  'an output that has no such axis': [
    () => run((state: Tensor) => ({ state, output: state.sum() }), h, x, { axis: 1 }),
    'scan: an output has 0 axes, and cannot be stacked along axis 1',
  ],
  'an index out of range inside': [
    () => run(
      (state: Tensor, index: Tensor) => ({ state: state.add(x.indexSelect(0, index)) }),
      zeros([3]), ones([2], i32).mul(4),
    ),
    'index 4',
  ],
};

function run(
  step: AnyStep, state: unknown = h, inputs: unknown = x, options: ScanOptions = {},
): unknown {
  return scan(step as never, state, inputs, options);
}

describe.each(Object.entries(calls))('%s', (_name, [call, message]) => {
  it.each([['eagerly', call], ['compiled', compile(call)]])('is an error %s', (_how, run) => {
    expect(run).toThrow(TensorError);
    expect(run).toThrow(message);
  });
});

it('a tensor of the step is not to be used outside of it, once it stands for many', () => {
  const kept: Tensor[] = [];
  const keeping = (state: Tensor, row: Tensor) => {
    kept.push(state.add(row));
    return { state: kept[kept.length - 1] };
  };
  const f = compile(() => {
    const { state } = scan(keeping, zeros([3]), x);
    return state.add(kept[0]);
  });
  expect(f).toThrow('scan: this tensor has no value: it belongs to the step, which is traced once');
  expect(() => kept[0].add(1)).toThrow(TensorError);
  expect(() => kept[0].data).toThrow('return it as state or output to use it outside of the step');
  expect(() => compile(() => kept[0].mul(2))()).toThrow('scan: this tensor has no value');
});

it('only a tensor that needs no gradient can be assigned to inside', () => {
  const w = zeros([3], { requiresGrad: true });
  const f = compile(() => scan((state: Tensor, row: Tensor) => {
    w.assign(row);
    return { state: state.add(w) };
  }, zeros([3]), x));
  const message = 'scan: the step assigns to f32[3], which requires gradients; expected it in the';
  expect(f).toThrow(message);
});

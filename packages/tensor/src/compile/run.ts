/**
 * Running a planned program: every step's loop is bound to its place in the arena once; a call
 * looks up the arrays of the arguments and captured tensors, runs the loops in order, copies the
 * results out, and last of all writes state.
 */
import type { TypedArray } from '../dtype.ts';
import { numelOf } from '../shape.ts';
import { Tensor, type Value as ArrayValue } from '../tensor.ts';
import { makersOf, planMemory, storageOf } from './plan.ts';
import type { Program, Value } from './trace.ts';

/** Runs the program on the arguments' different tensors, in order. */
export type Run = (tensors: readonly Tensor[]) => unknown;

/** An array that is looked up at each call. */
interface Slot extends ArrayValue {
  data: TypedArray;
}

export interface Executable {
  readonly run: Run;
  readonly arenaBytes: number;
}

export function bind(program: Program): Executable {
  const makers = makersOf(program);
  const plan = planMemory(program);
  const arena = new ArrayBuffer(plan.bytes);
  const outside = new Map<Value, Slot[]>();
  const slotOf = (value: Value): Slot => {
    const storage = storageOf(value, makers);
    const offset = plan.offsets.get(storage);
    if (offset !== undefined) return { shape: value.shape, data: view(arena, offset, value) };
    const slot = { shape: value.shape, data: new Float32Array(0) };
    outside.set(storage, [...(outside.get(storage) ?? []), slot]);
    return slot;
  };
  const steps = program.steps
    .filter(({ primitive }) => !primitive.sharesData)
    .map(({ primitive, attributes, inputs, output }) => {
      const [read, written] = [inputs.map(slotOf), slotOf(output)];
      return () => {
        // A loop may count on zeros, and the place has been used before.
        written.data.fill(0);
        primitive.compute(read, written, attributes);
      };
    });
  const results = program.results.map((value) => ({ value, slot: slotOf(value) }));
  const writes = program.writes.map(({ state, value }) => ({ state, value, slot: slotOf(value) }));

  return {
    arenaBytes: plan.bytes,
    run: (tensors) => {
      const tensorOf = ({ from }: Value): Tensor | undefined => {
        if (from === 'step') return undefined;
        return 'argument' in from ? tensors[from.argument] : from.captured;
      };
      for (const [value, slots] of outside) {
        const data = tensorOf(value)?.data;
        if (data) for (const slot of slots) slot.data = data;
      }
      for (const step of steps) step();
      const copy = (value: Value, slot: Slot): Tensor =>
        new Tensor({ shape: value.shape, dtype: value.dtype }, slot.data.slice());
      const values = results.map(({ value, slot }) => tensorOf(value) ?? copy(value, slot));
      // All new values are taken before any state changes: one may be another's old value.
      const assigned = writes.map(({ state, value, slot }) => [state, copy(value, slot)] as const);
      for (const [state, value] of assigned) tensorOf(state)?.assign(value);
      return program.rebuild(values);
    },
  };
}

function view(arena: ArrayBuffer, offset: number, { dtype, shape }: Value): TypedArray {
  const numel = numelOf(shape);
  if (dtype === 'f32') return new Float32Array(arena, offset, numel);
  if (dtype === 'f64') return new Float64Array(arena, offset, numel);
  return new Int32Array(arena, offset, numel);
}

/**
 * Running a program: a call puts arguments into the arena, runs the code, and copies results out of
 * it. State is changed where it lies, or, if its old value is needed to the end, copied there last.
 */
import * as k from '@mambagrad/kernel';
import { allocate, sizeOf, type TypedArray } from '../dtype.ts';
import { numelOf, type Spec } from '../shape.ts';
import { Tensor, type Value as ArrayValue } from '../tensor.ts';
import { type CodeOptions, codeOf, type Place } from './code.ts';
import { theHeap } from './heap.ts';
import { type Plan, planMemory } from './plan.ts';
import { type Job, type Schedule, schedule } from './schedule.ts';
import type { Program, Value } from './trace.ts';

export interface Executable {
  readonly schedule: Schedule;
  readonly plan: Plan;
  /** The module in WebAssembly's text format. */
  wat(): string;
  /** Runs on the arguments' different tensors, in order; `watch` is called after each job. */
  run(tensors: readonly Tensor[], watch?: (job: Job) => void): unknown;
}

/** A number from outside that no call changes, as a value of the loop language. */
function constantsOf(program: Program): Map<Value, k.Value> {
  const constants = new Map<Value, k.Value>();
  for (const value of program.steps.flatMap(({ inputs }) => inputs)) {
    const { from, shape, dtype } = value;
    const tensor = from !== 'step' && 'captured' in from ? from.captured : undefined;
    if (tensor === undefined || !program.constants.has(tensor)) continue;
    if (shape.length === 0 && dtype !== 'f64') {
      constants.set(value, k.constant(dtype, tensor.data[0]));
    }
  }
  return constants;
}

/** Where tensors live that programs read: one place for each, whichever program asked first. */
const homeOf = new WeakMap<Tensor, TypedArray>();

export function bind(program: Program, options: CodeOptions): Executable {
  const heap = theHeap();
  const scheduled = schedule(program, constantsOf(program));
  const { jobs, network } = scheduled;
  const plan = planMemory(program, scheduled);

  const homes = new Map<Value, TypedArray>();
  const tensorFor = ({ from }: Value, tensors: readonly Tensor[]): Tensor | undefined => {
    if (from === 'step') return undefined;
    return 'argument' in from ? tensors[from.argument] : from.captured;
  };
  const inMemory = [...jobs.flatMap(({ reads }) => reads), ...program.writes.map((w) => w.state)];
  for (const value of inMemory) {
    if (value.from === 'step' || 'argument' in value.from || homes.has(value)) continue;
    const { captured } = value.from;
    const home = homeOf.get(captured) ?? heap.house(captured.data);
    homeOf.set(captured, home);
    homes.set(value, home);
  }

  /** Where a value lies: at a place of its own, or so far into the arena. */
  const placeOf = (value: Value): Place => {
    const state = plan.inState.get(value) ?? value;
    const home = homes.get(state);
    if (home) return { isInArena: false, offset: home.byteOffset };
    return { isInArena: true, offset: plan.offsets.get(state) ?? 0 };
  };
  const arrayOf = (value: Value, arena: number): TypedArray => {
    const { isInArena, offset } = placeOf(network.storageOf(value));
    const start = offset + (isInArena ? arena : 0) + sizeOf(value.dtype) * network.offsetOf(value);
    return heap.view(value.dtype, start, numelOf(value.shape));
  };
  const placesOf = (job: Job): Place[] => [
    ...[...job.reads, ...job.writes].map(placeOf),
    ...(job.checks === undefined ? [] : [{ isInArena: false, offset: heap.flag }]),
    ...(job.kernel?.scratchBytes
      ? [{ isInArena: true, offset: plan.scratch.get(job) ?? 0 }]
      : []),
  ];

  let arena = 0;
  /** The reference loop of a job, or of one whose check has found something. */
  const callReference = (number: number): void => {
    const { steps: [step], checks } = jobs[number];
    const { primitive, inputs, output, attributes } = step;
    const zeros = ({ dtype, shape }: Value): ArrayValue => (
      { shape, data: allocate(dtype, numelOf(shape)) }
    );
    if (checks === undefined) {
      const read = inputs.map((value) => ({ shape: value.shape, data: arrayOf(value, arena) }));
      const written = { shape: output.shape, data: arrayOf(output, arena) };
      // A loop may count on zeros, and the place has been used before.
      written.data.fill(0);
      primitive.compute(read, written, attributes);
    } else {
      const read = inputs.map((value, i) => (i === checks ? valueNow(value) : zeros(value)));
      primitive.compute(read, zeros(output), attributes);
    }
  };
  const valueNow = (value: Value): ArrayValue => {
    const { shape, dtype } = value;
    const maker = network.maker(value);
    const isThere = network.isStored(value) || maker === undefined;
    if (isThere) return { shape, data: arrayOf(value, arena) };
    const data = allocate(dtype, numelOf(shape));
    maker.primitive.compute(maker.inputs.map(valueNow), { shape, data }, maker.attributes);
    return { shape, data };
  };

  const code = codeOf(jobs, placesOf, heap, callReference, options);
  return {
    schedule: scheduled,
    plan,
    wat: code.wat,
    run: (tensors, watch) => {
      arena = heap.arena(plan.bytes);
      // State moves in, when it is first used and when somebody has given it another array.
      for (const [value, home] of homes) {
        const tensor = tensorFor(value, tensors);
        if (tensor === undefined || tensor.data === home) continue;
        home.set(tensor.data);
        tensor.moveTo(home);
      }
      for (const value of plan.offsets.keys()) {
        const argument = tensorFor(value, tensors);
        if (argument) arrayOf(value, arena).set(argument.data);
      }
      code.run(arena, watch);
      const dataOf = (value: Value): TypedArray => {
        const outside = tensorFor(network.storageOf(value), tensors);
        const start = network.offsetOf(value);
        return outside
          ? outside.data.subarray(start, start + numelOf(value.shape))
          : arrayOf(value, arena);
      };
      const results = program.results.map((value) => (
        tensorFor(value, tensors) ?? new Tensor(specOf(value), dataOf(value).slice())
      ));
      // All new values are taken before any state changes: one may be another's old value.
      const isCopied = program.writes.filter(
        ({ state, value }) => plan.inState.get(network.storageOf(value)) !== state,
      );
      const taken = isCopied.map(({ state, value }) => [state, dataOf(value).slice()] as const);
      for (const [state, data] of taken) {
        const home = homes.get(state);
        if (home) home.set(data);
        else tensorFor(state, tensors)?.assign(new Tensor(specOf(state), data));
      }
      for (const { state } of program.writes) tensorFor(state, tensors)?.noteAssigned();
      return program.rebuild(results);
    },
  };
}

function specOf({ shape, dtype }: Value): Spec {
  return { shape, dtype };
}

/**
 * Running a program: its kernels become one WebAssembly module, with a function that calls them in
 * order on places in memory that are decided ahead. Where an op has no kernel, its reference loop
 * is called, on the same memory. Or the kernels become JavaScript, and give the same bits.
 *
 * A call puts arguments into the arena, runs, and copies results out of it. State is changed where
 * it lies, or, if its old value is needed to the end, copied there last.
 */
import * as k from '@mambagrad/kernel';
import { call, i32, type Imports, Module, when } from '@mambagrad/wasm';
import { allocate, type TypedArray } from '../dtype.ts';
import { describe, numelOf, type Spec, TensorError } from '../shape.ts';
import { type Home, homes, Tensor, type Value as ArrayValue } from '../tensor.ts';
import { theHeap } from './heap.ts';
import { type Plan, planMemory } from './plan.ts';
import { type Job, type Schedule, schedule } from './schedule.ts';
import type { Program, Value } from './trace.ts';

export interface BindOptions {
  readonly backend: 'wasm' | 'js';
  /** Whether products and sums in one step may be rounded once. */
  readonly fuse: boolean;
}

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

export function bind(program: Program, { backend, fuse }: BindOptions): Executable {
  const heap = theHeap();
  const plan = schedule(program, constantsOf(program));
  const { jobs, network } = plan;
  const memory = planMemory(program, plan);

  // State and constants move in.
  const placed = new Map<Value, Home>();
  const tensorFor = ({ from }: Value, tensors: readonly Tensor[]): Tensor | undefined => {
    if (from === 'step') return undefined;
    return 'argument' in from ? tensors[from.argument] : from.captured;
  };
  const inMemory = [...jobs.flatMap(({ reads }) => reads), ...program.writes.map((w) => w.state)];
  for (const value of inMemory) {
    if (value.from === 'step' || 'argument' in value.from || placed.has(value)) continue;
    const { captured } = value.from;
    const home = homes.get(captured.data) ?? heap.house(captured.data);
    captured.moveTo(home);
    placed.set(value, home);
  }

  /** Where a value lies: at a place of its own, or so far into the arena. */
  const placeOf = (value: Value): { readonly isInArena: boolean; readonly offset: number } => {
    const state = memory.inState.get(value) ?? value;
    const home = placed.get(state);
    if (home) return { isInArena: false, offset: home.start };
    return { isInArena: true, offset: memory.offsets.get(state) ?? 0 };
  };
  const arrayOf = (value: Value, arena: number): TypedArray => {
    const { isInArena, offset } = placeOf(network.storageOf(value));
    return heap.view(value.dtype, offset + (isInArena ? arena : 0), numelOf(value.shape));
  };
  const placesOf = (job: Job) => [
    ...[...job.reads, ...job.writes].map(placeOf),
    ...(job.checks === undefined ? [] : [{ isInArena: false, offset: heap.flag }]),
    ...(job.kernel?.scratchBytes
      ? [{ isInArena: true, offset: memory.scratch.get(job) ?? 0 }]
      : []),
  ];

  const used = new Set<Tensor | number>();
  const assigned = new Set<Tensor | number>();
  const note = (to: Set<Tensor | number>, { from }: Value): void => {
    if (from !== 'step') to.add('argument' in from ? from.argument : from.captured);
  };
  for (const { inputs } of program.steps) for (const value of inputs) note(used, value);
  for (const { state, value } of program.writes) {
    for (const one of [state, value]) note(used, one);
    note(assigned, state);
  }
  /** An argument that is captured as well must not change as one of the two alone. */
  const refuseShared = (tensor: Tensor, argument: number): void => {
    if (!used.has(tensor) || !(assigned.has(tensor) || assigned.has(argument))) return;
    throw new TensorError(
      `compile: argument ${argument}, ${describe(tensor)}, is also captured by the function, ` +
        'which assigns to it; use one of the two',
    );
  };

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
    if (network.isStored(value) || maker === undefined) return { shape, data: arrayOf(value, arena) };
    const data = allocate(dtype, numelOf(shape));
    maker.primitive.compute(maker.inputs.map(valueNow), { shape, data }, maker.attributes);
    return { shape, data };
  };

  // One function for each different kernel.
  const texts = jobs.map(({ kernel }) => kernel && k.printKernel(kernel));
  const first = texts.map((text) => texts.indexOf(text));
  const nameOf = (number: number): string => `${number} ${jobs[number].name}`;
  /** Made anew when it is asked for: to keep it would take more memory than all else here. */
  const assemble = (): Module => {
    const module = new Module();
    const shared = !(heap.memory.buffer instanceof ArrayBuffer);
    module.importMemory('host', 'memory', shared ? { min: 0, max: 65536, shared } : { min: 0 });
    const reference = module.importFunction('host', 'reference', { job: 'i32' }, 'none');
    const functions = jobs.map(({ kernel }, number) => (
      kernel && first[number] === number
        ? module.export(k.addKernel(module, { ...kernel, name: nameOf(number) }, { fuse }))
        : undefined
    ));
    const run = module.function('run', { arena: 'i32' }, 'none', ({ arena: start }) => (
      jobs.flatMap((job, number) => {
        const made = functions[first[number]];
        if (made === undefined) return [call(reference, { job: number })];
        const places = placesOf(job).map(({ isInArena, offset }) => (
          isInArena ? i32.add(start, offset) : i32.const(offset)
        ));
        const names = Object.keys(made.parameters);
        const given = Object.fromEntries(names.map((name, i) => [name, places[i]]));
        const check = [when(i32.load(heap.flag), [call(reference, { job: number })])];
        return [call(made, given), ...(job.checks === undefined ? [] : check)];
      })
    ));
    module.export(run);
    return module;
  };
  type Exports = Record<string, (...args: number[]) => void>;
  const imports: Imports = { host: { memory: heap.memory, reference: callReference } };
  const exports = backend === 'wasm' ? assemble().instantiate<Exports>(imports) : undefined;

  const scripts: { buffer?: object; functions: ((...args: number[]) => void)[] } = { functions: [] };
  const runJob = (number: number): void => {
    const { kernel, checks } = jobs[number];
    if (kernel === undefined) return callReference(number);
    if (exports === undefined && scripts.buffer !== heap.memory.buffer) {
      scripts.buffer = heap.memory.buffer;
      scripts.functions = [];
    }
    const own = exports?.[nameOf(first[number])] ??
      (scripts.functions[first[number]] ??= k.compileJavaScript(kernel, heap.memory.buffer));
    own(...placesOf(jobs[number]).map(({ isInArena, offset }) => offset + (isInArena ? arena : 0)));
    if (checks !== undefined && heap.view('i32', heap.flag, 1)[0] !== 0) callReference(number);
  };

  return {
    schedule: plan,
    plan: memory,
    wat: () => assemble().wat(),
    run: (tensors, watch) => {
      tensors.forEach(refuseShared);
      arena = heap.arena(memory.bytes);
      for (const [value, home] of placed) {
        const tensor = tensorFor(value, tensors);
        if (tensor === undefined || homes.get(tensor.data) === home) continue;
        home.array.set(tensor.data);
        tensor.moveTo(home);
      }
      for (const value of memory.offsets.keys()) {
        const argument = tensorFor(value, tensors);
        if (argument) arrayOf(value, arena).set(argument.data);
      }
      heap.view('i32', heap.flag, 1)[0] = 0;
      if (exports && !watch) exports.run(arena);
      else {
        jobs.forEach((job, number) => {
          runJob(number);
          watch?.(job);
        });
      }
      const dataOf = (value: Value): TypedArray => {
        const outside = tensorFor(network.storageOf(value), tensors);
        return outside ? outside.data : arrayOf(value, arena);
      };
      const results = program.results.map((value) => {
        const itself = tensorFor(value, tensors);
        if (itself && !program.constants.has(itself)) return itself;
        return new Tensor(specOf(value), dataOf(value).slice());
      });
      // All new values are taken before any state changes: one may be another's old value.
      const isCopied = program.writes.filter(
        ({ state, value }) => memory.inState.get(network.storageOf(value)) !== state,
      );
      const taken = isCopied.map(({ state, value }) => [state, dataOf(value).slice()] as const);
      for (const [state, data] of taken) {
        const home = placed.get(state);
        if (home) home.array.set(data);
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

/**
 * Linking a program, from plan and code to a function; and running it. A run copies arguments into
 * the arena, runs the code, and copies results out. State is changed in place, or, if its old value
 * is needed to the end, copied there last.
 */
import { whyNoFunctions } from '@mambagrad/wasm';
import { arrayFor } from '../../core/memory.ts';
import { check } from '../../core/shape.ts';
import { type NDArray, Tensor } from '../../core/tensor.ts';
import { type CodeOptions, codeOf } from '../emit/code.ts';
import { constantsOf } from '../fusion/constants.ts';
import { baseOf, isMaterialized } from '../fusion/materialization.ts';
import { AddressMap, tensorFor } from '../memory/addresses.ts';
import { remembered } from '../memory/bodyAddresses.ts';
import { type Heap, theHeap } from '../memory/heap.ts';
import { type Plan, planMemory } from '../memory/plan.ts';
import type { Pass } from '../passes/simplify.ts';
import { type KernelCall, type Schedule, schedule } from '../schedule/schedule.ts';
import type { Stage } from '../schedule/stages.ts';
import type { Program, Value, Write } from '../trace/trace.ts';

/** A program that is ready to run. */
export interface Executable {
  readonly program: Program;
  readonly schedule: Schedule;
  readonly plan: Plan;
  /** Which kernels can run at the same time, in order. */
  stages(): Stage[];
  /** The module in WebAssembly's text format. */
  wat(): string;
  /**
   * Runs on the arguments' different tensors, in order, on one thread or more; `watch` is called
   * after each kernel call.
   */
  run(tensors: readonly Tensor[], threads?: number, watch?: (call: KernelCall) => void): unknown;
  /** Gives back its memory and its code in other threads; it can be looked at, but not run. */
  release(): void;
}

function zeros({ shape, dtype }: Value): NDArray {
  return { shape, data: arrayFor('compile', { shape, dtype }) };
}

/** Options of `link`. */
export interface LinkOptions extends Omit<CodeOptions, 'backend'> {
  /** Default: the best that there is here. */
  readonly backend: CodeOptions['backend'] | undefined;
  /** The passes to leave out. Default none. */
  readonly without?: ReadonlySet<Pass>;
}

/** The backend that was asked for, or the best one that there is here. */
function backendFor(asked: LinkOptions['backend'], { whyNoWasm }: Heap): CodeOptions['backend'] {
  check(asked !== 'wasm' || !whyNoWasm)`compile: backend is 'wasm', but ${whyNoWasm}; expected 'js',
    or none, for the best there is`;
  const backend = asked ?? (whyNoWasm ? 'js' : 'wasm');
  const whyNoJs = backend === 'js' ? whyNoFunctions() : undefined;
  check(!whyNoJs || asked === 'js')`compile: no backend can be used here, neither 'wasm'
    (${whyNoWasm}) nor 'js' (${whyNoJs})`;
  check(!whyNoJs)`compile: backend is 'js', but ${whyNoJs}`;
  return backend;
}

/** A program with its schedule, its memory plan and its addresses. */
interface LinkedProgram {
  readonly program: Program;
  /** The arguments that the program reads, with their numbers. */
  readonly given: readonly (readonly [Value, number])[];
  /** Whether each result is a fresh tensor; state and arguments are returned as themselves. */
  readonly isFresh: readonly boolean[];
  /** The new values of state that are not made in its memory, but copied there last. */
  readonly copied: readonly Write[];
  readonly scheduled: Schedule;
  readonly plan: Plan;
  readonly heap: Heap;
  readonly addresses: AddressMap;
}

/** Schedules a program, plans its memory, emits its code, and links all of it: ready to run. */
export function link(program: Program, options: LinkOptions): Executable {
  const heap = theHeap();
  const backend = backendFor(options.backend, heap);
  const scheduled = schedule(program, constantsOf(program), options.without);
  const plan = planMemory(program, scheduled, options.without);
  check(plan.bytes <= heap.mostBytes)`compile: the program needs ${plan.bytes} bytes for its values,
    and memory has at most ${heap.mostBytes}; work on less at a time: smaller batches, shorter
    sequences`;
  const addresses = new AddressMap(program, scheduled, plan, heap);
  const transfers = transfersOf(program, scheduled, plan);
  const linked = { program, scheduled, plan, heap, addresses, ...transfers };
  const code = codeOf({
    calls: scheduled.calls, addressesOf: (call) => addresses.ofCall(call),
    bodyOf: remembered((call) => addresses.ofBody(call)), plan, heap,
    reference: referenceLoops(linked),
  }, { ...options, backend });
  const refuseShared = sharingCheck(program);
  return {
    program,
    schedule: scheduled,
    plan,
    stages: code.stages,
    wat: code.wat,
    release: () => {
      addresses.release();
      code.release();
    },
    run: (tensors, threads = 1, watch) => {
      refuseShared(tensors);
      // The other threads wait for the next loop of the program that called this one.
      const count = heap.isRunning ? 1 : threads;
      return heap.withArena(plan.bytes + count * plan.threadLocalBytes, (arena) =>
        addresses.within(arena, () => run(linked, tensors, () => code.run(arena, count, watch))),
      );
    },
  };
}

/** What each run copies in and out. */
function transfersOf(
  { results, writes, constants }: Program, { materialization }: Schedule,
  { offsets, donated }: Plan,
): Pick<LinkedProgram, 'given' | 'isFresh' | 'copied'> {
  return {
    given: Array.from(offsets.keys()).flatMap((value) =>
      typeof value.from === 'number' ? [[value, value.from] as const] : [],
    ),
    isFresh: results.map(({ from }) =>
      from === 'step' || (from instanceof Tensor && constants.has(from)),
    ),
    copied: writes.filter(
      ({ state, value }) => donated.get(baseOf(materialization, value)) !== state,
    ),
  };
}

/** Throws if an argument is captured as well, and would change as one of the two alone. */
function sharingCheck({ steps, writes }: Program): (tensors: readonly Tensor[]) => void {
  if (writes.length === 0) return () => undefined;
  const assigned = new Set(writes.map(({ state }) => state.from));
  const used = new Set([...assigned, ...writes.map(({ value }) => value.from)]);
  for (const { inputs } of steps) for (const { from } of inputs) used.add(from);
  return (tensors) => tensors.forEach((tensor, argument) => {
    const isShared = used.has(tensor) && (assigned.has(tensor) || assigned.has(argument));
    check(!isShared)`compile: argument ${argument}, ${tensor}, is also captured by the function,
      which assigns to it; use one of the two`;
  });
}

/**
 * Runs the reference loop of the call of a number, or of the op whose check has found something.
 */
function referenceLoops(
  { program, scheduled, heap, addresses }: LinkedProgram,
): (number: number) => void {
  const { calls, materialization } = scheduled;
  // An op whose results are computed each by itself has one loop for all.
  const producers = new Map(
    program.steps.flatMap((step) => step.outputs.map((output) => [output, step])),
  );
  /**
   * A value for a reference loop; a copy where memory is not shared: the loop may call other
   * programs, and memory that grows for them detaches its views.
   */
  const valueNow = (value: Value): NDArray => {
    const producer = producers.get(value);
    if (!producer || isMaterialized(materialization, value)) {
      const data = addresses.arrayOf(value);
      return { shape: value.shape, data: heap.shared ? data : data.slice() };
    }
    const made = producer.outputs.map(zeros);
    producer.primitive.compute(producer.inputs.map(valueNow), made, producer.attributes);
    return made[producer.outputs.indexOf(value)];
  };
  return (number) => {
    const { steps: [step], checks } = calls[number];
    const { primitive, inputs, outputs, attributes } = producers.get(step.outputs[0]) ?? step;
    const isCall = checks === undefined;
    const read = inputs.map(
      (value, i) => (isCall || i === checks ? valueNow(value) : zeros(value)),
    );
    const isInPlace = isCall && heap.shared;
    const written = outputs.map((output): NDArray => {
      if (!isInPlace) return zeros(output);
      // A loop may rely on zeros, and this memory has been used before.
      return { shape: output.shape, data: addresses.arrayOf(output).fill(0) };
    });
    primitive.compute(read, written, attributes);
    if (!isCall || isInPlace) return;
    outputs.forEach((output, i) => addresses.arrayOf(output).set(written[i].data));
  };
}

/** A run: arguments go into the arena, `runCode` works on them, results and new state come out. */
function run(
  { program, given, isFresh, copied, addresses }: LinkedProgram,
  tensors: readonly Tensor[],
  runCode: () => void,
): unknown {
  const { results, writes, rebuild } = program;
  // What can fail for want of memory comes first: a run that fails changes nothing.
  const arrays = results.map((value, i) => (isFresh[i] ? arrayFor('compile', value) : undefined));
  const newValues = copied.map(({ value }) => arrayFor('compile', value));
  addresses.moveIn();
  for (const [value, argument] of given) addresses.arrayOf(value).set(tensors[argument].data);
  runCode();
  const returned = arrays.map((array, i) => {
    const value = results[i];
    if (array === undefined) return tensorFor(value, tensors);
    array.set(addresses.valuesOf(value, tensors));
    return new Tensor(value, array);
  });
  // All new values are taken before any state changes: one may be another's old value.
  copied.forEach(({ value }, i) => newValues[i].set(addresses.valuesOf(value, tensors)));
  copied.forEach(({ state }, i) => {
    const allocation = addresses.allocations.get(state);
    if (allocation) allocation.array.set(newValues[i]);
    else tensorFor(state, tensors)?.assign(new Tensor(state, newValues[i]));
  });
  for (const { state } of writes) tensorFor(state, tensors)?.noteAssigned();
  return rebuild(returned);
}

/**
 * The code of a program, which calls its kernels in order, on addresses that are fixed ahead of
 * time. There are two backends:
 *
 *     wasm    one WebAssembly module (module.ts), whose function `run` all threads execute
 *     js      a JavaScript function for each kernel, called one by one in the main thread
 *
 * An op without a kernel runs its reference loop, on the same memory.
 */
import * as k from '@mambagrad/kernel';
import { compileModule, instantiate, type SharedProgram } from '@mambagrad/wasm';
import type { Heap } from '../memory/heap.ts';
import type { Plan } from '../memory/plan.ts';
import { addressIn } from '../schedule/address.ts';
import type { KernelCall } from '../schedule/kernelCall.ts';
import {
  type AddressedBody, type AddressedLoop, type Copy, type Stage, stagesOf,
} from '../schedule/stages.ts';
import {
  type AddressedCalls, countShared, type HostFunctions, type ModuleOptions, moduleOf,
  type RunFunction,
} from './module.ts';

/** What the code is made for. */
export interface CodeOptions extends Pick<ModuleOptions, 'fuse'> {
  /** What kernels become. */
  readonly backend: 'wasm' | 'js';
  /** Whether JavaScript kernels throw when they access memory in a wrong way. Default false. */
  readonly isGuarded?: boolean;
  /** Gives the number of threads of the first call, which are started while code is made. */
  readonly threads?: (() => number) | undefined;
}

/** A program whose values have their addresses. */
export interface AddressedProgram extends AddressedCalls {
  /** The memory plan, with the size of the arena. */
  readonly plan: Plan;
  /** Runs the reference loop of the call of this number, or of the op that it checks. */
  readonly reference: (number: number) => void;
}

/** Code that is ready to run. */
export interface Code {
  /**
   * Runs all calls, with the arena at an address, and after it the scratch memory of each of so
   * many threads; `watch` is called after each call.
   */
  run(arena: number, threads: number, watch?: (call: KernelCall) => void): void;
  /** The stages that are run, in order. */
  stages(): Stage[];
  /** The module in WebAssembly's text format. */
  wat(): string;
  /** Lets other threads drop their copies of it. */
  release(): void;
}

/** Code of one of the backends. */
type Runner = Pick<Code, 'run' | 'release'>;

/** Makes the code of a program, for one of the backends. */
export function codeOf(
  program: AddressedProgram,
  { backend, fuse, isGuarded = false, threads = () => 1 }: CodeOptions,
): Code {
  const { heap } = program;
  const { run, release } =
    backend === 'wasm' ? wasmRunner(program, fuse, threads) : scriptRunner(program, isGuarded);
  let flag = heap.view('i32', heap.flag, 1);
  return {
    run: (arena, threads, watch) => {
      // When memory that is not shared grows, its old views have no elements.
      if (flag.length === 0) flag = heap.view('i32', heap.flag, 1);
      flag[0] = 0;
      run(arena, threads, watch);
    },
    // One thread runs JavaScript, kernel by kernel.
    stages: () => stagesOf(program, backend === 'js').map(
      (stage) => ({ ...stage, isShared: stage.isShared && backend === 'wasm' }),
    ),
    // Made anew when it is asked for: to keep it would take more memory than all else here.
    wat: () => moduleOf(program, stagesOf(program, false), { fuse, isWatched: false }).wat(),
    release,
  };
}

/** A module that is ready to run. */
interface Loaded {
  readonly run: RunFunction;
  /** How many loops threads share. */
  readonly loops: number;
  /** The same, for the other threads. */
  readonly program: SharedProgram;
}

function load(
  program: AddressedProgram, options: ModuleOptions, host: HostFunctions, threads: () => number,
): Loaded {
  const { memory, threads: pool } = program.heap;
  const stages = stagesOf(program, options.isWatched);
  const loops = countShared(stages);
  // They take as long to start as the code takes to be made.
  if (loops > 0) pool.prepare(threads());
  const bytes = moduleOf(program, stages, options).bytes();
  const imports = { memory, watchdog: pool.watchdog, ...host };
  const { run } = instantiate<{ run: RunFunction }>(compileModule(bytes), { host: imports });
  return { run, loops, program: pool.share(run, bytes, loops) };
}

/** Runs a program as WebAssembly; with a watcher from another module, made when it is needed. */
function wasmRunner(
  program: AddressedProgram, fuse: boolean, firstThreads: () => number,
): Runner {
  const { calls, plan: { bytes, threadLocalBytes: stride }, heap, reference } = program;
  let watcher: ((call: KernelCall) => void) | undefined;
  const host: HostFunctions = { reference, watch: (number) => watcher?.(calls[number]) };
  const plain = load(program, { fuse, isWatched: false }, host, firstThreads);
  let watched: Loaded | undefined;
  const run: Code['run'] = (arena, threads, watch) => {
    if (watch) watched ??= load(program, { fuse, isWatched: true }, host, () => threads);
    const loaded = (watch && watched) ?? plain;
    watcher = watch;
    const own = arena + bytes;
    if (threads === 1 || loaded.loops === 0) return loaded.run(arena, own, 0, 1, 0);
    heap.threads.run(loaded.program, { arena, own, stride, threads }, (loop) =>
      loaded.run(arena, own, 0, threads, loop),
    );
  };
  const release = (): void => {
    for (const loaded of [plain, watched]) if (loaded) heap.threads.release(loaded.program);
  };
  return { run, release };
}

/** Runs a program as JavaScript, kernel by kernel. */
function scriptRunner(program: AddressedProgram, isGuarded: boolean): Runner {
  const { calls, plan, heap, reference } = program;
  const scriptOf = scriptCache(heap, isGuarded);
  const run: Runner['run'] = (arena, _threads, watch) => {
    /** Runs a call of the program, or of a loop in it, in these iterations of the loops around. */
    const runCall = (
      { addressesOf, bodyOf }: AddressedBody, call: KernelCall, iterations: readonly number[],
      number: number,
    ): void => {
      const { kernel, checks, loop } = call;
      if (loop) return runLoop(bodyOf(call), iterations, number);
      if (kernel === undefined) return reference(number);
      const addresses = addressesOf(call).map((address) => addressIn(address, iterations, arena));
      const scratch = kernel.scratchBytes > 0 ? [arena + plan.bytes] : [];
      scriptOf(kernel, call)(...addresses, ...scratch);
      if (checks !== undefined && heap.view('i32', heap.flag, 1)[0] !== 0) reference(number);
    };
    const runLoop = (body: AddressedLoop, around: readonly number[], number: number): void => {
      for (const copy of body.before) copyBytes(heap, copy, around, arena);
      for (let i = 0; i < body.length; i++) {
        for (const call of body.calls) runCall(body, call, [...around, i], number);
      }
      for (const copy of body.after) copyBytes(heap, copy, around, arena);
    };
    calls.forEach((call, number) => {
      runCall(program, call, [], number);
      watch?.(call);
    });
  };
  return { run, release: () => {} };
}

function copyBytes(
  heap: Heap, { from, to, bytes }: Copy, iterations: readonly number[], arena: number,
): void {
  const source = heap.view('i32', addressIn(from, iterations, arena), bytes / 4);
  heap.view('i32', addressIn(to, iterations, arena), bytes / 4).set(source);
}

/** The kernels of all programs as JavaScript, for the memory as it is: one that grew is another. */
const scripts = new WeakMap<object, WeakMap<k.Kernel, k.CompiledKernel>>();

/** Compiles each kernel once; under guard once for this program, whose calls say what is filled. */
function scriptCache(
  { memory }: Heap, isGuarded: boolean,
): (kernel: k.Kernel, call: KernelCall) => k.CompiledKernel {
  const all = isGuarded ? new WeakMap<object, WeakMap<k.Kernel, k.CompiledKernel>>() : scripts;
  const compile = (kernel: k.Kernel, { reads, writes }: KernelCall): k.CompiledKernel => {
    if (!isGuarded) return k.compileJavaScript(kernel, memory.buffer);
    const filled = kernel.parameters.slice(reads.length, reads.length + writes.length);
    return k.compileGuarded(kernel, memory.buffer, filled);
  };
  return (kernel, call) => {
    const ofMemory = all.get(memory.buffer) ?? new WeakMap<k.Kernel, k.CompiledKernel>();
    all.set(memory.buffer, ofMemory);
    const script = ofMemory.get(kernel) ?? compile(kernel, call);
    ofMemory.set(kernel, script);
    return script;
  };
}

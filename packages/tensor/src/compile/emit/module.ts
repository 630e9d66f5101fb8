/**
 * The WebAssembly module of a program: a function for each region of its kernels, and one, `run`,
 * that calls them in order, on addresses that are fixed ahead of time. Every thread executes `run`,
 * stage by stage (stages.ts):
 *
 *     shared stage        all threads together, each doing some of the iterations
 *     any other           the main thread alone: if self = 0 { … }
 *     fence               the main thread calls the host: a reference loop, or a watcher
 */
import * as k from '@mambagrad/kernel';
import {
  addWorkSharing, call, type Callable, type Expression, i32, type Local, MAX_PAGES, Module,
  type Operand, type Statement, type Statements, when,
} from '@mambagrad/wasm';
import type { Heap } from '../memory/heap.ts';
import type { KernelCall } from '../schedule/schedule.ts';
import { type Address, type Stage, stagesOf, type Task } from '../schedule/stages.ts';

/** The kernel calls of a program in order, and their addresses in memory. */
export interface AddressedCalls {
  readonly calls: readonly KernelCall[];
  /** The addresses of the parameters of a call's kernel, in order. */
  readonly addressesOf: (call: KernelCall) => readonly Address[];
  readonly heap: Heap;
}

/** What the module is made for. */
export interface ModuleOptions {
  /** Whether products and sums in one step may be rounded once. */
  readonly fuse: boolean;
  /** Whether the host's `watch` is called after each kernel call. */
  readonly isWatched: boolean;
}

const runParameters = {
  arena: 'i32', own: 'i32', self: 'i32', threads: 'i32', loop: 'i32',
} as const;

/**
 * The exported function: the addresses of the arena and of a thread's own memory, the number of the
 * thread and how many there are, and the number of the first shared loop.
 */
export type RunFunction = (
  arena: number, own: number, self: number, threads: number, loop: number,
) => void;

/** What `run` calls in the host, with the number of a kernel call: reference loops, a watcher. */
export type HostFunctions = Readonly<Record<'reference' | 'watch', (number: number) => void>>;

type HostFunction = Callable<{ number: 'i32' }, 'none'>;

/** All that the code of `run` refers to. */
interface Context {
  readonly calls: readonly KernelCall[];
  readonly stages: readonly Stage[];
  /** The functions of each kernel's regions. */
  readonly functions: ReadonlyMap<k.Kernel, readonly k.RegionFunction[]>;
  readonly reference: HostFunction;
  /** Undefined if nobody watches. */
  readonly watch: HostFunction | undefined;
  /** Makes the code of a shared loop; undefined where there is none. */
  readonly share: ReturnType<typeof addWorkSharing> | undefined;
  /** The address where checks say that they have found something. */
  readonly flag: number;
  /** Parameters and locals of `run`. */
  readonly locals: Readonly<
    Record<keyof typeof runParameters | 'iteration' | 'completed', Local<'i32'>>
  >;
}

/** Makes the module, and counts its shared loops. */
export function moduleOf(
  { calls, addressesOf, heap: { shared, flag } }: AddressedCalls,
  { fuse, isWatched }: ModuleOptions,
): { module: Module; loops: number } {
  const stages = stagesOf(calls, addressesOf, isWatched);
  const loops = stages.filter(({ isShared }) => isShared).length;
  const module = new Module();
  module.importMemory('host', 'memory', shared ? { min: 0, max: MAX_PAGES, shared } : { min: 0 });
  const [reference, watch] = ['reference', 'watch'].map((name) =>
    module.importFunction('host', name, { number: 'i32' }, 'none'),
  );
  const watchdog = module.importFunction('host', 'watchdog', {}, 'none');
  const share = shared && loops > 0 ? addWorkSharing(module, watchdog) : undefined;
  const functions = addKernels(module, calls, fuse);
  const run = module.function('run', runParameters, 'none', (given, { local }) => {
    const own = { iteration: local('iteration', 'i32'), completed: local('completed', 'i32') };
    const locals = { ...given, ...own };
    const host = { reference, watch: isWatched ? watch : undefined };
    return runBody({ calls, stages, functions, ...host, share, flag, locals });
  });
  module.export(run);
  return { module, loops };
}

/** Adds each kernel that the calls use, once. */
function addKernels(
  module: Module, calls: readonly KernelCall[], fuse: boolean,
): Map<k.Kernel, k.RegionFunction[]> {
  const kernels = [...new Set(calls.flatMap(({ kernel }) => kernel ?? []))];
  return new Map(kernels.map((kernel, i) => [
    kernel, k.addRegions(module, { ...kernel, name: `${i} ${kernel.name}` }, { fuse }),
  ]));
}

function runBody(context: Context): Statements {
  const { stages, share, locals: { self } } = context;
  const code: Statements[] = [];
  /** What only the main thread does, up to the next shared loop. */
  let alone: Statement[] = [];
  const endAlone = (): void => {
    if (alone.length > 0) code.push([when(i32.eqz(self), alone)]);
    alone = [];
  };
  let loops = 0;
  for (const { tasks, isShared, fence } of stages) {
    if (share && isShared) {
      endAlone();
      code.push(sharedLoop({ ...context, share }, tasks, loops++));
    } else {
      alone.push(...allIterations(context, tasks));
    }
    if (fence !== undefined) alone.push(...fenceAfter(context, fence));
  }
  endAlone();
  return code;
}

/** One thread does all iterations of all tasks. */
function allIterations(context: Context, tasks: readonly Task[]): Statement[] {
  return tasks.map((task) => callRegion(context, task, 0, task.iterations ?? 1));
}

/** Some iterations of a region, if it is a parallel loop. */
function callRegion(
  { functions, locals: { arena, own } }: Context, { kernel, region, addresses }: Task,
  from: Operand<'i32'>, to: Operand<'i32'>,
): Statement {
  const absolute = addresses.map(({ isInArena, offset }): Expression<'i32'> =>
    isInArena ? i32.add(arena, offset) : i32.const(offset),
  );
  const regions = functions.get(kernel);
  if (regions === undefined) throw new Error(`run: kernel ${kernel.name} is not in the module`);
  return k.callRegion(regions[region], absolute, own, from, to);
}

/** All threads share the iterations of all tasks; if there is one thread, it just does them. */
function sharedLoop(
  context: Context & { readonly share: NonNullable<Context['share']> },
  tasks: readonly Task[],
  number: number,
): Statements {
  const { share, locals } = context;
  const { loop, iteration, threads } = locals;
  // Each task has the iterations that follow those of the tasks before it.
  let [count, body]: [number, Statement[]] = [0, []];
  for (const task of tasks) {
    const first = i32.sub(iteration, count);
    const run = callRegion(context, task, first, i32.add(first, 1));
    body = count === 0 ? [run] : [when(i32.ge_u(iteration, count), [run], body)];
    count += task.iterations ?? 1;
  }
  const together = share(i32.add(loop, number), count, locals, body);
  return [when(i32.eq(threads, 1), allIterations(context, tasks), [together])];
}

/** The end of a kernel call: its reference loop, if that is needed, and the call of the watcher. */
function fenceAfter({ calls, reference, watch, flag }: Context, number: number): Statement[] {
  const { kernel, checks } = calls[number];
  const refer = call(reference, { number });
  const code: Statement[] = [];
  if (kernel === undefined) code.push(refer);
  if (checks !== undefined) code.push(when(i32.load(flag), [refer]));
  if (watch !== undefined) code.push(call(watch, { number }));
  return code;
}

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
  addWorkSharing, assembled, branchIf, call, type Callable, callPushed, CodeWriter, i32,
  type Local, loop, MAX_PAGES, Module, set, type Statement, type Statements, when,
} from '@mambagrad/wasm';
import type { Heap } from '../memory/heap.ts';
import type { Address } from '../schedule/address.ts';
import type { KernelCall } from '../schedule/kernelCall.ts';
import {
  type AddressedBody, type Copy, type Stage, type StageLoop, type Task,
} from '../schedule/stages.ts';

/** The kernel calls of a program in order, and their addresses in memory. */
export interface AddressedCalls extends AddressedBody {
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
  /** The functions of each kernel's regions. */
  readonly functions: ReadonlyMap<k.Kernel, readonly k.RegionFunction[]>;
  readonly reference: HostFunction;
  /** Undefined without a watcher. */
  readonly watch: HostFunction | undefined;
  /** Makes the code of a shared loop; undefined where there is none. */
  readonly share: ReturnType<typeof addWorkSharing> | undefined;
  /** The address where checks say that they have found something. */
  readonly flag: number;
  /** Parameters and locals of `run`. */
  readonly locals: Readonly<
    Record<keyof typeof runParameters | 'iteration', Local<'i32'>>
  >;
  /** The iterations of the loops around, the outermost first. */
  readonly counters: readonly Local<'i32'>[];
  /** Whether the main thread runs them alone, within a loop. */
  readonly isAlone: boolean;
  /** The number of the call whose reference loop a check in a loop leads to. */
  readonly outermost: number | undefined;
}

/** Makes the module of a program in these stages. */
export function moduleOf(
  { calls, heap: { shared, flag } }: AddressedCalls, stages: readonly Stage[],
  { fuse, isWatched }: ModuleOptions,
): Module {
  const module = new Module();
  module.importMemory('host', 'memory', shared ? { min: 0, max: MAX_PAGES, shared } : { min: 0 });
  const [reference, watch] = ['reference', 'watch'].map((name) =>
    module.importFunction('host', name, { number: 'i32' }, 'none'),
  );
  const watchdog = module.importFunction('host', 'watchdog', {}, 'none');
  const share = shared && countShared(stages) > 0 ? addWorkSharing(module, watchdog) : undefined;
  const functions = addKernels(module, calls, fuse);
  const run = module.function('run', runParameters, 'none', (given, { local }) => {
    const locals = { ...given, iteration: local('iteration', 'i32') };
    const counters = Array.from({ length: depthOf(stages) }, (_, i) => local(`t${i}`, 'i32'));
    const host = { reference, watch: isWatched ? watch : undefined };
    const place = { counters, isAlone: false, outermost: undefined };
    return runStages({ calls, functions, ...host, share, flag, locals, ...place }, stages);
  });
  module.export(run);
  return module;
}

/** How many shared loops are run in all, those within a loop once in each iteration. */
export function countShared(stages: readonly Stage[]): number {
  return stages.reduce((count, { isShared, loop: inner }) => {
    const within = inner ? inner.length * countShared(inner.stages) : 0;
    return count + within + (isShared ? 1 : 0);
  }, 0);
}

/** How many loops are nested. */
function depthOf(stages: readonly Stage[]): number {
  return Math.max(0, ...stages.map(({ loop: inner }) => (inner ? 1 + depthOf(inner.stages) : 0)));
}

/** All kernels that the calls use, those in loops among them. */
function kernelsIn(calls: readonly KernelCall[]): k.Kernel[] {
  return calls.flatMap(({ kernel, loop: inner }) => (
    inner ? kernelsIn(inner.body.calls) : kernel ?? []
  ));
}

/** Adds each kernel that the calls use, once. */
function addKernels(
  module: Module, calls: readonly KernelCall[], fuse: boolean,
): Map<k.Kernel, k.RegionFunction[]> {
  const kernels = [...new Set(kernelsIn(calls))];
  return new Map(kernels.map((kernel, i) => [
    kernel, k.addRegions(module, kernel, { fuse }, `${i} ${kernel.name}`),
  ]));
}

function runStages(context: Context, stages: readonly Stage[]): Statements {
  const { share, isAlone, locals: { self } } = context;
  const code: Statements[] = [];
  /** What only the main thread does, up to the next shared loop. */
  let alone: Statements[] = [];
  const endAlone = (): void => {
    if (alone.length > 0) code.push(isAlone ? alone : [when(i32.eqz(self), alone)]);
    alone = [];
  };
  for (const stage of stages) {
    const { tasks, isShared, fence, loop: inner } = stage;
    const isTogether = share !== undefined && countShared([stage]) > 0;
    if (isTogether) endAlone();
    if (inner) {
      (isTogether ? code : alone).push(repeat(context, inner, isTogether));
    } else if (share && isShared) {
      code.push(sharedLoop({ ...context, share }, tasks));
    } else {
      alone.push(allIterations(context, tasks));
    }
    if (fence !== undefined) alone.push(fenceAfter(context, fence));
  }
  endAlone();
  return code;
}

/** A loop of stages: by all threads, which share some of them, or by the main thread alone. */
function repeat(
  context: Context, { depth, length, before, after, stages, call: number, ...body }: StageLoop,
  isTogether: boolean,
): Statements {
  const { counters, locals: { self }, outermost = number } = context;
  const counter = counters[depth];
  const byMain = (statements: Statements): Statements =>
    isTogether && statements.length > 0 ? [when(i32.eqz(self), statements)] : statements;
  const inner: Context = { ...context, ...body, outermost, isAlone: !isTogether };
  return [
    byMain(before.map((copy) => copyBytes(context, copy))),
    set(counter, 0),
    loop('next', (next) => [
      runStages(inner, stages),
      set(counter, i32.add(counter, 1)),
      branchIf(next, i32.lt_u(counter, length)),
    ]),
    byMain(after.map((copy) => copyBytes(context, copy))),
  ];
}

function copyBytes(context: Context, { from, to, bytes }: Copy): Statement {
  const code = new CodeWriter();
  pushAddress(context, code, to);
  pushAddress(context, code, from);
  return assembled(code.i32(bytes).op('memory.copy', [0, 0]).all());
}

/** Pushes the address in this iteration of the loops around. */
function pushAddress(context: Context, code: CodeWriter, address: Address): void {
  const { counters, locals: { arena } } = context;
  const { isInArena, offset, moves = [], exceptions = [] } = address;
  for (const { address: instead } of exceptions) pushAddress(context, code, instead);
  if (isInArena) code.get(arena).i32(offset).op('i32.add');
  else code.i32(offset);
  for (const { depth, bytes } of moves) {
    code.get(counters[depth]).i32(bytes).op('i32.mul').op('i32.add');
  }
  // The last exception chooses first, and the first one, which goes before all others, last.
  for (const { depth, when: iteration } of exceptions.toReversed()) {
    code.get(counters[depth]);
    if (iteration === 'odd') code.i32(1).op('i32.and');
    else code.i32(iteration).op('i32.eq');
    code.select();
  }
}

/** One thread does all iterations of all tasks. */
function allIterations(context: Context, tasks: readonly Task[]): Statements {
  return tasks.map((task) => callRegion(context, task));
}

/**
 * Calls a region. If it is a parallel loop, for all iterations, or for the one that the thread has
 * claimed, given the number of the first one (`first`) among those of the stage. A program has
 * hundreds of addresses, so they are written as bytes at once.
 */
function callRegion(
  context: Context, { kernel, region, addresses }: Task, first?: number,
): Statement {
  const { functions, locals: { own, iteration } } = context;
  const regions = functions.get(kernel);
  if (regions === undefined) throw new Error(`run: kernel ${kernel.name} is not in the module`);
  const { run, iterations } = regions[region];
  const code = new CodeWriter();
  for (const address of addresses) pushAddress(context, code, address);
  if (iterations !== undefined) {
    code.get(own);
    if (first === undefined) code.i32(0).i32(iterations);
    else for (const from of [first, first - 1]) code.get(iteration).i32(from).op('i32.sub');
  }
  return callPushed(run, code.all());
}

/** All threads share the iterations of all tasks. */
function sharedLoop(
  context: Context & { readonly share: NonNullable<Context['share']> },
  tasks: readonly Task[],
): Statements {
  const { share, locals } = context;
  // Each task has the iterations that follow those of the tasks before it.
  let [count, body]: [number, Statement[]] = [0, []];
  for (const task of tasks) {
    const run = callRegion(context, task, count);
    body = count === 0 ? [run] : [when(i32.ge_u(locals.iteration, count), [run], body)];
    count += task.iterations ?? 1;
  }
  return share(count, locals, body);
}

/**
 * The end of a kernel call: its reference loop, if that is needed, and the call of the watcher. In
 * a loop it is the reference loop of the outermost one, which finds again what is wrong.
 */
function fenceAfter(
  { calls, reference, watch, flag, outermost }: Context, number: number,
): Statements {
  const { kernel, loop: inner, checks } = calls[number];
  const refer = call(reference, { number: outermost ?? number });
  const code: Statement[] = [];
  if (kernel === undefined && inner === undefined) code.push(refer);
  if (checks !== undefined) code.push(when(i32.load(flag), [refer]));
  if (watch !== undefined && outermost === undefined) code.push(call(watch, { number }));
  return code;
}

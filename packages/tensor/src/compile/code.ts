/**
 * The code of a program: one WebAssembly module with functions for the different kernels, and one,
 * `run`, that calls them in order on places in memory that are decided ahead. All threads run it:
 * what is not parallel is left to the main one. Where an op has no kernel, its reference loop is
 * called, on the same memory. Or the kernels become JavaScript, one by one.
 */
import * as k from '@mambagrad/kernel';
import {
  addSharing, call, type Expression, i32, instantiate, Module, type Shared, type Statement,
  type Statements, when,
} from '@mambagrad/wasm';
import type { Heap } from './heap.ts';
import type { Job } from './schedule.ts';

export interface CodeOptions {
  readonly backend: 'wasm' | 'js';
  /** Whether products and sums in one step may be rounded once. */
  readonly fuse: boolean;
}

/** A place in memory, or in the arena. */
export interface Place {
  readonly isInArena: boolean;
  readonly offset: number;
}

export interface Code {
  /**
   * Runs all jobs, with the arena at an address, and behind it scratch memory for each of so many
   * threads; `watch` is called after each job.
   */
  run(arena: number, threads: number, watch?: (job: Job) => void): void;
  /** The module in WebAssembly's text format. */
  wat(): string;
}

const runParameters = {
  arena: 'i32', own: 'i32', self: 'i32', threads: 'i32', loop: 'i32',
} as const;
type Run = (arena: number, own: number, self: number, threads: number, loop: number) => void;

/** What a program calls for a job: its reference loop, or what watches it. */
type Host = Readonly<Record<'reference' | 'watch', (number: number) => void>>;

/** `reference(number)` runs the reference loop of a job, or of what its check has found wrong. */
export function codeOf(
  jobs: readonly Job[],
  placesOf: (job: Job) => readonly Place[],
  { arenaBytes, ownBytes }: { readonly arenaBytes: number; readonly ownBytes: number },
  heap: Heap,
  reference: (number: number) => void,
  { backend, fuse }: CodeOptions,
): Code {
  const { shared, memory } = heap;
  const kernels = [...new Set(jobs.flatMap(({ kernel }) => kernel ?? []))];
  const loops = jobs.flatMap(({ kernel }) => kernel?.phases ?? [])
    .filter(({ rounds }) => rounds !== undefined).length;
  /** Made anew when it is asked for: to keep it would take more memory than all else here. */
  const assemble = (isWatched: boolean): Module => {
    const module = new Module();
    module.importMemory('host', 'memory', shared ? { min: 0, max: 65536, shared } : { min: 0 });
    const [host, watch] = ['reference', 'watch'].map((name) =>
      module.importFunction('host', name, { job: 'i32' }, 'none'),
    );
    const late = module.importFunction('host', 'late', {}, 'none');
    const share = shared && loops > 0 ? addSharing(module, late) : undefined;
    const functions = kernels.map((kernel, i) =>
      k.addPhases(module, { ...kernel, name: `${i} ${kernel.name}` }, { fuse }),
    );
    const run = module.function('run', runParameters, 'none', (given, { local }) => {
      const { arena, own, self, threads, loop } = given;
      const locals = { self, threads, round: local('round', 'i32'), mine: local('mine', 'i32') };
      const code: Statements[] = [];
      /** What only the main thread does, up to the next loop. */
      let alone: Statement[] = [];
      const endAlone = (): void => {
        if (alone.length > 0) code.push([when(i32.eqz(self), alone)]);
        alone = [];
      };
      let count = 0;
      jobs.forEach((job, number) => {
        const { kernel, checks } = job;
        if (kernel === undefined) alone.push(call(host, { job: number }));
        const places = placesOf(job).map(({ isInArena, offset }): Expression<'i32'> =>
          isInArena ? i32.add(arena, offset) : i32.const(offset),
        );
        for (const phase of kernel ? functions[kernels.indexOf(kernel)] : []) {
          if (phase.rounds === undefined) {
            alone.push(k.callPhase(phase, places, 0));
            continue;
          }
          endAlone();
          const all = k.callPhase(phase, places, own, 0, phase.rounds);
          const { round } = locals;
          const one = k.callPhase(phase, places, own, round, i32.add(round, 1));
          const together = share?.(i32.add(loop, count++), phase.rounds, locals, one);
          code.push(together ? [when(i32.eq(threads, 1), [all], [together])] : [all]);
        }
        if (checks !== undefined) {
          alone.push(when(i32.load(heap.flag), [call(host, { job: number })]));
        }
        if (isWatched) alone.push(call(watch, { job: number }));
      });
      endAlone();
      return code;
    });
    module.export(run);
    return module;
  };
  let watched = (_job: Job): void => undefined;
  const host: Host = { reference, watch: (number) => watched(jobs[number]) };
  const start = (isWatched: boolean): { run: Run; program: Shared } => {
    const module = assemble(isWatched).compile();
    const imports = { memory, late: heap.threads.late, ...host };
    const { run } = instantiate<{ run: Run }>(module, { host: imports });
    return { run, program: heap.threads.share(run, module, loops) };
  };
  const program = backend === 'wasm' ? start(false) : undefined;
  let watchedProgram: typeof program;

  /** Made of JavaScript for the memory as it is now: when it grows it is another buffer. */
  let scripts = new Map<k.Kernel, k.Run>();
  let scriptsFor: object | undefined;
  const scriptOf = (kernel: k.Kernel): k.Run => {
    if (scriptsFor !== memory.buffer) scripts = new Map();
    scriptsFor = memory.buffer;
    const script = scripts.get(kernel) ?? k.compileJavaScript(kernel, memory.buffer);
    scripts.set(kernel, script);
    return script;
  };
  const runScript = (job: Job, number: number, arena: number): void => {
    const { kernel, checks } = job;
    if (kernel === undefined) return reference(number);
    const places = placesOf(job).map(({ isInArena, offset }) => offset + (isInArena ? arena : 0));
    scriptOf(kernel)(...places, ...(kernel.scratchBytes > 0 ? [arena + arenaBytes] : []));
    if (checks !== undefined && heap.view('i32', heap.flag, 1)[0] !== 0) reference(number);
  };
  return {
    wat: () => assemble(false).wat(),
    run: (arena, threads, watch) => {
      heap.view('i32', heap.flag, 1)[0] = 0;
      if (program) {
        const one = watch ? (watchedProgram ??= start(true)) : program;
        watched = watch ?? watched;
        const own = arena + arenaBytes;
        if (threads === 1 || loops === 0) return one.run(arena, own, 0, 1, 0);
        const told = { arena, own, stride: ownBytes, threads };
        return heap.threads.run(one.program, told, (loop) => one.run(arena, own, 0, threads, loop));
      }
      jobs.forEach((job, number) => {
        runScript(job, number, arena);
        watch?.(job);
      });
    },
  };
}

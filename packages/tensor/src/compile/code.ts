/**
 * The code of a program: one WebAssembly module with functions for the different kernels, and one,
 * `run`, that calls them in order on places in memory that are decided ahead. All threads run it:
 * what is not parallel is left to the main one. Where an op has no kernel, its reference loop is
 * called, on the same memory. Or the kernels become JavaScript, one by one.
 */
import * as k from '@mambagrad/kernel';
import {
  addSharing, call, type Expression, i32, instantiate, Module, type Operand, type Shared,
  type Statement, type Statements, when,
} from '@mambagrad/wasm';
import type { Heap } from './heap.ts';
import type { Plan } from './plan.ts';
import type { Job } from './schedule.ts';
import { type Place, stagesOf, type Work } from './stages.ts';

export interface CodeOptions {
  readonly backend: 'wasm' | 'js';
  /** Whether products and sums in one step may be rounded once. */
  readonly fuse: boolean;
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
  { bytes: arenaBytes, ownBytes }: Plan,
  heap: Heap,
  reference: (number: number) => void,
  { backend, fuse }: CodeOptions,
): Code {
  const { shared, memory } = heap;
  const kernels = [...new Set(jobs.flatMap(({ kernel }) => kernel ?? []))];
  /** Made anew when it is asked for: to keep it would take more memory than all else here. */
  const assemble = (isWatched: boolean): { module: Module; loops: number } => {
    const stages = stagesOf(jobs, placesOf, isWatched);
    const loops = stages.filter(({ isShared }) => isShared).length;
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
      /** Some rounds of a phase, if it has rounds. */
      const callOf = (
        { kernel, phase, places }: Work, from: Operand<'i32'>, to: Operand<'i32'>,
      ): Statement => {
        const addresses = places.map(({ isInArena, offset }): Expression<'i32'> =>
          isInArena ? i32.add(arena, offset) : i32.const(offset),
        );
        return k.callPhase(functions[kernels.indexOf(kernel)][phase], addresses, own, from, to);
      };
      let count = 0;
      for (const { works, isShared, ends } of stages) {
        const all = works.map((work) => callOf(work, 0, work.rounds ?? 1));
        if (share && isShared) {
          endAlone();
          // Each work has the rounds that follow those of the works before it.
          let [rounds, one]: [number, Statement[]] = [0, []];
          for (const work of works) {
            const own = i32.sub(locals.round, rounds);
            const run = callOf(work, own, i32.add(own, 1));
            one = rounds === 0 ? [run] : [when(i32.ge_u(locals.round, rounds), [run], one)];
            rounds += work.rounds ?? 1;
          }
          const together = share(i32.add(loop, count++), rounds, locals, one);
          code.push([when(i32.eq(threads, 1), all, [together])]);
        } else {
          alone.push(...all);
        }
        if (ends === undefined) continue;
        const { kernel, checks } = jobs[ends];
        const refer = call(host, { job: ends });
        if (kernel === undefined) alone.push(refer);
        if (checks !== undefined) alone.push(when(i32.load(heap.flag), [refer]));
        if (isWatched) alone.push(call(watch, { job: ends }));
      }
      endAlone();
      return code;
    });
    module.export(run);
    return { module, loops };
  };
  const ignore = (_job: Job): void => undefined;
  let watched = ignore;
  const host: Host = { reference, watch: (number) => watched(jobs[number]) };
  const start = (isWatched: boolean): { run: Run; loops: number; program: Shared } => {
    const { module, loops } = assemble(isWatched);
    const compiled = module.compile();
    const imports = { memory, late: heap.threads.late, ...host };
    const { run } = instantiate<{ run: Run }>(compiled, { host: imports });
    return { run, loops, program: heap.threads.share(run, compiled, loops) };
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
    wat: () => assemble(false).module.wat(),
    run: (arena, threads, watch) => {
      heap.view('i32', heap.flag, 1)[0] = 0;
      if (program) {
        const one = watch ? (watchedProgram ??= start(true)) : program;
        watched = watch ?? ignore;
        const own = arena + arenaBytes;
        if (threads === 1 || one.loops === 0) return one.run(arena, own, 0, 1, 0);
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

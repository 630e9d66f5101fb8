/**
 * The code of a program: one WebAssembly module with a function for each different kernel, and one
 * that calls them in order on places in memory that are decided ahead. Where an op has no kernel,
 * its reference loop is called, on the same memory. Or the kernels become JavaScript, one by one.
 */
import * as k from '@mambagrad/kernel';
import { call, i32, Module, when } from '@mambagrad/wasm';
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
  /** Runs all jobs, with the arena at an address; `watch` is called after each. */
  run(arena: number, watch?: (job: Job) => void): void;
  /** The module in WebAssembly's text format. */
  wat(): string;
}

type Run = (...places: number[]) => void;

/** `reference(number)` runs the reference loop of a job, or of what its check has found wrong. */
export function codeOf(
  jobs: readonly Job[],
  placesOf: (job: Job) => readonly Place[],
  heap: Heap,
  reference: (number: number) => void,
  { backend, fuse }: CodeOptions,
): Code {
  const { shared, memory } = heap;
  const nameOf = (kernel: k.Kernel): string => `${kernels.indexOf(kernel)} ${kernel.name}`;
  const kernels = [...new Set(jobs.flatMap(({ kernel }) => kernel ?? []))];
  /** Made anew when it is asked for: to keep it would take more memory than all else here. */
  const assemble = (): Module => {
    const module = new Module();
    module.importMemory('host', 'memory', shared ? { min: 0, max: 65536, shared } : { min: 0 });
    const host = module.importFunction('host', 'reference', { job: 'i32' }, 'none');
    const functions = kernels.map((kernel) =>
      module.export(k.addKernel(module, { ...kernel, name: nameOf(kernel) }, { fuse })),
    );
    const run = module.function('run', { arena: 'i32' }, 'none', ({ arena }) =>
      jobs.flatMap((job, number) => {
        const { kernel, checks } = job;
        if (kernel === undefined) return [call(host, { job: number })];
        const own = functions[kernels.indexOf(kernel)];
        const places = placesOf(job).map(({ isInArena, offset }) =>
          isInArena ? i32.add(arena, offset) : i32.const(offset),
        );
        const given = Object.keys(own.parameters).map((key, i) => [key, places[i]]);
        const check = when(i32.load(heap.flag), [call(host, { job: number })]);
        return [call(own, Object.fromEntries(given)), ...(checks === undefined ? [] : [check])];
      }),
    );
    module.export(run);
    return module;
  };
  const exports = backend === 'wasm'
    ? assemble().instantiate<Record<string, Run>>({ host: { memory, reference } })
    : undefined;

  /** Made of JavaScript for the memory as it is now: when it grows it is another buffer. */
  let scripts = new Map<k.Kernel, Run>();
  let scriptsFor: object | undefined;
  const scriptOf = (kernel: k.Kernel): Run => {
    if (scriptsFor !== memory.buffer) scripts = new Map();
    scriptsFor = memory.buffer;
    const script = scripts.get(kernel) ?? k.compileJavaScript(kernel, memory.buffer);
    scripts.set(kernel, script);
    return script;
  };
  const runJob = (job: Job, number: number, arena: number): void => {
    const { kernel, checks } = job;
    if (kernel === undefined) return reference(number);
    const places = placesOf(job).map(({ isInArena, offset }) => offset + (isInArena ? arena : 0));
    (exports?.[nameOf(kernel)] ?? scriptOf(kernel))(...places);
    if (checks !== undefined && heap.view('i32', heap.flag, 1)[0] !== 0) reference(number);
  };
  return {
    wat: () => assemble().wat(),
    run: (arena, watch) => {
      heap.view('i32', heap.flag, 1)[0] = 0;
      if (exports && !watch) exports.run(arena);
      else {
        jobs.forEach((job, number) => {
          runJob(job, number, arena);
          watch?.(job);
        });
      }
    },
  };
}

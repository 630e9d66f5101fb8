/**
 * A kernel as WebAssembly: a function for each of its phases, in a module that may hold many. The
 * code inside them is in functionBody.ts.
 */
import {
  call, type Expression, features, type HostMemory, i32, type Local, Module, Names, type Operand,
  type Statement as Code, type ValueType,
} from '@mambagrad/wasm';
import { boolean, readOptions, type Table } from '@mambagrad/wasm/options';
import type { Kernel } from '../language/kernel.ts';
import { emit, wasmType } from './functionBody.ts';
import type { KernelFunction } from './inductionVariables.ts';
import type { Run } from './javascript.ts';

/** How kernels are made into WebAssembly: options of `compileWebAssembly` and `addPhases`. */
export interface EmitOptions {
  /**
   * Whether `mulAdd` of vectors is rounded once, where the engine can (relaxed SIMD). Default
   * false.
   */
  readonly fuse?: boolean | undefined;
}

const emitOptions = { fuse: boolean.orElse(false) } satisfies Table<EmitOptions>;

/** A phase as a function: a parallel one of the first round and the one behind the last, too. */
export interface PhaseFunction {
  /**
   * Takes the kernel's parameters and, if it has any, the byte where its scratch memory starts; a
   * parallel phase also where the thread's own scratch memory starts, and the range of rounds,
   * `from` up to but not including `to`.
   */
  readonly run: KernelFunction;
  /** The number of rounds of a parallel phase; undefined where one thread does it all. */
  readonly rounds: number | undefined;
}

/** Compiles a kernel to WebAssembly, to run on a memory, in one thread. */
export function compileWebAssembly(
  kernel: Kernel, memory: HostMemory, options: EmitOptions = {},
): Run {
  const module = new Module();
  const shared = !(memory.buffer instanceof ArrayBuffer);
  module.importMemory('host', 'memory', shared ? { min: 0, max: 65536, shared } : { min: 0 });
  const phases = addPhases(module, kernel, options);
  const run = module.function('run', parametersOf(kernel), 'none', (given) => {
    const { scratch } = given as Record<string, Local<'i32'> | undefined>;
    const own = scratch ? i32.add(scratch, kernel.scratchBytes - kernel.ownBytes) : 0;
    return phases.map((phase) => callPhase(phase, Object.values(given), own, 0, phase.rounds));
  });
  module.export(run);
  return module.instantiate<{ run: Run }>({ host: { memory } }).run;
}

/** Calls a phase with what its kernel takes, and, if it is parallel, some of its rounds. */
export function callPhase(
  { run, rounds }: PhaseFunction,
  given: readonly (Expression | number)[], own: Operand<'i32'>,
  from: Operand<'i32'> = 0, to: Operand<'i32'> = 0,
): Code {
  const values = rounds === undefined ? given : [...given, own, from, to];
  const keys = Object.keys(run.parameters);
  return call(run, Object.fromEntries(keys.map((key, i) => [key, values[i] as Operand<'i32'>])));
}

/** What a kernel takes, with types: its parameters and, if it has any, its scratch memory. */
function parametersOf(kernel: Kernel): Record<string, ValueType> {
  const names = new Names(['scratch', 'own', 'from', 'to']);
  const parameters = kernel.parameters.map((one): [string, ValueType] => (
    [names.of(one), 'node' in one ? wasmType(one) : 'i32']
  ));
  if (kernel.scratchBytes > 0) parameters.push(['scratch', 'i32']);
  return Object.fromEntries(parameters);
}

/** Adds a kernel to a module, as a function for each phase. */
export function addPhases(
  module: Module, kernel: Kernel, options: EmitOptions = {},
): PhaseFunction[] {
  const { fuse } = readOptions(`kernel ${kernel.name}`, options, emitOptions);
  const fuses = fuse && features().relaxedSimd;
  return kernel.phases.map(({ body, rounds }, i) => {
    const name = kernel.phases.length > 1 ? `${kernel.name}, phase ${i}` : kernel.name;
    const more = rounds === undefined ? {} : { own: 'i32', from: 'i32', to: 'i32' } as const;
    const parameters: Record<string, ValueType> = { ...parametersOf(kernel), ...more };
    const run = module.function(name, parameters, 'none', (given, self) => {
      const values = Object.values(given);
      const locals = new Map(kernel.parameters.map((one, p) => [one, values[p]] as const));
      return emit(kernel, body, { module, self, given, locals, fuses });
    });
    return { run, rounds };
  });
}

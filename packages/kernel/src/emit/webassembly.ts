/**
 * A kernel as WebAssembly: a function for each of its regions, in a module that may contain many
 * kernels. The bodies of the functions are emitted by functionBody.ts.
 */
import {
  assembled, callInOrder, type Expression, features, type HostMemory, i32, type Local,
  MAX_PAGES, Module, Names, type Operand, type Statement as Code, type ValueType,
} from '@mambagrad/wasm';
import { boolean, readOptions, type Table } from '@mambagrad/wasm/options';
import type { Kernel, Region } from '../language/kernel.ts';
import { emit, loadConstants } from './functionBody.ts';
import { wasmType } from './functionExpression.ts';
import type { KernelFunction } from './inductionVariables.ts';
import type { CompiledKernel } from './javascript.ts';

/** Options of `compileWebAssembly` and `addRegions`. */
export interface EmitOptions {
  /**
   * Whether `mulAdd` of vectors is a fused multiply-add, which rounds once, where the engine has it
   * (relaxed SIMD). Default false.
   */
  readonly fuse?: boolean | undefined;
}

const emitOptions = { fuse: boolean.orElse(false) } satisfies Table<EmitOptions>;

/** A region of a kernel as a function. */
export interface RegionFunction {
  /**
   * Takes the kernel's parameters and the address of its scratch memory, if it has any. A parallel
   * region also takes the address of the thread-local memory and a range of iterations, from `from`
   * up to `to`, which is excluded.
   */
  readonly run: KernelFunction;
  /** The number of iterations of a parallel region; undefined of a serial one. */
  readonly iterations: number | undefined;
}

/** Compiles a kernel to WebAssembly, to run on a memory in one thread. */
export function compileWebAssembly(
  kernel: Kernel, memory: HostMemory, options: EmitOptions = {},
): CompiledKernel {
  const module = new Module();
  const shared = !(memory.buffer instanceof ArrayBuffer);
  module.importMemory('host', 'memory', shared ? { min: 0, max: MAX_PAGES, shared } : { min: 0 });
  const regions = addRegions(module, kernel, options);
  const run = module.function('run', parametersOf(kernel), 'none', (given) => {
    const { scratch } = given as Record<string, Local<'i32'> | undefined>;
    const own = scratch ? i32.add(scratch, kernel.scratchBytes - kernel.threadLocalBytes) : 0;
    return regions.map((region) =>
      callRegion(region, Object.values(given), own, 0, region.iterations),
    );
  });
  module.export(run);
  return module.instantiate<{ run: CompiledKernel }>({ host: { memory } }).run;
}

/** Calls a region with what its kernel takes, and, if it is parallel, some of its iterations. */
export function callRegion(
  { run, iterations }: RegionFunction,
  given: readonly (Expression | number)[], own: Operand<'i32'>,
  from: Operand<'i32'> = 0, to: Operand<'i32'> = 0,
): Code {
  const values = iterations === undefined ? given : [...given, own, from, to];
  return callInOrder(run, values as readonly Operand<'i32'>[]);
}

/** The parameters of a kernel with their types, and the address of its scratch memory, if any. */
function parametersOf(kernel: Kernel): Record<string, ValueType> {
  const names = new Names(['scratch', 'own', 'from', 'to']);
  const parameters = kernel.parameters.map((one): [string, ValueType] => (
    [names.of(one), 'node' in one ? wasmType(one) : 'i32']
  ));
  if (kernel.scratchBytes > 0) parameters.push(['scratch', 'i32']);
  return Object.fromEntries(parameters);
}

/**
 * Adds a kernel to a module, under its own name or another: a function for each region. Its code is
 * emitted once, whichever modules it is added to.
 */
export function addRegions(
  module: Module, kernel: Kernel, options: EmitOptions = {}, name: string = kernel.name,
): RegionFunction[] {
  const regions = emittedRegions(kernel, isFusing(kernel, options));
  return kernel.regions.map(({ iterations }, i) => {
    const { like, constants, bytes } = regions[i];
    const code = [loadConstants(module, constants), bytes].map(assembled);
    const run = module.functionLike(like, nameOf(kernel, name, i), code);
    return { run, iterations };
  });
}

/** The code of a region, to be put into any module. */
interface EmittedRegion extends ReturnType<typeof emit> {
  /** A function with its parameters and locals. */
  readonly like: KernelFunction;
}

/** The regions of kernels that were emitted, with fused multiply-add and without. */
const [fused, plain] = [0, 1].map(() => new WeakMap<Kernel, EmittedRegion[]>());

function emittedRegions(kernel: Kernel, fuses: boolean): EmittedRegion[] {
  const made = fuses ? fused : plain;
  let regions = made.get(kernel);
  if (regions === undefined) {
    regions = kernel.regions.map((region) => emitRegion(kernel, region, fuses));
    made.set(kernel, regions);
  }
  return regions;
}

function emitRegion(kernel: Kernel, { body, iterations }: Region, fuses: boolean): EmittedRegion {
  const more = iterations === undefined ? {} : { own: 'i32', from: 'i32', to: 'i32' } as const;
  let emitted: ReturnType<typeof emit> = { constants: [], bytes: new Uint8Array() };
  const parameters: Record<string, ValueType> = { ...parametersOf(kernel), ...more };
  const like = new Module().function(kernel.name, parameters, 'none', (given, self) => {
    const values = Object.values(given);
    const locals = new Map(kernel.parameters.map((one, p) => [one, values[p]] as const));
    emitted = emit(kernel, body, { self, given, locals, fuses });
    return [];
  });
  // What is kept does not refer to the module.
  return { ...emitted, like: { ...like, home: kernel } };
}

function isFusing({ name }: Kernel, options: EmitOptions): boolean {
  return readOptions(`kernel ${name}`, options, emitOptions).fuse && features().relaxedSimd;
}

/** The name of the function of the i-th region. */
function nameOf({ regions }: Kernel, name: string, i: number): string {
  return regions.length > 1 ? `${name}, region ${i}` : name;
}

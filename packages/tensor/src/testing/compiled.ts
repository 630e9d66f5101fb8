/**
 * The checks of compiled programs. WebAssembly and JavaScript give the same bits, as near to
 * float64 as eager ops are; and so does a program whose kernels run under guard, cut as finely as
 * they can be, which finds accesses out of range and rounds that depend on each other.
 */
import * as k from '@mambagrad/kernel';
import type { Tensor } from '../core/tensor.ts';
import { theHeap } from '../compile/memory/heap.ts';
import { simplify } from '../compile/passes/simplify.ts';
import { link } from '../compile/run/run.ts';
import { trace } from '../compile/trace/trace.ts';
import { nudged, requireNear, requireSame, type Results } from './compare.ts';
import { leafOf } from './derivatives.ts';

/** A function of tensors whose results are compared. */
export type Body = (...inputs: Tensor[]) => Results;

/** A function and what it is compared for. */
export interface Compared {
  readonly body: Body;
  /** Its inputs, f32 or i32. */
  readonly inputs: readonly Tensor[];
  /** Whether compiled results have to be the bits of eager ones. */
  readonly exact: boolean;
}

type Options = Pick<Parameters<typeof link>[1], 'backend' | 'isGuarded'>;

/** The function as a program: compiled with some options, it gives its results at each call. */
function programOf({ body, inputs }: Compared): (options: Options) => () => Results {
  const traced = trace((...args) => body(...(args as Tensor[])), inputs);
  const program = simplify(traced, false);
  const tensors = [...new Set(inputs)];
  return (options) => {
    const executable = link(program, { ...options, fuse: false });
    return () => executable.run(tensors) as Results;
  };
}

/** A function compiled for tensors of the shapes of `inputs`, by the best backend there is. */
export function compiledOf(
  body: Body, inputs: readonly Tensor[],
): (given: readonly Tensor[]) => Results {
  const program = simplify(trace((...args) => body(...(args as Tensor[])), inputs), false);
  const executable = link(program, { backend: undefined, fuse: false });
  return (given) => executable.run(given) as Results;
}

/** Throws unless a function gives compiled what it gives eagerly, and the same again. */
export function checkCompiled(compared: Compared): void {
  const compiled = programOf(compared);
  const script = compiled({ backend: 'js' });
  const found = script();
  if (theHeap().whyNoWasm === undefined) {
    const module = compiled({ backend: 'wasm' });
    requireSame('in WebAssembly', module(), found, ', as in JavaScript');
    requireSame('in JavaScript when it runs again', script(), found);
    requireSame('in WebAssembly when it runs again', module(), found);
  }
  requireRight('in JavaScript', found, compared);
}

/** Throws unless the function's kernels access memory rightly, however they are cut. */
export function checkGuarded(compared: Compared): void {
  const compiled = programOf(compared);
  const run = k.withFinestChunks(() => compiled({ backend: 'js', isGuarded: true }));
  requireRight('in JavaScript under guard', run(), compared);
}

function requireRight(what: string, found: Results, { body, inputs, exact }: Compared): void {
  if (exact) return requireSame(what, found, body(...inputs));
  const inDouble = body(...inputs.map((input) => leafOf(input, 'f64')));
  requireNear(what, found, eagerly(body, inputs), inDouble, inputs);
}

/** The results of a function for its inputs, and then for inputs that are nudged. */
function* eagerly(body: Body, inputs: readonly Tensor[]): Iterable<Results> {
  yield body(...inputs);
  for (const seed of [1, 2, 3]) yield body(...inputs.map((input) => nudged(input, seed)));
}

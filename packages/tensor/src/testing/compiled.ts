/**
 * The check of compiled programs: WebAssembly and JavaScript give the same bits, both are as near to
 * float64 as eager ops, and so is a program whose kernels run under guard, cut as finely as can be.
 */
import * as k from '@mambagrad/kernel';
import type { Tensor } from '../core/tensor.ts';
import { theHeap } from '../compile/memory/heap.ts';
import { dropUnused, shareEqual } from '../compile/passes/simplify.ts';
import { bind } from '../compile/run/run.ts';
import { trace } from '../compile/trace/trace.ts';
import { nudged, requireNear, requireSame, type Results } from './compare.ts';
import { leafOf } from './derivatives.ts';

/** A function of tensors whose results are compared. */
export type Body = (...inputs: Tensor[]) => Results;

/** How the body's inputs may be given. */
export interface Given {
  /** As they are eagerly and compiled, in f32 or i32. */
  readonly inputs: readonly Tensor[];
  /** Whether compiled results have to be the bits of eager ones. */
  readonly exact: boolean;
}

/** Throws unless a function gives compiled what it gives eagerly. */
export function checkCompiled(body: Body, { inputs, exact }: Given): void {
  const program = dropUnused(shareEqual(trace(body as (...args: unknown[]) => unknown, inputs)));
  const tensors = [...new Set(inputs)];
  const run = (executable: ReturnType<typeof bind>) => executable.run(tensors) as Results;
  const script = bind(program, { backend: 'js', fuse: false });
  const found = run(script);
  const guarded = k.withFinestChunks(() =>
    bind(program, { backend: 'js', fuse: false, isGuarded: true }),
  );
  const results: [what: string, results: Results][] = [
    ['in JavaScript', found], ['in kernels that run under guard', run(guarded)],
  ];
  if (theHeap().whyNoWasm === undefined) {
    const module = bind(program, { backend: 'wasm', fuse: false });
    requireSame('in WebAssembly, unlike in JavaScript,', run(module), found);
    requireSame('in WebAssembly when it runs again', run(module), found);
  }
  requireSame('in JavaScript when it runs again', run(script), found);
  if (exact) {
    const eager = body(...inputs);
    for (const [what, result] of results) requireSame(what, result, eager);
    return;
  }
  const inDouble = body(...inputs.map((input) => leafOf(input, 'f64')));
  for (const [what, result] of results) {
    requireNear(what, result, eagerly(body, inputs), inDouble, inputs);
  }
}

/** The results of a function for its inputs, and then for inputs that are nudged. */
function* eagerly(body: Body, inputs: readonly Tensor[]): Iterable<Results> {
  yield body(...inputs);
  for (const seed of [1, 2, 3]) yield body(...inputs.map((input) => nudged(input, seed)));
}

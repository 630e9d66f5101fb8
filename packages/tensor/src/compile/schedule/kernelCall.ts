/** The calls that a program is scheduled as: of kernels, of loops over kernels, reference loops. */
import type * as k from '@mambagrad/kernel';
import type { Materialization } from '../fusion/materialization.ts';
import type { Loop } from '../trace/loop.ts';
import type { Step, Value } from '../trace/trace.ts';

/** A call of a kernel on values in memory, or of a reference loop. */
export interface KernelCall {
  readonly name: string;
  /** The ops that it does; of one whose results are computed each by itself, those made here. */
  readonly steps: readonly Step[];
  /** The values that it reads and writes in memory: the kernel's parameters, in order. */
  readonly reads: readonly Value[];
  readonly writes: readonly Value[];
  /** What runs; without, and without a loop, the reference loop of the only step. */
  readonly kernel: k.Kernel | undefined;
  /** The loop that runs in the place of a kernel. */
  readonly loop?: LoopCall;
  /**
   * The kernel writes 1 to its last parameter, a flag, if the reference loop of the step should
   * look at the input of this number, and throw.
   */
  readonly checks?: number;
  /** Whether a result may be in the memory of a value that is read here for the last time. */
  canAlias(read: Value, written: Value): boolean;
}

/** The kernel calls of a program, in order. */
export interface Schedule {
  readonly calls: readonly KernelCall[];
  readonly materialization: Materialization;
}

/** A loop whose body is scheduled. */
export interface LoopCall {
  readonly loop: Loop;
  readonly body: Schedule;
  /**
   * For each result of the loop the value of the body that is written to its place, by a call of
   * the body: to that of an element, if the result is a sequence.
   */
  readonly results: readonly Value[];
  /** Where each carry lies between iterations. */
  readonly homes: readonly Home[];
}

/**
 * Where a carry lies between iterations. `swap`: in two buffers in turn. `after`: in the output of
 * this number, each element of which is the carry after an iteration. `before`: in an output whose
 * elements are the carry before an iteration.
 */
export type Home =
  | { readonly kind: 'swap' }
  | { readonly kind: 'after' | 'before'; readonly output: number };

/** Whether something in a call can find that an input is wrong, and throw. */
export function canFail({ kernel, loop, checks }: KernelCall): boolean {
  if (loop) return loop.body.calls.some(canFail);
  return kernel === undefined || checks !== undefined;
}

/** A call of a step, by a kernel or its reference loop. */
export function plainCall(
  step: Step, reads: readonly Value[], kernel: k.Kernel | undefined,
): KernelCall {
  return {
    name: step.primitive.name,
    steps: [step],
    reads: [...new Set(reads)],
    writes: step.outputs,
    kernel,
    canAlias: () => false,
  };
}

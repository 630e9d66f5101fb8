/**
 * An op with a kernel, and its epilogue: ops that need the elements of its result one by one. They
 * are computed when some rows of the result are ready, while these are in the L1 cache.
 *
 *     y = silu(x·W + b):   each block of rows of x·W, when its sums are done, goes through + b and
 *                          silu, and only then to memory; x·W itself is never materialised
 *
 * What else an epilogue reads is in memory: a bias, a residual, old state. Nothing else reads the
 * result of the op itself: then it would be materialised, and as well be read from there.
 */
import * as k from '@mambagrad/kernel';
import type { Epilogue } from '../../core/lowering.ts';
import type { Value } from '../trace/trace.ts';
import { type BoundKernel, boundKernel, bufferOf, loaderFrom } from './buffers.ts';
import { elementsOf } from './elements.ts';
import { type FusionGroup, nameOf, operandOf, positionOf } from './fusionGroup.ts';

/** Emits the kernel of a group's anchor with the other ops as its epilogue. */
export function emitWithEpilogue(group: FusionGroup, needed: ReadonlySet<Value>): BoundKernel {
  const { ops, materialization } = group;
  const [anchor] = ops;
  const { step: { inputs, outputs, primitive }, lowering } = anchor;
  if (!lowering.kernel) throw new Error(`emitWithEpilogue: ${primitive.name} has no kernel`);
  const reads = new Set<Value>();
  const isAlone = ops.length === 1;
  const stored = ops.map(({ value }) => value).filter((value) => needed.has(value));
  const epilogue: Epilogue = (index, value) => {
    const registers = new Map<Value, k.Expr>();
    const load = loaderFrom(reads, registers);
    const [sets, stores]: [k.Statements[], k.Statements[]] = [[], []];
    for (const op of ops) {
      const computed = op === anchor ? value : operandOf(group, op, index, load);
      const register = k.variable('v', computed.type);
      sets.push(k.set(register, computed));
      registers.set(op.value, register);
      if (!needed.has(op.value)) continue;
      stores.push(k.store(bufferOf(op.value), positionOf(group, op, index), register));
    }
    return [sets, stores];
  };
  const elements = inputs.map((input) => elementsOf(materialization, input, loaderFrom(reads)));
  const body = lowering.kernel(elements, outputs.map(bufferOf), isAlone ? undefined : epilogue);
  return boundKernel(nameOf(group), reads, isAlone ? outputs : stored, body);
}

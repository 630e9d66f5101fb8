/**
 * Where the values of a program meet the loop language: the buffer that stands for a value in
 * memory, how its elements are loaded, and a kernel with the values that its parameters stand for.
 */
import * as k from '@mambagrad/kernel';
import { numelOf } from '../../core/shape.ts';
import type { Value } from '../trace/trace.ts';
import type { LoadElement } from './elements.ts';

const buffers = new WeakMap<Value, k.Buffer>();

/** The buffer for a materialised value. */
export function bufferOf(value: Value): k.Buffer {
  let buffer = buffers.get(value);
  if (buffer === undefined) {
    buffer = k.buffer('x', value.dtype === 'i32' ? 'i32' : 'f32', numelOf(value.shape));
    buffers.set(value, buffer);
  }
  return buffer;
}

/** A load function that takes values from registers, if they are there, and notes all others. */
export function loaderFrom(
  reads: Set<Value>, ...registers: readonly ReadonlyMap<Value, k.Expr>[]
): LoadElement {
  return (base, position) => {
    const held = registers.find((some) => some.has(base))?.get(base);
    if (held) return held;
    reads.add(base);
    return k.load(bufferOf(base), position);
  };
}

/** A kernel, and what it reads and writes in the order of its parameters. */
export interface BoundKernel {
  readonly kernel: k.Kernel;
  readonly reads: readonly Value[];
  readonly writes: readonly Value[];
}

/** A kernel on values in memory. What it writes, and only then reads, it does not need before. */
export function boundKernel(
  name: string, read: Iterable<Value>, written: Iterable<Value>, body: k.Statements,
): BoundKernel {
  const writes = [...written];
  const reads = [...read].filter((value) => !writes.includes(value));
  // Names of ops may have dots; in the code that is made of a kernel its name is one word.
  const word = name.replaceAll(/\W/g, '_');
  return { kernel: k.kernel(word, [...reads, ...writes].map(bufferOf), body), reads, writes };
}

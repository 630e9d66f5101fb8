/**
 * Buffers, and how their elements are loaded and stored. An index is brought into affine form, a
 * sum of loop counters times constants, so that emitters can compute addresses incrementally:
 *
 *     load(x, add(mul(i, 8), ramp(j)))        x[8i + j], x[8i + j + 1], … in four lanes
 *
 * A vector index reads an element for each lane: all at once if they are neighbours, else one by
 * one. Other expressions, such as a loaded index, are terms like the counters.
 */
import { CACHE_LINE } from '@mambagrad/wasm';
import {
  type Buffer, checkName, type Expr, fit, type Index, isVector, kindOf, lanesOf, type Load,
  type Operand, typeOf,
} from './expression.ts';

/**
 * The number of elements of a cache line. Chunks that write to a buffer start at multiples of it,
 * so that threads do not write to the same line (false sharing).
 */
export const LINE_ELEMENTS: number = CACHE_LINE / 4;

/** A buffer, whose address is passed to the kernel, or fixed by the option `at`, in bytes. */
export function buffer(
  name: string, kind: 'f32' | 'i32', length: number, options: { readonly at?: number } = {},
): Buffer {
  checkName('buffer', name);
  if (!Number.isInteger(length) || length < 0) {
    throw new Error(`buffer ${name}: the length is ${length}, expected a whole number from 0`);
  }
  return { name, kind, length, at: options.at, isScratch: false };
}

/** Scratch memory, for the kernel's use while it runs. Its initial contents are not defined. */
export function scratch(name: string, kind: 'f32' | 'i32', length: number): Buffer {
  return { ...buffer(name, kind, length), isScratch: true };
}

/** The element at an index, or one for each lane if the index is a vector. */
export function load(from: Buffer, index: Operand): Load {
  return placeOf('load', from, index);
}

/** An element of a buffer, or four, to be loaded or stored, with the index in affine form. */
export function placeOf(how: 'load' | 'store', buffer: Buffer, index: Operand): Load {
  const value = typeof index === 'number' ? fit(how, 'i32', index) : index;
  if (kindOf(value) !== 'i32') {
    throw new Error(`${how} ${buffer.name}: the index is ${value.type}, not i32`);
  }
  const sum: Sum = { terms: [], constant: 0, step: 0 };
  addMultiple(sum, value, 1);
  const { constant, step } = sum;
  // A copy has no room to grow, which would be the larger part of it.
  const terms = sum.terms.filter(({ times }) => times !== 0).slice();
  const hasLanes = step !== 0 || terms.some(({ of }) => isVector(of));
  const type = typeOf(buffer.kind, hasLanes ? 4 : 1);
  return { node: 'load', type, buffer, index: { terms, constant, step } };
}

/** An affine index, while it is collected. */
interface Sum {
  readonly terms: { readonly of: Expr; times: number }[];
  constant: number;
  step: number;
}

/** Adds a multiple of an expression to a sum. */
function addMultiple(sum: Sum, part: Expr, factor: number): void {
  if (part.node === 'constant') {
    sum.constant += factor * part.value;
    return;
  }
  if (part.node === 'operation') {
    const { name, inputs } = part;
    const a = inputs[0];
    const b = inputs[1];
    if (name === 'add' || name === 'sub') {
      addMultiple(sum, a, factor);
      return addMultiple(sum, b, name === 'add' ? factor : -factor);
    }
    if (name === 'mul' && a.node === 'constant') return addMultiple(sum, b, factor * a.value);
    if (name === 'mul' && b.node === 'constant') return addMultiple(sum, a, factor * b.value);
    if (name === 'splat' || name === 'ramp') {
      if (name === 'ramp') sum.step += factor;
      return addMultiple(sum, a, factor);
    }
  }
  const { terms } = sum;
  for (let i = 0; i < terms.length; i++) {
    if (terms[i].of !== part) continue;
    terms[i].times += factor;
    return;
  }
  terms.push({ of: part, times: factor });
}

/** Whether the four lanes of an index are neighbours, in order, so that one access is enough. */
export function isContiguous({ step, terms }: Index): boolean {
  return step === 1 && terms.every(({ of }) => lanesOf(of) === 1);
}

/**
 * Buffers, and where in them to read and write. An index is an affine function of loop counters,
 * worked out when it is written down, so that emitters can keep addresses in step with the loops:
 *
 *     load(x, add(mul(i, 8), consecutive(j)))        x[8i + j], x[8i + j + 1], … in four lanes
 *
 * A vector index reads an element for each lane: neighbours at once if it counts up by one, else
 * one by one. Whatever else it contains (a loaded number, say) is a term of its own.
 */
import {
  type Buffer, checkName, fit, type Index, kindOf, lanesOf, type Load, type Operand, type Value,
} from './value.ts';

/** A buffer that is passed to the kernel by its place in memory, or has its place fixed. */
export function buffer(
  name: string,
  kind: 'f32' | 'i32',
  length: number,
  options: { readonly at?: number } = {},
): Buffer {
  checkName('buffer', name);
  if (!Number.isInteger(length) || length < 0) {
    throw new Error(`buffer ${name}: the length is ${length}, expected a whole number from 0`);
  }
  return { name, kind, length, at: options.at, isScratch: false };
}

/** Memory for the kernel's own use while it runs. What it holds at first is not defined. */
export function scratch(name: string, kind: 'f32' | 'i32', length: number): Buffer {
  return { ...buffer(name, kind, length), isScratch: true };
}

/** The element at an index; those of all lanes if it is a vector. */
export function load(from: Buffer, index: Operand): Load {
  const affine = indexOf(`load ${from.name}`, index);
  const type = affine.lanes === 4 ? (`${from.kind}x4` as const) : from.kind;
  return { node: 'load', type, buffer: from, index: affine };
}

/** An index as an affine function. */
export function indexOf(taker: string, index: Operand): Index {
  const value = typeof index === 'number' ? fit(taker, 'i32', index) : index;
  if (kindOf(value) !== 'i32') throw new Error(`${taker}: the index is ${value.type}, not i32`);
  const terms = new Map<Value, number>();
  let [constant, step] = [0, 0];
  const collect = (part: Value, times: number): void => {
    const inputs = part.node === 'operation' ? part.inputs : [];
    const factor = inputs.findIndex(({ node }) => node === 'constant');
    const name = part.node === 'operation' ? part.name : part.node;
    if (part.node === 'constant') {
      constant += times * part.value;
    } else if (name === 'add' || name === 'sub') {
      collect(inputs[0], times);
      collect(inputs[1], name === 'add' ? times : -times);
    } else if (name === 'mul' && factor >= 0) {
      collect(inputs[1 - factor], times * (inputs[factor] as { value: number }).value);
    } else if (name === 'splat' || name === 'consecutive') {
      if (name === 'consecutive') step += times;
      collect(inputs[0], times);
    } else {
      terms.set(part, (terms.get(part) ?? 0) + times);
    }
  };
  collect(value, 1);
  const kept = [...terms].filter(([, times]) => times !== 0);
  const isVector = step !== 0 || kept.some(([of]) => lanesOf(of) === 4);
  return {
    terms: kept.map(([of, times]) => ({ of, times })),
    constant,
    step,
    lanes: isVector ? 4 : 1,
  };
}

/** Whether the four lanes of an index are neighbours in order, to be read or written at once. */
export function isContiguous({ step, terms }: Index): boolean {
  return step === 1 && terms.every(({ of }) => lanesOf(of) === 1);
}

/**
 * The check of reference loops: each that runs is run once more, on arrays that are guarded. A
 * typed array takes no notice of what is wrong with an index: what is read beyond its end is NaN,
 * and what is written there is lost.
 */
import { allocate, type TypedArray } from '../core/dtype.ts';
import { check, describe, failure } from '../core/shape.ts';
import { type NDArray, type Observer, type Tensor, withMode } from '../core/tensor.ts';

/** Runs `body` and checks each reference loop that it runs. Throws in the name of its op. */
export function withGuardedLoops<T>(inputs: readonly Tensor[], body: () => T): T {
  const before = inputs.map(({ data }) => data.slice());
  const result = withMode('checkPrimitive', { observer: runAgain }, body);
  inputs.forEach((input, i) => requireUnchanged('the op', input, before[i], i));
  return result;
}

const runAgain: Observer = (primitive, inputs, results, attributes) => {
  const loop = `the reference loop of ${primitive.name}`;
  if (primitive.sharesData) return requireFit(primitive.name, inputs[0], results[0]);
  const before = inputs.map(({ data }) => data.slice());
  const guarded = inputs.map((input, i) => guardedArray(input, {
    name: `element of input ${i}, ${describe(input)}`, loop, isInput: true,
  }));
  const outputs = results.map(({ shape, dtype, numel }) => (
    { shape, data: allocate(dtype, numel) }
  ));
  const guardedOutputs = outputs.map((output, i) => guardedArray(output, {
    name: `element of result ${i}, ${describe(results[i])}`, loop, isInput: false,
  }));
  primitive.compute(guarded, guardedOutputs, attributes);
  inputs.forEach((input, i) => requireUnchanged(loop, input, before[i], i));
  results.forEach((result, i) => {
    const { data } = outputs[i];
    const changed = result.data.findIndex((x: number, j: number) => !Object.is(x, data[j]));
    check(changed < 0)`${loop} gave ${result.data[changed]} as element ${changed} of result ${i},
      ${describe(result)}, and ${data[changed]} when it ran again`;
  });
};

function requireFit(name: string, input: Tensor, result: Tensor): void {
  const isRight = input.numel === result.numel && input.dtype === result.dtype;
  check(isRight)`${name} shares the data of ${describe(input)}, which does not fit the result,
    ${describe(result)}`;
}

function requireUnchanged(who: string, input: Tensor, before: TypedArray, i: number): void {
  const changed = before.findIndex((value: number, j: number) => !Object.is(value, input.data[j]));
  if (changed < 0) return;
  throw failure`${who} changes element ${changed} of input ${i}, ${describe(input)}, from
    ${before[changed]} to ${input.data[changed]}; inputs must stay as they are`;
}

interface Guarded {
  readonly loop: string;
  readonly name: string;
  readonly isInput: boolean;
}

/** An array that throws where an element is read or written that it does not have. */
function guardedArray({ shape, data }: NDArray, guarded: Guarded): NDArray {
  return { shape, data: guardedData(data, guarded) };
}

function guardedData(array: TypedArray, guarded: Guarded): TypedArray {
  const { loop, name, isInput } = guarded;
  const requireWithin = (how: string, key: string): void => {
    const index = Number(key);
    if (Number.isInteger(index) && index >= 0 && index < array.length) return;
    throw failure`${loop} ${how} [${key}], which is no ${name}; expected 0 to ${array.length - 1}`;
  };
  return new Proxy(array, {
    get(target, key) {
      if (typeof key === 'string' && isIndex(key)) {
        requireWithin('reads', key);
        return target[Number(key)];
      }
      if (key === 'subarray') {
        return (...range: number[]) => guardedData(target.subarray(...range), guarded);
      }
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set(target, key, value: number) {
      if (typeof key !== 'string' || !isIndex(key)) return Reflect.set(target, key, value, target);
      requireWithin('writes', key);
      if (isInput) throw failure`${loop} writes [${key}], an ${name}; inputs must stay as they are`;
      target[Number(key)] = value;
      return true;
    },
  });
}

/** Whether the name of a property is a number, right or wrong, and not a word. */
function isIndex(key: string): boolean {
  return key === 'NaN' || key === 'undefined' || /^-?[\d.]/.test(key) || key.endsWith('Infinity');
}

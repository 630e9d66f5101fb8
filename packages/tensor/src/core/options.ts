/**
 * The check of options and arguments, with errors of this package's class, and the kinds that have
 * to do with tensors. How it works stands in packages/wasm/src/common/options.ts.
 */
import {
  checkArgument as checkKind, instanceOf, Kind, listOf, oneOf, type Option, type Read,
  readOptions as read, whole,
} from '@mambagrad/wasm/options';
import type { DType } from './dtype.ts';
import { type Shape, TensorError } from './shape.ts';
import { Tensor } from './tensor.ts';

export {
  anything, boolean, type Bounds, callable, type FullTable, instanceOf, Kind, listOf, number,
  objectWith, oneOf, type Option, pickOptions, type Read, show, string, type Table, whole,
} from '@mambagrad/wasm/options';

/** A tensor of any shape and dtype. */
export const tensors: Kind<Tensor> = instanceOf(Tensor, 'a tensor');

/** One of the element types. */
export const dtypes: Kind<DType> = oneOf('f32', 'f64', 'i32');

/** Several tensors. */
export const tensorLists: Kind<readonly Tensor[]> = new Kind(
  'an array of tensors', listOf(tensors).accepts,
);

/** Any number that an element can be, NaN and infinities included. */
export const anyNumber: Kind<number> = new Kind('a number', (x) => typeof x === 'number');

/** The number of an axis, from the front or, if negative, from the end; ops check its range. */
export const axisNumber: Kind<number> = new Kind('the number of an axis', Number.isInteger);

/** The sizes of a tensor's axes. */
export const shapes: Kind<Shape> = new Kind(
  'an array of sizes, whole numbers from 0', listOf(whole()).accepts,
);

/**
 * Reads the options of `op` through their table. Throws a TensorError if they are no plain object
 * of options, or if one is unknown, missing, or not of its kind.
 */
export function readOptions<T extends Readonly<Record<string, Option<unknown>>>>(
  op: string, given: unknown, table: T,
): Read<T> {
  return read(op, given, table, TensorError);
}

/** Throws a TensorError unless the value of an argument of `op` is of a kind. */
export function checkArgument(op: string, name: string, value: unknown, kind: Kind<unknown>): void {
  checkKind(op, name, value, kind, TensorError);
}

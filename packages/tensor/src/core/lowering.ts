/**
 * Lowering: how an op is expressed in the loop language, so that `compile` can make kernels of it.
 * Most ops need no loop for this. They say what one element of the result is:
 *
 *     map      a function of the elements at the same place (add, exp): the inputs broadcast
 *     move     the element of the input at another index (permute, slice)
 *     element  any expression of elements of the inputs (pad, gather)
 *     fold     all elements along some axes, combined (sum, max)
 *
 * Such ops can be fused with their neighbours into one kernel. An op that has no such form gives
 * its whole `kernel` (matmul, a scan). An op without a lowering runs its reference loop.
 */
import * as k from '@mambagrad/kernel';
import type { List } from '@mambagrad/wasm';
import { boolean, number, readOptions, type Table } from '@mambagrad/wasm/options';
import {
  numelOf, sameShape, type Shape, type Spec, stridesOf, TensorError,
} from './shape.ts';

/** A position for each axis: a number, a loop counter, or, along one axis, four lanes. */
export type Index = readonly k.Operand[];

/** A tensor as its elements: an index gives an expression, a load or the computation. */
export interface Elements extends Spec {
  /** The value of the element at an index, which has a number for each axis of the shape. */
  at(index: Index): k.Expr;
}

/** A condition for an i32 input: each element must be at least 0 and less than `size`. */
export interface Bound {
  /** Which of the op's inputs, counted from 0. */
  readonly input: number;
  /** Every element must be below this number. */
  readonly size: number;
}

/** What one element of the result is, given its index; or a `kernel`, which writes all. */
export type Lowering =
  | { readonly map: (...elements: k.Expr[]) => k.Expr }
  | {
      readonly move: (index: List<k.Operand>) => Index;
      /** Where the result starts in the input's array, if it is a contiguous part of that. */
      readonly offset?: number | undefined;
    }
  | {
      readonly element: (index: List<k.Operand>, ...inputs: Elements[]) => k.Expr;
      /** Whether it is as little work as a `move`: it is recomputed rather than stored. */
      readonly isCheap?: boolean;
      /** If it does not hold, the reference loop runs, in order to throw. */
      readonly bound?: Bound;
    }
  | { readonly fold: k.Reduction; readonly axes: readonly number[] }
  | {
      readonly kernel: (
        inputs: List<Elements>, output: k.Buffer, epilogue: Epilogue | undefined,
      ) => k.Statements;
      readonly bound?: Bound;
      /** Whether the kernel hands each element of its result to `epilogue`, if there is one. */
      readonly supportsEpilogue?: boolean;
    };

/** What writes all results of an op with several. */
export interface SharedKernel {
  /** Gives the statements that write every element of each output. */
  readonly kernel: (inputs: List<Elements>, outputs: List<k.Buffer>) => k.Statements;
  /** If it does not hold, the reference loop runs, in order to throw. */
  readonly bound?: Bound;
}

/**
 * How an op with a list of results is said: each result by itself, as if it were the only one, in
 * the order of the results; or one kernel that writes them all.
 */
export type LoweringOfAll = readonly Lowering[] | SharedKernel;

/**
 * Computes and stores the ops that follow a kernel, for one element of its result or four, while
 * that is in a register. The kernel then does not store the result itself.
 */
export type Epilogue = (index: Index, value: k.Expr) => k.Statements;

/**
 * The i32 1 or 0 that stands for a mask in a tensor.
 *
 *     lower: () => ({ map: (a, b) => truth(k.less(a, b)) })
 */
export function truth(mask: k.Expr): k.Expr {
  return k.select(mask, k.constant('i32', 1), k.constant('i32', 0));
}

/**
 * The mask of where an i32 is not 0; of a `truth` the mask that it was made of.
 *
 *     lower: () => ({ map: (condition, a, b) => k.select(isTrue(condition), a, b) })
 */
export function isTrue(x: k.Expr): k.Expr {
  if (x.node === 'operation' && x.name === 'select') {
    const [mask, one, zero] = x.inputs;
    const isTruth = one.node === 'constant' && zero.node === 'constant';
    if (isTruth && one.value === 1 && zero.value === 0) return mask;
  }
  return k.notEqual(x, 0);
}

/**
 * Where in a row-major array of this shape, which starts at `offset`, the element at an index is.
 *
 *     k.store(y, flatIndex([i, j], [2, 3]), value)    // y[3i + j]
 */
export function flatIndex(index: Index, shape: Shape, offset = 0): k.Operand {
  let sum: k.Operand = offset;
  for (let axis = shape.length - 1, stride = 1; axis >= 0; stride *= shape[axis--]) {
    if (shape[axis] === 1) continue;
    sum = k.plus(sum, k.times(index[axis], stride));
  }
  return sum;
}

/** Whether one shape is a reshape of the other that leaves the last axis as it is. */
export function isReshape(a: Shape, b: Shape): boolean {
  return numelOf(a) === numelOf(b) && a.at(-1) === b.at(-1);
}

/** The index in the shape `to` of the element at an index in `from`, a reshape as above. */
export function reshapedIndex(index: Index, from: Shape, to: Shape): Index {
  if (sameShape(from, to)) return index;
  const leading = to.slice(0, -1);
  let rest = flatIndex(index.slice(0, -1), from.slice(0, -1));
  const above = stridesOf(leading).map((stride, axis) => {
    const whole = rest;
    if (leading[axis] === 1) return 0;
    if (typeof whole === 'number') {
      rest = whole % stride;
      return Math.floor(whole / stride);
    }
    if (stride === 1) return whole;
    const i = k.truncDiv(whole, stride);
    rest = k.sub(whole, k.mul(i, stride));
    return i;
  });
  return [...above, index[index.length - 1]];
}

/**
 * The index in an array of `shape` of the element that is at an index once it is broadcast.
 *
 *     a.at(broadcastIndex(index, a.shape))
 */
export function broadcastIndex(index: Index, shape: Shape): Index {
  return shape.map((size, axis) => (size === 1 ? 0 : index[axis + index.length - shape.length]));
}

/** How `forEach` runs its body. */
export interface ForEachOptions {
  /** Whether the loop over the last axis is vectorised if it has four elements. Default true. */
  readonly isInLanes?: boolean | undefined;
  /** The operations for one index; 0 if threads must not share the work. Default 1. */
  readonly work?: number | undefined;
}

const forEachOptions = {
  isInLanes: boolean.orElse(true),
  work: number({ from: 0 }).orElse(1),
} satisfies Table<ForEachOptions>;

/**
 * Runs the body for every index of a shape. Threads share the work, so no body may read or write
 * what another writes; and it must be one of the outermost statements of a kernel.
 *
 *     kernel: ([x], y) => forEach(x.shape, (index) =>
 *       k.store(y, flatIndex(index, x.shape), k.exp(x.at(index))))
 */
export function forEach(
  shape: Shape, body: (index: Index) => k.Statements, options: ForEachOptions = {},
): k.Statements {
  const { isInLanes, work } = readOptions('forEach', options, forEachOptions, TensorError);
  const last = shape.length - 1;
  const isWide = isInLanes && shape[last] >= 4;
  // Threads share the first axes that have more than one element.
  const axes = shape.flatMap((size, axis) => (size === 1 ? [] : [axis])).slice(0, 2);
  const inner = axes.reduce((count, axis) => count / shape[axis], numelOf(shape));
  const pieces = k.partition(axes.map((axis) => shape[axis]), inner * work, {
    multipleOf: isWide ? k.LINE_ELEMENTS : 1,
  });
  return k.parallel('chunk', pieces.chunks, (chunk) => {
    const [before, ...ranges] = pieces.rangesOf(chunk);
    const nest = (index: Index): k.Statements => {
      const axis = index.length;
      const next = (i: k.Operand): k.Statements => nest([...index, i]);
      if (axis > last) return body(index);
      if (shape[axis] === 1) return next(0);
      const range = ranges[axes.indexOf(axis)] ?? shape[axis];
      return axis === last && isWide ? k.vectorized('j', range, next) : k.loop('i', range, next);
    };
    return [before, nest([])];
  });
}

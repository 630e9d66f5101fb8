/**
 * The tensor, the node that records how it was computed, the primitive that computed it, and the
 * mode in which ops run.
 *
 * Applying a primitive to tensors makes a new tensor whose node holds the primitive, its inputs and
 * its attributes. Nodes point from results to inputs, so a tensor holds the whole graph that
 * computed it: read backwards it is the tape of backpropagation, read forwards a program.
 */
import { asList, type List } from '@mambagrad/wasm';
import { callable, checkArgument, show } from '@mambagrad/wasm/options';
import { changes } from './changes.ts';
import { type DType, type TypedArray, isFloat } from './dtype.ts';
import { checkIsOver } from './isOver.ts';
import type { LoweringOfAll } from './lowering.ts';
import { type Allocation, unshared } from './memory.ts';
import { formatArray } from './print.ts';
import {
  check, describe, failure, numelOf, resolveAxis, sameShape, type Shape, type Spec, TensorError,
} from './shape.ts';

/** A typed array and its shape: a tensor as reference loops see it. */
export interface NDArray {
  /** The size of each axis. */
  readonly shape: Shape;
  /** The elements in row-major order, as many as the shape says. */
  readonly data: TypedArray;
}

/** For each input of a node a function that computes its gradient, or null if it has none. */
export type InputGradients = readonly ((() => Tensor) | null)[];

/**
 * An op: its shape rule, reference loop, gradient rule and lowering, in terms of lists, as it has
 * one result or several. `Attributes` are the arguments that are not tensors (axes, sizes, flags).
 */
export interface Primitive<Attributes> {
  /** Unique: letters, digits and _, in parts separated by dots, as in `mine.softsign`. */
  readonly name: string;
  /** The shape rule: checks the inputs, or throws, and gives each result's shape and dtype. */
  infer(inputs: readonly Tensor[], attributes: Attributes): readonly Spec[];
  /** The reference loop: writes every element of each output's data, which starts as zeros. */
  compute(inputs: readonly NDArray[], outputs: readonly NDArray[], attributes: Attributes): void;
  /**
   * The gradient rule (vector-Jacobian product): from the gradients with respect to the results,
   * the cotangents, it gives a function for each input, called if that input needs it, that
   * computes the gradient with respect to it. The cotangent of a result on which nothing depends is
   * undefined; at least one is given. It uses tensor methods, hence is differentiable itself. A
   * gradient may have the shape to which its input was broadcast. Without a rule the results are
   * constants; i32 results always are.
   */
  gradient?(
    cotangents: readonly (Tensor | undefined)[], results: readonly Tensor[],
    inputs: readonly Tensor[], attributes: Attributes,
  ): InputGradients;
  /** The op in the loop language. Without it, or for f64, programs call `compute`. */
  lower?(
    inputs: readonly Spec[], attributes: Attributes, outputs: readonly Spec[],
  ): LoweringOfAll | undefined;
  /** Whether the only result is the first input's array in another shape, without `compute`. */
  readonly sharesData?: boolean;
}

/** How a tensor was computed. Ids count up, so ascending ids are a topological order. */
export interface Node {
  /** The time at which it was made, by the clock that also dates tensors and assigns. */
  readonly id: number;
  /** The op that was applied. */
  readonly primitive: Primitive<unknown>;
  /** The tensors it was applied to, in order. */
  readonly inputs: readonly Tensor[];
  /** Its arguments that are not tensors: axes, sizes, flags. */
  readonly attributes: unknown;
  /** Its results, in order. Those that are f32 or f64 have this node. */
  readonly results: readonly Tensor[];
}

/** How ops run while a function runs. */
export interface Mode {
  /** Whether a node is recorded for results that may need a gradient. */
  readonly recording: boolean;
  /** Is called with the results of every op. */
  readonly observer?: Observer | undefined;
  /** Records ops and assigns instead of running them, while a function is traced. */
  readonly tracer?: Tracer | undefined;
  /** The node for which a backward pass is computing gradients. */
  differentiating?: Node | undefined;
}

export type Observer = (
  primitive: Primitive<unknown>, inputs: readonly Tensor[], results: readonly Tensor[],
  attributes: unknown,
) => void;

/** Records ops and assigns instead of running them: see compile/trace/trace.ts. */
export interface Tracer {
  /** The message of the error that reading the data of a result throws. */
  readonly missing: string;
  /** Called with the results of every op, tensors without data. */
  apply(...op: Parameters<Observer>): void;
  assign(state: Tensor, value: Tensor): void;
  /** Called before the gradient of a tensor is set. */
  touch(tensor: Tensor, grad: Tensor | undefined): void;
  /** Called when the gradient of a tensor is read. */
  readGrad(tensor: Tensor, grad: Tensor | undefined): void;
  /** Called before the data of a tensor is read; throws if it would be frozen in the trace. */
  read(tensor: Tensor): void;
  /** Records that the trace is valid only while `read` returns what it returns now. */
  guard(read: () => unknown): void;
}

let mode: Mode = { recording: true };

/** The current mode; `withMode` changes it. */
export const currentMode = (): Mode => mode;

/**
 * Runs `body` in the current mode with some changes, and restores the mode, also after an error.
 * Throws in the name of `op` if `body` is async or a generator.
 */
export function withMode<T>(op: string, change: Partial<Mode>, body: (mode: Mode) => T): T {
  if (typeof body !== 'function') {
    throw failure`${op}: its argument is ${show(body)}, expected a function`;
  }
  const before = mode;
  mode = { ...before, ...change };
  try {
    const result = body(mode);
    checkIsOver(op, result);
    return result;
  } finally {
    mode = before;
  }
}

/**
 * The result of `read`, a setting on which a function's computation depends, such as whether a
 * model trains. The value is part of the key under which `compile` caches the program.
 */
export function guard<T>(read: () => T): T {
  checkArgument('guard', 'read', read, callable(), TensorError);
  mode.tracer?.guard(read);
  return read();
}

/** The clock by which nodes are numbered and assigns are dated. */
let clock = 0;
export function tick(): number {
  return ++clock;
}

/** Whether two tensors have the same dtype and shape. */
function fits(a: Spec, b: Spec): boolean {
  return a.dtype === b.dtype && sameShape(a.shape, b.shape);
}

/** A number, or arrays of numbers, nested as deep as a tensor has axes. */
export type NestedArray = number | NestedArray[];

/**
 * An n-dimensional array of numbers that records how it was computed. Make one with `tensor`,
 * `zeros`, `uniform` and so on; every op is a method. Tensors are immutable, with one exception:
 * `assign`.
 */
export class Tensor implements Spec {
  readonly shape: List<number>;
  readonly dtype: DType;
  /** When this tensor was made, by the clock of the nodes. */
  readonly createdAt: number = tick();
  /** How this tensor was computed; undefined for leaves and for results that need no gradient. */
  readonly node: Node | undefined;
  #data: TypedArray | Allocation | string;
  #requiresGrad = false;
  #assignedAt = 0;
  #grad: Tensor | undefined = undefined;

  /**
   * For primitives and creation functions; it copies nothing. `source` is the array, a tensor that
   * has it, or, where there is no value, the message of the error that reading `data` throws.
   */
  constructor(spec: Spec, source: TypedArray | string | Tensor, node?: Node) {
    const isSpec = typeof spec === 'object' && spec !== null && Array.isArray(spec.shape);
    if (!isSpec) throw failure`Tensor: spec is ${show(spec)}, expected { shape, dtype }; to make one
      of numbers call tensor`;
    if (source instanceof Tensor) mode.tracer?.read(source);
    const data = source instanceof Tensor ? source.#data : source;
    this.shape = asList(spec.shape);
    this.dtype = spec.dtype;
    const array = typeof data === 'object' && 'array' in data ? data.array : data;
    this.#data = typeof array === 'string' ? array : unshared(array);
    this.node = node;
    this.#requiresGrad = node !== undefined;
  }

  /** The number of axes. */
  get ndim(): number {
    return this.shape.length;
  }

  /** The number of elements. */
  get numel(): number {
    return numelOf(this.shape);
  }

  /** The size of an axis, counted from the end if it is negative. Throws if there is none such. */
  size(axis: number): number {
    return this.shape[resolveAxis('size', axis, this.ndim)];
  }

  /** The elements in row-major order. Not a copy: do not write to it, use `assign`. */
  get data(): TypedArray {
    mode.tracer?.read(this);
    if (typeof this.#data === 'string') throw new TensorError(this.#data);
    return 'array' in this.#data ? this.#data.array : this.#data;
  }

  /** Whether it has data; a tensor of a trace has none. */
  get hasValue(): boolean {
    return typeof this.#data !== 'string';
  }

  /** Whether gradients flow to this tensor. Can be set on leaves of a floating dtype. */
  get requiresGrad(): boolean {
    return this.#requiresGrad;
  }

  set requiresGrad(value: boolean) {
    const { node } = this;
    check(typeof value === 'boolean')`requiresGrad: it is ${value}, expected true or false`;
    check(!node)`requiresGrad: ${this} is the result of ${node?.primitive.name}; only leaves can be
      set, use detach() for a constant copy`;
    const isAllowed = isFloat(this.dtype) || !value;
    check(isAllowed)`requiresGrad: ${this} has no gradient; expected f32 or f64`;
    if (value !== this.#requiresGrad) changes.requiresGrad++;
    this.#requiresGrad = value;
  }

  /** Set by `backward()` on leaves that require gradients; further calls add to it. */
  get grad(): Tensor | undefined {
    mode.tracer?.readGrad(this, this.#grad);
    return this.#grad;
  }

  set grad(value: Tensor | undefined) {
    const isRight = value === undefined || (value instanceof Tensor && fits(value, this));
    check(isRight)`grad: it is ${value}, expected ${this} or undefined`;
    mode.tracer?.touch(this, value);
    this.#grad = value;
  }

  /** Saves the gradient and the date of the last assign; returns a function that restores them. */
  snapshot(): () => void {
    const [grad, assignedAt] = [this.#grad, this.#assignedAt];
    return () => {
      this.#grad = grad;
      this.#assignedAt = assignedAt;
    };
  }

  /** When `assign` last changed this tensor, by the clock of the nodes; 0 if never. */
  get assignedAt(): number {
    return this.#assignedAt;
  }

  /**
   * Replaces the value of this tensor by one of the same shape and dtype: state (parameters,
   * moments, generators) changes only so. No gradient flows through it, and a backward pass that
   * still needs the old value throws. Returns this tensor.
   */
  assign(value: Tensor): this {
    const { node } = this;
    check(value instanceof Tensor)`assign: the value is ${value}, expected a tensor, ${this}`;
    check(!node)`assign: ${this} is the result of ${node?.primitive.name}; only leaves are state`;
    check(fits(value, this))`assign: the value is ${value}, expected ${this}`;
    // Arrays are immutable once made, so both tensors can share the value's array.
    if (mode.tracer) mode.tracer.assign(this, value);
    else {
      this.#data = unshared(value.data);
      changes.arrays++;
    }
    this.#assignedAt = tick();
    return this;
  }

  /** For programs: from now on `data` is an array in their memory, with the same values. */
  moveTo(allocation: Allocation): void {
    this.#data = allocation;
  }

  /** For programs: records that they have written to the array of this tensor. */
  noteAssigned(): void {
    this.#assignedAt = tick();
  }

  /** The number in a tensor of one element. */
  item(): number {
    check(this.numel === 1)`item: ${this} has ${this.numel} elements, expected one`;
    return this.data[0];
  }

  /** Nested arrays, a plain number for a 0-d tensor. */
  toArray(): NestedArray {
    const { data, shape } = this;
    const build = (axis: number, offset: number): NestedArray => {
      if (axis === shape.length) return data[offset];
      const stride = numelOf(shape.slice(axis + 1));
      return Array.from({ length: shape[axis] }, (_, i) => build(axis + 1, offset + i * stride));
    };
    return build(0, 0);
  }

  /** As NumPy prints arrays, with dtype and shape: `f32[2] [1.5000, 2.0000]`. */
  toString(): string {
    if (typeof this.#data === 'string') return describe(this);
    const text = formatArray('array' in this.#data ? this.#data.array : this.#data, this.shape);
    return `${describe(this)}${this.ndim > 1 ? '\n' : ' '}${text}`;
  }
}

/** What `console.log` shows in Node. */
Object.defineProperty(Tensor.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value: Tensor.prototype.toString,
});

/** Text in a template; an error where JavaScript would make NaN of it, as in `loss < 1`. */
Object.defineProperty(Tensor.prototype, Symbol.toPrimitive, {
  value(this: Tensor, hint: string): string {
    check(hint !== 'number')`a tensor, ${this}, is used as a number: operators such as * and < do
      not apply to it; use mul, less and so on, or item() for the number in it`;
    return this.toString();
  },
});

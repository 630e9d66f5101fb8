/**
 * The one door through which every op passes, the library's own and anyone else's.
 *
 *     const double = definePrimitive<{}>({ name: 'double', infer, compute, gradient });
 *     const y = double([x], {});
 *
 * Applying a primitive checks shapes, computes the value, and leaves a node behind if a gradient
 * may be asked for. What else happens depends on the mode, which holds while a function runs.
 */
import { allocate, isFloat } from './dtype.ts';
import { numelOf, TensorError } from './shape.ts';
import { type Node, type Primitive, Tensor, tick } from './tensor.ts';

/** How a defined primitive is called: its tensors, then its attributes. */
export type Apply<Attributes> = (inputs: readonly Tensor[], attributes: Attributes) => Tensor;

const names = new Set<string>();

/** The names of all primitives defined so far. */
export function primitiveNames(): readonly string[] {
  return [...names];
}

/**
 * Defines a primitive and returns the function that applies it. Wrap that in a function with named
 * arguments and documentation: that is the op. Throws if the name is taken.
 */
export function definePrimitive<Attributes>(primitive: Primitive<Attributes>): Apply<Attributes> {
  if (names.has(primitive.name)) {
    throw new Error(`definePrimitive: there is a primitive named '${primitive.name}' already`);
  }
  names.add(primitive.name);
  return (inputs, attributes) => apply(primitive, inputs, attributes);
}

/** What holds for every op that is applied while a function runs. */
export interface Mode {
  /** Whether results that may need a gradient remember how they were made. */
  readonly recording: boolean;
  /** Sees every result as it is made. */
  readonly observer: Observer | undefined;
  /** The node for which a backward pass is computing gradients. */
  differentiating: Node | undefined;
}

export type Observer = (
  primitive: Primitive<unknown>,
  inputs: readonly Tensor[],
  result: Tensor,
  differentiating: Node | undefined,
) => void;

let mode: Mode = { recording: true, observer: undefined, differentiating: undefined };

function apply<Attributes>(
  primitive: Primitive<Attributes>,
  inputs: readonly Tensor[],
  attributes: Attributes,
): Tensor {
  const spec = primitive.infer(inputs, attributes);
  let data = primitive.sharesData ? inputs[0].data : undefined;
  if (data === undefined) {
    data = allocate(spec.dtype, numelOf(spec.shape));
    primitive.compute(inputs, { shape: spec.shape, data }, attributes);
  }
  const isRecorded =
    mode.recording &&
    primitive.gradient !== undefined &&
    isFloat(spec.dtype) &&
    inputs.some((input) => input.requiresGrad);
  const node = isRecorded ? { id: tick(), primitive, inputs, attributes } : undefined;
  const result = new Tensor(spec, data, node);
  mode.observer?.(primitive, inputs, result, mode.differentiating);
  return result;
}

/**
 * Runs `body` in a mode of its own, the present one but for `change`, and puts the present one
 * back, also after an error. Throws in the name of `op` if `body` is async.
 */
export function withMode<T>(op: string, change: Partial<Mode>, body: (mode: Mode) => T): T {
  const before = mode;
  mode = { ...before, ...change };
  try {
    const result = body(mode);
    if (result instanceof Promise) {
      throw new TensorError(`${op}: the function is async, and would run on after ${op} is over`);
    }
    return result;
  } finally {
    mode = before;
  }
}

/**
 * The one door through which every op passes, the library's own and anyone else's.
 *
 *     const double = definePrimitive<{}>({ name: 'double', infer, compute, gradient });
 *     const y = double([x], {});
 *
 * Applying a primitive checks shapes, computes the value, and leaves a node behind if a gradient
 * may be asked for.
 */
import { allocate, isFloat } from './dtype.ts';
import { numelOf } from './shape.ts';
import { type Primitive, Tensor, tick } from './tensor.ts';

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

let recording = true;

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
    recording &&
    primitive.gradient !== undefined &&
    isFloat(spec.dtype) &&
    inputs.some((input) => input.requiresGrad);
  if (!isRecorded) return new Tensor(spec, data);
  return new Tensor(spec, data, { id: tick(), primitive, inputs, attributes });
}

/** Runs `body` with recording on or off, and puts it back as it was, also after an error. */
export function withRecording<T>(on: boolean, body: () => T): T {
  const before = recording;
  recording = on;
  try {
    return body();
  } finally {
    recording = before;
  }
}

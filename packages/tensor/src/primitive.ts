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
import { check, numelOf } from './shape.ts';
import { mode, type Primitive, Tensor, tick } from './tensor.ts';

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
  const { name } = primitive;
  check(!names.has(name))`definePrimitive: there is a primitive named '${name}' already`;
  names.add(name);
  return (inputs, attributes) => {
    const spec = primitive.infer(inputs, attributes);
    const isSmooth = primitive.gradient !== undefined && isFloat(spec.dtype);
    const isRecorded = isSmooth && mode.recording && inputs.some((input) => input.requiresGrad);
    const node = isRecorded ? { id: tick(), primitive, inputs, attributes } : undefined;
    if (mode.tracer) return mode.tracer.apply(primitive, inputs, attributes, spec, node);
    const { sharesData } = primitive;
    const data = sharesData ? inputs[0].data : allocate(spec.dtype, numelOf(spec.shape));
    if (!sharesData) primitive.compute(inputs, { shape: spec.shape, data }, attributes);
    const result = new Tensor(spec, data, node);
    mode.observer?.(primitive, inputs, result, attributes);
    return result;
  };
}

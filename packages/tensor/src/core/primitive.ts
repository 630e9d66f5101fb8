/**
 * The one door through which every op passes, the library's own and anyone else's.
 *
 *     const double = definePrimitive<{}>({ name: 'double', infer, compute, gradient });
 *     const y = double([x], {});
 *
 * Applying a primitive checks shapes, computes the value, and leaves a node behind if a gradient
 * may be asked for. What else happens depends on the mode, which holds while a function runs.
 */
import { isFloat } from './dtype.ts';
import { arrayFor } from './memory.ts';
import {
  boolean, callable, checkArgument, dtypes, Kind, readOptions, shapes, type Table,
} from './options.ts';
import { check, type Spec } from './shape.ts';
import { mode, type Primitive, Tensor, tick } from './tensor.ts';

/** How a defined primitive is called: its tensors, then its attributes. */
export type Apply<Attributes> = (inputs: readonly Tensor[], attributes: Attributes) => Tensor;

const names = new Set<string>();

/** The names of all primitives defined so far. */
export function primitiveNames(): readonly string[] {
  return [...names];
}

/** Names are parts of code that is generated, and of errors. */
const opNames = new Kind<string>(
  "a name of letters, digits and _, such as 'softsign' or 'mine.softsign'",
  (x) => typeof x === 'string' && /^[A-Za-z]\w*(\.\w+)*$/.test(x),
);

type AnyPrimitive = Primitive<unknown>;

const primitiveOptions = {
  name: opNames.required(),
  infer: callable<AnyPrimitive['infer']>().required(),
  compute: callable<AnyPrimitive['compute']>().required(),
  gradient: callable<NonNullable<AnyPrimitive['gradient']>>().optional(),
  lower: callable<NonNullable<AnyPrimitive['lower']>>().optional(),
  sharesData: boolean.orElse(false),
} satisfies Table<AnyPrimitive>;

const specs = new Kind<Spec>('{ shape, dtype }', (x) => Object(x) === x);

/** Throws unless what a shape rule gives is a shape and a dtype. */
function checkSpec(op: string, spec: Spec): void {
  const where = `infer of ${op}`;
  checkArgument(where, 'its result', spec, specs);
  checkArgument(where, 'shape', spec.shape, shapes);
  checkArgument(where, 'dtype', spec.dtype, dtypes);
}

function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0;
}

/**
 * Defines a primitive and returns the function that applies it. Wrap that in a function with named
 * arguments and documentation: that is the op. Throws if the name is taken or no name, or if the
 * primitive has anything else than the functions that belong to one.
 */
export function definePrimitive<Attributes>(primitive: Primitive<Attributes>): Apply<Attributes> {
  const { name } = readOptions('definePrimitive', primitive, primitiveOptions);
  check(!names.has(name))`definePrimitive: there is a primitive named '${name}' already`;
  names.add(name);
  return (inputs, attributes) => {
    const spec = primitive.infer(inputs, attributes);
    // The check that can say what is wrong takes its time, and so is made only if something is.
    const isRight = dtypes.accepts(spec?.dtype) && spec.shape?.every?.(isSize);
    if (!isRight) checkSpec(name, spec);
    const isSmooth = primitive.gradient !== undefined && isFloat(spec.dtype);
    const isRecorded = isSmooth && mode.recording && inputs.some((input) => input.requiresGrad);
    const node = isRecorded ? { id: tick(), primitive, inputs, attributes } : undefined;
    if (mode.tracer) return mode.tracer.apply(primitive, inputs, attributes, spec, node);
    const { sharesData } = primitive;
    const data = sharesData ? inputs[0].data : arrayFor(name, spec);
    if (!sharesData) primitive.compute(inputs, { shape: spec.shape, data }, attributes);
    const result = new Tensor(spec, data, node);
    mode.observer?.(primitive, inputs, result, attributes);
    return result;
  };
}

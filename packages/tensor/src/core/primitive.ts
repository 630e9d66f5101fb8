/**
 * Defining and applying primitives. Every op is dispatched by one function here, the library's own
 * and anyone else's:
 *
 *     const double = definePrimitive<{}>({ name: 'double', infer, compute, gradient });
 *     const y = double([x], {});
 *
 * It infers shapes, computes values, and records a node if a gradient may be needed. In other modes
 * it reports the op to a tracer instead, or to an observer.
 *
 * In general a primitive has a list of results (`defineMultiPrimitive`). Most have one, and are
 * written without lists (`definePrimitive`).
 */
import { asList, type List } from '@mambagrad/wasm';
import { isFloat } from './dtype.ts';
import type { Lowering, LoweringOfAll } from './lowering.ts';
import { arrayFor } from './memory.ts';
import {
  boolean, callable, checkArgument, dtypes, Kind, readOptions, shapes, type Table,
} from './options.ts';
import { check, type Spec } from './shape.ts';
import {
  currentMode, type InputGradients, type NDArray, type Primitive, Tensor, tick,
} from './tensor.ts';

/** Applies a primitive with one result to tensors and attributes. */
export type Apply<Attributes> = (inputs: readonly Tensor[], attributes: Attributes) => Tensor;

/** Applies a primitive with a list of results; returns them in order. */
export type ApplyMulti<Attributes> = (
  inputs: readonly Tensor[], attributes: Attributes,
) => List<Tensor>;

/**
 * A primitive with one result, written without lists; see `Primitive` for what its functions do.
 */
export interface SinglePrimitive<Attributes> {
  /** Unique: letters, digits and _, in parts separated by dots, as in `mine.softsign`. */
  readonly name: string;
  /** The shape rule: checks the inputs, or throws, and gives the result's shape and dtype. */
  infer(inputs: List<Tensor>, attributes: Attributes): Spec;
  /** The reference loop: writes every element of `output.data`, which starts as zeros. */
  compute(inputs: List<NDArray>, output: NDArray, attributes: Attributes): void;
  /**
   * The gradient rule (vector-Jacobian product): from `g`, the gradient with respect to the result
   * `y`, it gives a function for each input, called if that input needs it, that computes the
   * gradient with respect to it. It uses tensor methods, hence is differentiable itself. A gradient
   * may have the shape to which its input was broadcast. Without a rule the result is a constant.
   */
  gradient?(g: Tensor, y: Tensor, inputs: List<Tensor>, attributes: Attributes): InputGradients;
  /** The op in the loop language. Without it, or for f64, programs call `compute`. */
  lower?(inputs: List<Spec>, attributes: Attributes, output: Spec): Lowering | undefined;
  /** Whether the result is the first input's array in another shape; `compute` is not called. */
  readonly sharesData?: boolean;
}

/** A primitive with a list of results, as one is written: with the numbers of tensors known. */
export interface MultiPrimitive<Attributes> extends Omit<Primitive<Attributes>, 'sharesData'> {
  infer(inputs: List<Tensor>, attributes: Attributes): readonly Spec[];
  compute(inputs: List<NDArray>, outputs: List<NDArray>, attributes: Attributes): void;
  gradient?(
    cotangents: List<Tensor | undefined>, results: List<Tensor>, inputs: List<Tensor>,
    attributes: Attributes,
  ): InputGradients;
  lower?(
    inputs: List<Spec>, attributes: Attributes, outputs: List<Spec>,
  ): LoweringOfAll | undefined;
}

const names = new Set<string>();

/**
 * The names of all primitives defined so far.
 *
 *     primitiveNames().includes('softmax')    // false: it is made of max, sub, exp, sum and div
 */
export function primitiveNames(): readonly string[] {
  return [...names];
}

/** Names become part of generated code, and of errors. */
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
} satisfies Table<Omit<AnyPrimitive, 'sharesData'>>;

const singleOptions = { ...primitiveOptions, sharesData: boolean.orElse(false) };

const specs = new Kind<Spec>('{ shape, dtype }', (x) => Object(x) === x);
const specLists = new Kind<readonly Spec[]>(
  'an array of { shape, dtype }, at least one', (x) => Array.isArray(x) && x.length > 0,
);

function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0;
}

/** Whether all are specs; with loops, as every op asks. */
function areSpecs(list: readonly Spec[]): boolean {
  if (!Array.isArray(list) || list.length === 0) return false;
  for (const spec of list) {
    if (!dtypes.accepts(spec?.dtype) || !spec.shape?.every?.(isSize)) return false;
  }
  return true;
}

/** Throws unless a shape rule has returned a shape and a dtype for each result. */
function checkSpecs(op: string, list: readonly Spec[]): void {
  // This check is fast. The slow one below finds out what is wrong.
  if (areSpecs(list)) return;
  const where = `infer of ${op}`;
  checkArgument(where, 'its result', list, specLists);
  list.forEach((spec, i) => {
    const isOnly = list.length === 1;
    checkArgument(where, isOnly ? 'its result' : `result ${i}`, spec, specs);
    checkArgument(where, isOnly ? 'shape' : `shape of result ${i}`, spec.shape, shapes);
    checkArgument(where, isOnly ? 'dtype' : `dtype of result ${i}`, spec.dtype, dtypes);
  });
}

function takeName(definer: string, name: string): void {
  check(!names.has(name))`${definer}: there is a primitive named '${name}' already`;
  names.add(name);
}

/** The results of a node until they are made. */
const none: readonly Tensor[] = [];

/**
 * Applies a primitive, and reports it to the tracer or observer, if there is one. Written with
 * plain loops: of small tensors this takes as long as the arithmetic.
 */
export function apply<Attributes>(
  primitive: Primitive<Attributes>, inputs: readonly Tensor[], attributes: Attributes,
): List<Tensor> {
  const list = primitive.infer(inputs, attributes);
  checkSpecs(primitive.name, list);
  const { recording, tracer, observer } = currentMode();
  const isRecorded = recording && primitive.gradient !== undefined && requireGrad(inputs);
  const node = isRecorded
    ? { id: tick(), primitive, inputs, attributes, results: none }
    : undefined;
  const outputs = tracer ? none : computed(primitive, inputs, attributes, list);
  const results: Tensor[] = [];
  for (let i = 0; i < list.length; i++) {
    const source = tracer ? tracer.missing : outputs[i].data;
    results.push(new Tensor(list[i], source, isFloat(list[i].dtype) ? node : undefined));
  }
  if (node) node.results = results;
  if (tracer) tracer.apply(primitive, inputs, results, attributes);
  else observer?.(primitive, inputs, results, attributes);
  return asList(results);
}

function requireGrad(inputs: readonly Tensor[]): boolean {
  for (const input of inputs) if (input.requiresGrad) return true;
  return false;
}

/** The data of each result, computed by the reference loop. */
function computed<Attributes>(
  primitive: Primitive<Attributes>, inputs: readonly Tensor[], attributes: Attributes,
  list: readonly Spec[],
): readonly NDArray[] {
  if (primitive.sharesData) return inputs;
  const outputs: NDArray[] = [];
  for (const spec of list) {
    outputs.push({ shape: spec.shape, data: arrayFor(primitive.name, spec) });
  }
  primitive.compute(inputs, outputs, attributes);
  return outputs;
}

/**
 * Defines a primitive with a list of results, and returns the function that applies it. Wrap that
 * in a function with named arguments and documentation: that is the op. Throws if the name is taken
 * or is not a name, or if the primitive has anything else than the functions that belong to one.
 *
 *     const apply = defineMultiPrimitive<null>({
 *       name: 'mine.sinCos',
 *       infer: ([x]) => [x, x],
 *       compute: ([x], [sin, cos]) => {
 *         sin.data.set(x.data.map(Math.sin));
 *         cos.data.set(x.data.map(Math.cos));
 *       },
 *       gradient: ([gSin, gCos], [sin, cos]) => [() => {
 *         const parts = [gSin?.mul(cos), gCos?.mul(sin).neg()];
 *         return parts.filter((part) => part !== undefined).reduce((sum, part) => sum.add(part));
 *       }],
 *       lower: () => [{ map: k.sin }, { map: k.cos }],
 *     });
 *     const [sin, cos] = apply([x], null);
 */
export function defineMultiPrimitive<Attributes>(
  primitive: MultiPrimitive<Attributes>,
): ApplyMulti<Attributes> {
  const { name } = readOptions('defineMultiPrimitive', primitive, primitiveOptions);
  takeName('defineMultiPrimitive', name);
  return (inputs, attributes) => apply(primitive, inputs, attributes);
}

/**
 * Defines a primitive with one result, and returns the function that applies it. Wrap that in a
 * function with named arguments and documentation: that is the op. Throws if the name is taken or
 * is not a name, or if the primitive has anything else than the functions that belong to one.
 *
 *     const apply = definePrimitive<{ times: number }>({
 *       name: 'mine.scale',
 *       infer: ([x]) => {
 *         requireFloat('scale', 'x', x);
 *         return { shape: x.shape, dtype: x.dtype };
 *       },
 *       compute: ([x], y, { times }) => y.data.set(x.data.map((value) => value * times)),
 *       gradient: (g, _y, _inputs, { times }) => [() => g.mul(times)],
 *       lower: (_inputs, { times }) => ({ map: (x) => k.mul(x, times) }),
 *     });
 *     const scale = (x: Tensor, times: number) => apply([x], { times });
 */
export function definePrimitive<Attributes>(
  primitive: SinglePrimitive<Attributes>,
): Apply<Attributes> {
  const { name } = readOptions('definePrimitive', primitive, singleOptions);
  takeName('definePrimitive', name);
  const general = inLists(primitive);
  return (inputs, attributes) => apply(general, inputs, attributes)[0];
}

/** A primitive with one result as one with a list of results. */
function inLists<Attributes>(single: SinglePrimitive<Attributes>): Primitive<Attributes> {
  const { name, sharesData = false } = single;
  return {
    name,
    sharesData,
    infer: (inputs, attributes) => [single.infer(asList(inputs), attributes)],
    compute: (inputs, outputs, attributes) =>
      single.compute(asList(inputs), outputs[0], attributes),
    ...(single.gradient && {
      // A node with one result is visited only if that has a cotangent.
      gradient: ([g], [y], inputs, attributes) =>
        g && single.gradient ? single.gradient(g, y, asList(inputs), attributes) : [],
    }),
    ...(single.lower && {
      lower: (inputs, attributes, [output]) => {
        const lowering = single.lower?.(asList(inputs), attributes, output);
        return lowering && [lowering];
      },
    }),
  };
}

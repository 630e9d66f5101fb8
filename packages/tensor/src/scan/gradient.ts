/**
 * The gradient of a loop is a loop in reverse. Its body is the backward pass through one iteration,
 *
 *     c_t = body(c_{t−1}, x_t, W):      dc_{t−1} = dc_tᵀ ∂c_t/∂c_{t−1}      carried on
 *                                       dx_t     = dc_tᵀ ∂c_t/∂x_t          an output
 *                                       dW      += dc_tᵀ ∂c_t/∂W            carried on, as a sum
 *
 * with the cotangents of the outputs added where they arise. The values that it reads were kept by
 * the forward loop as outputs, or, if that is checkpointed, are computed again from the carries.
 * It is a loop as any other, and so has a gradient itself.
 */
import { pullBack, type Seed } from '../autograd/pullBack.ts';
import { type ArgumentOf, Loop, type LoopShape, traceBody } from '../compile/trace/loop.ts';
import { full } from '../core/create.ts';
import { isFloat } from '../core/dtype.ts';
import type { Spec } from '../core/shape.ts';
import { currentMode, type InputGradients, type Tensor } from '../core/tensor.ts';
import { type ApplyLoop, replay } from './replay.ts';

/** A loop that was applied, and the gradients with respect to its results. */
interface Applied {
  readonly loop: Loop;
  readonly inputs: readonly Tensor[];
  readonly results: readonly Tensor[];
  readonly cotangents: readonly (Tensor | undefined)[];
}

/** The gradient rule of `scan`; one loop gives the gradients of all inputs. */
export function gradientRule(applied: Applied, applyLoop: ApplyLoop): InputGradients {
  let gradients: ReadonlyMap<number, Tensor> | undefined;
  return applied.inputs.map((input, i) => !input.requiresGrad ? null : () => {
    gradients ??= loopGradients(applied, applyLoop);
    return gradients.get(i) ?? zerosOf(input);
  });
}

function zerosOf({ shape, dtype }: Spec): Tensor {
  return full([], 0, { dtype }).broadcastTo(shape);
}

/** Which gradients the backward loop carries, and which it reads and puts out. */
interface Layout {
  /** The inputs whose gradients are carried: states, and what the body reads from outside. */
  readonly carried: readonly number[];
  /** The sequences whose gradients are outputs. */
  readonly ofSequences: readonly number[];
  /** The results that have a cotangent for each position. */
  readonly given: readonly number[];
  /** The results that are the carries before each iteration. */
  readonly before: readonly number[];
  /** The results that are all that the body's steps made, if that was kept. */
  readonly made: readonly number[];
}

function layoutOf({ loop, inputs, results, cotangents }: Applied): Layout {
  const { carries, states, sequences, outputs } = loop.shape;
  const isFirst = (i: number): boolean => i < states && isFloat(inputs[i].dtype);
  const isWanted = (i: number): boolean => isFirst(i) || (i >= carries && inputs[i].requiresGrad);
  const isSequence = (i: number): boolean => i >= carries && i < carries + sequences;
  const wanted = inputs.map((_, i) => i).filter(isWanted);
  const numbers = results.map((_, i) => i);
  const kept = numbers.slice(carries + outputs);
  return {
    carried: wanted.filter((i) => !isSequence(i)),
    ofSequences: wanted.filter(isSequence),
    given: numbers.filter((i) => i >= carries && cotangents[i]),
    before: kept.slice(0, carries),
    made: kept.slice(carries),
  };
}

/** The gradients of a loop with respect to its inputs, by their numbers. */
function loopGradients(applied: Applied, applyLoop: ApplyLoop): Map<number, Tensor> {
  const { loop, inputs, results, cotangents } = applied;
  const { carries, sequences } = loop.shape;
  const layout = layoutOf(applied);
  const { carried, ofSequences, given, before, made } = layout;
  const outer = inputs.slice(carries + sequences);
  const shape: LoopShape = {
    ...loop.shape, carries: carried.length, states: carried.length,
    sequences: before.length + sequences + given.length + made.length,
    outputs: ofSequences.length, reverse: !loop.reverse,
  };
  const { body, captured } = traceBody({
    carries: shape.carries,
    count: shape.carries + shape.sequences + outer.length,
    f: (argument) => backwardStep(applied, layout, argument, applyLoop),
  }, currentMode().tracer);
  const gradients = applyLoop(new Loop(body, shape), [
    ...carried.map((i) => (i < carries && cotangents[i]) || zerosOf(inputs[i])),
    ...before.map((i) => results[i]),
    ...inputs.slice(carries, carries + sequences),
    ...given.map((i) => cotangents[i] ?? zerosOf(results[i])),
    ...made.map((i) => results[i]),
    ...outer,
    ...captured,
  ]);
  return new Map([...carried, ...ofSequences].map((input, i) => [input, gradients[i]]));
}

/** The backward pass through one iteration; its arguments are in the order of the inputs above. */
function backwardStep(
  { loop: { body, shape } }: Applied, layout: Layout, argument: ArgumentOf, applyLoop: ApplyLoop,
): Tensor[] {
  const { carries, sequences } = shape;
  const { carried, ofSequences, given, made } = layout;
  const wanted = new Set([...carried, ...ofSequences]);
  let count = 0;
  // If gradients of these gradients may be asked for, all that is computed here must record them.
  const next = (spec: Spec, isWanted = false): Tensor =>
    argument(spec, count++, isWanted || (currentMode().recording && isFloat(spec.dtype)));
  const numbers = body.inputs.map((_, i) => i);
  const nextInputs = (from: number, to?: number): Tensor[] =>
    numbers.slice(from, to).map((i) => next(body.inputs[i], wanted.has(i)));
  const gradients = carried.map((i) => next(body.inputs[i]));
  const elements = nextInputs(0, carries + sequences);
  const cotangents = given.map((i) => next(body.results[i]));
  const restore = new Map(made.map((i, n) => [body.results[i], count + n]));
  count += made.length;
  const inputs = [...elements, ...nextInputs(carries + sequences)];
  const tensorOf = replay(body, inputs, applyLoop, (value, node) => {
    const number = restore.get(value);
    return number === undefined ? undefined : argument(value, number, false, node);
  });
  const pairs: Seed[] = [
    ...carried.filter((i) => i < carries).map((i, n) => [i, gradients[n]] as const),
    ...given.map((i, n) => [i, cotangents[n]] as const),
  ].map(([i, cotangent]) => [tensorOf(body.results[i]), cotangent]);
  const wantedInputs = new Set([...wanted].map((i) => inputs[i]));
  const seeds = pairs.filter(([output]) => output.requiresGrad);
  const { recording } = currentMode();
  const found = pullBack('scan', seeds, (tensor) => wantedInputs.has(tensor), recording);
  return [...carried, ...ofSequences].map((i, n) => {
    const share = found.get(inputs[i]);
    const isSum = i >= carries + sequences;
    if (isSum) return share ? gradients[n].add(share) : gradients[n];
    return share ?? zerosOf(inputs[i]);
  });
}

/** The loop over time as it stands: a chain of ops on tensors, which are differentiated as any. */
import { check, resolveAxis } from '../core/shape.ts';
import { Tensor } from '../core/tensor.ts';
import { stack } from '../ops/join.ts';
import { unbind } from '../ops/unbind.ts';
import { tensorsIn, withTensors } from './tree.ts';

/** A step whose trees are not known. */
export type AnyStep = (state: unknown, input: unknown) => { state: unknown; output?: unknown };

/** How the steps follow each other. */
export interface Course {
  readonly axis: number;
  readonly reverse: boolean;
  readonly length: number;
  /** How many steps a gradient computes again at a time; it has everything if undefined. */
  readonly checkpointEvery?: number | undefined;
}

/** The result of a scan, before its type is known. */
export interface Scanned {
  readonly state: unknown;
  readonly outputs: unknown;
}

/** The loop as it stands, of ops on tensors. */
export function unrolled(
  step: AnyStep, initialState: unknown, inputs: unknown, { axis, reverse, length }: Course,
): Scanned {
  const slices = tensorsIn('inputs', inputs).map((x) => (
    unbind(x, resolveAxis('scan', axis, x.ndim))
  ));
  const outputs: Tensor[][] = [];
  let [state, output]: [unknown, unknown] = [initialState, undefined];
  for (let i = 0; i < length; i++) {
    const t = reverse ? length - 1 - i : i;
    const given = step(state, withTensors(inputs, slices.map((slice) => slice[t])));
    state = withTensors(initialState, tensorsIn('the state', given.state).map(asItIs));
    output = given.output;
    outputs[t] = tensorsIn('the output', output).map(asItIs);
  }
  const stacked = outputs[0].map((first, n) => (
    stack(outputs.map((own) => own[n]), axisOfOutput(axis, first))
  ));
  return { state, outputs: withTensors(output, stacked) };
}

/** A tensor that keeps its value if a later step assigns to the tensor that was given. */
function asItIs(tensor: Tensor): Tensor {
  return tensor.node || tensor.requiresGrad ? tensor : new Tensor(tensor, tensor);
}

/** The axis along which outputs like this one are stacked. */
export function axisOfOutput(axis: number, { ndim }: Tensor): number {
  const isRight = axis >= -ndim - 1 && axis <= ndim;
  check(isRight)`scan: an output has ${ndim} axes, and cannot be stacked along axis ${axis}`;
  return resolveAxis('scan', axis, ndim + 1);
}

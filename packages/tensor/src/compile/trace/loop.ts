/**
 * A loop in a program: one program, the body, that runs once for each position of a sequence, from
 * the first to the last or in reverse. A carry is a value that each iteration hands to the next.
 *
 *     inputs    carries, as they are at first; sequences; what the body reads from outside
 *     results   carries, as they are at last; for each output the sequence of its values
 *
 * The body has an argument for each input: a carry as the iteration before left it, the element of
 * a sequence at its position, and the rest as it is. Its results are the carries that it leaves,
 * and an element of each output.
 */
import { check, describe, failure, type Spec } from '../../core/shape.ts';
import { type Node, Tensor, type Tracer, withMode } from '../../core/tensor.ts';
import {
  type Program, Recorder, type Step, specOf, type Value,
} from './trace.ts';

/** A program that is a function of its arguments alone: it captures numbers that never change. */
export interface Body extends Program {
  /** Its arguments, in order. */
  readonly inputs: readonly Value[];
}

/** The properties of a loop besides its body. */
export interface LoopShape {
  /** How many of the inputs are carries, the first ones; as many results are. */
  readonly carries: number;
  /** How many of the carries gradients flow through: the first ones. */
  readonly states: number;
  /** How many of the inputs are sequences; they come after the carries. */
  readonly sequences: number;
  /** How many outputs were asked for. Behind them are others, which only gradients need. */
  readonly outputs: number;
  /** How many iterations there are, the length of the sequences. */
  readonly length: number;
  /** Whether the last position comes first. */
  readonly reverse: boolean;
  /** Whether gradients compute the values of an iteration again from the carries before it. */
  readonly isCheckpointed: boolean;
}

/** The attributes of a `scan`. They print as what is short, the length and the direction. */
export class Loop {
  /** How many iterations there are. */
  readonly length: number;
  /** Whether the last position comes first. */
  readonly reverse: boolean;
  readonly #body: Body;
  readonly #shape: LoopShape;

  constructor(body: Body, shape: LoopShape) {
    [this.length, this.reverse] = [shape.length, shape.reverse];
    [this.#body, this.#shape] = [body, shape];
  }

  /** The program of one iteration. */
  get body(): Body {
    return this.#body;
  }

  /** All about it but its body. */
  get shape(): LoopShape {
    return this.#shape;
  }

  /** Whether it puts out what its gradient needs, behind the outputs that were asked for. */
  get isKept(): boolean {
    return this.body.results.length > this.shape.carries + this.shape.outputs;
  }

  /** The shapes and dtypes of the loop's results. */
  resultSpecs(): Spec[] {
    const { carries, length } = this.shape;
    return this.body.results.map(({ shape, dtype }, i) => (
      { shape: i < carries ? shape : [length, ...shape], dtype }
    ));
  }

  /** The position of an iteration, both counted from 0. */
  positionOf(iteration: number): number {
    return this.reverse ? this.length - 1 - iteration : iteration;
  }
}

/**
 * A body with some of its arguments, which are given by their numbers in a new order, and with
 * other results.
 */
export function rearranged(
  body: Body, order: readonly number[], results: readonly Value[],
): Body {
  const places = new Map(order.map((number, from) => {
    const value = body.inputs[number];
    return [value, { ...specOf(value), from }];
  }));
  const resolve = (value: Value): Value => places.get(value) ?? value;
  return {
    ...body,
    inputs: [...places.values()],
    steps: body.steps.map((step) => ({ ...step, inputs: step.inputs.map(resolve) })),
    results: results.map(resolve),
  };
}

/** Whether a captured tensor is a number that the body can hold as a constant. */
function isNumber({ shape, dtype }: Spec): boolean {
  return shape.length === 0 && dtype !== 'f64';
}

/** A body as it was traced, and what it takes from outside. */
export interface TracedBody {
  /** Its arguments: the carries, `assigned`, the others that were asked for, `captured`. */
  readonly body: Body;
  /** The tensors from outside that it assigns to: they are carries, too. */
  readonly assigned: readonly Tensor[];
  /** Those that it reads from outside. */
  readonly captured: readonly Tensor[];
}

const MISSING =
  'scan: this tensor has no value: it belongs to the step, which is traced once for all of its ' +
  'inputs; return it as state or output to use it outside of the step';

/** Makes the tensor that stands for an argument, as `Recorder` does. */
export type ArgumentOf = (
  spec: Spec, argument: number, requiresGrad: boolean, node?: Node,
) => Tensor;

/** The function that a body is traced from, and its arguments. */
export interface BodySource {
  /** How many of its arguments, and of its results, are carries: the first ones. */
  readonly carries: number;
  /** How many arguments it has. */
  readonly count: number;
  /** Makes tensors for all arguments, and gives the results. */
  readonly f: (argument: ArgumentOf) => readonly Tensor[];
}

/** Traces the body of a loop. `tracer` is the trace that the loop will be a step of. */
export function traceBody(
  source: BodySource, tracer: Tracer | undefined, isAgain = false,
): TracedBody {
  const recorder = new Recorder(MISSING, tracer);
  const specs: Spec[] = [];
  const argument: ArgumentOf = (spec, number, requiresGrad, node) => {
    specs[number] = specOf(spec);
    return recorder.placeholder(spec, number, requiresGrad, node);
  };
  try {
    const recorded = withMode('scan', { tracer: recorder, observer: undefined }, () =>
      recorder.recorded(source.f(argument)),
    );
    // A tensor that is made in the first trace only is there before the second: it is state.
    if (recorded.assignsToConstants && !isAgain) return traceBody(source, tracer, true);
    for (const holds of recorded.guards) tracer?.guard(holds);
    return closed(recorded, specs, source.carries);
  } finally {
    recorder.undo();
  }
}

/** Turns a recording into a program of arguments alone. */
function closed(
  { steps, writes, results, constants }: Omit<Program, 'rebuild'>, specs: readonly Spec[],
  carries: number,
): TracedBody {
  const assigned = writes.map(({ state }) => assignedTensor(state));
  const captured: Tensor[] = [];
  const inputs = [...specs.slice(0, carries), ...assigned, ...specs.slice(carries)].map(
    (spec, from): Value => ({ ...specOf(spec), from }),
  );
  const byTensor = new Map(assigned.map((tensor, i) => [tensor, inputs[carries + i]]));
  const isConstant = (tensor: Tensor): boolean =>
    constants.has(tensor) && isNumber(tensor) && !byTensor.has(tensor);
  const resolve = (value: Value): Value => {
    const { from } = value;
    if (typeof from === 'number') return inputs[from < carries ? from : from + assigned.length];
    if (from === 'step' || isConstant(from)) return value;
    const known = byTensor.get(from) ?? { ...specOf(value), from: inputs.length };
    if (!byTensor.has(from)) {
      byTensor.set(from, known);
      inputs.push(known);
      captured.push(from);
    }
    return known;
  };
  const body: Body = {
    steps: steps.map((step): Step => ({ ...step, inputs: step.inputs.map(resolve) })),
    results: [
      ...results.slice(0, carries), ...writes.map(({ value }) => value), ...results.slice(carries),
    ].map(resolve),
    inputs,
    constants: new Set([...constants].filter(isConstant)),
    writes: [], assignsToConstants: false, guards: [], rebuild: (tensors) => tensors,
  };
  return { body, assigned, captured };
}

/** The tensor that a step assigns to, which must be state from outside. */
function assignedTensor({ from, shape, dtype }: Value): Tensor {
  if (!(from instanceof Tensor)) throw failure`scan: the step assigns to its state or input,
    ${describe({ shape, dtype })}; expected it to return the new state`;
  check(!from.requiresGrad)`scan: the step assigns to ${from}, which requires gradients; expected it
    in the state that the step is given and returns`;
  return from;
}

/**
 * Tracing: a function of tensors runs once, with tensors that have a shape and no value, and every
 * op that it applies is noted instead of computed. What is noted is a program: a list of steps,
 * each the application of a primitive to values made before.
 *
 * Tensors from outside that the function reads are **captured**: the program reads their value of
 * the moment at each call. Where the function assigns to one, later reads in the same call see the
 * new value, and the tensor has it when the call is over.
 */
import { describe, type Spec, TensorError } from '../shape.ts';
import { type Primitive, Tensor, type Tracer, tick, withMode } from '../tensor.ts';
import { mapTensors } from './tree.ts';

/** A value of the program: known at a call (an argument, a captured tensor) or made by a step. */
export interface Value extends Spec {
  readonly from: { readonly argument: number } | { readonly captured: Tensor } | 'step';
}

/** One op of the program. */
export interface Step {
  readonly primitive: Primitive<unknown>;
  readonly attributes: unknown;
  readonly inputs: readonly Value[];
  readonly output: Value;
}

/** State, a captured tensor or an argument, and the value that it has when the call is over. */
export interface Write {
  readonly state: Value;
  readonly value: Value;
}

export interface Program {
  /** In an order of evaluation. */
  readonly steps: readonly Step[];
  readonly writes: readonly Write[];
  /** The captured tensors that the function made itself, and does not assign to. */
  readonly constants: ReadonlySet<Tensor>;
  /** The values of the tensors in the function's result, in order. */
  readonly results: readonly Value[];
  /** The function's result with these tensors in the places of its own. */
  readonly rebuild: (tensors: readonly Tensor[]) => unknown;
  /** Whether the settings that the function read are what they were; see `guard`. */
  readonly guards: readonly (() => boolean)[];
}

const UNKNOWN =
  'compile: this tensor has no value: it stands for one while a function is traced; return it ' +
  'from the function to see what it is';

/**
 * Runs `f` on placeholders of the given arguments, in which every tensor is replaced, and gives the
 * program. Whatever the function does with tensors leaves no mark outside.
 */
export function trace(f: (...args: unknown[]) => unknown, args: readonly unknown[]): Program {
  const startedAt = tick();
  const values = new Map<Tensor, Value>();
  const current = new Map<Tensor, Value>();
  const undo = new Map<Tensor, () => void>();
  const steps: Step[] = [];
  const guards: (() => boolean)[] = [];

  /** The value that a tensor has now; one not seen before comes from outside, or is a constant. */
  const valueOf = (tensor: Tensor): Value => {
    const known = current.get(tensor) ?? values.get(tensor);
    if (known) return known;
    const captured: Value = { ...specOf(tensor), from: { captured: tensor } };
    values.set(tensor, captured);
    if (tensor.createdAt < startedAt) tracer.guard(() => tensor.requiresGrad);
    return captured;
  };
  const tracer: Tracer = {
    apply(primitive, inputs, attributes, spec, node) {
      const output: Value = { ...specOf(spec), from: 'step' };
      steps.push({ primitive, attributes, inputs: inputs.map(valueOf), output });
      const result = new Tensor(output, UNKNOWN, node);
      values.set(result, output);
      return result;
    },
    touch(tensor) {
      if (!undo.has(tensor)) undo.set(tensor, tensor.snapshot());
    },
    assign(state, value) {
      this.touch(state);
      const next = valueOf(value);
      valueOf(state);
      current.set(state, next);
    },
    read(tensor) {
      if (current.has(tensor)) throw new TensorError(UNKNOWN);
      if (tensor.createdAt > startedAt) return;
      throw new TensorError(
        `compile: the function reads the data of ${describe(tensor)}, whose value would be ` +
          'frozen in the program; use it as a tensor, or pass the number as an argument',
      );
    },
    guard(read) {
      const value = read();
      guards.push(() => Object.is(read(), value));
    },
  };

  const placeholders = new Map<Tensor, Tensor>();
  const standIn = (tensor: Tensor): Tensor => {
    const known = placeholders.get(tensor);
    if (known) return known;
    const placeholder = new Tensor(specOf(tensor), UNKNOWN);
    if (tensor.requiresGrad) placeholder.requiresGrad = true;
    const argument = placeholders.size;
    placeholders.set(tensor, placeholder);
    values.set(placeholder, { ...specOf(tensor), from: { argument } });
    return placeholder;
  };
  try {
    return withMode('compile', { tracer, observer: undefined }, () => {
      const standIns = mapTensors(args, standIn) as unknown[];
      const returned = f(...standIns);
      if (returned instanceof Promise) {
        throw new TensorError('compile: the function is async; what it awaits cannot be traced');
      }
      const results: Value[] = [];
      mapTensors(returned, (tensor) => {
        // State that is returned is returned as itself, whatever was assigned to it.
        results.push(values.get(tensor) ?? valueOf(tensor));
      });
      const rebuild = (tensors: readonly Tensor[]): unknown => {
        let next = 0;
        return mapTensors(returned, () => tensors[next++]);
      };
      const writes = Array.from(current, ([state, value]) => ({
        state: values.get(state) ?? value,
        value,
      }));
      const isConstant = (tensor: Tensor): boolean =>
        tensor.createdAt > startedAt && !current.has(tensor);
      const captured = [...values].filter(([, { from }]) => from !== 'step' && 'captured' in from);
      const constants = new Set(captured.map(([tensor]) => tensor).filter(isConstant));
      // Such a tensor is a constant of the program until somebody assigns to it.
      for (const tensor of constants) tracer.guard(() => tensor.assignedAt);
      return { steps, writes, constants, results, rebuild, guards };
    });
  } finally {
    for (const putBack of undo.values()) putBack();
  }
}

function specOf({ shape, dtype }: Spec): Spec {
  return { shape, dtype };
}

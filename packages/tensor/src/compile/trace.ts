/**
 * Tracing: a function of tensors runs once, with tensors that have a shape and no value, and every
 * op that it applies is noted instead of computed. What is noted is a program: a list of steps,
 * each the application of a primitive to values made before.
 *
 * Tensors from outside that the function reads are **captured**: the program reads their value of
 * the moment at each call. Where the function assigns to one, later reads in the same call see the
 * new value, and the tensor has it when the call is over.
 */
import { check, type Spec, TensorError } from '../shape.ts';
import {
  checkIsOver, type Primitive, Tensor, type Tracer, tick, withMode,
} from '../tensor.ts';
import { mapTensors, readArguments } from './tree.ts';

/** A value of the program. */
export interface Value extends Spec {
  /** Known at a call, as the argument of a number or a captured tensor, or made by a step. */
  readonly from: number | Tensor | 'step';
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
  /** The captured tensors that the function made itself. */
  readonly constants: ReadonlySet<Tensor>;
  /** Whether it assigns to any of them: no write, as each call starts with the constant again. */
  readonly assignsToConstants: boolean;
  /** The values of the tensors in the function's result, in order. */
  readonly results: readonly Value[];
  /** The function's result with these in the places of its tensors. */
  readonly rebuild: (tensors: readonly unknown[]) => unknown;
  /** Whether what it took for granted still holds: constants, settings, and gradients of state. */
  readonly guards: readonly (() => boolean)[];
}

/** What is asked for when all steps are done: results, and new values of state. */
export function endsOf({ results, writes }: Pick<Program, 'results' | 'writes'>): Value[] {
  return [...results, ...writes.map(({ value }) => value)];
}

const UNKNOWN =
  'compile: this tensor has no value: it stands for one while a function is traced; return it ' +
  'from the function to see what it is';

// A program outlives the call that it was traced in: what it keeps is made out here, where no
// function can hold on to the arguments of that call.

/** Whether a setting is still what it is now. */
function unchanged(read: () => unknown): () => boolean {
  const value = read();
  return () => Object.is(read(), value);
}

function sameRequiresGrad(tensor: Tensor): () => boolean {
  return unchanged(() => tensor.requiresGrad);
}

function neverAssigned(tensor: Tensor): () => boolean {
  return () => tensor.assignedAt === 0;
}

/** Whether the gradient of a tensor is still this one, which may be long gone otherwise. */
function sameGrad(tensor: Tensor, grad: Tensor | undefined): () => boolean {
  const kept = grad && new WeakRef(grad);
  return () => (tensor.grad === undefined ? !kept : tensor.grad === kept?.deref());
}

/** Gives a tree like this one with other tensors. */
function rebuilder(tree: unknown): Program['rebuild'] {
  // The tensors of a trace hold on to all that they were made of, so others stand in for them.
  const form = mapTensors(tree, (tensor) => new Tensor(specOf(tensor), UNKNOWN));
  return (tensors) => {
    let next = 0;
    return mapTensors(form, () => tensors[next++]);
  };
}

/**
 * Gradients that are set in a trace are local to it, so if nothing there reads any, the backward
 * pass was for nothing: an optimizer's step outside, say, finds none.
 */
class LocalGradients {
  readonly #given = new Set<Tensor>();
  readonly #unread = new Set<Tensor>();

  noteSet(tensor: Tensor, grad: Tensor | undefined): void {
    if (grad === undefined) return;
    this.#given.add(tensor);
    this.#unread.add(tensor);
  }

  noteRead(tensor: Tensor): void {
    this.#unread.delete(tensor);
  }

  requireUse(): void {
    const [first] = this.#unread;
    // Where some are read, the others may be of tensors that are not trained here.
    check(first === undefined || this.#unread.size < this.#given.size)`compile: the function calls
      backward(), but reads none of the gradients, such as that of ${first}, which are gone when the
      call is over; call optimizer.step() in the function too, or return what it should give`;
  }
}

/**
 * Runs `f` on placeholders of the given arguments, in which every tensor is replaced, and gives the
 * program. Whatever the function does with tensors leaves no mark outside.
 */
export function trace(f: (...args: unknown[]) => unknown, args: readonly unknown[]): Program {
  const startedAt = tick();
  const values = new Map<Tensor, Value>();
  const current = new Map<Tensor, Value>();
  const undo = new Map<Tensor, () => void>();
  /** The gradients from outside that were read. */
  const gradients = new Map<Tensor, Tensor | undefined>();
  const ownGradients = new Set<Tensor>();
  const localGradients = new LocalGradients();
  const steps: Step[] = [];
  const guards: (() => boolean)[] = [];

  /** The value that a tensor has now; one not seen before comes from outside, or is a constant. */
  const valueOf = (tensor: Tensor): Value => {
    const known = current.get(tensor) ?? values.get(tensor);
    if (known) return known;
    const captured: Value = { ...specOf(tensor), from: tensor };
    values.set(tensor, captured);
    if (tensor.createdAt < startedAt) guards.push(sameRequiresGrad(tensor));
    return captured;
  };
  const noteBefore = (tensor: Tensor): void => {
    if (!undo.has(tensor)) undo.set(tensor, tensor.snapshot());
  };
  const tracer: Tracer = {
    apply(primitive, inputs, attributes, spec, node) {
      const output: Value = { ...specOf(spec), from: 'step' };
      steps.push({ primitive, attributes, inputs: inputs.map(valueOf), output });
      const result = new Tensor(output, UNKNOWN, node);
      values.set(result, output);
      return result;
    },
    touch(tensor, grad) {
      noteBefore(tensor);
      ownGradients.add(tensor);
      localGradients.noteSet(tensor, grad);
    },
    readGrad(tensor, grad) {
      localGradients.noteRead(tensor);
      const isFromOutside = tensor.createdAt <= startedAt && !ownGradients.has(tensor);
      if (isFromOutside) gradients.set(tensor, grad);
    },
    assign(state, value) {
      noteBefore(state);
      const next = valueOf(value);
      valueOf(state);
      current.set(state, next);
    },
    read(tensor) {
      if (current.has(tensor)) throw new TensorError(UNKNOWN);
      const isOwn = tensor.createdAt > startedAt;
      check(isOwn)`compile: the function reads the data of ${tensor}, whose value would be
        frozen in the program; use it as a tensor, or pass the number as an argument`;
    },
    guard(read) {
      guards.push(unchanged(read));
    },
  };

  const given = readArguments(args).tensors;
  const placeholders = given.map((tensor, argument) => {
    const placeholder = new Tensor(specOf(tensor), UNKNOWN);
    if (tensor.requiresGrad) placeholder.requiresGrad = true;
    values.set(placeholder, { ...specOf(tensor), from: argument });
    return placeholder;
  });
  try {
    return withMode('compile', { tracer, observer: undefined }, () => {
      const standIns = mapTensors(args, (tensor) => placeholders[given.indexOf(tensor)]);
      const returned = f(...(standIns as unknown[]));
      checkIsOver('compile', returned);
      localGradients.requireUse();
      /** Whether a tensor was there before the call, and so is left changed by it. */
      const isState = ({ from }: Value): boolean =>
        typeof from === 'number' || (from instanceof Tensor && from.createdAt <= startedAt);
      const results: Value[] = [];
      mapTensors(returned, (tensor) => {
        const now = valueOf(tensor);
        const own = values.get(tensor) ?? now;
        // State that is returned is returned as itself, whatever was assigned to it.
        results.push(isState(own) ? own : now);
      });
      const writes = Array.from(current).flatMap(([tensor, value]) => {
        const state = values.get(tensor);
        return state && isState(state) ? [{ state, value }] : [];
      });
      const captured = Array.from(values.values()).flatMap(({ from }) =>
        from instanceof Tensor ? [from] : [],
      );
      const constants = new Set(captured.filter(({ createdAt }) => createdAt > startedAt));
      const assignsToConstants = [...constants].some((tensor) => current.has(tensor));
      for (const tensor of constants) guards.push(neverAssigned(tensor));
      for (const [tensor, grad] of gradients) guards.push(sameGrad(tensor, grad));
      const rebuild = rebuilder(returned);
      return { steps, writes, constants, assignsToConstants, results, rebuild, guards };
    });
  } finally {
    for (const putBack of undo.values()) putBack();
  }
}

/** The shape and dtype of what has more to it. */
export function specOf({ shape, dtype }: Spec): Spec {
  return { shape, dtype };
}

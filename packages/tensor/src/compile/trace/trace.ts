/**
 * Tracing: a function of tensors runs once, with tensors that have a shape and no value, and every
 * op that it applies is noted instead of computed. What is noted is a program: a list of steps,
 * each the application of a primitive to values made before.
 *
 * Tensors from outside that the function reads are **captured**: the program reads their value of
 * the moment at each call. Where the function assigns to one, later reads in the same call see the
 * new value, and the tensor has it when the call is over.
 */
import { checkIsOver } from '../../core/isOver.ts';
import { check, type Spec, TensorError } from '../../core/shape.ts';
import {
  type Node, type Primitive, Tensor, type Tracer, tick, withMode,
} from '../../core/tensor.ts';
import { type Guard, neverAssigned, sameGrad, sameRequiresGrad, unchanged } from './guards.ts';
import { LocalGradients } from './localGradients.ts';
import { mapTensors, rebuilder, tensorsIn } from './tree.ts';

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
  readonly outputs: readonly Value[];
  /** Whether gradients flow through it: not where it was applied under `noGrad`. */
  readonly isRecorded: boolean;
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
  readonly guards: readonly Guard[];
}

/** The values that are needed when all steps are done: results, and new values of state. */
export function rootsOf({ results, writes }: Pick<Program, 'results' | 'writes'>): Value[] {
  return [...results, ...writes.map(({ value }) => value)];
}

const UNKNOWN =
  'compile: this tensor has no value: it stands for one while a function is traced; return it ' +
  'from the function to see what it is';

/** Stands for a tensor of the trace, which holds on to all that it was made of. */
function standIn(tensor: Tensor): Tensor {
  return new Tensor(specOf(tensor), UNKNOWN);
}

/** Records what a function does with tensors: while it traces, every op is reported to it. */
export class Recorder implements Tracer {
  readonly missing: string;
  readonly #startedAt = tick();
  /** When the outermost trace started: tensors that were made since are constants. */
  readonly #outermostStart: number;
  readonly #steps: Step[] = [];
  readonly #guards: Guard[] = [];
  /** The tensors from outside that were read, and whether each required gradients then. */
  readonly #captured = new Map<Tensor, boolean>();
  /** The value that each tensor had when it was first seen. */
  readonly #values = new Map<Tensor, Value>();
  /** The present value of each tensor that was assigned to. */
  readonly #assigned = new Map<Tensor, Value>();
  /** The gradients from outside that were read. */
  readonly #outerGradients = new Map<Tensor, Tensor | undefined>();
  /** The tensors whose gradient was set here. */
  readonly #hasOwnGradient = new Set<Tensor>();
  readonly #localGradients = new LocalGradients();
  readonly #undo = new Map<Tensor, () => void>();

  /** `missing` is said where the value of a traced tensor is read; `outer` traces around this. */
  constructor(missing: string = UNKNOWN, outer?: Tracer) {
    this.missing = missing;
    this.#outermostStart = outer instanceof Recorder ? outer.#outermostStart : this.#startedAt;
  }

  /**
   * A tensor without a value that stands for an argument; with a node if it was computed from
   * others, which gradients flow to.
   */
  placeholder(spec: Spec, argument: number, requiresGrad: boolean, node?: Node): Tensor {
    const placeholder = new Tensor(specOf(spec), this.missing, node);
    if (requiresGrad && !node) placeholder.requiresGrad = true;
    this.#values.set(placeholder, { ...specOf(spec), from: argument });
    return placeholder;
  }

  apply(...[primitive, inputs, results, attributes]: Parameters<Tracer['apply']>): void {
    const values = inputs.map((input) => this.#valueOf(input));
    const outputs = results.map((result): Value => ({ ...specOf(result), from: 'step' }));
    const isRecorded = results.some(({ node }) => node !== undefined);
    this.#steps.push({ primitive, attributes, inputs: values, outputs, isRecorded });
    results.forEach((result, i) => this.#values.set(result, outputs[i]));
  }

  assign(state: Tensor, value: Tensor): void {
    this.#noteBefore(state);
    const next = this.#valueOf(value);
    this.#valueOf(state);
    this.#assigned.set(state, next);
  }

  touch(tensor: Tensor, grad: Tensor | undefined): void {
    this.#noteBefore(tensor);
    this.#hasOwnGradient.add(tensor);
    this.#localGradients.noteSet(tensor, grad);
  }

  readGrad(tensor: Tensor, grad: Tensor | undefined): void {
    this.#localGradients.noteRead(tensor);
    const isFromOutside = tensor.createdAt <= this.#startedAt && !this.#hasOwnGradient.has(tensor);
    if (isFromOutside) this.#outerGradients.set(tensor, grad);
  }

  read(tensor: Tensor): void {
    if (this.#assigned.has(tensor)) throw new TensorError(this.missing);
    const isOwn = tensor.createdAt > this.#startedAt;
    check(isOwn)`compile: the function reads the data of ${tensor}, whose value would be
      frozen in the program; use it as a tensor, or pass the number as an argument`;
  }

  guard(read: () => unknown): void {
    this.#guards.push(unchanged(read));
  }

  /** What a function did, and the values of some tensors as they are when it is over. */
  recorded(results: readonly Tensor[]): Omit<Program, 'rebuild'> {
    return this.#recorded(results.map((tensor) => this.#valueOf(tensor)));
  }

  /** The program of a function that has returned this. */
  program(returned: unknown): Program {
    const results = this.#resultsIn(returned);
    return { ...this.#recorded(results), rebuild: rebuilder(returned, standIn) };
  }

  #recorded(results: readonly Value[]): Omit<Program, 'rebuild'> {
    this.#localGradients.requireUse();
    const constants = this.#constants();
    this.#guards.push(sameRequiresGrad(this.#captured));
    for (const tensor of constants) this.#guards.push(neverAssigned(tensor));
    for (const [tensor, grad] of this.#outerGradients) this.#guards.push(sameGrad(tensor, grad));
    return {
      steps: this.#steps,
      writes: this.#writes(),
      constants,
      assignsToConstants: [...constants].some((tensor) => this.#assigned.has(tensor)),
      results,
      guards: this.#guards,
    };
  }

  /** Gives all tensors the gradients that they had before. */
  undo(): void {
    for (const putBack of this.#undo.values()) putBack();
  }

  /** The value that a tensor has now; one not seen before comes from outside, or is a constant. */
  #valueOf(tensor: Tensor): Value {
    const known = this.#assigned.get(tensor) ?? this.#values.get(tensor);
    if (known) return known;
    const isOlder = tensor.createdAt < this.#startedAt;
    // A tensor of the step of a loop, kept outside of it, has no value: reading it throws.
    if (!isOlder && !tensor.hasValue) void tensor.data;
    const captured: Value = { ...specOf(tensor), from: tensor };
    this.#values.set(tensor, captured);
    if (isOlder && tensor.hasValue) this.#captured.set(tensor, tensor.requiresGrad);
    return captured;
  }

  #noteBefore(tensor: Tensor): void {
    if (!this.#undo.has(tensor)) this.#undo.set(tensor, tensor.snapshot());
  }

  /** Whether a tensor was there before the call, and so is left changed by it. */
  #isState({ from }: Value): boolean {
    const isOlder = from instanceof Tensor && from.createdAt <= this.#startedAt;
    return typeof from === 'number' || isOlder;
  }

  #resultsIn(returned: unknown): Value[] {
    const results: Value[] = [];
    mapTensors(returned, (tensor) => {
      const now = this.#valueOf(tensor);
      const first = this.#values.get(tensor) ?? now;
      // State that is returned is returned as itself, whatever was assigned to it.
      results.push(this.#isState(first) ? first : now);
    });
    return results;
  }

  #writes(): Write[] {
    return Array.from(this.#assigned).flatMap(([tensor, value]) => {
      const state = this.#values.get(tensor);
      return state && this.#isState(state) ? [{ state, value }] : [];
    });
  }

  /** The captured tensors that the function made itself. */
  #constants(): Set<Tensor> {
    const captured = Array.from(this.#values.values()).flatMap(({ from }) =>
      from instanceof Tensor ? [from] : [],
    );
    // Within a loop, what the function made before the loop is known as well.
    return new Set(captured.filter(({ createdAt, hasValue, assignedAt }) => {
      const isOwn = createdAt > this.#startedAt;
      return isOwn || (createdAt > this.#outermostStart && hasValue && assignedAt === 0);
    }));
  }
}

/**
 * Runs `f` on placeholders of the given arguments, in which every tensor is replaced, and gives the
 * program. Whatever the function does with tensors leaves no mark outside.
 */
export function trace(f: (...args: unknown[]) => unknown, args: readonly unknown[]): Program {
  const recorder = new Recorder();
  const given = tensorsIn(args);
  const placeholders = given.map(
    (tensor, argument) => recorder.placeholder(tensor, argument, tensor.requiresGrad),
  );
  try {
    return withMode('compile', { tracer: recorder, observer: undefined }, () => {
      const standIns = mapTensors(args, (tensor) => placeholders[given.indexOf(tensor)]);
      const returned = f(...(standIns as unknown[]));
      checkIsOver('compile', returned);
      return recorder.program(returned);
    });
  } finally {
    recorder.undo();
  }
}

/** The shape and dtype of what has more to it. */
export function specOf({ shape, dtype }: Spec): Spec {
  return { shape, dtype };
}

/**
 * A model is a tree of modules, and a module is an object with fields: tensors to learn, tensors to
 * keep, other modules, arrays of these. The names of fields make the names of tensors, as in
 * `layers.0.norm.weight`, and their order is that in which the fields were set.
 */
import { type DType, Generator, guard, Tensor } from '@mambagrad/tensor';
import { loadState, saveState, type StateDict } from './state.ts';

/**
 * A tensor that a module keeps but does not learn, such as a running mean. Tensors in other fields
 * that are no parameters are no part of a module's state.
 */
export class Buffer extends Tensor {
  /** Takes over the values of `value`. */
  constructor(value: Tensor) {
    super(value, value);
  }
}

export interface ParameterOptions {
  /** Keep weight decay away from this parameter, as it should be from scales and decay rates. */
  readonly noWeightDecay?: boolean;
}

/** A tensor that is learned: a leaf that requires gradients. */
export class Parameter extends Tensor {
  readonly noWeightDecay: boolean;

  /** Takes over the values of `value`. */
  constructor(value: Tensor, { noWeightDecay = false }: ParameterOptions = {}) {
    super(value, value);
    this.noWeightDecay = noWeightDecay;
    this.requiresGrad = true;
  }
}

/** The base of all layers and models. */
export abstract class Module {
  #training = true;

  /**
   * Whether the model is being trained, as it is at first, or used: `Dropout` asks. It may change
   * between the calls of a compiled function, which has a program for each.
   */
  get training(): boolean {
    return guard(() => this.#training);
  }

  /** Sets `training`, here and in every module below. Returns this module. */
  train(training = true): this {
    for (const [, module] of this.namedModules()) module.#training = training;
    return this;
  }

  /** The same as `train(false)`. */
  eval(): this {
    return this.train(false);
  }

  /**
   * What `f` gives, called in `eval`; behind it every module is in the mode that it was in. Whoever
   * does so often may keep the list of modules; by default it is made anew.
   */
  inEval<Result>(f: () => Result, modules: readonly Module[] = this.#modules()): Result {
    const modes = modules.map((module) => module.#training);
    try {
      for (const module of modules) module.#training = false;
      return f();
    } finally {
      modules.forEach((module, i) => (module.#training = modes[i]));
    }
  }

  #modules(): Module[] {
    return this.namedModules().map(([, module]) => module);
  }

  /**
   * Every parameter with its path, in the order in which fields were set. One that is reached by
   * several paths (a tied weight) is listed once, under the first.
   */
  namedParameters(): [string, Parameter][] {
    return this.#named(Parameter);
  }

  /** Every buffer with its path, likewise. */
  namedBuffers(): [string, Buffer][] {
    return this.#named(Buffer);
  }

  /** Every generator of random numbers in a field of a module, once, in the same order. */
  generators(): Generator[] {
    return this.#named(Generator).map(([, generator]) => generator);
  }

  /** This module, with the path '', and every one below it, each before those that it holds. */
  namedModules(): [string, Module][] {
    return [['', this], ...this.#named(Module)];
  }

  #named<T>(kind: abstract new (...args: never) => T): [string, T][] {
    const found = new Map<T, string>();
    for (const [path, value] of fieldsOf(this)) {
      if (value instanceof kind && !found.has(value)) found.set(value, path);
    }
    return Array.from(found, ([value, path]) => [path, value]);
  }

  /** Every parameter, once, in the order of `namedParameters`. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** The number of values to learn. */
  parameterCount(): number {
    return this.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  }

  /** The present values of all parameters and buffers by path, as copies. */
  stateDict(): StateDict {
    return saveState(this.#state());
  }

  /**
   * Gives parameters and buffers the values with their paths. Throws one error that lists every
   * name that is missing, unexpected, or of another shape or dtype, and then has changed nothing.
   * With `strict: false`, missing and unexpected names are passed over.
   */
  loadStateDict(values: StateDict, { strict = true }: { readonly strict?: boolean } = {}): void {
    loadState('loadStateDict', this.#state(), values, strict);
  }

  #state(): [string, Tensor][] {
    return [...this.namedParameters(), ...this.namedBuffers()];
  }

  /**
   * Replaces every parameter, and every buffer of a floating dtype, by one of the given dtype, for
   * checking in f64. Optimizers and compiled functions made before keep the old ones. Returns this
   * module.
   */
  to(dtype: DType): this {
    const moved = new Map<Tensor, Tensor>();
    for (const [, value, owner, key] of fieldsOf(this)) {
      const isState = value instanceof Parameter || value instanceof Buffer;
      if (!isState || value.dtype === 'i32') continue;
      const cast = value.cast(dtype).detach();
      const made = value instanceof Parameter ? new Parameter(cast, value) : new Buffer(cast);
      made.requiresGrad = value.requiresGrad;
      const copy = moved.get(value) ?? made;
      moved.set(value, copy);
      Reflect.set(owner, key, copy);
    }
    return this;
  }
}

type Field = [path: string, value: unknown, owner: object, key: string];

/** All fields of the tree below `owner`: of each module and each array once. */
function* fieldsOf(owner: object, path = '', seen = new Set<unknown>([owner])): Iterable<Field> {
  for (const [key, value] of Object.entries(owner)) {
    const name = path === '' ? key : `${path}.${key}`;
    if (seen.has(value)) continue;
    yield [name, value, owner, key];
    const isInner = value instanceof Module || Array.isArray(value);
    if (isInner) yield* fieldsOf(value, name, seen.add(value));
  }
}

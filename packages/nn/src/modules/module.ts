/**
 * A model is a tree of modules, and a module is an object with fields: tensors to learn, tensors to
 * keep, other modules, and arrays, plain objects, Maps and Sets of these. The names of fields make
 * the names of tensors, as in `layers.0.norm.weight`, and their order is that in which the fields
 * were set. A private field (`#name`) cannot be seen from outside, so what is in it is not found.
 */
import { type DType, Generator, guard, Tensor, TensorError } from '@mambagrad/tensor';
import {
  boolean, checkArgument, oneOf, readOptions, show, type Table, tensors,
} from '@mambagrad/tensor/options';
import { warn } from '@mambagrad/tensor/host';
import { fieldsOf } from './fields.ts';
import { loadState, saveState, type StateDict } from './state.ts';

/**
 * A tensor that a module keeps but does not learn, such as a running mean. Tensors in other fields
 * that are no parameters are no part of a module's state.
 */
export class Buffer extends Tensor {
  /** Takes over the values of `value`. */
  constructor(value: Tensor) {
    checkArgument('Buffer', 'value', value, tensors);
    super(value, value);
  }
}

/** Options of `Parameter`: how it is trained, whatever its values are. */
export interface ParameterOptions {
  /**
   * Keep weight decay away from this parameter, as it should be from scales and decay rates.
   * Default false.
   */
  readonly noWeightDecay?: boolean | undefined;
}

const parameterOptions = {
  noWeightDecay: boolean.orElse(false),
} satisfies Table<ParameterOptions>;

/** Options of `loadStateDict`; shapes have to agree in any case. */
export interface LoadOptions {
  /** Whether names that are missing or unexpected are errors. Default true. */
  readonly strict?: boolean | undefined;
}

const loadOptions = { strict: boolean.orElse(true) } satisfies Table<LoadOptions>;

/** A tensor that is learned: a leaf that requires gradients. */
export class Parameter extends Tensor {
  /** Whether optimizers leave this parameter out of weight decay. */
  readonly noWeightDecay: boolean;

  /** Takes over the values of `value`. */
  constructor(value: Tensor, options: ParameterOptions = {}) {
    checkArgument('Parameter', 'value', value, tensors);
    super(value, value);
    this.noWeightDecay = readOptions('Parameter', options, parameterOptions).noWeightDecay;
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
    checkArgument('train', 'training', training, boolean);
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
    const found = new Map<string, T>();
    const seen = new Set<T>();
    for (const { path, value } of fieldsOf(this, isModule)) {
      if (value instanceof Tensor) warnIfPlain(path, value);
      if (!(value instanceof kind) || seen.has(value)) continue;
      if (found.has(path)) {
        const name = this.constructor.name;
        throw new TensorError(`${name}: two fields have the path '${path}'; rename one of them`);
      }
      found.set(path, value);
      seen.add(value);
    }
    return [...found];
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
  loadStateDict(values: StateDict, options: LoadOptions = {}): void {
    const { strict } = readOptions('loadStateDict', options, loadOptions);
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
    checkArgument('to', 'dtype', dtype, oneOf('f32', 'f64'));
    const moved = new Map<Tensor, Tensor>();
    for (const { value, replace } of [...fieldsOf(this, isModule)]) {
      const isState = value instanceof Parameter || value instanceof Buffer;
      if (!isState || value.dtype === 'i32') continue;
      const cast = value.cast(dtype).detach();
      const { noWeightDecay } = value instanceof Parameter ? value : {};
      const made =
        value instanceof Parameter ? new Parameter(cast, { noWeightDecay }) : new Buffer(cast);
      made.requiresGrad = value.requiresGrad;
      const copy = moved.get(value) ?? made;
      moved.set(value, copy);
      replace(copy);
    }
    return this;
  }
}

/** The tensors that were warned of. */
const known = new WeakSet<Tensor>();

/** Warns, once, of a tensor that its owner may believe to be a parameter. */
function warnIfPlain(path: string, value: Tensor): void {
  const isState = value instanceof Parameter || value instanceof Buffer;
  if (isState || !value.requiresGrad || value.node || known.has(value)) return;
  known.add(value);
  warn(
    `Module: the field '${path}' is ${show(value)} that requires gradients but is no Parameter: ` +
      'it is neither trained nor saved; make it a Parameter or a Buffer',
  );
}

function isModule(value: object): boolean {
  return value instanceof Module;
}

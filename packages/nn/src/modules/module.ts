/**
 * A model is a tree of modules. A module is an object whose fields hold parameters, which are
 * trained, buffers, which are only kept, other modules, and arrays, plain objects, Maps and Sets of
 * these. The path of fields that leads to a tensor is its name, as in `layers.0.norm.weight`;
 * tensors are listed in the order in which the fields were set. A private field (`#name`) is
 * invisible from outside, so parameters and modules in it are not found.
 */
import { type DType, Generator, guard, Tensor, TensorError } from '@mambagrad/tensor';
import {
  boolean, callable, checkArgument, Kind, oneOf, readOptions, show, type Table, tensors,
} from '@mambagrad/tensor/options';
import { warn } from '@mambagrad/tensor/host';
import { fieldsOf } from './fields.ts';
import { type NameFilter, selectNamed } from './select.ts';
import { loadState, saveState, type StateDict } from './state.ts';
import { isThenable } from './thenable.ts';

/**
 * A tensor that is part of a module's state but is not trained, such as a running mean. A plain
 * tensor in a field is not part of the state.
 */
export class Buffer extends Tensor {
  /** Takes over the values of `value`. */
  constructor(value: Tensor) {
    checkArgument('Buffer', 'value', value, tensors);
    super(value, value);
  }
}

/** Options of `Parameter`: how it is trained. */
export interface ParameterOptions {
  /**
   * Whether optimizers exclude this parameter from weight decay, as is right for scales, biases and
   * decay rates. Default false.
   */
  readonly noWeightDecay?: boolean | undefined;
}

const parameterOptions = {
  noWeightDecay: boolean.orElse(false),
} satisfies Table<ParameterOptions>;

/** Options of `loadStateDict`; shapes and dtypes have to agree in any case. */
export interface LoadOptions {
  /** Whether names that are missing or unexpected are errors. Default true. */
  readonly strict?: boolean | undefined;
}

const moduleLists = new Kind<readonly Module[]>(
  'an array of modules', (x) => Array.isArray(x) && x.every((each) => each instanceof Module),
);

const loadOptions = { strict: boolean.orElse(true) } satisfies Table<LoadOptions>;

/** A tensor that is trained: a leaf that requires gradients, unless it is frozen. */
export class Parameter extends Tensor {
  /** Whether optimizers exclude this parameter from weight decay. */
  readonly noWeightDecay: boolean;

  /** Takes over the values of `value`. */
  constructor(value: Tensor, options: ParameterOptions = {}) {
    checkArgument('Parameter', 'value', value, tensors);
    super(value, value);
    this.noWeightDecay = readOptions('Parameter', options, parameterOptions).noWeightDecay;
    this.requiresGrad = true;
  }

  /** Whether it is frozen, that is, whether `requiresGrad` is false. */
  get isFrozen(): boolean {
    return guard(() => !this.requiresGrad);
  }

  /**
   * Keeps the parameter as it is: no gradient is computed for it, and optimizers change neither it
   * nor its moments until it is unfrozen. It may be frozen and unfrozen between the calls of a
   * compiled function, which is then traced again. Returns this parameter.
   */
  freeze(): this {
    this.requiresGrad = false;
    return this;
  }

  /** Lets the parameter be trained, on from where it is. Returns this parameter. */
  unfreeze(): this {
    this.requiresGrad = true;
    return this;
  }
}

/** Says which parameters of a module are meant; see `Module.freeze`. */
export type ParameterFilter = NameFilter<Parameter>;

/** The base of all layers and models. */
export abstract class Module {
  #training = true;

  /**
   * Whether the module is in training, as at first, or in `eval`: dropout acts in training only. It
   * may change between the calls of a compiled function, which has a program for each mode.
   */
  get training(): boolean {
    return guard(() => this.#training);
  }

  /** Sets `training` of this module and of every module below it. Returns this module. */
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
   * Calls `f` with all modules in `eval`, puts every module back into the mode that it was in, and
   * returns the result of `f`. For frequent calls the list of modules can be kept and passed; by
   * default it is made anew. Throws if `f` is async: it would go on in the mode from before.
   */
  inEval<Result>(f: () => Result, modules: readonly Module[] = this.#modules()): Result {
    checkArgument('inEval', 'f', f, callable());
    checkArgument('inEval', 'modules', modules, moduleLists);
    const modes = modules.map((module) => module.#training);
    try {
      for (const module of modules) module.#training = false;
      const result = f();
      if (!isThenable(result)) return result;
      throw new TensorError(
        'inEval: the function is async, and would go on when modules are out of eval again; call ' +
          'eval() before it, and train() when it is done',
      );
    } finally {
      modules.forEach((module, i) => (module.#training = modes[i]));
    }
  }

  #modules(): Module[] {
    return this.namedModules().map(([, module]) => module);
  }

  /**
   * Every parameter with its path, in the order in which fields were set. A parameter with several
   * paths (a tied weight) is listed once, under the first.
   */
  namedParameters(): [string, Parameter][] {
    return this.#named(Parameter);
  }

  /** Every buffer with its path, in the same order, also once. */
  namedBuffers(): [string, Buffer][] {
    return this.#named(Buffer);
  }

  /** Every generator of random numbers in a field of a module, once, in the same order. */
  generators(): Generator[] {
    return this.#named(Generator).map(([, generator]) => generator);
  }

  /** This module, with the path '', and every module below it, each before its submodules. */
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

  /**
   * Freezes every parameter of this module and those below it, or those that match `which`: the
   * path of a parameter or of a module, such as 'layers.0' or 'layers.*.norm', a regular
   * expression, or a function of name and parameter. Throws if none matches. Returns this module.
   */
  freeze(which?: ParameterFilter): this {
    for (const [, parameter] of this.#matching('freeze', which)) parameter.freeze();
    return this;
  }

  /** Lets parameters be trained again, all of them or those that match `which`, as in `freeze`. */
  unfreeze(which?: ParameterFilter): this {
    for (const [, parameter] of this.#matching('unfreeze', which)) parameter.unfreeze();
    return this;
  }

  #matching(op: string, which: ParameterFilter | undefined): [string, Parameter][] {
    const all = this.namedParameters();
    return which === undefined ? all : selectNamed(op, 'which', all, which);
  }

  /** The number of values in all parameters together. */
  parameterCount(): number {
    return this.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  }

  /** Copies of the values of all parameters and buffers, by path. */
  stateDict(): StateDict {
    return saveState(this.#state());
  }

  /**
   * Assigns to parameters and buffers the values under their paths. Throws one error that lists
   * every name that is missing, unexpected, or has another shape or dtype; then nothing has
   * changed. With `strict: false`, missing and unexpected names are ignored.
   */
  loadStateDict(values: StateDict, options: LoadOptions = {}): void {
    const { strict } = readOptions('loadStateDict', options, loadOptions);
    loadState('loadStateDict', this.#state(), values, strict);
  }

  #state(): [string, Tensor][] {
    return [...this.namedParameters(), ...this.namedBuffers()];
  }

  /**
   * Replaces every parameter, and every buffer of a floating dtype, by a copy of the given dtype,
   * such as f64 for gradient checks. Optimizers and compiled functions that exist already keep the
   * old ones. Returns this module.
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

/** The tensors that a warning was shown for. */
const warned = new WeakSet<Tensor>();

/** Warns, once, of a plain tensor that looks as if it was meant to be a parameter. */
function warnIfPlain(path: string, value: Tensor): void {
  const isState = value instanceof Parameter || value instanceof Buffer;
  if (isState || !value.requiresGrad || value.node || warned.has(value)) return;
  warned.add(value);
  warn(
    `Module: the field '${path}' is ${show(value)} that requires gradients but is not a ` +
      'Parameter: it is neither trained nor saved; make it a Parameter or a Buffer',
  );
}

function isModule(value: object): boolean {
  return value instanceof Module;
}

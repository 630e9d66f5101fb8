/**
 * A model in use. Training calls `forward`, which records gradients and drops units at random. To
 * use what was learned, the same function should run fast and leave no trace:
 *
 *     const use = compileForInference(model);
 *     use.prepare(zeros([1, 60, 3]));     // compiles it ahead, so that the first answer is fast
 *     const y = use.predict(x);           // forward: compiled, without gradients, in eval
 *
 * A recurrent model can also be used step by step, in constant time and memory, however long the
 * past is. Its state is a tree of tensors that never change, so it can be kept and returned to:
 *
 *     const { output, state } = use.step(x0);
 *     const next = use.step(x1, state);
 */
import { type CompileOptions, Tensor, TensorError } from '@mambagrad/tensor';
import { compileOptions } from '@mambagrad/tensor/extend';
import {
  checkArgument, Kind, objectWith, readOptions, show, whole,
} from '@mambagrad/tensor/options';
import { Module } from '../modules/module.ts';
import { compileInEval, type InferenceFunction } from './compileInEval.ts';

/** A module with a forward method, whose arguments are tensors, options, and trees of these. */
export interface ForwardModule<Args extends unknown[], Result> extends Module {
  /** Maps inputs to results. */
  forward(...args: Args): Result;
}

/**
 * A module that also reads a sequence step by step. A state, which is a tree of tensors (objects
 * and arrays of them), sums up the past: reading a sequence by `step` gives what `forward` gives
 * for all of it. `GRU`, `LSTM`, and the blocks and models of mamba are such modules.
 */
export interface RecurrentModule<X, State, Step extends { readonly state: State }>
  extends Module {
  /** The state of `batch` rows before the first step. */
  initialState(batch: number): State;
  /** Reads one step x [batch, ...], and gives its result with the state after it. */
  step(x: X, state: State): Step;
}

/** A module in use: `forward`, compiled. */
export interface Inference<Args extends unknown[], Result> {
  /**
   * `forward` for inference: compiled for each shape of the arguments, without gradients, and with
   * all modules in `eval`. It uses the weights as they are at the call.
   */
  predict(...args: Args): Result;
  /** Compiles `predict` for arguments of these shapes, ahead of the first call; runs nothing. */
  prepare(...args: Args): this;
}

/** A recurrent module in use: `forward` and `step`, compiled. */
export interface RecurrentInference<
  Args extends unknown[], Result, X, State, Step extends { readonly state: State },
> extends Inference<Args, Result> {
  /** The state of `batch` rows before the first step. */
  initialState(batch: number): State;
  /**
   * A single step for inference, compiled, in constant time and memory. Without a state it is the
   * first step of a sequence.
   */
  step(x: X, state?: State): Step;
  /** Compiles `step` for an x of this shape, ahead of the first call; runs nothing. */
  prepareStep(x: X): this;
}

/**
 * Gives any module the methods that models have for inference: `predict` and `prepare`, and if it
 * is recurrent, `step` and `prepareStep`. Options are those of `compile`: a program is made for
 * each shape of arguments, and the last `maxPrograms` of them are kept. Pad sequences of many
 * lengths to a few before the call. Errors name the class of the module and the method that was
 * called.
 *
 * The module can be trained further and loaded: its weights are read at each call. Parameters that
 * are replaced are seen as well. Other fields, such as numbers, count as they were at the first
 * call of each shape.
 */
export function compileForInference<
  Args extends unknown[], Result, X, State, Step extends { readonly state: State },
>(
  module: ForwardModule<Args, Result> & RecurrentModule<X, State, Step>, options?: CompileOptions,
): RecurrentInference<Args, Result, X, State, Step>;
export function compileForInference<Args extends unknown[], Result>(
  module: ForwardModule<Args, Result>, options?: CompileOptions,
): Inference<Args, Result>;
export function compileForInference(
  module: ForwardModule<unknown[], unknown>, options: CompileOptions = {},
): Inference<unknown[], unknown> {
  const op = 'compileForInference';
  checkArgument(op, 'module', module, forwardModules);
  readOptions(op, options, compileOptions);
  return isRecurrent(module)
    ? new CompiledRecurrent(module, options)
    : new CompiledModule(module, options);
}

const forwardModules = new Kind<ForwardModule<unknown[], unknown>>(
  'a Module with a forward method',
  (x) => x instanceof Module && objectWith<{ forward: () => void }>('', 'forward').accepts(x),
);

type Steps = { readonly state: unknown };
type AnyRecurrent = ForwardModule<unknown[], unknown> & RecurrentModule<unknown, unknown, Steps>;

function isRecurrent(module: ForwardModule<unknown[], unknown>): module is AnyRecurrent {
  return objectWith<AnyRecurrent>('', 'initialState', 'step').accepts(module);
}

class CompiledModule implements Inference<unknown[], unknown> {
  /** The name of the module's class, in errors. */
  protected readonly name: string;
  readonly #forward: InferenceFunction<unknown[], unknown>;

  constructor(module: ForwardModule<unknown[], unknown>, options: CompileOptions) {
    this.name = module.constructor.name;
    this.#forward = compileInEval(module, (...args) => module.forward(...args), options);
  }

  predict(...args: unknown[]): unknown {
    return inNameOf(`${this.name}.predict`, this.name, () => this.#forward(...args));
  }

  prepare(...args: unknown[]): this {
    inNameOf(`${this.name}.prepare`, this.name, () => this.#forward.inspect(...args));
    return this;
  }
}

class CompiledRecurrent extends CompiledModule
  implements RecurrentInference<unknown[], unknown, unknown, unknown, Steps> {
  readonly #module: AnyRecurrent;
  readonly #step: InferenceFunction<[x: unknown, state: unknown], Steps>;

  constructor(module: AnyRecurrent, options: CompileOptions) {
    super(module, options);
    this.#module = module;
    this.#step = compileInEval(module, (x, state) => module.step(x, state), options);
  }

  initialState(batch: number): unknown {
    checkArgument(`${this.name}.initialState`, 'batch', batch, whole());
    return this.#module.initialState(batch);
  }

  step(x: unknown, state?: unknown): Steps {
    const op = `${this.name}.step`;
    return inNameOf(op, this.name, () => this.#step(x, state ?? this.#stateFor(op, x)));
  }

  prepareStep(x: unknown): this {
    const op = `${this.name}.prepareStep`;
    inNameOf(op, this.name, () => this.#step.inspect(x, this.#stateFor(op, x)));
    return this;
  }

  /** The state before the first step x. */
  #stateFor(op: string, x: unknown): unknown {
    const first = firstTensor(x);
    if (first && first.ndim > 0) return this.#module.initialState(first.shape[0]);
    throw new TensorError(`${op}: x is ${show(x)}, expected a tensor [batch, ...]`);
  }
}

/** The first tensor in a tree of objects and arrays. */
function firstTensor(tree: unknown): Tensor | undefined {
  if (tree instanceof Tensor) return tree;
  if (typeof tree !== 'object' || tree === null) return undefined;
  for (const part of Object.values(tree)) {
    const found = firstTensor(part);
    if (found) return found;
  }
  return undefined;
}

/** Runs a method; its errors are given in the name of the one that was called. */
function inNameOf<T>(called: string, name: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (!(cause instanceof TensorError)) throw cause;
    const { message } = cause;
    if (message.startsWith(`${called}: `)) throw cause;
    const own = [`${name}.forward: `, `${name}.step: `].find((start) => message.startsWith(start));
    throw new TensorError(`${called}: ${message.slice(own?.length ?? 0)}`, { cause });
  }
}

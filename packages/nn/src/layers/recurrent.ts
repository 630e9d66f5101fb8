/**
 * What the recurrent layers GRU and LSTM have in common. They carry a state from step to step, with
 * the hidden vector h in it. A cell computes the next state from two projections, one of the input
 * and one of h:
 *
 *     state_t = cell(W_ih x_t + b_ih,  W_hh h_{t−1} + b_hh,  state_{t−1})
 *
 * The first projection does not depend on the step before. It is computed for all steps at once, as
 * one matrix product, and only the second one is in the loop over time, a `scan`. Layers are
 * stacked: each reads the h of the one below. With two directions, each layer has a second scan,
 * from the last step to the first, and the layer above reads both.
 *
 * Rows of a batch may have different lengths. At padding a row keeps its state, and its output is
 * 0. So its last state is that of its last step, and in reverse it begins there, as with PyTorch's
 * packed sequences. Padding is selected away, not multiplied by 0, so that NaN does not spread.
 */
import {
  arange, concat, describe, Generator, scan, type ScanResult, type Spec, stack, Tensor, TensorError,
  type Tensors, uniform, zeros,
} from '@mambagrad/tensor';
import {
  anything, boolean, checkArgument, type FullTable, instanceOf, number, readOptions, show,
  type Table, tensors, whole,
} from '@mambagrad/tensor/options';
import { Module, Parameter } from '../modules/module.ts';
import { Dropout } from './dropout.ts';
import { linear, requireSizes } from './linear.ts';

/** Options of `GRU` and `LSTM`, besides their sizes. */
export interface RecurrentLayerOptions {
  /** The number of layers, each of which reads the outputs of the one below. Default 1. */
  readonly numLayers?: number | undefined;
  /** Whether the projections of input and state add a learned bias each. Default true. */
  readonly bias?: boolean | undefined;
  /** Whether x is [batch, length, features] and not [length, batch, features]. Default false. */
  readonly batchFirst?: boolean | undefined;
  /** The probability of dropout between layers, from 0 to 1. Default 0. */
  readonly dropout?: number | undefined;
  /** Whether each layer also reads from the last step to the first. Default false. */
  readonly bidirectional?: boolean | undefined;
  /**
   * The source of random numbers, for initial values and dropout. Default the generator that
   * `manualSeed` seeds.
   */
  readonly generator?: Generator | undefined;
}

const layerOptions: FullTable<RecurrentLayerOptions, 'generator'> = {
  numLayers: whole(1).orElse(1),
  bias: boolean.orElse(true),
  batchFirst: boolean.orElse(false),
  dropout: number({ from: 0, to: 1 }).orElse(0),
  bidirectional: boolean.orElse(false),
  generator: instanceOf(Generator).optional(),
};

/** Options of `forward`: the state to begin with, and which steps are padding. */
export interface RecurrentOptions<State> {
  /** The state before the first step, such as an earlier call gave. Default zeros. */
  readonly state?: State | undefined;
  /** The number of steps in each row, i32 [batch], 0 to L; later ones are padding. Default all. */
  readonly lengths?: Tensor | undefined;
  /** 0 at padding, which may be anywhere: i32, with the first two axes of x. Default none. */
  readonly mask?: Tensor | undefined;
}

const forwardOptions: Table<RecurrentOptions<never>> = {
  state: anything<never>().optional(),
  lengths: tensors.optional(),
  mask: tensors.optional(),
};

/** The results of `forward` and `step`. */
export interface RecurrentResult<State> {
  /**
   * h of the last layer after each step, in the layout of x, with hiddenSize features, or
   * 2 · hiddenSize if there are two directions. 0 at padding.
   */
  readonly output: Tensor;
  /** The state after the last step of each row. */
  readonly state: State;
}

/** Tensors by name, of the same shape, h among them. */
type Hidden<State> = { readonly h: Tensor } & { readonly [Name in keyof State]: Tensor };

/**
 * The base of `GRU` and `LSTM`. Parameters have PyTorch's names: `weight_ih_l0` is W_ih of the
 * first layer, [gates · hiddenSize, inputSize], `weight_hh_l0` its W_hh, and `bias_ih_l0` and
 * `bias_hh_l0` are its biases. Names of the second direction end in `_reverse`. All parameters
 * start uniform within ±1/√hiddenSize.
 */
export abstract class RecurrentLayer<State extends Hidden<State>> extends Module {
  readonly [weight: `weight_${string}`]: Parameter;
  readonly [bias: `bias_${string}`]: Parameter | undefined;
  /** W_ih of the first layer. */
  declare readonly weight_ih_l0: Parameter;
  /** W_hh of the first layer. */
  declare readonly weight_hh_l0: Parameter;
  /** The number of features of each step of the input. */
  readonly inputSize: number;
  /** The number of features of h. */
  readonly hiddenSize: number;
  /** The number of layers. */
  readonly numLayers: number;
  /** Whether x is [batch, length, inputSize] and not [length, batch, inputSize]. */
  readonly batchFirst: boolean;
  /** Whether each layer also reads from the last step to the first. */
  readonly bidirectional: boolean;
  /** The dropout between layers. */
  readonly dropout: Dropout;
  readonly #names: readonly (keyof State & string)[];

  /** `names` are those of the tensors in a state. */
  constructor(
    inputSize: number, hiddenSize: number, options: RecurrentLayerOptions,
    gates: number, names: readonly (keyof State & string)[],
  ) {
    const op = new.target.name;
    requireSizes(op, { inputSize, hiddenSize });
    const { bias, dropout, generator, ...given } = readOptions(op, options, layerOptions);
    super();
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.numLayers = given.numLayers;
    this.batchFirst = given.batchFirst;
    this.bidirectional = given.bidirectional;
    this.dropout = new Dropout(dropout, { generator });
    this.#names = names;
    const bound = 1 / Math.sqrt(hiddenSize);
    const rows = gates * hiddenSize;
    for (const [layer, ends] of this.#endings().entries()) {
      const features = layer === 0 ? inputSize : hiddenSize * ends.length;
      for (const end of ends) {
        const shapes = {
          weight_ih: [rows, features], weight_hh: [rows, hiddenSize],
          ...(bias && { bias_ih: [rows], bias_hh: [rows] }),
        };
        for (const [name, shape] of Object.entries(shapes)) {
          const values = uniform(shape, -bound, bound, { generator });
          Object.assign(this, { [name + end]: new Parameter(values) });
        }
      }
    }
  }

  /** The next state of one layer, from the projections p of the input and q of h. */
  protected abstract cell(p: Tensor, q: Tensor, state: State): State;

  /** The ends of the names of parameters, for each layer and direction. */
  #endings(): string[][] {
    const directions = this.bidirectional ? ['', '_reverse'] : [''];
    return Array.from({ length: this.numLayers }, (_, layer) =>
      directions.map((direction) => `_l${layer}${direction}`),
    );
  }

  /** A state whose tensors are made from their names. */
  #stateOf(make: (name: keyof State & string) => Tensor): State {
    return Object.fromEntries(this.#names.map((name) => [name, make(name)])) as State;
  }

  /**
   * Reads sequences x, [length, batch, inputSize], or [batch, length, inputSize] with `batchFirst`,
   * of at least one step. At padding x may be anything, even NaN. The tensors of a state are
   * [layers, batch, hiddenSize], with both directions of a layer next to each other. Throws if a
   * shape or dtype does not fit.
   */
  forward(x: Tensor, options: RecurrentOptions<State> = {}): RecurrentResult<State> {
    const op = `${this.constructor.name}.forward`;
    const { state, lengths, mask } = readOptions(op, options, forwardOptions);
    this.#requireInput(op, x, this.batchFirst ? ['batch', 'length'] : ['length', 'batch']);
    return this.#read(op, x, state, this.#maskOf(op, x, lengths, mask)?.unsqueeze(-1));
  }

  /**
   * Reads one step x [batch, inputSize], in the state that the step before gave, or in the first
   * one. The output is [batch, hiddenSize], with the numbers that `forward` would give. Throws if
   * there are two directions.
   */
  step(x: Tensor, state?: State): RecurrentResult<State> {
    const op = `${this.constructor.name}.step`;
    this.#requireInput(op, x, ['batch']);
    if (this.bidirectional) {
      throw new TensorError(
        `${op}: the layer is bidirectional: its second direction begins at the end; call forward`,
      );
    }
    const axis = this.batchFirst ? 1 : 0;
    const result = this.#read(op, x.unsqueeze(axis), state, undefined);
    return { ...result, output: result.output.squeeze(axis) };
  }

  /** The state before the first step, zeros for `batch` rows. */
  initialState(batch: number): State {
    checkArgument(`${this.constructor.name}.initialState`, 'batch', batch, whole());
    const { shape, dtype } = this.#stateSpec(batch);
    return this.#stateOf(() => zeros(shape, { dtype }));
  }

  #stateSpec(batch: number): Spec {
    const layers = this.numLayers * (this.bidirectional ? 2 : 1);
    return { shape: [layers, batch, this.hiddenSize], dtype: this['weight_hh_l0'].dtype };
  }

  /** All layers, one after the other. */
  #read(
    op: string, x: Tensor, state: State | undefined, mask: Tensor | undefined,
  ): RecurrentResult<State> {
    const batch = x.shape[this.batchFirst ? 0 : 1];
    if (state !== undefined) this.#requireState(op, state, batch);
    const initial = state ?? this.initialState(batch);
    const last: State[] = [];
    let output = mask ? mask.where(x, 0) : x;
    for (const [layer, ends] of this.#endings().entries()) {
      const below = layer > 0 ? this.dropout.forward(output) : output;
      const directions = ends.map((end, i) => {
        const at = layer * ends.length + i;
        const before = this.#stateOf((name) => initial[name].narrow(0, at, 1).squeeze(0));
        return this.#scan(below, end, before, mask, i === 1);
      });
      last.push(...directions.map((direction) => direction.state));
      const outputs = directions.map((direction) => direction.outputs);
      output = outputs.length > 1 ? concat(outputs, -1) : outputs[0];
    }
    return { output, state: this.#stateOf((name) => stack(last.map((each) => each[name]))) };
  }

  /** The scan of one layer in one direction. */
  #scan(
    x: Tensor, end: string, initial: State, mask: Tensor | undefined, reverse: boolean,
  ): ScanResult<State, Tensor> {
    const p = linear(x, this[`weight_ih${end}`], this[`bias_ih${end}`]);
    const [weight, bias] = [this[`weight_hh${end}`], this[`bias_hh${end}`]];
    const step = (state: State, input: { readonly p: Tensor; readonly mask?: Tensor }) => {
      const next = this.cell(input.p, linear(state.h, weight, bias), state);
      const { mask: isStep } = input;
      if (!isStep) return { state: next, output: next.h };
      const kept = this.#stateOf((name) => isStep.where(next[name], state[name]));
      return { state: kept, output: isStep.where(next.h, 0) };
    };
    const axis = this.batchFirst ? 1 : 0;
    return scan(step, initial, mask ? { p, mask } : { p }, { axis, reverse });
  }

  /** Throws unless x has these axes and the features, and is not empty. */
  #requireInput(op: string, x: Tensor, axes: readonly string[]): void {
    checkArgument(op, 'x', x, tensors);
    const { dtype } = this['weight_hh_l0'];
    const isRight = x.dtype === dtype && x.ndim === axes.length + 1 && x.numel > 0;
    if (isRight && x.shape[axes.length] === this.inputSize) return;
    throw new TensorError(
      `${op}: x is ${describe(x)}, expected ${dtype}[${axes.join(', ')}, ${this.inputSize}] ` +
        'that is not empty',
    );
  }

  /** 1 at steps and 0 at padding, as the first two axes of x; undefined if there is no padding. */
  #maskOf(
    op: string, { shape: [first, second] }: Tensor, lengths: Tensor | undefined,
    mask: Tensor | undefined,
  ): Tensor | undefined {
    if (lengths && mask) {
      throw new TensorError(`${op}: lengths and mask are both given, expected one of them`);
    }
    if (mask) {
      requireShape(op, 'mask', mask, { shape: [first, second], dtype: 'i32' });
      return mask.notEqual(0);
    }
    if (!lengths) return undefined;
    const [batch, length] = this.batchFirst ? [first, second] : [second, first];
    requireShape(op, 'lengths', lengths, { shape: [batch], dtype: 'i32' });
    const counts = arange(0, length + 1, 1, { dtype: 'i32' });
    // Looked up among the lengths that there are: another throws, also in a compiled function.
    const known = counts.indexSelect(0, lengths, { caller: `${op}: lengths` });
    const steps = counts.narrow(0, 0, length);
    return this.batchFirst ? steps.less(known.unsqueeze(1)) : steps.unsqueeze(1).less(known);
  }

  /** Throws unless a state has its tensors, for `batch` rows. */
  #requireState(op: string, state: State, batch: number): void {
    for (const name of this.#names) {
      requireShape(op, `state.${name}`, Object(state)[name], this.#stateSpec(batch));
    }
  }
}

/**
 * The parts of a projection [batch, gates · hiddenSize], one for each gate. They are the results of
 * one op, whose gradient is one `stack`; slices would add up as many gradients padded with zeros.
 */
export function partsOf(projection: Tensor, gates: number): Tensors {
  const [batch, rows] = projection.shape;
  return projection.reshape([batch, gates, rows / gates]).unbind(1);
}

/** Throws in the name of `op` unless its argument `name` is a tensor of this dtype and shape. */
function requireShape(op: string, name: string, given: unknown, expected: Spec): void {
  const found = given instanceof Tensor ? describe(given) : show(given);
  const wanted = describe(expected);
  if (found !== wanted) throw new TensorError(`${op}: ${name} is ${found}, expected ${wanted}`);
}

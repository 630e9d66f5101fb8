/**
 * Looks at what the layers of a model do with an input. `observe` runs the model once and gives the
 * recurrence that each of its state space layers ran, with the Δ, B and C that it chose:
 *
 *     const { layers } = observe(model, tokens);
 *     for (const layer of layers) console.log(`${layer}`, layer.influence().shape);
 *
 * A long sequence can be observed in pieces, each from the state after the one before.
 */
import { Module } from '@mambagrad/nn';
import { type List, noGrad, type Tensor, TensorError } from '@mambagrad/tensor';
import { asList } from '@mambagrad/tensor/extend';
import {
  checkArgument, instanceOf, Kind, readOptions, type Table,
} from '@mambagrad/tensor/options';
import { recordRecurrences } from '../layers/recurrence.ts';
import {
  type Recurrent, type SequenceFlags, type SequenceOptions, sequenceOptions,
} from '../sequence/sequence.ts';
import { ObservedLayer } from './observedLayer.ts';

/** Options of `observe`: those of the model's `scan` or `forward`, and which layers to keep. */
export interface ObserveOptions<State> extends SequenceOptions<State> {
  /** Which layers are wanted, counted from 0 in the order in which they run. Default all. */
  readonly layers?: readonly number[] | undefined;
}

const layerLists: Kind<readonly number[]> = new Kind(
  'an array of the numbers of layers',
  (x) => Array.isArray(x) && x.every((each) => Number.isInteger(each) && each >= 0),
);

/** What a model did with an input. */
export interface Observation<State> {
  /** What the model makes of the input: the result of its `scan`, or else of its `forward`. */
  readonly y: Tensor;
  /** The state to go on from; undefined if the model has no `scan`. */
  readonly state: State;
  /** What the layers did, in the order in which they ran. */
  readonly layers: List<ObservedLayer>;
}

/** A model that maps a sequence to a result. */
type Forward = Module & { forward(x: Tensor, flags?: SequenceFlags): Tensor };
/** A model that can go on from a state. */
type Scan<State> = Module & Pick<Recurrent<State>, 'scan'>;

/**
 * Runs a model on an input, of at least one step, and gives the recurrence of each layer of Mamba,
 * Mamba-2 and Mamba-3 in it. The model can be any module with such layers: `MambaLM`, `Mamba`,
 * `BiMamba`, `MambaND`, a block, or one of your own. Options are passed to its `scan` if it has
 * one, else to its `forward`. It runs eagerly, without gradients and dropout. A scan from the right
 * is shown as it runs: its step 0 is the last step of the input. Throws if there is no such layer.
 */
export function observe<State>(
  model: Scan<State>, x: Tensor, options?: ObserveOptions<State>,
): Observation<State>;
export function observe(
  model: Forward, x: Tensor, options?: ObserveOptions<undefined>,
): Observation<undefined>;
export function observe(
  model: Forward | Scan<unknown>, x: Tensor, options: ObserveOptions<unknown> = {},
): Observation<unknown> {
  checkArgument('observe', 'model', model, instanceOf(Module));
  const { layers: wanted, ...given } = readOptions('observe', options, observeOptions);
  const { result, reports } = recordRecurrences(() =>
    noGrad(() => model.inEval(() => run(model, x, given))),
  );
  if (reports.length === 0) {
    throw new TensorError(
      `observe: no layer of ${model.constructor.name} ran a selective scan; expected a model ` +
        'with SelectiveSSM, Mamba2Block or Mamba3Block in it, and an input of at least one step',
    );
  }
  const paths = new Map(model.namedModules().map(([path, module]) => [module, path]));
  const layers = (wanted ?? [...reports.keys()]).map((i) => {
    if (i >= reports.length) {
      throw new TensorError(
        `observe: layers has ${i}, expected numbers from 0 to ${reports.length - 1}`,
      );
    }
    const { layer, recurrence } = reports[i];
    return new ObservedLayer(paths.get(layer) || layer.constructor.name, layer, recurrence);
  });
  return { ...result, layers: asList(layers) };
}

const observeOptions: Table<ObserveOptions<unknown>> = {
  ...sequenceOptions<unknown>(), layers: layerLists.optional(),
};

/** The result of `scan`, or of `forward`, which gets no options if none are given. */
function run(
  model: Forward | Scan<unknown>, x: Tensor, { state, ...flags }: SequenceOptions<unknown>,
): { y: Tensor; state: unknown } {
  if ('scan' in model) return model.scan(x, { ...flags, state });
  if (state !== undefined) {
    throw new TensorError(`observe: ${model.constructor.name} takes no state, as it has no scan`);
  }
  const hasFlags = Object.values(flags).some((flag) => flag !== undefined);
  return { y: hasFlags ? model.forward(x, flags) : model.forward(x), state };
}

/**
 * Slots: what an optimizer holds for each parameter. Besides the parameter itself these are its
 * weight decay, its learning rate as a multiple of the optimizer's, and its moments.
 */
import { describe, Tensor, TensorError, zeros } from '@mambagrad/tensor';
import { type Read, readOptions, show } from '@mambagrad/tensor/options';
import { Parameter } from '../modules/module.ts';
import {
  groupOptions, type optimizerOptions, type ParameterGroup, type Trained,
} from './optimizerOptions.ts';

/** The state that an optimizer keeps for one parameter, such as running means, by name. */
export type Moments = Readonly<Record<string, Tensor>>;

/** A parameter with its options and its moments. */
export interface Slot {
  readonly parameter: Tensor;
  /** λ */
  readonly weightDecay: number;
  /** The parameter's learning rate in multiples of the optimizer's. */
  readonly lrFactor: number;
  readonly moments: Moments;
}

/**
 * A slot for each parameter, with moments of the given names that are 0. Throws, in the name of
 * `op`, unless the parameters are leaves of one dtype, each given once.
 */
export function createSlots(
  op: string, trained: Trained, options: Read<typeof optimizerOptions>, names: readonly string[],
): Slot[] {
  const slots = readGroups(op, trained).flatMap(({ params, ...group }) =>
    params.map((parameter) => {
      const { shape, dtype } = parameter;
      const { lr = options.lr } = group;
      const hasDecay = !(parameter instanceof Parameter && parameter.noWeightDecay);
      const moments = names.map((name) => [name, zeros(shape, { dtype })]);
      return {
        parameter,
        weightDecay: hasDecay ? (group.weightDecay ?? options.weightDecay) : 0,
        lrFactor: lr === options.lr ? 1 : lr / options.lr,
        moments: Object.fromEntries(moments) as Moments,
      };
    }),
  );
  checkParameters(op, slots.map(({ parameter }) => parameter));
  if (!slots.every(({ lrFactor }) => lrFactor < Infinity)) {
    throw new TensorError(`${op}: lr is 0, but not for all groups`);
  }
  return slots;
}

/** The parameters to train as groups. Throws if they are neither parameters nor groups. */
function readGroups(op: string, trained: Trained): ParameterGroup[] {
  if (!Array.isArray(trained)) {
    throw new TensorError(
      `${op}: parameters are ${show(trained)}, expected an array of parameters, or of groups ` +
        '{ params, lr, weightDecay }: model.parameters()',
    );
  }
  return trained.map((entry: Tensor | ParameterGroup, i) =>
    entry instanceof Tensor
      ? { params: [entry] }
      : readOptions(`${op}: parameters[${i}]`, entry, groupOptions),
  );
}

/** Throws unless these are leaves that can be trained together, each given once. */
function checkParameters(op: string, parameters: readonly Tensor[]): void {
  const fail = (problem: string): never => {
    throw new TensorError(`${op}: ${problem}`);
  };
  if (parameters.length === 0) fail('there are no parameters to train');
  if (new Set(parameters).size < parameters.length) fail('a parameter is given twice');
  const { dtype } = parameters[0];
  for (const [i, parameter] of parameters.entries()) {
    const name = `parameter ${i}, ${describe(parameter)},`;
    if (parameter.node) fail(`${name} is the result of an op; expected a leaf`);
    if (parameter.dtype === 'i32') fail(`${name} has no gradient; expected f32 or f64`);
    if (parameter.dtype !== dtype) fail(`${name} is not ${dtype} as parameter 0 is`);
  }
}

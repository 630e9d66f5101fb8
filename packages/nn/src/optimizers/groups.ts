/**
 * Parameters of a model in groups, by name: the layers that were trained before may learn slowly,
 * and biases without weight decay.
 *
 *     new AdamW(parameterGroups(model, [
 *       { match: 'encoder', lr: 1e-5 },
 *       { match: /bias$/, weightDecay: 0 },
 *     ]), { lr: 1e-3 });
 */
import { TensorError } from '@mambagrad/tensor';
import { checkArgument, instanceOf, readOptions, type Table } from '@mambagrad/tensor/options';
import { Module, type Parameter, type ParameterFilter } from '../modules/module.ts';
import { nameFilters, selectNamed } from '../modules/select.ts';
import { type ParameterGroup, rates } from './optimizerOptions.ts';

/** A group of `parameterGroups`: which parameters, and their options. */
export interface GroupOptions {
  /** A path, a regular expression, or a function, as in `Module.freeze`. */
  readonly match: ParameterFilter;
  /** The initial learning rate of the group; it stays in proportion to the optimizer's. */
  readonly lr?: number | undefined;
  /** λ, the weight decay. Parameters with `noWeightDecay` have none even so. */
  readonly weightDecay?: number | undefined;
}

const groupRuleOptions = {
  match: nameFilters<Parameter>().required(),
  lr: rates.optional(),
  weightDecay: rates.optional(),
} satisfies Table<GroupOptions>;

/**
 * The parameters of a model in groups, for an optimizer. Each parameter is in the first group that
 * it matches, and all that match none form a last group, with the options of the optimizer. Throws
 * if a group would be empty.
 */
export function parameterGroups(model: Module, groups: readonly GroupOptions[]): ParameterGroup[] {
  const op = 'parameterGroups';
  checkArgument(op, 'model', model, instanceOf(Module));
  if (!Array.isArray(groups)) throw new TensorError(`${op}: groups are no array of { match, … }`);
  let left = model.namedParameters();
  const made = groups.map((given: GroupOptions, i): ParameterGroup => {
    const { match, ...options } = readOptions(`${op}: groups[${i}]`, given, groupRuleOptions);
    const found = selectNamed(op, `groups[${i}].match`, left, match);
    left = left.filter((entry) => !found.includes(entry));
    return { params: found.map(valueOf), ...options };
  });
  return left.length > 0 ? [...made, { params: left.map(valueOf) }] : made;
}

function valueOf([, parameter]: [string, Parameter]): Parameter {
  return parameter;
}

/**
 * The state of Adam and AdamW as PyTorch names it, so that training goes on there, and comes back,
 * as if it had never stopped. For a parameter NAME of the model, as `saveLanguageModel` names it:
 *
 *     state.NAME.exp_avg      m, the running mean of the gradient (`mean` in mambagrad)
 *     state.NAME.exp_avg_sq   v, that of its square (`meanSquare`)
 *     state.NAME.step         the steps that this parameter has taken, 0-d
 *
 * These are the keys of `get_optimizer_state_dict` in torch.distributed.checkpoint.state_dict with
 * `flatten_optimizer_state_dict`. The learning rate and the other settings are not part of them.
 */
import { Adam, loadState, type Optimizer, type StateDict } from '@mambagrad/nn';
import { describe, full, type Tensor, tensor, TensorError, zeros } from '@mambagrad/tensor';
import {
  checkArgument, instanceOf, type Kind, objectWith, tensors as anyTensor,
} from '@mambagrad/tensor/options';
import { MambaLM } from '../models/languageModel.ts';
import { EMBEDDING, namedAsSaved, ORIGINAL_EMBEDDING, storedParameters } from './format.ts';

const SAVE = 'saveOptimizerState';
const LOAD = 'loadOptimizerState';
/** The names of the moments in PyTorch, and in `Adam`. */
const momentNames = [['exp_avg', 'mean'], ['exp_avg_sq', 'meanSquare']] as const;

type Named = readonly [string, Tensor];

const models = instanceOf(MambaLM);
const adams: Kind<Optimizer> = instanceOf(Adam, 'an Adam or AdamW');
const stateDicts: Kind<StateDict> = objectWith('a Map of tensors by name', 'get', 'entries');

/**
 * The moments and step counts of an Adam or AdamW that trains the parameters of the model, or some
 * of them, under PyTorch's names. As there, a parameter has no entry before its first step. Throws
 * if a parameter is not the model's.
 */
export function saveOptimizerState(model: MambaLM, optimizer: Optimizer): StateDict {
  const named = requireNames(SAVE, model, optimizer, namedAsSaved);
  const state = optimizer.stateDict();
  const total = state.get('steps')?.item() ?? 0;
  const missed = state.get('missed')?.data;
  return new Map(named.flatMap((name, i): Named[] => {
    const steps = total - (missed?.[i] ?? 0);
    if (steps === 0) return [];
    const found = momentsOf(state, name, i);
    return [...found, [`state.${name}.step`, full([], steps)]];
  }));
}

/**
 * Loads the state that `saveOptimizerState` or PyTorch has saved, for the same model, into an Adam
 * or AdamW of its parameters. Parameters without an entry start anew; the learning rate stays as it
 * is. Throws one error that lists every entry that is missing, unexpected or of another shape, and
 * then nothing has changed.
 */
export function loadOptimizerState(
  model: MambaLM, optimizer: Optimizer, tensors: StateDict,
): void {
  const names = requireNames(LOAD, model, optimizer, storedParameters);
  checkArgument(LOAD, 'tensors', tensors, stateDicts);
  const { dtype } = optimizer.parameters[0];
  const live = new Map(optimizer.namedState());
  const values = new Map(Array.from(tensors, ([name, x]) => {
    checkArgument(LOAD, `tensors.get('${String(name).slice(0, 60)}')`, x, anyTensor);
    const isCount = name.endsWith('.step');
    const value = x.dtype === 'i32' && !isCount ? x : x.cast(dtype);
    return [name.replace(`state.${ORIGINAL_EMBEDDING}.`, `state.${EMBEDDING}.`), value] as const;
  }));
  const problems: string[] = [];
  const counts = names.map((name): Named => [`state.${name}.step`, zeros([], { dtype })]);
  const targets = names.flatMap((name, i) => [...momentsOf(live, name, i), counts[i]]);
  for (const [i, name] of names.entries()) {
    const own = [...momentsOf(live, name, i), counts[i]];
    // Zeros are the state before the first step.
    if (own.some(([key]) => values.has(key))) continue;
    for (const [key, { shape }] of own) values.set(key, zeros(shape, { dtype }));
  }
  for (const [key] of counts) {
    const value = values.get(key);
    if (value?.ndim !== 0) continue;
    const steps = value.item();
    if (Number.isInteger(steps) && steps >= 0) continue;
    problems.push(`${key} is ${steps}, expected a whole number from 0`);
  }
  loadState(LOAD, targets, values, true, problems);
  loadCounts(optimizer, counts.map(([, steps]) => steps.item()));
}

/** The moments of parameter `i`, called `name`, under PyTorch's names. */
function momentsOf(state: StateDict, name: string, i: number): Named[] {
  return momentNames.flatMap(([theirs, ours]) => {
    const moment = state.get(`${i}.${ours}`);
    return moment ? [[`state.${name}.${theirs}`, moment] as const] : [];
  });
}

/** Sets how many steps each parameter has taken. */
function loadCounts(optimizer: Optimizer, counts: readonly number[]): void {
  const { dtype } = optimizer.parameters[0];
  const steps = Math.max(...counts);
  const missed = counts.map((count) => steps - count);
  const state = new Map(optimizer.stateDict()).set('steps', full([], steps, { dtype }));
  const isEven = missed.every((count) => count === 0);
  if (isEven) state.delete('missed');
  else state.set('missed', tensor(missed, { dtype }));
  optimizer.loadStateDict(state);
}

/**
 * The names of the parameters of the optimizer, in its order. Throws in the name of `op` if it is
 * not an Adam, or has parameters that are not the model's.
 */
function requireNames(
  op: string, model: MambaLM, optimizer: Optimizer, namesOf: typeof storedParameters,
): string[] {
  checkArgument(op, 'model', model, models);
  checkArgument(op, 'optimizer', optimizer, adams);
  const names = new Map(namesOf(model).map(([name, parameter]) => [parameter, name]));
  return optimizer.parameters.map((parameter, i) => {
    const name = names.get(parameter);
    if (name !== undefined) return name;
    const found = `parameter ${i}, ${describe(parameter)}`;
    throw new TensorError(`${op}: ${found}, of the optimizer is not one of the model`);
  });
}

/**
 * The best model of a run: the parameters and buffers that the model had when its validation was
 * best. During training the model goes on to change; when `fit` ends, it gets the best values, and
 * its last ones, from which training would continue, are kept here until it does.
 *
 *     during fit      model: the last values     here: the best
 *     after fit       model: the best values     here: both
 *     in checkpoints  model.…: the last values   best.…: the best
 *
 * With a moving average of the weights, evaluations are of the averaged ones, so those are the best
 * values; if no best ones are kept, the model gets the averages when `fit` ends.
 */
import { describe, type Tensor } from '@mambagrad/tensor';
import { warn } from '@mambagrad/tensor/host';
import type { Module } from '../modules/module.ts';
import type { StateDict } from '../modules/state.ts';
import type { WeightAverage } from '../optimizers/weightAverage.ts';
import type { BestOptions } from './judging.ts';
import { decodeText, encodeText } from './text.ts';

/** The best evaluation of a run so far. */
export interface BestRecord extends BestOptions {
  /** The value of the metric. */
  readonly value: number;
  /** The step that it followed. */
  readonly step: number;
  /** The epochs that were over; undefined if the data has none. */
  readonly epoch?: number | undefined;
}

/** The name of the record among the tensors of a trainer; those of the model begin with `best.`. */
const RECORD = 'trainer.best';
const PREFIX = 'best.';

/** Keeps the record of the best evaluation and, if it is to, the model of it. */
export class BestModel {
  readonly #model: Module;
  readonly #isKept: boolean;
  /** The best evaluation; undefined before the first. */
  record: BestRecord | undefined;
  /** The values that the model had then. */
  #best: StateDict | undefined;
  /** While the model has other values than the last ones of training: those, and these. */
  #exchanged: { readonly last: StateDict; readonly given: StateDict } | undefined;
  readonly #average: WeightAverage | undefined;

  /** `isKept` says whether the values of the model are kept, or the record only. */
  constructor(model: Module, isKept: boolean, average?: WeightAverage) {
    this.#model = model;
    this.#isKept = isKept;
    this.#average = average;
  }

  /** Takes the model as it is for the best one. */
  note(record: BestRecord): void {
    this.record = record;
    if (this.#isKept) this.#best = valuesOf(this.#named());
  }

  /** Gives the model its best values, or averaged ones, if there are any. */
  giveBest(): void {
    const given = this.#best ?? this.#averages();
    if (given === undefined || this.#exchanged) return;
    this.#exchanged = { last: valuesOf(this.#named()), given };
    for (const [name, x] of this.#named()) x.assign(given.get(name) ?? x);
  }

  /** The averaged weights by name; undefined if there was no step. */
  #averages(): StateDict | undefined {
    const named = new Map(this.#average?.namedState() ?? []);
    if ((named.get('updates')?.item() ?? 0) === 0) return undefined;
    return valuesOf(this.#model.namedParameters().map(([name, x]) => (
      [name, named.get(`weights.${name}`) ?? x]
    )));
  }

  /**
   * Gives the model its last values, from which training goes on. Tensors that were changed since
   * the model got its best values stay as they are, with a warning.
   */
  giveLast(): void {
    if (this.#exchanged === undefined) return;
    const { last, given } = this.#exchanged;
    this.#exchanged = undefined;
    const changed = this.#named().filter(([name, x]) => {
      const before = given.get(name) ?? last.get(name) ?? x;
      const isSame = haveSameBits(x, before);
      if (isSame) x.assign(last.get(name) ?? x);
      return !isSame;
    });
    if (changed.length === 0) return;
    warn(
      `Trainer: ${changed.map(([name]) => name).join(', ')} was changed since fit gave the model ` +
        'its best values; training goes on with the changed values',
    );
  }

  /** The parameters and buffers of the model by name, as training left them. */
  lastState(): [string, Tensor][] {
    return this.#named().map(([name, x]) => [name, this.#exchanged?.last.get(name) ?? x]);
  }

  /** What a checkpoint holds of the best model, by name. */
  namedState(): [string, Tensor][] {
    if (this.record === undefined) return [];
    const best = [...(this.#best ?? [])].map(([name, x]): [string, Tensor] => [PREFIX + name, x]);
    return [[RECORD, encodeText(JSON.stringify(this.record))], ...best];
  }

  /** Takes the record and the values from a checkpoint, in which they fit. */
  load(checkpoint: StateDict): void {
    const text = checkpoint.get(RECORD);
    this.record = text && (decodeText(text) as BestRecord | undefined);
    const named = this.#named().flatMap(([name]): [string, Tensor][] => {
      const value = checkpoint.get(PREFIX + name);
      return value ? [[name, value.detach()]] : [];
    });
    this.#best = this.#isKept && named.length > 0 ? new Map(named) : undefined;
    this.#exchanged = undefined;
  }

  /** Forgets the best evaluation. */
  forget(): void {
    this.record = undefined;
    this.#best = undefined;
  }

  /** Whether there is a best model that `fit` will give back. */
  get hasModel(): boolean {
    return this.#best !== undefined;
  }

  /** Whether the model has the best values, or averages, at present, and not its last values. */
  get isGiven(): boolean {
    return this.#exchanged !== undefined;
  }

  /** The problems of the best model in a checkpoint, as lines of an error. */
  problemsOf(checkpoint: StateDict): string[] {
    const names = [...checkpoint.keys()].filter((name) => name.startsWith(PREFIX));
    if (!this.#isKept || names.length === 0) return [];
    return this.#named().flatMap(([name, x]) => {
      const found = checkpoint.get(PREFIX + name);
      if (found === undefined) return [`${PREFIX}${name} is missing`];
      const [is, expected] = [describe(found), describe(x)];
      return is === expected ? [] : [`${PREFIX}${name} is ${is}, expected ${expected}`];
    });
  }

  #named(): [string, Tensor][] {
    return [...this.#model.namedParameters(), ...this.#model.namedBuffers()];
  }
}

/** Whether a name of a checkpoint belongs to the best model. */
export function isOfBest(name: string): boolean {
  return name === RECORD || name.startsWith(PREFIX);
}

/** The present values, which later steps do not change. */
function valuesOf(named: readonly (readonly [string, Tensor])[]): StateDict {
  return new Map(named.map(([name, x]) => [name, x.detach()]));
}

function haveSameBits(a: Tensor, b: Tensor): boolean {
  return a.data.every((value: number, i: number) => Object.is(value, b.data[i]));
}

/**
 * What a model has read while it writes: of each row its prompt, and the tokens that it has written
 * itself. The last of these has been chosen, but the model reads it only when that is needed: to
 * choose the next, or to know the state at the end. Rows end at different times, and are read on
 * with the others; so what a row was when it ended is remembered.
 */
import { concat, noGrad, type Tensor } from '@mambagrad/tensor';
import type { MambaLM } from '../models/languageModel.ts';
import type { StackState } from '../models/recurrentStack.ts';
import type { Scanned } from '../sequence/sequence.ts';

/** The logits of the next token, and the state after all before it. */
export type Moment = Scanned<StackState>;

/** The reading of some rows, one token of each after the other. */
export class Reading {
  readonly #model: MambaLM;
  /** What is known after all that was read. */
  #present: Moment;
  /** The tokens that were written, and not read yet, i32 [rows]. */
  #unread: Tensor | undefined;
  /** For each row that has ended, what was known then. */
  readonly #ends: (Moment | undefined)[];

  /** `start` is what is known after the prompts of so many rows. */
  constructor(model: MambaLM, start: Moment, rows: number) {
    this.#model = model;
    this.#present = start;
    this.#ends = Array.from({ length: rows });
  }

  /** The logits of the next token of each row, [rows, vocabSize]. */
  get logits(): Tensor {
    return this.#read().y;
  }

  /** Takes the next token of each row, i32 [rows]. */
  write(tokens: Tensor): void {
    this.#read();
    this.#unread = tokens;
  }

  /** Ends a row: tokens that are written from now on are not part of it. */
  endRow(row: number): void {
    this.#ends[row] ??= this.#read();
  }

  /** What is known at the end of each row. */
  get end(): Moment {
    if (!this.#ends.includes(undefined)) return ofRows(this.#ends as Moment[]);
    const present = this.#read();
    return ofRows(this.#ends.map((end) => end ?? present));
  }

  #read(): Moment {
    const tokens = this.#unread;
    if (tokens === undefined) return this.#present;
    this.#present = this.#model.step(tokens, this.#present.state);
    this.#unread = undefined;
    return this.#present;
  }
}

/** A moment whose row i is that of the i-th of these. */
function ofRows(moments: readonly Moment[]): Moment {
  const [first] = moments;
  if (moments.every((moment) => moment === first)) return first;
  const joined = (of: (moment: Moment) => Tensor): Tensor =>
    noGrad(() => concat(moments.map((moment, row) => of(moment).narrow(0, row, 1))));
  const state = first.state.map((layer, i) => Object.fromEntries(
    Object.keys(layer).map((name) => [name, joined((moment) => moment.state[i][name])]),
  ));
  return { y: joined(({ y }) => y), state };
}

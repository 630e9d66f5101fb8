/**
 * Streams: training on windows of 256 tokens whose state is carried on from window to window, as in
 * truncated backpropagation through time. Gradients go back 256 steps, but the token to be
 * remembered may have been read thousands of steps before:
 *
 *     window 1   b a S d e b ... f   S → d      every window ends with the special token,
 *     window 2   c f e a d b ... a   S → d      which the stream itself does not go on from
 *     window 3   e a b f S c ... b   S → c
 *
 * A model that is right at length 256 has no reason to shut its gates further. Here a gate that
 * leaks a little loses the answer after a few windows, and the loss shows it (Ruiz and Gu,
 * "Understanding and improving length generalization in recurrent models" (2025), train on states
 * of other sequences to the same end).
 */
import { inductionHeads, type MambaLM, type StackState, type TaskBatch } from '@mambagrad/mamba';
import { concat, full, integers, type Tensor, tensor, uniform } from '@mambagrad/tensor';

/** The probabilities with which a window has a new token to remember, from row to row. */
const NEW = [0.3, 0.02] as const;

/** A window of each sequence, and the state before it, if that is not the initial one. */
export interface Windows extends TaskBatch {
  readonly state?: StackState;
}

/** The windows of `count` endless sequences, one after the other. */
export class Streams {
  readonly #model: MambaLM;
  readonly #length: number;
  readonly #vocabSize: number;
  readonly #probabilities: Tensor;
  #last: Required<Windows> | undefined;

  constructor(model: MambaLM, count: number, length: number, vocabSize: number) {
    this.#model = model;
    this.#length = length;
    this.#vocabSize = vocabSize;
    const [high, low] = NEW;
    const rows = Array.from({ length: count }, (_, i) => [high * (low / high) ** (i / count)]);
    this.#probabilities = tensor(rows);
  }

  /** The next windows, after the states that the model of now reaches at the end of the last. */
  next(): Windows {
    const count = this.#probabilities.shape[0];
    const [length, vocabSize, last] = [this.#length, this.#vocabSize, this.#last];
    const fresh = inductionHeads(count, { length, vocabSize });
    if (!last) {
      this.#last = { ...fresh, state: this.#model.initialState(count) };
      return this.#last;
    }
    const read = last.inputs.narrow(1, 0, length - 1);
    const { state } = this.#model.advance(read, { state: last.state });
    const special = full([count, 1], vocabSize - 1, { dtype: 'i32' });
    const others = concat([integers([count, length - 1], 0, vocabSize - 1), special], 1);
    const isNew = uniform([count, 1]).less(this.#probabilities);
    this.#last = {
      inputs: isNew.where(fresh.inputs, others),
      targets: isNew.squeeze(1).where(fresh.targets, last.targets),
      state,
    };
    return this.#last;
  }
}

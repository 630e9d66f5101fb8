/**
 * An n-gram model: it predicts a token from the n − 1 before it, by counting what followed them in
 * the text that it has learned from. It is what a language model has to beat. A context that was
 * seen rarely says little, so the next shorter one is mixed in (Witten and Bell, 1991):
 *
 *     P(token | context) = (count of the token + T · P(token | shorter context)) / (N + T)
 *
 * where N tokens, T of them different, followed the context; under the empty context is 1 / vocab.
 */

/** How often each token followed a context, and how many tokens did in all. */
interface Followers {
  readonly counts: Map<number, number>;
  total: number;
}

export class NGram {
  readonly #order: number;
  readonly #vocabSize: number;
  /** By context, its tokens as the characters of a string. */
  readonly #followers = new Map<string, Followers>();

  /** `order` is n, from 1: the tokens of a context, and the one that follows. */
  constructor(order: number, vocabSize: number) {
    this.#order = order;
    this.#vocabSize = vocabSize;
  }

  /** Counts what a sequence of tokens says, after the first `from`, which are context only. */
  learn(tokens: ArrayLike<number>, from = 0): this {
    for (let i = from; i < tokens.length; i++) {
      for (const context of this.#contexts(tokens, i)) {
        const found = this.#followers.get(context) ?? { counts: new Map(), total: 0 };
        this.#followers.set(context, found);
        found.counts.set(tokens[i], (found.counts.get(tokens[i]) ?? 0) + 1);
        found.total++;
      }
    }
    return this;
  }

  /** The mean of −log₂ P over the tokens of sequences, after the first `from` of each. */
  bits(sequences: readonly ArrayLike<number>[], from = 0): number {
    let [bits, count] = [0, 0];
    for (const tokens of sequences) {
      for (let i = from; i < tokens.length; i++) bits -= Math.log2(this.#probability(tokens, i));
      count += Math.max(0, tokens.length - from);
    }
    return bits / count;
  }

  /** P of token i, given those before it. */
  #probability(tokens: ArrayLike<number>, i: number): number {
    let probability = 1 / this.#vocabSize;
    for (const context of this.#contexts(tokens, i)) {
      const found = this.#followers.get(context);
      if (found === undefined) break;
      const { counts, total } = found;
      const count = counts.get(tokens[i]) ?? 0;
      probability = (count + counts.size * probability) / (total + counts.size);
    }
    return probability;
  }

  /** The contexts of token i, from the empty one to that of n − 1 tokens. */
  *#contexts(tokens: ArrayLike<number>, i: number): Iterable<string> {
    let context = '';
    yield context;
    for (let k = 1; k < this.#order && k <= i; k++) {
      context = String.fromCharCode(tokens[i - k]) + context;
      yield context;
    }
  }
}

/**
 * An iterator that can tell whether it is over, by reading one value ahead. An error that is thrown
 * there waits until that value is asked for.
 */
export class Peekable<T> {
  readonly #values: Iterator<T>;
  /** Gives what was read ahead. */
  #ahead: (() => IteratorResult<T>) | undefined;

  constructor(values: Iterable<T>) {
    this.#values = values[Symbol.iterator]();
  }

  /** The next value. */
  next(): IteratorResult<T> {
    const ahead = this.#ahead ?? this.#read();
    this.#ahead = undefined;
    return ahead();
  }

  /** Whether no value is left. */
  isOver(): boolean {
    this.#ahead ??= this.#read();
    try {
      return this.#ahead().done === true;
    } catch {
      return false;
    }
  }

  /** Ends the iterator early, so that a generator can clean up. */
  close(): void {
    this.#values.return?.();
  }

  #read(): () => IteratorResult<T> {
    try {
      const found = this.#values.next();
      return () => found;
    } catch (error) {
      return () => {
        throw error;
      };
    }
  }
}

/**
 * The programs of one compiled function, found by a key: a text that says what the arguments are.
 * Programs of one key differ in their guards, such as whether a module trains. At most `most` are
 * kept. For one more the least recently used goes (an LRU cache):
 *
 *     find a          b c a          a was used last
 *     add d           c a d          b was used longest ago
 *
 * A Map finds the key, and a Set keeps the order of use, in a time that does not depend on how many
 * programs there are.
 */

/** A program, as far as the cache looks at it. */
export interface CachedProgram {
  /** The arguments that it was made for, as text. */
  readonly key: string;
  /** Whether the settings that it was made under are still what they were. */
  holds(): boolean;
  /** Whether it is running. If so it stays, for it is in use. */
  isRunning(): boolean;
  /** Gives back what the garbage collector does not see: its place in memory, and in threads. */
  release(): void;
}

/** So many keys of programs that were dropped are known, times the programs that are kept. */
const KEYS_PER_PROGRAM = 4;

/** A cache of programs that drops those used longest ago. */
export class ProgramCache<Program extends CachedProgram> {
  readonly #most: number;
  /** The programs of each key, the newest first. */
  readonly #byKey = new Map<string, Program[]>();
  /** All programs, the one used longest ago first: a Set is in the order of insertion. */
  readonly #byUse = new Set<Program>();
  /** The one that was used last. */
  #latest: Program | undefined;
  /** The keys of programs that were dropped, the oldest first. */
  readonly #dropped = new Set<string>();

  /** Keeps at most so many programs, from 1. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The number of programs that are kept. */
  get size(): number {
    return this.#byUse.size;
  }

  /** The program of a key whose guards hold. It is now the one that was used last. */
  find(key: string): Program | undefined {
    const found = this.#byKey.get(key)?.find((program) => program.holds());
    if (found !== undefined && found !== this.#latest) this.#use(found);
    return found;
  }

  /** Adds a program, and drops others if there are too many. */
  add(program: Program): void {
    const others = this.#byKey.get(program.key) ?? [];
    this.#byKey.set(program.key, [program, ...others]);
    this.#dropped.delete(program.key);
    this.#use(program);
    for (const oldest of this.#byUse) {
      if (this.#byUse.size <= this.#most) return;
      if (oldest !== program && !oldest.isRunning()) this.#drop(oldest);
    }
  }

  /** Whether a program of this key was dropped, not long ago. */
  wasDropped(key: string): boolean {
    return this.#dropped.has(key);
  }

  #use(program: Program): void {
    this.#byUse.delete(program);
    this.#byUse.add(program);
    this.#latest = program;
  }

  #drop(program: Program): void {
    const { key } = program;
    this.#byUse.delete(program);
    const others = this.#byKey.get(key)?.filter((other) => other !== program) ?? [];
    if (others.length > 0) this.#byKey.set(key, others);
    else this.#byKey.delete(key);
    this.#dropped.add(key);
    const [oldest] = this.#dropped;
    if (this.#dropped.size > KEYS_PER_PROGRAM * this.#most) this.#dropped.delete(oldest);
    program.release();
  }
}

/** Names for things, a different one for each: a number is put behind one that is taken. */
export class Names {
  readonly #names = new Map<object, string>();
  readonly #taken: Set<string>;

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set(taken);
  }

  /** Whether `of` has named a thing, in a block that is still open. */
  has(thing: object): boolean {
    return this.#names.has(thing);
  }

  /** The name of a thing: its own, or the given one. */
  of(thing: { readonly name: string }, wanted: string = thing.name): string {
    let name = this.#names.get(thing);
    if (name !== undefined) return name;
    name = wanted;
    for (let n = 2; this.#taken.has(name); n++) name = `${wanted}_${n}`;
    this.#names.set(thing, name);
    this.#taken.add(name);
    return name;
  }

  /** Does something in a block: names that are new in it end with it. */
  within<T>(inside: () => T): T {
    const outside = this.#names.size;
    const result = inside();
    for (const [thing, name] of [...this.#names].slice(outside)) {
      this.#names.delete(thing);
      this.#taken.delete(name);
    }
    return result;
  }
}

/** Unique names: a name that is taken already gets a number. */
export class Names {
  readonly #names = new Map<object, string>();
  readonly #taken: Set<string>;

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set(taken);
  }

  /** Whether a thing has a name, given in this block or one around it. */
  has(thing: object): boolean {
    return this.#names.has(thing);
  }

  /** The name of a thing: the wanted one, if it is free. */
  of(thing: { readonly name: string }, wanted: string = thing.name): string {
    let name = this.#names.get(thing);
    if (name !== undefined) return name;
    name = wanted;
    for (let n = 2; this.#taken.has(name); n++) name = `${wanted}_${n}`;
    this.#names.set(thing, name);
    this.#taken.add(name);
    return name;
  }

  /** Runs `inside` as a block, whose new names are free again at its end. */
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

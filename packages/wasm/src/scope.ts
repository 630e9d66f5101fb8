/**
 * What references mean at a place in a module: numbers in the bytes, names in the text. Functions
 * and globals are numbered as they come, locals anew in each function, labels from the innermost
 * block outwards.
 */
import type { Reference } from './immediates.ts';

export class Scope {
  readonly #where: string;
  readonly #numbers = new Map<Reference, number>();
  readonly #names = new Map<Reference, string>();
  readonly #taken = new Set<string>();
  readonly #labels: Reference[] = [];

  /** A scope where each list of references has numbers from 0 on. */
  constructor(where: string, ...spaces: readonly (readonly Reference[])[]) {
    this.#where = where;
    for (const space of spaces) {
      for (const [number, reference] of space.entries()) {
        this.#numbers.set(reference, number);
        this.nameOf(reference);
      }
    }
  }

  /** Does something inside a block of the given label. */
  within<T>(label: Reference, inside: () => T): T {
    this.#labels.push(label);
    const result = inside();
    this.#labels.pop();
    return result;
  }

  numberOf(reference: Reference): number {
    const { kind, name } = reference;
    if (kind === 'label') {
      const position = this.#labels.lastIndexOf(reference);
      if (position >= 0) return this.#labels.length - 1 - position;
      throw new Error(`${this.#where}: branch to label '${name}' outside its block`);
    }
    const number = this.#numbers.get(reference);
    if (number !== undefined) return number;
    const home = kind === 'local' ? 'function' : 'module';
    throw new Error(`${this.#where}: ${kind} '${name}' is not of this ${home}`);
  }

  /** The name in the text; if another of the kind has it already, with a number behind it. */
  nameOf(reference: Reference): string {
    const { kind } = reference;
    let name = this.#names.get(reference);
    if (name !== undefined) return name;
    const base = `$${reference.name.replaceAll(/[^\w.$+*/<>=!?-]/g, '_')}`;
    name = base;
    for (let n = 2; this.#taken.has(`${kind} ${name}`); n++) name = `${base}_${n}`;
    this.#taken.add(`${kind} ${name}`);
    this.#names.set(reference, name);
    return name;
  }
}

/**
 * Equal kernels are made once. The layers of a model do the same on other values, so most kernels
 * of a program are another's, with other buffers: equal in every value that is computed, given
 * that buffers are named by the order in which they occur.
 */
import type * as k from '@mambagrad/kernel';
import type { Value } from './trace.ts';

/** A kernel, and what it reads and writes in the order of its parameters. */
export interface Bound {
  readonly kernel: k.Kernel;
  readonly reads: readonly Value[];
  readonly writes: readonly Value[];
}

/** Values of the loop language as text, the same for the same but for which buffers it is. */
export class Namer {
  readonly #names = new Map<object, string>();
  readonly #texts: string[] = [];

  /** Gives a name to a counter or a buffer, by its order. */
  add(thing: object): void {
    if (!this.#names.has(thing)) this.#names.set(thing, `${this.#names.size}`);
  }

  /** Adds a value to the text. What occurs twice is written once. */
  write(value: k.Value): string {
    let name = this.#names.get(value);
    if (name !== undefined) return name;
    let text: string;
    if (value.node === 'constant') {
      text = `${value.type} ${Object.is(value.value, -0) ? '-0' : value.value}`;
    } else if (value.node === 'operation') {
      const inputs = value.inputs.map((input) => this.write(input));
      text = `${value.name} ${inputs.join()} ${value.detail.join()}`;
    } else if (value.node === 'load') {
      const { terms, constant, step } = value.index;
      const parts = terms.map(({ of, times }) => `${times}*${this.write(of)}`);
      this.add(value.buffer);
      text = `${value.type} ${this.#names.get(value.buffer)}[${[constant, step, ...parts].join()}]`;
    } else {
      text = value.name;
    }
    name = `${this.#names.size}`;
    this.#names.set(value, name);
    this.#texts.push(text);
    return name;
  }

  text(): string {
    return this.#texts.join(';');
  }
}

/** Makes what was made before under the same key again, for other values in the same places. */
export class Reuse {
  readonly #made = new Map<string, { readonly bound: Bound; readonly values: readonly Value[] }>();

  /** How much was made, a number that is new each time something is. */
  count(): number {
    return this.#made.size;
  }

  /** `values` are those that the kernel may read or write, in an order that the key fixes. */
  get(key: string, values: readonly Value[], make: () => Bound): Bound {
    const known = this.#made.get(key);
    if (known === undefined) {
      const bound = make();
      this.#made.set(key, { bound, values });
      return bound;
    }
    const own = (value: Value): Value => values[known.values.indexOf(value)];
    const { kernel, reads, writes } = known.bound;
    return { kernel, reads: reads.map(own), writes: writes.map(own) };
  }
}

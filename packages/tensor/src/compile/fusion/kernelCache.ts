/**
 * Equal kernels are made once. The layers of a model do the same on other values, so most kernels
 * of a program are another's, with other buffers: equal in every value that is computed, given
 * that buffers are named by the order in which they occur.
 */
import * as k from '@mambagrad/kernel';
import type { Value } from '../trace/trace.ts';
import { keyOf } from '../trace/tree.ts';
import { type Bound, bufferOf, readingLeaf } from './buffers.ts';
import type { Group } from './fusionGroup.ts';

/** Values of the loop language as text, the same for the same but for which buffers it is. */
class Namer {
  readonly #names = new Map<object, string>();
  readonly #texts: string[] = [];

  /** Gives a name to a counter or a buffer, by its order. */
  add(thing: object): void {
    if (!this.#names.has(thing)) this.#names.set(thing, `${this.#names.size}`);
  }

  /** Adds a value to the text. What occurs twice is written once. */
  write(value: k.Expr): string {
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

/** Makes a kernel that was made before again, for other values in the same places. */
export class Reuse {
  readonly #made = new Map<string, { readonly bound: Bound; readonly values: readonly Value[] }>();

  /** The kernel of a group, which `make` makes, and which leaves what is needed in memory. */
  get(
    group: Group, needed: ReadonlySet<Value>,
    make: (group: Group, needed: ReadonlySet<Value>) => Bound,
  ): Bound {
    const { key, values } = this.#look(group, needed);
    const known = this.#made.get(key);
    if (known === undefined) {
      const bound = make(group, needed);
      this.#made.set(key, { bound, values });
      return bound;
    }
    const own = (value: Value): Value => values[known.values.indexOf(value)];
    const { kernel, reads, writes } = known.bound;
    return { kernel, reads: reads.map(own), writes: writes.map(own) };
  }

  /** Text that is the same for groups of the same kernel, and the values in memory in its order. */
  #look(
    { head, network, domain, counters, members, accesses }: Group, needed: ReadonlySet<Value>,
  ): { key: string; values: Value[] } {
    const namer = new Namer();
    const readByHead = new Set<Value>();
    const looks = head?.inputs.map((input) => {
      const at = input.shape.map((_, axis) => k.variable(`h${axis}`, 'i32'));
      const element = network.elements(input, readingLeaf(readByHead)).at(at);
      return `${input.shape} ${input.dtype} ${namer.write(element)}`;
    });
    // What text cannot stand for is like nothing that was made before.
    const attributes = head && keyOf(head.attributes, () => `${this.#made.size}`);
    for (const counter of counters) namer.add(counter);
    const made = members.flatMap(({ step }) => step.outputs);
    const values = new Set([...made, ...accesses.map((one) => one.storage)]);
    for (const value of values) namer.add(bufferOf(value));
    const specs = members.map(({ form, pass, step, value, lowering: { fold, axes } }) => {
      const folding = fold ? `${step.primitive.name} ${axes}` : '';
      const spec = `${value.dtype} ${value.shape.length} ${bufferOf(value).length}`;
      return [form, pass, folding, spec, needed.has(value)].join(' ');
    });
    const results = members.map(({ computed }) => namer.write(computed));
    const sizes = [...values].map((value) => `${bufferOf(value).kind} ${bufferOf(value).length}`);
    const parts = [head?.primitive.name, attributes, looks, domain, specs, results, sizes];
    return {
      key: [...parts, namer.text()].join('|'),
      values: [...new Set([...readByHead, ...values])],
    };
  }
}

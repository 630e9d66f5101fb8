/**
 * The kernel cache: equal kernels are made once. The layers of a model do the same on other values,
 * so most kernels of a program equal another's, but for their buffers. They are found by a
 * structural key: a text of all expressions of a group, in which buffers and counters are numbered
 * by the order in which they occur.
 */
import * as k from '@mambagrad/kernel';
import type { Value } from '../trace/trace.ts';
import { keyOf } from '../trace/tree.ts';
import { type BoundKernel, bufferOf, loaderFrom } from './buffers.ts';
import { elementsOf } from './elements.ts';
import type { FusionGroup } from './fusionGroup.ts';

/** Expressions as text, which is the same for expressions that differ in their buffers alone. */
class StructuralKey {
  readonly #names = new Map<object, string>();
  readonly #texts: string[] = [];

  /** Gives a name to a counter or a buffer, by its order. */
  add(thing: object): void {
    if (!this.#names.has(thing)) this.#names.set(thing, `${this.#names.size}`);
  }

  /** Adds an expression to the text, and gives its name. One that occurs twice is written once. */
  write(expression: k.Expr): string {
    const known = this.#names.get(expression);
    if (known !== undefined) return known;
    const text = this.#textOf(expression);
    const name = `${this.#names.size}`;
    this.#names.set(expression, name);
    this.#texts.push(text);
    return name;
  }

  #textOf(expression: k.Expr): string {
    if (expression.node === 'constant') {
      const { type, value } = expression;
      return `${type} ${Object.is(value, -0) ? '-0' : value}`;
    }
    if (expression.node === 'operation') {
      const inputs = expression.inputs.map((input) => this.write(input));
      return `${expression.name} ${inputs.join()} ${expression.detail.join()}`;
    }
    if (expression.node === 'variable') return expression.name;
    const { type, buffer, index: { terms, constant, step } } = expression;
    const parts = terms.map(({ of, times }) => `${times}*${this.write(of)}`);
    this.add(buffer);
    return `${type} ${this.#names.get(buffer)}[${[constant, step, ...parts].join()}]`;
  }

  /** All that was written. */
  text(): string {
    return this.#texts.join(';');
  }
}

/** Emits the kernel of a group, and leaves those values in memory that are needed. */
type Emit = (group: FusionGroup, needed: ReadonlySet<Value>) => BoundKernel;

/** The kernels of a program that were made so far. */
export class KernelCache {
  readonly #made = new Map<
    string, { readonly bound: BoundKernel; readonly values: readonly Value[] }
  >();

  /** The kernel of a group; one that was made before, on other values, if there is an equal one. */
  get(group: FusionGroup, needed: ReadonlySet<Value>, emit: Emit): BoundKernel {
    const { key, values } = this.#keyOf(group, needed);
    const known = this.#made.get(key);
    if (known === undefined) {
      const bound = emit(group, needed);
      this.#made.set(key, { bound, values });
      return bound;
    }
    const own = (value: Value): Value => values[known.values.indexOf(value)];
    const { kernel, reads, writes } = known.bound;
    return { kernel, reads: reads.map(own), writes: writes.map(own) };
  }

  /** The key of a group's kernel, and the group's values in memory, in the order of the key. */
  #keyOf(group: FusionGroup, needed: ReadonlySet<Value>): { key: string; values: Value[] } {
    const { anchor, materialization, domain, counters, ops, accesses } = group;
    const structure = new StructuralKey();
    const readByAnchor = new Set<Value>();
    const anchorInputs = anchor?.inputs.map((input) => {
      const at = input.shape.map((_, axis) => k.variable(`h${axis}`, 'i32'));
      const element = elementsOf(materialization, input, loaderFrom(readByAnchor)).at(at);
      return `${input.shape} ${input.dtype} ${structure.write(element)}`;
    });
    // Attributes that text cannot stand for are like none before.
    const attributes = anchor && keyOf(anchor.attributes, () => `${this.#made.size}`);
    for (const counter of counters) structure.add(counter);
    const made = ops.flatMap(({ step }) => step.outputs);
    const values = new Set([...made, ...accesses.map(({ base }) => base)]);
    for (const value of values) structure.add(bufferOf(value));
    const specs = ops.map(({ form, sweep, step, value, lowering: { fold, axes } }) => {
      const reduction = fold ? `${step.primitive.name} ${axes}` : '';
      const spec = `${value.dtype} ${value.shape.length} ${bufferOf(value).length}`;
      return [form, sweep, reduction, spec, needed.has(value)].join(' ');
    });
    const results = ops.map(({ computed }) => structure.write(computed));
    const sizes = [...values].map((value) => `${bufferOf(value).kind} ${bufferOf(value).length}`);
    const parts = [
      anchor?.primitive.name, attributes, anchorInputs, domain, specs, results, sizes,
    ];
    return {
      key: [...parts, structure.text()].join('|'),
      values: [...new Set([...readByAnchor, ...values])],
    };
  }
}

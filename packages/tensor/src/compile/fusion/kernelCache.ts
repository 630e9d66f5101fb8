/**
 * The kernel cache: equal kernels are made once. The layers of a model do the same on other values,
 * so most kernels of a program equal another's, but for their buffers; and so do the kernels of
 * another program, or of another model of the same sizes. They are found by a structural key: a
 * text of all expressions of a group, in which buffers and counters are numbered by the order in
 * which they occur.
 */
import * as k from '@mambagrad/kernel';
import type { Step, Value } from '../trace/trace.ts';
import { keyOf } from '../trace/tree.ts';
import { type BoundKernel, bufferOf, loaderFrom } from './buffers.ts';
import { elementsOf } from './elements.ts';
import { type FusionGroup, nameOf } from './fusionGroup.ts';

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

/** A kernel, and the places in the key's list of values of those that it reads and writes. */
interface Made {
  readonly kernel: k.Kernel;
  readonly reads: readonly number[];
  readonly writes: readonly number[];
}

/** The kernels that were made last, of all programs. It keeps nothing else of a program. */
export class KernelCache {
  readonly #capacity: number;
  /** The one used longest ago comes first. */
  readonly #made = new Map<string, Made>();
  #emitted = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** How many kernels were emitted so far; those found here were not. */
  get emitted(): number {
    return this.#emitted;
  }

  /** The kernel of a group; one that was made before, on other values, if there is an equal one. */
  get(group: FusionGroup, needed: ReadonlySet<Value>, emit: Emit): BoundKernel {
    const { key, values } = this.#keyOf(group, needed);
    const known = this.#made.get(key);
    const made = known ?? this.#make(values, () => emit(group, needed));
    // A Map keeps the order in which keys were set: one that is set again goes to the end.
    this.#made.delete(key);
    this.#made.set(key, made);
    if (this.#made.size > this.#capacity) {
      const [oldest] = this.#made.keys();
      this.#made.delete(oldest);
    }
    const valueAt = (place: number): Value => values[place];
    const { kernel, reads, writes } = made;
    return { kernel, reads: reads.map(valueAt), writes: writes.map(valueAt) };
  }

  #make(values: readonly Value[], emit: () => BoundKernel): Made {
    const { kernel, reads, writes } = emit();
    const placeOf = (value: Value): number => values.indexOf(value);
    this.#emitted++;
    return { kernel, reads: reads.map(placeOf), writes: writes.map(placeOf) };
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
    for (const counter of counters) structure.add(counter);
    const made = ops.flatMap(({ step }) => step.outputs);
    const values = new Set([...made, ...accesses.map(({ base }) => base)]);
    for (const value of values) structure.add(bufferOf(value));
    const specs = ops.map(({ form, sweep, step, value, lowering: { fold, axes } }) => {
      const reduction = fold ? `${operationOf(step)} ${axes}` : '';
      const spec = `${value.dtype} ${value.shape.length} ${bufferOf(value).length}`;
      return [form, sweep, reduction, spec, needed.has(value)].join(' ');
    });
    const results = ops.map(({ computed }) => structure.write(computed));
    const sizes = [...values].map((value) => `${bufferOf(value).kind} ${bufferOf(value).length}`);
    const parts = [
      k.chunksAreFinest(), nameOf(group), anchor && operationOf(anchor), anchorInputs, domain,
      specs, results, sizes,
    ];
    return {
      key: [...parts, structure.text()].join('|'),
      values: [...new Set([...readByAnchor, ...values])],
    };
  }
}

let others = 0;

/** A primitive and its attributes as text. What text cannot stand for equals no other. */
function operationOf({ primitive, attributes }: Step): string {
  return `${primitive.name} ${keyOf(attributes, () => `other ${others++}`)}`;
}

/** The cache of this process: a training step of a model has some fifty kernels. */
export const kernelCache: KernelCache = new KernelCache(256);

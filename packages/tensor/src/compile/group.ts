/**
 * A group: values that are computed in one pass over the same elements. The pass goes row by row
 * (a row is the last axis) and through each row once or several times:
 *
 *     y = softmax(x):   for each row     m = max of x[j]                       one time through
 *                                        e[j] = exp(x[j] − m),  s = Σ e[j]     again
 *                                        y[j] = e[j] / s                       and again
 *
 * Within a row, what belongs to an element or to the row stays in a register. A value can join
 * if what it reads of the group is at the very element or row that is being computed, and all else
 * it reads was there before. No op is known here by its name: softmax, norms, losses and the
 * updates of optimizers come out as groups because of what they read.
 *
 * What has a kernel of its own is the head of a group. If the kernel finishes its elements one by
 * one, as matmul's does, others join that are computed of an element when it is ready.
 */
import * as k from '@mambagrad/kernel';
import { flatIndex, type Index, isReshape, reshapedIndex } from '../lowering.ts';
import { numelOf, type Shape } from '../shape.ts';
import type { Leaf, Network } from './network.ts';
import { Namer } from './reuse.ts';
import type { Step, Value } from './trace.ts';

export interface Member {
  readonly step: Step;
  readonly value: Value;
  /**
   * What there is one of: for each `element`; for each `row`; for each row, of all its elements
   * (`rowFold`); or over several rows, known only at the end (`fold`).
   */
  readonly form: 'element' | 'row' | 'rowFold' | 'fold';
  /** The time through the row in which it is computed; a `row` after that time (−1: before all). */
  readonly pass: number;
}

/** How a member or a stored value is read: at which index, and in which pass. */
export interface Access {
  readonly storage: Value;
  readonly index: k.Load['index'];
  readonly pass: number;
}

/**
 * What follows a head may read one more array of that size, such as a residual: a block of rows is
 * too short a way to walk many, which takes longer than a pass of their own.
 */
const MOST_BESIDES = 1;

const buffers = new WeakMap<Value, k.Buffer>();

/** The buffer for a stored value. */
export function bufferOf(value: Value): k.Buffer {
  let buffer = buffers.get(value);
  if (buffer === undefined) {
    buffer = k.buffer('x', value.dtype === 'i32' ? 'i32' : 'f32', numelOf(value.shape));
    buffers.set(value, buffer);
  }
  return buffer;
}

/** An affine function of the counters, which have names, as text; undefined if it is none. */
function keyOf(
  { terms, constant }: k.Load['index'],
  names: ReadonlyMap<k.Value, string>,
): string | undefined {
  if (!terms.every(({ of }) => names.has(of))) return undefined;
  const parts = terms.map(({ of, times }) => `${times} ${names.get(of)}`);
  return [constant, ...parts.sort()].join(', ');
}

export class Group {
  readonly domain: Shape;
  /** The op whose kernel the other members follow. */
  readonly head: Step | undefined;
  readonly members: Member[] = [];
  readonly network: Network;
  /** Everything that is read, in the order of evaluation, at indices made of the counters. */
  readonly accesses: Access[] = [];
  /** What the members are computed by at the element that the counters stand for. */
  readonly values: k.Value[] = [];
  /** One for each axis; only to compare indices, as kernels have loop counters of their own. */
  readonly counters: readonly k.Variable[];
  readonly #names: ReadonlyMap<k.Value, string>;
  readonly #byStorage = new Map<Value, Member>();
  readonly #read = new Set<Value>();
  readonly #readByHead: ReadonlySet<Value>;

  constructor(domain: Shape, network: Network, head?: Step) {
    this.domain = domain;
    this.head = head;
    this.network = network;
    this.counters = domain.map((_, axis) => k.variable(`c${axis}`, 'i32'));
    this.#names = new Map(this.counters.map((counter) => [counter, counter.name]));
    this.#readByHead = head ? network.readsOf(head) : new Set();
    for (const value of this.#readByHead) this.#read.add(value);
    if (head) {
      const own = k.load(bufferOf(head.output), flatIndex(this.counters, domain));
      this.#add({ step: head, value: head.output, form: 'element', pass: 0 }, own);
    }
  }

  #add(member: Member, computed: k.Value): void {
    this.members.push(member);
    this.values.push(computed);
    this.#byStorage.set(member.value, member);
  }

  /** The names of its ops. */
  get name(): string {
    return [...new Set(this.members.map(({ step }) => step.primitive.name))].join('_');
  }

  memberFor(storage: Value): Member | undefined {
    return this.#byStorage.get(storage);
  }

  /** What values in memory the group reads that are not its own. */
  outside(): Set<Value> {
    return new Set([...this.#read].filter((value) => !this.#byStorage.has(value)));
  }

  /** Whether the group has some of these values at hand anyway, or is next to no work. */
  isNear(values: ReadonlySet<Value>): boolean {
    if (numelOf(this.domain) <= 1 && !this.head) return true;
    const isAtHand = (value: Value): boolean => !this.head && this.#read.has(value);
    return [...values].some((value) => this.#byStorage.has(value) || isAtHand(value));
  }

  /** The index of a member's element or row, given that of the element at hand. */
  indexOf({ value, form, step }: Pick<Member, 'value' | 'form' | 'step'>, at: Index): Index {
    if (form === 'element') return reshapedIndex(at, this.domain, value.shape);
    if (form === 'rowFold') return at;
    if (form === 'row') {
      return value.shape.length === at.length ? at.with(-1, 0) : at.slice(0, -1);
    }
    const lowering = this.network.lowering(step);
    const axes = lowering && 'fold' in lowering ? lowering.axes : [];
    const isKept = value.shape.length === at.length;
    return isKept
      ? at.map((i, axis) => (axes.includes(axis) ? 0 : i))
      : at.filter((_, axis) => !axes.includes(axis));
  }

  /** What a member is computed from: its own element, or an element of what it folds. */
  operand(
    { step, form, value }: Pick<Member, 'step' | 'form' | 'value'>,
    at: Index,
    leaf: Leaf,
  ): k.Value {
    if (form === 'fold' || form === 'rowFold') {
      return this.network.elements(step.inputs[0], leaf).at(at);
    }
    return this.network.computed(value, leaf).at(this.indexOf({ step, form, value }, at));
  }

  /** The key of what belongs to the element, or to the row, at hand. */
  #ownKey(form: Member['form']): string | undefined {
    const shape = form === 'element' ? this.domain : this.domain.with(-1, 1);
    const anything = k.buffer('x', 'f32', 0);
    return keyOf(k.load(anything, flatIndex(this.counters, shape)).index, this.#names);
  }

  /** As what a value could be a member, by its shape alone; undefined if it cannot. */
  formOf(step: Step): Member['form'] | undefined {
    const lowering = this.network.lowering(step);
    if (lowering === undefined || 'kernel' in lowering) return undefined;
    const shape = step.output.shape.join();
    if (this.head) {
      const head = this.network.lowering(this.head);
      const isFinishing = head && 'kernel' in head && head.isFinishing && !('fold' in lowering);
      // If others read the head's value, too, it is stored, and may as well be read for this.
      const isLast = this.network.readers.get(this.head.output) === 1;
      const isLike = isReshape(step.output.shape, this.domain);
      return isFinishing && isLast && isLike ? 'element' : undefined;
    }
    const last = this.domain.length - 1;
    if ('fold' in lowering) {
      if (step.inputs[0].shape.join() !== this.domain.join()) return undefined;
      return lowering.axes.length === 1 && lowering.axes[0] === last ? 'rowFold' : 'fold';
    }
    if (shape === this.domain.join()) return 'element';
    if (last < 0) return undefined;
    const isRow = [this.domain.with(last, 1), this.domain.slice(0, -1)].some(
      (row) => row.join() === shape,
    );
    return isRow ? 'row' : undefined;
  }

  /**
   * Takes a value in, if it can be computed here: what it reads of the group must be what belongs
   * to the element or row at hand. All else that it reads must be in memory.
   */
  join(step: Step): boolean {
    const form = this.formOf(step);
    if (form === undefined) return false;
    const read: { storage: Value; index: k.Load['index'] }[] = [];
    const leaf: Leaf = (storage, place) => {
      const load = k.load(bufferOf(storage), place);
      read.push({ storage, index: load.index });
      return load;
    };
    const result = this.operand({ step, form, value: step.output }, this.counters, leaf);
    let pass = form === 'row' ? -1 : 0;
    for (const { storage, index } of read) {
      const member = this.#byStorage.get(storage);
      if (member === undefined) continue;
      if (member.form === 'fold' || (form === 'row' && member.form === 'element')) return false;
      if (keyOf(index, this.#names) !== this.#ownKey(member.form)) return false;
      const isAfter = member.form !== 'element' && form !== 'row';
      pass = Math.max(pass, member.pass + (isAfter ? 1 : 0));
    }
    if (this.head && this.#besides([...this.accesses, ...read]) > MOST_BESIDES) return false;
    this.#add({ step, value: step.output, form, pass }, result);
    for (const one of read) {
      this.accesses.push({ ...one, pass });
      this.#read.add(one.storage);
    }
    return true;
  }

  /** How many arrays of the domain's size or more are read that the group does not make. */
  #besides(accesses: readonly Pick<Access, 'storage'>[]): number {
    const others = accesses.flatMap(({ storage }) => {
      const isLarge = bufferOf(storage).length >= numelOf(this.domain);
      return isLarge && !this.#byStorage.has(storage) ? [storage] : [];
    });
    return new Set(others).size;
  }

  /** Text that is the same for groups of the same kernel, and the values in memory in its order. */
  key(
    isNeeded: (storage: Value) => boolean, namer: Namer = new Namer(),
  ): { key: string; values: Value[] } {
    for (const counter of this.counters) namer.add(counter);
    const values = new Set(this.members.map(({ value }) => value));
    for (const { storage } of this.accesses) values.add(storage);
    for (const value of values) namer.add(bufferOf(value));
    const members = this.members.map(({ form, pass, step, value }) => {
      const lowering = this.network.lowering(step);
      const fold = lowering && 'fold' in lowering ? `${step.primitive.name} ${lowering.axes}` : '';
      const spec = `${value.dtype} ${value.shape.length} ${bufferOf(value).length}`;
      return [form, pass, fold, spec, isNeeded(value)].join(' ');
    });
    const results = this.values.map((value) => namer.write(value));
    const sizes = [...values].map((value) => bufferOf(value).length);
    const key = [this.domain, members, results, sizes, namer.text()].join('|');
    return { key, values: [...values] };
  }

  /** Whether all that is read of a value in memory is the element at hand. */
  isReadInPlace(storage: Value): boolean {
    const own = this.#ownKey('element');
    return !this.#readByHead.has(storage) && this.accesses.every(
      (access) => access.storage !== storage || keyOf(access.index, this.#names) === own,
    );
  }
}

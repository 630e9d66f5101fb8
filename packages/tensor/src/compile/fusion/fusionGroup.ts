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
import { flatIndex, type Index, isReshape, reshapedIndex } from '../../core/lowering.ts';
import { numelOf, sameShape, type Shape } from '../../core/shape.ts';
import type { Step, Value } from '../trace/trace.ts';
import { bufferOf } from './buffers.ts';
import type { AnyLowering, Leaf, Network } from './materialization.ts';

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

type Form = 'element' | 'row' | 'rowFold' | 'fold';

/** A step that could be a member, or is one. */
interface Candidate {
  readonly step: Step;
  readonly value: Value;
  readonly lowering: AnyLowering;
  /**
   * What there is one of: for each `element`; for each `row`; for each row, of all its elements
   * (`rowFold`); or over several rows, known only at the end (`fold`).
   */
  readonly form: Form;
}

export interface Member extends Candidate {
  /** The time through the row in which it is computed; a `row` after that time (−1: before all). */
  readonly pass: number;
  /** What it is computed by at the element that the counters stand for. */
  readonly computed: k.Expr;
}

export class Group {
  readonly domain: Shape;
  /** The op whose kernel the other members follow. */
  readonly head: Step | undefined;
  readonly members: Member[] = [];
  readonly network: Network;
  /** Everything that is read, in the order of evaluation, at indices made of the counters. */
  readonly accesses: Access[] = [];
  /** One for each axis; only to compare indices, as kernels have loop counters of their own. */
  readonly counters: readonly k.Variable[];
  readonly #byStorage = new Map<Value, Member>();
  readonly #read: Set<Value>;
  readonly #readByHead: ReadonlySet<Value>;

  /** A group of one step, which has a lowering; of several results, if one kernel makes them. */
  constructor(network: Network, first: Step) {
    const { outputs: [value], inputs, primitive } = first;
    const lowering = network.lowering(value) ?? {};
    this.network = network;
    this.domain = lowering.fold ? inputs[0].shape : value.shape;
    this.counters = this.domain.map((_, axis) => k.variable(`c${axis}`, 'i32'));
    this.head = lowering.kernel && first;
    this.#readByHead = this.head ? network.readsOf(first) : new Set();
    this.#read = new Set(this.#readByHead);
    if (this.head) {
      const computed = k.load(bufferOf(value), flatIndex(this.counters, value.shape));
      this.#add({ step: first, value, lowering, form: 'element', pass: 0, computed });
    } else if (!this.join(first)) {
      throw new Error(`schedule: ${primitive.name} is alone`);
    }
  }

  #add(member: Member): void {
    this.members.push(member);
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
  indexOf({ value, form, lowering: { axes = [] } }: Candidate, at: Index): Index {
    if (form === 'element') return reshapedIndex(at, this.domain, value.shape);
    if (form === 'rowFold') return at;
    if (form === 'row') {
      return value.shape.length === at.length ? at.with(-1, 0) : at.slice(0, -1);
    }
    const isKept = value.shape.length === at.length;
    return isKept
      ? at.map((i, axis) => (axes.includes(axis) ? 0 : i))
      : at.filter((_, axis) => !axes.includes(axis));
  }

  /** Where in memory that element or row is. */
  placeOf(member: Member, at: Index): k.Operand {
    return flatIndex(this.indexOf(member, at), member.value.shape);
  }

  /** What a member is computed from: its own element, or an element of what it folds. */
  operand(member: Candidate, at: Index, leaf: Leaf): k.Expr {
    const { step, value, lowering } = member;
    if (lowering.fold) return this.network.elements(step.inputs[0], leaf).at(at);
    return this.network.computed(value, leaf).at(this.indexOf(member, at));
  }

  /** Whether an index is that of the element, or else of the row, at hand. */
  #isAtHand({ terms, constant }: k.Load['index'], form: Form): boolean {
    const shape = form === 'element' ? this.domain : this.domain.with(-1, 1);
    const own = k.load(k.buffer('x', 'f32', 0), flatIndex(this.counters, shape)).index;
    return constant === own.constant && terms.length === own.terms.length && own.terms.every(
      ({ of, times }) => terms.some((term) => term.of === of && term.times === times),
    );
  }

  /** As what a value could be a member, by its shape alone; undefined if it cannot. */
  #formOf(
    { inputs, outputs: [{ shape }] }: Step, { fold, axes = [] }: AnyLowering,
  ): Form | undefined {
    const { domain, head, network } = this;
    if (head) {
      const [made] = head.outputs;
      const isFinishing = network.lowering(made)?.isFinishing && !fold;
      // If others read the head's value, too, it is stored, and may as well be read for this.
      const isLast = network.readers.get(made) === 1;
      return isFinishing && isLast && isReshape(shape, domain) ? 'element' : undefined;
    }
    const last = domain.length - 1;
    if (fold) {
      if (!sameShape(inputs[0].shape, domain)) return undefined;
      return axes.length === 1 && axes[0] === last ? 'rowFold' : 'fold';
    }
    if (sameShape(shape, domain)) return 'element';
    if (last < 0) return undefined;
    const isRow = [domain.with(last, 1), domain.slice(0, -1)].some((row) => sameShape(row, shape));
    return isRow ? 'row' : undefined;
  }

  /**
   * Takes a value in, if it can be computed here: what it reads of the group must be what belongs
   * to the element or row at hand. All else that it reads must be in memory.
   */
  join(step: Step): boolean {
    const [value] = step.outputs;
    const lowering = this.network.lowering(value);
    const form = lowering && !lowering.kernel && this.#formOf(step, lowering);
    if (!form) return false;
    const candidate: Candidate = { step, value, lowering, form };
    const read: Omit<Access, 'pass'>[] = [];
    const leaf: Leaf = (storage, place) => {
      const load = k.load(bufferOf(storage), place);
      read.push({ storage, index: load.index });
      return load;
    };
    const computed = this.operand(candidate, this.counters, leaf);
    let pass = form === 'row' ? -1 : 0;
    for (const { storage, index } of read) {
      const member = this.#byStorage.get(storage);
      if (member === undefined) continue;
      if (member.form === 'fold' || (form === 'row' && member.form === 'element')) return false;
      if (!this.#isAtHand(index, member.form)) return false;
      const isAfter = member.form !== 'element' && form !== 'row';
      pass = Math.max(pass, member.pass + (isAfter ? 1 : 0));
    }
    if (this.head && this.#besides([...this.accesses, ...read]) > MOST_BESIDES) return false;
    this.#add({ ...candidate, pass, computed });
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

  /** Whether all that is read of a value in memory is the element at hand. */
  isReadInPlace(storage: Value): boolean {
    return !this.#readByHead.has(storage) && this.accesses.every(
      (access) => access.storage !== storage || this.#isAtHand(access.index, 'element'),
    );
  }
}

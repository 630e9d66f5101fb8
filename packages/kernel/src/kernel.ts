/**
 * A kernel: parameters, and statements that have been checked and are ready to be printed or
 * emitted.
 *
 *     kernel('double', [x, y], lanes('i', 100, (i) => store(y, i, mul(load(x, i), 2))))
 *
 * What is known to go wrong throws here, naming the kernel: a variable used where it has no value,
 * a buffer that nobody places, an index out of bounds.
 */
import { listOf, roundsOf, type Statement, type Statements } from './statement.ts';
import { treesOf } from './trees.ts';
import { type Buffer, type Load, type Value, type Variable, variable } from './value.ts';

/** A buffer, passed as the byte where it starts (a multiple of 4), or a single f32 or i32. */
export type Parameter = Buffer | Variable;

export interface Kernel {
  readonly name: string;
  /** What a call passes, in this order; after them, if there is scratch memory, its place. */
  readonly parameters: readonly Parameter[];
  /** Where each scratch buffer lies in the kernel's scratch memory, in bytes. */
  readonly scratch: ReadonlyMap<Buffer, number>;
  readonly scratchBytes: number;
  readonly reads: ReadonlySet<Buffer>;
  readonly writes: ReadonlySet<Buffer>;
  readonly body: readonly Statement[];
}

/** Scratch buffers start at multiples of this many bytes: a line of the cache. */
const ALIGNMENT = 64;

/** Makes a kernel of statements, or throws. */
export function kernel(
  name: string, parameters: readonly Parameter[], statements: Statements,
): Kernel {
  const checker = new Checker(name, parameters);
  const body = checker.block(listOf(statements));
  const { scratch, scratchBytes, reads, writes } = checker;
  return { name, parameters, scratch, scratchBytes, reads, writes, body };
}

class Checker {
  readonly scratch = new Map<Buffer, number>();
  scratchBytes = 0;
  readonly reads = new Set<Buffer>();
  readonly writes = new Set<Buffer>();

  readonly #name: string;
  readonly #parameters: readonly Parameter[];
  /** What has a value at the place reached and must keep it, what may be set, what had one. */
  readonly #lives = new Map<Value, 'constant' | 'alive' | 'ended'>();
  /** What has a value since the beginning of the block that is checked. */
  #born: Variable[] = [];
  /** The first and the last number of counters, where they are known. */
  readonly #spans = new Map<Value, readonly [first: number, last: number]>();
  /** Whether what follows may never run. */
  #isUncertain = false;
  #held = 0;

  constructor(name: string, parameters: readonly Parameter[]) {
    this.#name = name;
    this.#parameters = parameters;
    for (const one of parameters) {
      if (!('node' in one)) continue;
      this.#lives.set(one, 'constant');
      if (one.type === 'f32' || one.type === 'i32') continue;
      throw this.#error(`the argument ${one.name} is ${one.type}, expected f32 or i32`);
    }
  }

  #error(message: string): Error {
    return new Error(`kernel ${this.#name}: ${message}`);
  }

  /** Statements whose variables end with them. */
  block(statements: readonly Statement[], isUncertain = false): Statement[] {
    const [born, wasUncertain] = [this.#born, this.#isUncertain];
    this.#born = [];
    this.#isUncertain ||= isUncertain;
    const result = statements.flatMap((statement) => this.#statement(statement));
    for (const one of this.#born) this.#lives.set(one, 'ended');
    this.#born = born;
    this.#isUncertain = wasUncertain;
    return result;
  }

  #statement(given: Statement): Statement[] {
    const check = (value: Value): void => this.#check(value);
    const trees = treesOf(given, check, ({ type }) => variable(`t${(this.#held += 1)}`, type));
    return trees.map((one) => this.#inside(one));
  }
  /** Goes on with what a statement sets, writes or contains. */
  #inside(one: Statement): Statement {
    if (one.statement === 'assign') {
      if (one.target.node === 'load') this.#access('store', one.target);
      else this.#set(one.target);
      return one;
    }
    if (one.statement === 'when') {
      const [then, otherwise] = one.bodies.map((body) => this.block(body, true));
      return { ...one, bodies: [then, otherwise] };
    }
    const { counter, values: [from], step, bodies: [body] } = one;
    const rounds = roundsOf(one);
    if (from.node === 'constant' && rounds !== undefined) {
      this.#spans.set(counter, [from.value, from.value + (rounds - 1) * step]);
    }
    this.#lives.set(counter, 'constant');
    const bodies = [this.block(body, rounds === undefined)] as const;
    this.#lives.set(counter, 'ended');
    return { ...one, bodies };
  }

  #set(target: Variable): void {
    const life = this.#lives.get(target);
    if (life === 'constant') {
      throw this.#error(`${target.name} is a counter or an argument, and cannot be set`);
    }
    if (life !== 'alive') this.#born.push(target);
    this.#lives.set(target, 'alive');
  }

  #check(value: Value): void {
    if (value.node === 'load') this.#access('load', value);
    if (value.node !== 'variable') return;
    const life = this.#lives.get(value);
    if (life === 'constant' || life === 'alive') return;
    const why = life === 'ended'
      ? 'outside the loop or branch in which it has a value'
      : 'before it is set';
    throw this.#error(`${value.name} is used ${why}`);
  }

  #access(how: 'load' | 'store', { buffer, index: { terms, constant, step } }: Load): void {
    const { name, length, at, isScratch } = buffer;
    (how === 'load' ? this.reads : this.writes).add(buffer);
    if (isScratch && !this.scratch.has(buffer)) {
      this.scratch.set(buffer, this.scratchBytes);
      this.scratchBytes += Math.ceil((4 * length) / ALIGNMENT) * ALIGNMENT;
    }
    if (!isScratch && at === undefined && !this.#parameters.includes(buffer)) {
      throw this.#error(`the buffer ${name} is no parameter, and has no place of its own`);
    }
    if (this.#isUncertain) return;
    // Each known counter takes each of its numbers, beside each of the others.
    let [least, most] = [constant + Math.min(0, 3 * step), constant + Math.max(0, 3 * step)];
    for (const { of, times } of terms) {
      const span = this.#spans.get(of);
      if (span === undefined) return;
      const ends = span.map((end) => end * times);
      least += Math.min(...ends);
      most += Math.max(...ends);
    }
    if (least >= 0 && most < length) return;
    throw this.#error(`${how} ${name} from ${least} to ${most}, but it has ${length} elements`);
  }
}

/**
 * A kernel: parameters, and statements that have been checked and are ready to be printed or
 * emitted.
 *
 *     kernel('double', [x, y], lanes('i', 100, (i) => store(y, i, mul(load(x, i), 2))))
 *
 * What is known to go wrong throws here, naming the kernel: a variable used where it has no value,
 * a buffer that nobody places, an index out of bounds.
 */
import { listOf, type Statement, type Statements } from './statement.ts';
import { inputsOf, Trees, valuesOf } from './trees.ts';
import type { Buffer, Index, Value, Variable } from './value.ts';

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
  /** Those `set` statements from which on their variable lives. */
  readonly declarations: ReadonlySet<Statement>;
}

/** Scratch buffers start at multiples of this many bytes: a line of the cache. */
const ALIGNMENT = 64;

/** Makes a kernel of statements, or throws. */
export function kernel(
  name: string,
  parameters: readonly Parameter[],
  statements: Statements,
): Kernel {
  const checker = new Checker(name, parameters);
  const body = checker.block(listOf(statements));
  const { scratch, scratchBytes, reads, writes, declarations } = checker;
  return { name, parameters, scratch, scratchBytes, reads, writes, declarations, body };
}

class Checker {
  readonly scratch = new Map<Buffer, number>();
  scratchBytes = 0;
  readonly reads = new Set<Buffer>();
  readonly writes = new Set<Buffer>();
  readonly declarations = new Set<Statement>();

  readonly #name: string;
  readonly #parameters: ReadonlySet<Parameter>;
  readonly #trees = new Trees();
  /** Variables that have a value at the place reached, and those that had one before it. */
  #alive: Set<Variable>;
  readonly #ended = new Set<Variable>();
  /** Counters and arguments, which are not to be set. */
  readonly #constant: Set<Variable>;
  /** The first and the last number of counters, where they are known. */
  readonly #spans = new Map<Value, readonly [first: number, last: number]>();
  /** Whether what follows may never run. */
  #isUncertain = false;

  constructor(name: string, parameters: readonly Parameter[]) {
    this.#name = name;
    this.#parameters = new Set(parameters);
    this.#alive = new Set(parameters.filter((parameter) => 'node' in parameter));
    this.#constant = new Set(this.#alive);
    for (const { name: own, type } of this.#alive) {
      if (type === 'f32' || type === 'i32') continue;
      throw this.#error(`the argument ${own} is ${type}, expected f32 or i32`);
    }
  }

  #error(message: string): Error {
    return new Error(`kernel ${this.#name}: ${message}`);
  }

  /** Statements whose variables end with them. */
  block(statements: readonly Statement[], isUncertain = false, counter?: Variable): Statement[] {
    const [alive, wasUncertain] = [this.#alive, this.#isUncertain];
    this.#alive = new Set(counter === undefined ? alive : [...alive, counter]);
    this.#isUncertain ||= isUncertain;
    const result = statements.flatMap((statement) => this.#statement(statement));
    for (const one of this.#alive) if (!alive.has(one)) this.#ended.add(one);
    this.#alive = alive;
    this.#isUncertain = wasUncertain;
    return result;
  }

  #statement(given: Statement): Statement[] {
    const seen = new Set(valuesOf(given));
    for (const value of seen) {
      this.#check(value);
      for (const input of inputsOf(value)) seen.add(input);
    }
    const { sets, tree } = this.#trees.of(given);
    for (const one of sets) {
      this.declarations.add(one);
      this.#alive.add(one.variable);
    }
    return [...sets, this.#inside(tree)];
  }

  /** Goes on with what a statement sets, writes or contains. */
  #inside(statement: Statement): Statement {
    switch (statement.statement) {
      case 'set': {
        const { variable } = statement;
        if (this.#constant.has(variable)) {
          throw this.#error(`${variable.name} is a counter or an argument, and cannot be set`);
        }
        if (!this.#alive.has(variable)) this.declarations.add(statement);
        this.#alive.add(variable);
        return statement;
      }
      case 'store':
        this.#access('store', statement.buffer, statement.index);
        this.writes.add(statement.buffer);
        return statement;
      case 'loop': {
        const { counter, from, to, step } = statement;
        const isKnown = from.node === 'constant' && to.node === 'constant';
        if (isKnown) {
          const last = to.value - 1 - ((to.value - 1 - from.value) % step);
          this.#spans.set(counter, [from.value, last]);
        }
        this.#constant.add(counter);
        return { ...statement, body: this.block(statement.body, !isKnown, counter) };
      }
      default: {
        const [then, otherwise] = [statement.then, statement.otherwise].map((branch) => (
          this.block(branch, true)
        ));
        return { ...statement, then, otherwise };
      }
    }
  }

  #check(value: Value): void {
    if (value.node === 'load') {
      this.#access('load', value.buffer, value.index);
      this.reads.add(value.buffer);
    }
    if (value.node !== 'variable' || this.#alive.has(value)) return;
    const why = this.#ended.has(value)
      ? 'outside the loop or branch in which it has a value'
      : 'before it is set';
    throw this.#error(`${value.name} is used ${why}`);
  }

  #access(how: 'load' | 'store', buffer: Buffer, { terms, constant, step }: Index): void {
    const { name, length, at, isScratch } = buffer;
    if (isScratch && !this.scratch.has(buffer)) {
      this.scratch.set(buffer, this.scratchBytes);
      this.scratchBytes += Math.ceil((4 * length) / ALIGNMENT) * ALIGNMENT;
    }
    if (!isScratch && at === undefined && !this.#parameters.has(buffer)) {
      throw this.#error(`the buffer ${name} is no parameter, and has no place of its own`);
    }
    // Each known counter takes each of its numbers, beside each of the others.
    const spans = terms.map(({ of, times }) => this.#spans.get(of)?.map((end) => end * times));
    if (this.#isUncertain || !spans.every((span) => span !== undefined)) return;
    const ends = [[0, 3 * step], ...spans];
    const least = ends.reduce((sum, span) => sum + Math.min(...span), constant);
    const most = ends.reduce((sum, span) => sum + Math.max(...span), constant);
    if (least >= 0 && most < length) return;
    throw this.#error(`${how} ${name} from ${least} to ${most}, but it has ${length} elements`);
  }
}

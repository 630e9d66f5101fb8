/**
 * A kernel: parameters, and statements that have been checked and are ready to be printed or
 * emitted.
 *
 *     kernel('double', [x, y], lanes('i', 100, (i) => store(y, i, mul(load(x, i), 2))))
 *
 * What is known to go wrong throws here, naming the kernel: a variable used where it has no value,
 * a buffer that nobody places, an index out of bounds.
 *
 * It consists of phases: statements for one thread, or the rounds of one parallel loop for all.
 */
import { listOf, type Loop, spanOf, type Statement, type Statements } from './statement.ts';
import { treesOf } from './trees.ts';
import {
  type Buffer, checkName, type Load, type Value, type Variable, variable,
} from './value.ts';

/** A buffer, passed as the byte where it starts (a multiple of 4), or a single f32 or i32. */
export type Parameter = Buffer | Variable;

/** A checked kernel, as `kernel` makes it and the emitters take it. */
export interface Kernel {
  /** Names the kernel in errors, listings and generated code. */
  readonly name: string;
  /** What a call passes, in this order; after them, if there is scratch memory, its place. */
  readonly parameters: readonly Parameter[];
  /** Where each scratch buffer lies in the kernel's scratch memory, in bytes. */
  readonly scratch: ReadonlyMap<Buffer, number>;
  /** The size of the kernel's scratch memory in bytes, a multiple of 64; 0 if it needs none. */
  readonly scratchBytes: number;
  /** How much of it, at the end, belongs to a thread alone; others have theirs elsewhere. */
  readonly ownBytes: number;
  /** Every buffer that some statement loads from, scratch buffers included. */
  readonly reads: ReadonlySet<Buffer>;
  /** Every buffer that some statement stores to, scratch buffers included. */
  readonly writes: ReadonlySet<Buffer>;
  /** All statements in order: the bodies of the phases, one after the other. */
  readonly body: readonly Statement[];
  /** The same statements, cut before and after each parallel loop. */
  readonly phases: readonly Phase[];
}

/** Statements one after the other, or a parallel loop of so many rounds. */
export interface Phase {
  /** The statements of the phase; of a parallel one, its loop alone. */
  readonly body: readonly Statement[];
  /** The number of rounds of the parallel loop; undefined if the phase is for one thread. */
  readonly rounds: number | undefined;
}

function isParallel(one: Statement): one is Loop {
  return one.statement === 'loop' && one.isParallel;
}

/** What comes before, between and after parallel loops, and these. */
function phasesOf(statements: readonly Statement[]): Phase[] {
  const phases: { body: Statement[]; rounds: number | undefined }[] = [];
  for (const one of statements) {
    const last = phases.at(-1);
    if (isParallel(one)) phases.push({ body: [one], rounds: (spanOf(one)?.[1] ?? 0) + 1 });
    else if (last && last.rounds === undefined) last.body.push(one);
    else phases.push({ body: [one], rounds: undefined });
  }
  return phases;
}

/** Scratch buffers start at multiples of this many bytes: a line of the cache. */
const ALIGNMENT = 64;

/** Makes a kernel of statements, or throws. */
export function kernel(
  name: string, parameters: readonly Parameter[], statements: Statements,
): Kernel {
  checkName('kernel', name);
  const [reads, writes] = [new Set<Buffer>(), new Set<Buffer>()];
  /** By which phases each scratch buffer is used. */
  const users = new Map<Buffer, Set<Phase>>();
  let phase: Phase | undefined;
  let depth = 0;
  /** What has a value at the place reached and must keep it, what may be set, what had one. */
  const lives = new Map<Value, 'constant' | 'alive' | 'ended'>();
  /** What has a value since the beginning of the block that is checked. */
  let born: Variable[] = [];
  /** The first and the last number of counters, where they are known. */
  const spans = new Map<Value, readonly [first: number, last: number]>();
  /** Whether what follows may never run. */
  let isUncertain = false;
  let held = 0;
  const error = (message: string): Error => new Error(`kernel ${name}: ${message}`);

  const access = (how: 'load' | 'store', { buffer, index }: Load): void => {
    const { name: own, length, at, isScratch } = buffer;
    (how === 'load' ? reads : writes).add(buffer);
    if (isScratch && phase) users.set(buffer, (users.get(buffer) ?? new Set()).add(phase));
    if (!isScratch && at === undefined && !parameters.includes(buffer)) {
      throw error(`the buffer ${own} is no parameter, and has no place of its own`);
    }
    if (isUncertain) return;
    // Each known counter takes each of its numbers, beside each of the others.
    const lanes = 3 * index.step;
    let [least, most] = [index.constant + Math.min(0, lanes), index.constant + Math.max(0, lanes)];
    for (const { of, times } of index.terms) {
      const span = spans.get(of);
      if (span === undefined) return;
      const ends = span.map((end) => end * times);
      least += Math.min(...ends);
      most += Math.max(...ends);
    }
    if (least >= 0 && most < length) return;
    throw error(`${how} ${own} from ${least} to ${most}, but it has ${length} elements`);
  };

  const check = (value: Value): void => {
    if (value.node === 'load') access('load', value);
    if (value.node !== 'variable') return;
    const life = lives.get(value);
    if (life === 'constant' || life === 'alive') return;
    const why = life === 'ended'
      ? 'outside the loop or branch in which it has a value'
      : 'before it is set';
    throw error(`${value.name} is used ${why}`);
  };

  const give = (target: Variable): void => {
    const life = lives.get(target);
    if (life === 'constant') {
      throw error(`${target.name} is a counter or an argument, and cannot be set`);
    }
    if (life !== 'alive') born.push(target);
    lives.set(target, 'alive');
  };

  /** Goes on with what a statement sets, writes or contains. */
  const inside = (one: Statement): Statement => {
    if (one.statement === 'assign') {
      if (one.target.node === 'load') access('store', one.target);
      else give(one.target);
      return one;
    }
    if (isParallel(one) && depth > 1) throw error('a parallel loop is inside another statement');
    const span = one.statement === 'loop' ? spanOf(one) : undefined;
    const counter = one.statement === 'loop' ? one.counter : undefined;
    if (span && counter) spans.set(counter, span);
    return { ...one, bodies: one.bodies.map((body) => block(body, span === undefined, counter)) };
  };

  /** Statements whose variables end with them, as does the counter of the loop around. */
  const block = (
    body: readonly Statement[], mayNotRun: boolean, counter?: Variable,
  ): Statement[] => {
    const outside = { born, isUncertain };
    born = counter === undefined ? [] : [counter];
    for (const one of born) lives.set(one, 'constant');
    isUncertain ||= mayNotRun;
    depth += 1;
    const hold = ({ type }: Value): Variable => variable(`t${(held += 1)}`, type);
    const checked = body.flatMap((one) => treesOf(one, check, hold).map(inside));
    for (const one of born) lives.set(one, 'ended');
    ({ born, isUncertain } = outside);
    depth -= 1;
    return checked;
  };

  for (const one of parameters) {
    if (!('node' in one)) continue;
    lives.set(one, 'constant');
    if (one.type === 'f32' || one.type === 'i32') continue;
    throw error(`the argument ${one.name} is ${one.type}, expected f32 or i32`);
  }
  const phases = phasesOf(listOf(statements)).map((one) => {
    phase = one;
    return { ...one, body: block(one.body, false) };
  });

  const scratch = new Map<Buffer, number>();
  let scratchBytes = 0;
  const place = (one: Buffer): void => {
    scratch.set(one, scratchBytes);
    scratchBytes += Math.ceil((4 * one.length) / ALIGNMENT) * ALIGNMENT;
  };
  const isOwn = (one: Buffer): boolean => {
    const [first, ...others] = users.get(one) ?? [];
    return first.rounds !== undefined && others.length === 0;
  };
  const all = [...users.keys()];
  all.filter((one) => !isOwn(one)).forEach(place);
  const sharedBytes = scratchBytes;
  all.filter(isOwn).forEach(place);
  const ownBytes = scratchBytes - sharedBytes;
  const body = phases.flatMap((one) => one.body);
  return { name, parameters, scratch, scratchBytes, ownBytes, reads, writes, body, phases };
}

/**
 * A kernel: parameters, and statements that have been checked and are ready to be printed or
 * emitted.
 *
 *     kernel('double', [x, y], vectorized('i', 100, (i) => store(y, i, mul(load(x, i), 2))))
 *
 * What is known to go wrong throws here, naming the kernel: a variable used where it has no value,
 * a buffer that nobody places, an index out of bounds.
 *
 * A kernel consists of regions: a serial region is run by one thread, a parallel region is one
 * parallel loop, whose iterations the threads share. `kernel` divides the statements into regions,
 * checks them block by block, and lays out the scratch memory: a buffer that only one parallel
 * region uses is thread-local.
 */
import {
  type Buffer, checkName, type Expr, type Index, type Load, type Variable, variable,
} from './expression.ts';
import { treesOf } from './letInsertion.ts';
import { listOf, type Loop, spanOf, type Statement, type Statements } from './statement.ts';

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
  readonly threadLocalBytes: number;
  /** Every buffer that some statement loads from, scratch buffers included. */
  readonly reads: ReadonlySet<Buffer>;
  /** Every buffer that some statement stores to, scratch buffers included. */
  readonly writes: ReadonlySet<Buffer>;
  /** All statements in order: the bodies of the regions, one after the other. */
  readonly body: readonly Statement[];
  /** The same statements, cut before and after each parallel loop. */
  readonly regions: readonly Region[];
}

/** Statements one after the other, or a parallel loop of so many iterations. */
export interface Region {
  /** The statements of the region; of a parallel one, its loop alone. */
  readonly body: readonly Statement[];
  /** The number of iterations of the parallel loop; undefined if the region is for one thread. */
  readonly iterations: number | undefined;
}

function isParallel(one: Statement): one is Loop {
  return one.statement === 'loop' && one.isParallel;
}

/** What comes before, between and after parallel loops, and these. */
function regionsOf(statements: readonly Statement[]): Region[] {
  const regions: { body: Statement[]; iterations: number | undefined }[] = [];
  for (const one of statements) {
    const last = regions.at(-1);
    if (isParallel(one)) regions.push({ body: [one], iterations: (spanOf(one)?.[1] ?? 0) + 1 });
    else if (last && last.iterations === undefined) last.body.push(one);
    else regions.push({ body: [one], iterations: undefined });
  }
  return regions;
}

/** Makes a kernel of statements, or throws. */
export function kernel(
  name: string, parameters: readonly Parameter[], statements: Statements,
): Kernel {
  checkName('kernel', name);
  const facts: Facts = {
    name, parameters, reads: new Set(), writes: new Set(), users: new Map(), lives: new Map(),
    spans: new Map(), held: [],
  };
  parameters.forEach((one) => addParameter(facts, one));
  const regions = regionsOf(listOf(statements)).map((region) => {
    const outside = { ...facts, region, depth: 0, born: [], isUncertain: false };
    return { ...region, body: checkedBlock(outside, region.body) };
  });
  const body = regions.flatMap((one) => one.body);
  const { reads, writes, users } = facts;
  return { name, parameters, ...placesOf(users), reads, writes, body, regions };
}

/** The facts collected about a kernel while its statements are checked in order. */
interface Facts {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly reads: Set<Buffer>;
  readonly writes: Set<Buffer>;
  /** By which regions each scratch buffer is used. */
  readonly users: Map<Buffer, Set<Region>>;
  /** What has a value at the place reached and must keep it, what may be set, what had one. */
  readonly lives: Map<Expr, 'constant' | 'alive' | 'ended'>;
  /** The first and the last number of counters, where they are known. */
  readonly spans: Map<Expr, readonly [first: number, last: number]>;
  /** Variables for values that are used more than once. */
  readonly held: Variable[];
}

/** The block that is checked, beside what is known of the whole kernel. */
interface Scope extends Facts {
  readonly region: Region;
  /** How many blocks it is in, itself included. */
  readonly depth: number;
  /** The variables that have a value when it begins. */
  readonly born: Variable[];
  /** Whether it may never run. */
  readonly isUncertain: boolean;
}

function errorIn({ name }: Facts, message: string): Error {
  return new Error(`kernel ${name}: ${message}`);
}

function addParameter(facts: Facts, one: Parameter): void {
  if (!('node' in one)) return;
  facts.lives.set(one, 'constant');
  if (one.type === 'f32' || one.type === 'i32') return;
  throw errorIn(facts, `the argument ${one.name} is ${one.type}, expected f32 or i32`);
}

/** Statements whose variables end with them, as does the counter of the loop around. */
function checkedBlock(
  outside: Scope, body: readonly Statement[], mayNotRun = false, counter?: Variable,
): Statement[] {
  const scope: Scope = {
    ...outside,
    depth: outside.depth + 1,
    born: counter === undefined ? [] : [counter],
    isUncertain: outside.isUncertain || mayNotRun,
  };
  const { lives, held, born } = scope;
  for (const one of born) lives.set(one, 'constant');
  const check = (value: Expr): void => checkUse(scope, value);
  const hold = ({ type }: Expr): Variable => {
    const holder = variable(`t${held.length + 1}`, type);
    held.push(holder);
    return holder;
  };
  const checked = body.flatMap((one) => (
    treesOf(one, check, hold).map((tree) => checkedStatement(scope, tree))
  ));
  for (const one of born) lives.set(one, 'ended');
  return checked;
}

/** A statement whose own values have been checked: so are what it sets, writes or contains. */
function checkedStatement(scope: Scope, one: Statement): Statement {
  if (one.statement === 'assign') {
    if (one.target.node === 'load') checkAccess(scope, 'store', one.target);
    else checkSet(scope, one.target);
    return one;
  }
  if (isParallel(one) && scope.depth > 1) {
    throw errorIn(scope, 'a parallel loop is inside another statement');
  }
  const span = one.statement === 'loop' ? spanOf(one) : undefined;
  const counter = one.statement === 'loop' ? one.counter : undefined;
  if (span && counter) scope.spans.set(counter, span);
  const mayNotRun = span === undefined;
  const bodies = one.bodies.map((body) => checkedBlock(scope, body, mayNotRun, counter));
  return { ...one, bodies };
}

function checkUse(scope: Scope, value: Expr): void {
  if (value.node === 'load') checkAccess(scope, 'load', value);
  if (value.node !== 'variable') return;
  const life = scope.lives.get(value);
  if (life === 'constant' || life === 'alive') return;
  const why = life === 'ended'
    ? 'outside the loop or branch in which it has a value'
    : 'before it is set';
  throw errorIn(scope, `${value.name} is used ${why}`);
}

function checkSet(scope: Scope, target: Variable): void {
  const { lives, born } = scope;
  const life = lives.get(target);
  if (life === 'constant') {
    throw errorIn(scope, `${target.name} is a counter or an argument, and cannot be set`);
  }
  if (life !== 'alive') born.push(target);
  lives.set(target, 'alive');
}

function checkAccess(scope: Scope, how: 'load' | 'store', { buffer, index }: Load): void {
  const { reads, writes, users, region, parameters } = scope;
  const { name: own, length, at, isScratch } = buffer;
  (how === 'load' ? reads : writes).add(buffer);
  if (isScratch) users.set(buffer, (users.get(buffer) ?? new Set()).add(region));
  if (!isScratch && at === undefined && !parameters.includes(buffer)) {
    throw errorIn(scope, `the buffer ${own} is no parameter, and has no place`);
  }
  const bounds = scope.isUncertain ? undefined : spanOfIndex(scope, index);
  if (bounds === undefined) return;
  const [first, last] = bounds;
  if (first >= 0 && last < length) return;
  throw errorIn(scope, `${how} ${own} from ${first} to ${last}, but it has ${length} elements`);
}

/** The least and the greatest element of an index, if all that it counts with is known. */
function spanOfIndex({ spans }: Facts, index: Index): readonly [number, number] | undefined {
  // Each known counter takes each of its numbers, beside each of the others.
  const lanes = 3 * index.step;
  let [least, most] = [index.constant + Math.min(0, lanes), index.constant + Math.max(0, lanes)];
  for (const { of, times } of index.terms) {
    const span = spans.get(of);
    if (span === undefined) return undefined;
    const ends = span.map((end) => end * times);
    least += Math.min(...ends);
    most += Math.max(...ends);
  }
  return [least, most];
}

/** Scratch buffers start at multiples of this many bytes: a line of the cache. */
const ALIGNMENT = 64;

/** Places scratch buffers, those at the end that a single parallel loop uses: a thread's own. */
function placesOf(
  users: ReadonlyMap<Buffer, ReadonlySet<Region>>,
): Pick<Kernel, 'scratch' | 'scratchBytes' | 'threadLocalBytes'> {
  const scratch = new Map<Buffer, number>();
  let scratchBytes = 0;
  const place = (one: Buffer): void => {
    scratch.set(one, scratchBytes);
    scratchBytes += Math.ceil((4 * one.length) / ALIGNMENT) * ALIGNMENT;
  };
  const isOwn = (one: Buffer): boolean => {
    const [first, ...others] = users.get(one) ?? [];
    return first.iterations !== undefined && others.length === 0;
  };
  const all = [...users.keys()];
  all.filter((one) => !isOwn(one)).forEach(place);
  const sharedBytes = scratchBytes;
  all.filter(isOwn).forEach(place);
  return { scratch, scratchBytes, threadLocalBytes: scratchBytes - sharedBytes };
}

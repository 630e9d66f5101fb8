/**
 * Kernels: parameters, and statements that have been checked and are ready to be printed or
 * emitted.
 *
 *     kernel('double', [x, y], vectorized('i', 100, (i) => store(y, i, mul(load(x, i), 2))))
 *
 * Mistakes that can be known throw here, naming the kernel: a variable that is used where it has no
 * value, a buffer without an address, an index out of bounds.
 *
 * A kernel consists of regions: a serial region is run by one thread, a parallel region is one
 * parallel loop, whose iterations the threads share. `kernel` divides the statements into regions,
 * checks them block by block, and lays out the scratch memory: a buffer that only one parallel
 * region uses is thread-local.
 */
import { alignUp } from '@mambagrad/wasm';
import {
  type Buffer, checkName, type Expr, type Index, type Load, type Variable, variable,
} from './expression.ts';
import { insertLets } from './letInsertion.ts';
import { listOf, type Loop, spanOf, type Statement, type Statements } from './statement.ts';

/** A buffer, passed as its address in bytes (a multiple of 4), or a single f32 or i32. */
export type Parameter = Buffer | Variable;

/** A checked kernel, as `kernel` makes it and the emitters take it. */
export interface Kernel {
  /** Its name in errors, listings and generated code. */
  readonly name: string;
  /** The arguments of a call, in order; after them comes the address of the scratch memory. */
  readonly parameters: readonly Parameter[];
  /** The offset of each scratch buffer in the kernel's scratch memory, in bytes. */
  readonly scratch: ReadonlyMap<Buffer, number>;
  /** The size of the kernel's scratch memory in bytes, a multiple of 64; 0 if it needs none. */
  readonly scratchBytes: number;
  /** The bytes at its end that are thread-local: each further thread has its own elsewhere. */
  readonly threadLocalBytes: number;
  /** Every buffer that some statement loads from, scratch buffers included. */
  readonly reads: ReadonlySet<Buffer>;
  /** Every buffer that some statement stores to, scratch buffers included. */
  readonly writes: ReadonlySet<Buffer>;
  /** All statements in order: the bodies of the regions, one after the other. */
  readonly body: readonly Statement[];
  /** The same statements, divided before and after each parallel loop. */
  readonly regions: readonly Region[];
}

/** Serial statements, or one parallel loop. */
export interface Region {
  /** The statements of the region; of a parallel one, its loop alone. */
  readonly body: readonly Statement[];
  /** The number of iterations of the parallel loop; undefined of a serial region. */
  readonly iterations: number | undefined;
}

function isParallel(one: Statement): one is Loop {
  return one.statement === 'loop' && one.isParallel;
}

/** The parallel loops, and the statements before, between and after them. */
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
    name, parameters, reads: new Set(), writes: new Set(), users: new Map(), states: new Map(),
    spans: new Map(), lets: [],
  };
  parameters.forEach((one) => addParameter(facts, one));
  const regions = regionsOf(listOf(statements)).map((region) => {
    const outside = { ...facts, region, depth: 0, variables: [], isUncertain: false };
    return { ...region, body: checkedBlock(outside, region.body) };
  });
  const body = regions.flatMap((one) => one.body);
  const { reads, writes, users } = facts;
  return { name, parameters, ...layoutOf(users), reads, writes, body, regions };
}

/** The facts collected about a kernel while its statements are checked in order. */
interface Facts {
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly reads: Set<Buffer>;
  readonly writes: Set<Buffer>;
  /** The regions that use each scratch buffer. */
  readonly users: Map<Buffer, Set<Region>>;
  /** Variables that have a value and may not be set, that may be set, and that are out of scope. */
  readonly states: Map<Expr, 'constant' | 'assigned' | 'outOfScope'>;
  /** The first and the last value of counters, where they are known. */
  readonly spans: Map<Expr, readonly [first: number, last: number]>;
  /** The variables of let-insertion. */
  readonly lets: Variable[];
}

/** The block that is being checked, with the facts about the whole kernel. */
interface Scope extends Facts {
  readonly region: Region;
  /** Its nesting depth, 1 for an outermost block. */
  readonly depth: number;
  /** The variables whose scope it is. */
  readonly variables: Variable[];
  /** Whether it may never run. */
  readonly isUncertain: boolean;
}

function errorIn({ name }: Facts, message: string): Error {
  return new Error(`kernel ${name}: ${message}`);
}

function addParameter(facts: Facts, one: Parameter): void {
  if (!('node' in one)) return;
  facts.states.set(one, 'constant');
  if (one.type === 'f32' || one.type === 'i32') return;
  throw errorIn(facts, `the argument ${one.name} is ${one.type}, expected f32 or i32`);
}

/** Checks a block, which is the scope of its variables and of the counter of its loop. */
function checkedBlock(
  outside: Scope, body: readonly Statement[], mayNotRun = false, counter?: Variable,
): Statement[] {
  const scope: Scope = {
    ...outside,
    depth: outside.depth + 1,
    variables: counter === undefined ? [] : [counter],
    isUncertain: outside.isUncertain || mayNotRun,
  };
  const { states, lets, variables } = scope;
  for (const one of variables) states.set(one, 'constant');
  const check = (value: Expr): void => checkUse(scope, value);
  const checked: Statement[] = [];
  const declare = ({ type }: Expr): Variable => {
    const declared = variable(`t${lets.length + 1}`, type);
    lets.push(declared);
    return declared;
  };
  // Plain loops, as a program has thousands of statements.
  for (let i = 0; i < body.length; i++) {
    const trees = insertLets(body[i], check, declare);
    for (let j = 0; j < trees.length; j++) checked.push(checkedStatement(scope, trees[j]));
  }
  for (const one of variables) states.set(one, 'outOfScope');
  return checked;
}

/** Checks the target of a statement, or its blocks; its expressions have been checked. */
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
  const state = scope.states.get(value);
  if (state === 'constant' || state === 'assigned') return;
  const why = state === 'outOfScope'
    ? 'outside the loop or branch in which it has a value'
    : 'before it is set';
  throw errorIn(scope, `${value.name} is used ${why}`);
}

function checkSet(scope: Scope, target: Variable): void {
  const { states, variables } = scope;
  const state = states.get(target);
  if (state === 'constant') {
    throw errorIn(scope, `${target.name} is a counter or an argument, and cannot be set`);
  }
  if (state !== 'assigned') variables.push(target);
  states.set(target, 'assigned');
}

function checkAccess(scope: Scope, how: 'load' | 'store', { buffer, index }: Load): void {
  const { reads, writes, users, region, parameters } = scope;
  const { name, length, at, isScratch } = buffer;
  (how === 'load' ? reads : writes).add(buffer);
  if (isScratch) users.set(buffer, (users.get(buffer) ?? new Set()).add(region));
  if (!isScratch && at === undefined && !parameters.includes(buffer)) {
    throw errorIn(scope, `the buffer ${name} is neither a parameter nor at a fixed address`);
  }
  const bounds = scope.isUncertain ? undefined : spanOfIndex(scope, index);
  if (bounds === undefined) return;
  const [first, last] = bounds;
  if (first >= 0 && last < length) return;
  throw errorIn(scope, `${how} ${name} from ${first} to ${last}, but it has ${length} elements`);
}

/** The smallest and the largest value of an index, if the values of all its terms are known. */
function spanOfIndex({ spans }: Facts, index: Index): readonly [number, number] | undefined {
  // Every combination of values of the counters occurs, so the extremes of the terms add up.
  const lanes = 3 * index.step;
  let least = index.constant + Math.min(0, lanes);
  let most = index.constant + Math.max(0, lanes);
  for (const { of, times } of index.terms) {
    const span = spans.get(of);
    if (span === undefined) return undefined;
    const [first, last] = [span[0] * times, span[1] * times];
    least += Math.min(first, last);
    most += Math.max(first, last);
  }
  return [least, most];
}

/** Lays out the scratch memory, with thread-local buffers at the end. */
function layoutOf(
  users: ReadonlyMap<Buffer, ReadonlySet<Region>>,
): Pick<Kernel, 'scratch' | 'scratchBytes' | 'threadLocalBytes'> {
  const scratch = new Map<Buffer, number>();
  let scratchBytes = 0;
  const place = (one: Buffer): void => {
    scratch.set(one, scratchBytes);
    scratchBytes += alignUp(4 * one.length);
  };
  // Only one parallel loop uses it.
  const isThreadLocal = (one: Buffer): boolean => {
    const [first, ...others] = users.get(one) ?? [];
    return first.iterations !== undefined && others.length === 0;
  };
  const all = [...users.keys()];
  all.filter((one) => !isThreadLocal(one)).forEach(place);
  const sharedBytes = scratchBytes;
  all.filter(isThreadLocal).forEach(place);
  return { scratch, scratchBytes, threadLocalBytes: scratchBytes - sharedBytes };
}

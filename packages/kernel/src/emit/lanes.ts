/**
 * Loops over lanes. JavaScript has no vectors, so a vector is four numbers, and each operation on
 * it is written out four times. A long run of assignments would become a function that is too long
 * for engines to optimise, so it becomes a loop instead:
 *
 *     t = x[i:4] * y[i:4]               for lane in 0..4
 *     z[i:4] = t * t            →         t = x[i + lane] * y[i + lane]
 *                                         z[i + lane] = t * t
 *
 * Each lane computes the same as before, in the same order, so that it gets the same bits. But one
 * lane is finished before the next begins. So no lane may use what another one computes: no
 * operation of the run moves values between lanes, and no lane touches an element that another one
 * stores. Variables that are also used outside of the run carry their lanes in memory.
 */
import { type Expr, isVector, lanesOf, type Load, type Variable } from '../language/expression.ts';
import { inputsOf } from '../language/letInsertion.ts';
import type { Assign, Statement } from '../language/statement.ts';

/** The lane loops of a kernel, and what is known of its variables. */
export interface LaneLoops {
  /** Runs of statements, by the first of each. */
  readonly runs: ReadonlyMap<Statement, readonly Assign[]>;
  /** The number of each variable that carries its lanes in memory. */
  readonly carried: ReadonlyMap<Variable, number>;
  /** The variables whose lanes are all the same number, which is broadcast. */
  readonly uniform: ReadonlySet<Expr>;
  /** The variables that are set more than once. */
  readonly changing: ReadonlySet<Expr>;
}

/** Whether an expression moves values between lanes. */
export function isCrossing(part: Expr): boolean {
  return part.node === 'operation' && ['any', 'lane', 'shuffle'].includes(part.name);
}

/** Finds the runs that have at least `least` operations and accesses in each lane. */
export function laneLoops(body: readonly Statement[], least: number): LaneLoops {
  const users = usersOf(body);
  const runs = new Map<Statement, readonly Assign[]>();
  const visit = (block: readonly Statement[]): void => {
    for (const run of runsOf(block, users)) {
      const isLong = run.reduce((sum, one) => sum + sizeOf(one), 0) >= least;
      if (isLong && run.some(({ target }) => isVector(target)) && !mixesLanes(run)) {
        runs.set(run[0], run);
      }
    }
    for (const one of block) one.bodies.forEach(visit);
  };
  visit(body);
  const carried = carriedBetween([...runs.values()], users);
  const setters = settersIn(body);
  const variablesWhere = (holds: (all: readonly Assign[], one: Variable) => boolean) =>
    new Set<Expr>(Array.from(setters).flatMap(([one, all]) => (holds(all, one) ? [one] : [])));
  return {
    runs,
    carried,
    uniform: variablesWhere((all, one) => !carried.has(one) && isUniform(all)),
    changing: variablesWhere((all) => all.length > 1),
  };
}

/** The expressions that a statement evaluates, the place of a store included; with all parts. */
export function partsOf(one: Statement): Expr[] {
  const parts: Expr[] = [];
  for (const value of one.values) addParts(value, parts);
  if (one.statement === 'assign' && one.target.node === 'load') addParts(one.target, parts);
  return parts;
}

/** Adds an expression and all that it is computed from to a list. */
export function addParts(value: Expr, parts: Expr[]): void {
  parts.push(value);
  if (value.node === 'load') for (const { of } of value.index.terms) addParts(of, parts);
  else if (value.node === 'operation') for (const input of value.inputs) addParts(input, parts);
}

/** The operations and accesses of a statement, one for each lane of it counted once. */
export function sizeOf(one: Statement): number {
  const isWork = ({ node }: Expr): boolean => node === 'operation' || node === 'load';
  return partsOf(one).filter(isWork).length;
}

/** The statements that use or set each variable. */
type Users = ReadonlyMap<Expr, ReadonlySet<Statement>>;

function usersOf(body: readonly Statement[]): Users {
  const users = new Map<Expr, Set<Statement>>();
  const visit = (one: Statement): void => {
    for (const part of one.statement === 'assign' ? [one.target, ...partsOf(one)] : partsOf(one)) {
      if (part.node === 'variable') users.set(part, (users.get(part) ?? new Set()).add(one));
    }
    one.bodies.forEach((inside) => inside.forEach(visit));
  };
  body.forEach(visit);
  return users;
}

/** The longest runs of statements in a block that can be run lane by lane, each by itself. */
function runsOf(block: readonly Statement[], users: Users): Assign[][] {
  const runs: Assign[][] = [[]];
  for (const one of block) {
    if (one.statement === 'assign' && isByLane(one)) runs.at(-1)?.push(one);
    else runs.push([]);
  }
  return runs.flatMap((run) => withoutEscaping(run, users)).filter(({ length }) => length > 0);
}

/** Whether an assignment computes each lane from the same lane, or a single value. */
function isByLane(one: Assign): boolean {
  const isSingleStore = one.target.node === 'load' && !isVector(one.target);
  return !isSingleStore && !partsOf(one).some(isCrossing);
}

/**
 * Divides a run at the single values that are used elsewhere too, or set twice: in a lane loop,
 * these would be out of scope afterwards, or set four times.
 */
function withoutEscaping(run: readonly Assign[], users: Users): Assign[][] {
  const inside = new Set<Statement>(run);
  const isEscaping = ({ target }: Assign): boolean => {
    if (target.node !== 'variable' || isVector(target)) return false;
    const setters = run.filter((other) => other.target === target);
    return setters.length > 1 || [...users.get(target) ?? []].some((user) => !inside.has(user));
  };
  const at = run.findIndex(isEscaping);
  if (at < 0) return [[...run]];
  return [run.slice(0, at), run.slice(at + 1)].flatMap((part) => withoutEscaping(part, users));
}

/** Whether a lane of a run may touch an element that another lane stores. */
function mixesLanes(run: readonly Assign[]): boolean {
  const loads = run.flatMap((one) => partsOf(one).filter((part) => part.node === 'load'));
  const stores = run.flatMap(({ target }) => (target.node === 'load' ? [target] : []));
  const set = new Set<Expr>(run.map(({ target }) => target));
  return stores.some((store) => loads.some((load) => (
    load.buffer === store.buffer && mayMeet(store, load, set)
  )));
}

/** Whether two accesses to a buffer may be to one element in different lanes. */
function mayMeet({ index: a }: Load, { index: b }: Load, set: ReadonlySet<Expr>): boolean {
  const isFixed = (part: Expr): boolean => (
    part.node === 'variable' ? lanesOf(part) === 1 && !set.has(part)
    : part.node !== 'load' && inputsOf(part).every(isFixed)
  );
  const isKnown = [...a.terms, ...b.terms].every(({ of }) => isFixed(of));
  const timesIn = (terms: Load['index']['terms'], of: Expr): number =>
    terms.reduce((sum, term) => (term.of === of ? sum + term.times : sum), 0);
  const isSame = [...a.terms, ...b.terms].every(({ of }) => (
    timesIn(a.terms, of) === timesIn(b.terms, of)
  ));
  if (!isKnown || !isSame) return true;
  const lanes = [0, 1, 2, 3];
  return lanes.some((i) => lanes.some((j) => (
    i !== j && a.constant + i * a.step === b.constant + j * b.step
  )));
}

/** The assignments to each variable. */
function settersIn(body: readonly Statement[]): Map<Variable, Assign[]> {
  const setters = new Map<Variable, Assign[]>();
  const visit = (one: Statement): void => {
    if (one.statement === 'assign' && one.target.node === 'variable') {
      setters.set(one.target, [...(setters.get(one.target) ?? []), one]);
    }
    one.bodies.forEach((inside) => inside.forEach(visit));
  };
  body.forEach(visit);
  return setters;
}

/** Whether a variable is set once, to a broadcast number. */
function isUniform([setter, ...others]: readonly Assign[]): boolean {
  const [value] = setter.values;
  return others.length === 0 && value.node === 'operation' && value.name === 'splat';
}

/** Numbers the variables of vectors that are used in more than one run, or outside of all. */
function carriedBetween(runs: readonly (readonly Assign[])[], users: Users): Map<Variable, number> {
  const runOf = new Map<Statement, object>(runs.flatMap((run) => run.map((one) => [one, run])));
  const carried = new Map<Variable, number>();
  for (const [variable, statements] of users) {
    if (variable.node !== 'variable' || !isVector(variable)) continue;
    const places = new Set(Array.from(statements, (one) => runOf.get(one)));
    if (places.size > 1) carried.set(variable, carried.size);
  }
  return carried;
}

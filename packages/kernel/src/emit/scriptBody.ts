/**
 * Statements as JavaScript, in functions that engines can optimise. An engine optimises a function
 * as a whole. A long one takes it a second, a very long one it refuses, and it knows most about a
 * function that is called often. So the innermost loops with enough work become functions:
 *
 *     for (let i = 0; …) {             function some$1(x, i) { for (let j = 0; …) { … } }
 *       for (let j = 0; …) { … }   →   …
 *     }                                for (let i = 0; …) { some$1(x, i); }
 *
 * Such a function takes the places of buffers and the single values that it uses. A vector is four
 * variables, and its operations are written out four times; where that is long, there is a loop
 * over the lanes (lanes.ts).
 */
import { type Buffer, type Expr, isVector, type Variable } from '../language/expression.ts';
import type { Assign, Loop, Statement, When } from '../language/statement.ts';
import { addParts, isCrossing, type LaneLoops, partsOf, sizeOf } from './lanes.ts';
import { baseText, carriedText, type Lane, type Printing, textOf } from './scriptExpression.ts';

/**
 * How many operations and accesses make code long. With small numbers a short kernel gets the forms
 * of a long one, which is for tests.
 */
export interface ScriptSizes {
  /** From this on, in one lane, a run of assignments is a loop over the lanes. */
  readonly lanes: number;
  /** From this on a loop is a function. */
  readonly functions: number;
}

/** The emission of one kernel. */
export interface Emission extends Printing {
  readonly kernel: string;
  readonly runs: LaneLoops['runs'];
  readonly changing: LaneLoops['changing'];
  readonly sizes: ScriptSizes;
  /** The functions made so far. */
  readonly functions: string[];
}

/** Lines of code, and how many operations and accesses are in them. */
interface Text {
  readonly lines: readonly string[];
  readonly size: number;
}

/** The text of a block. Names are local to the block in which they first occur. */
export function blockOf(outside: Emission, body: readonly Statement[]): Text {
  const { names, runs } = outside;
  return names.within(() => {
    const inRuns = new Set<Statement>(body.flatMap((one) => runs.get(one) ?? []));
    const others = body.filter((one) => one.statement === 'assign' && !inRuns.has(one));
    const { pointers, lines } = pointersOf(outside, others as Assign[], 0);
    const to = { ...outside, pointers };
    const texts: Text[] = [{ lines, size: 0 }];
    for (let i = 0; i < body.length;) {
      const run = runs.get(body[i]);
      texts.push(run ? laneLoop(to, run) : statement(to, body[i]));
      i += run?.length ?? 1;
    }
    return joined(texts);
  });
}

/**
 * Pointers for the assignments of a block. Indices that differ only by a constant have the rest in
 * common, which is computed once, before the assignments.
 */
function pointersOf(
  outside: Emission, block: readonly Assign[], lane: Lane,
): { pointers: ReadonlyMap<string, string>; lines: string[] } {
  const to = withoutPointers(outside);
  // Has its value, and keeps it.
  const isFixed = (of: Expr): boolean =>
    of.node === 'variable' && !isVector(of) && to.names.has(of) && !to.changing.has(of);
  const uses = new Map<string, number>();
  for (const part of block.flatMap(partsOf)) {
    if (part.node !== 'load' || !part.index.terms.every(({ of }) => isFixed(of))) continue;
    const base = baseText(part, lane, to);
    uses.set(base, (uses.get(base) ?? 0) + (lane === 0 && isVector(part) ? 4 : 1));
  }
  const shared = Array.from(uses).filter(([base, count]) => count > 1 && base.includes(' '));
  const pointers = new Map(shared.map(([base], i) => [base, `$at${i}`]));
  return { pointers, lines: Array.from(pointers, ([base, at]) => `const ${at} = ${base} | 0;`) };
}

/** For code that may become a function, where pointers from outside would be unknown. */
function withoutPointers(to: Emission): Emission {
  return { ...to, pointers: new Map() };
}

function joined(texts: readonly Text[]): Text {
  const size = texts.reduce((sum, one) => sum + one.size, 0);
  return { lines: texts.flatMap(({ lines }) => lines), size };
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function statement(to: Emission, one: Statement): Text {
  if (one.statement === 'assign') return assignment(to, one);
  if (one.statement === 'loop') return separate(to, [one], to.sizes.functions, () => loop(to, one));
  return branch(to, one);
}

function assignment(to: Emission, one: Assign): Text {
  const { target, values: [value] } = one;
  const isNew = isDeclaration(to, target);
  const lanes: Lane[] = isVector(target) && !to.uniform.has(target) ? [0, 1, 2, 3] : [0];
  const targets = lanes.map((lane) => textOf(target, lane, to, 'write'));
  const values = lanes.map((lane) => textOf(value, lane, to));
  const size = sizeOf(one) * lanes.length;
  const sets = pairs(targets, values);
  if (isNew) return { lines: [`let ${sets};`], size };
  if (lanes.length === 1 || isLaneByLane(one)) return { lines: [`${sets};`], size };
  // All lanes are computed before one is assigned.
  const held = lanes.map((lane) => `$${lane}`);
  const lines = ['{', `  const ${pairs(held, values)};`, `  ${pairs(targets, held)};`, '}'];
  return { lines, size };
}

/** Whether no lane of an assignment depends on other lanes, in variables or in memory. */
function isLaneByLane({ target, values: [value] }: Assign): boolean {
  const isStore = target.node === 'load';
  const parts: Expr[] = [];
  addParts(value, parts);
  return !parts.some((part) => isCrossing(part) || (isStore && part.node === 'load'));
}

/** Whether an assignment is the first of its variable. */
function isDeclaration({ names, carried }: Emission, target: Expr): boolean {
  return target.node === 'variable' && !names.has(target) && !carried.has(target);
}

function pairs(targets: readonly string[], values: readonly string[]): string {
  return targets.map((target, i) => `${target} = ${values[i]}`).join(', ');
}

function loop(to: Emission, { counter, values, step, isParallel, bodies: [body] }: Loop): Text {
  const [from, end] = values.map((bound) => textOf(bound, 0, withoutPointers(to)));
  return to.names.within(() => {
    const i = to.names.of(counter);
    const inside = blockOf(to, body);
    const goesOn = to.guarded && isParallel
      ? `$guard.iteration(${i} < $end, ${i})`
      : `${i} < $end`;
    const head = `for (let ${i} = ${from}, $end = ${end}; ${goesOn}; ${i} += ${step}) {`;
    return { lines: [head, ...indented(inside.lines), '}'], size: inside.size + 1 };
  });
}

function branch(to: Emission, one: When): Text {
  const condition = textOf(one.values[0], 0, to);
  const [then, otherwise] = one.bodies.map((body) => blockOf(to, body));
  const last = otherwise.lines.length > 0 ? ['} else {', ...indented(otherwise.lines)] : [];
  const lines = [`if (${condition}) {`, ...indented(then.lines), ...last, '}'];
  return { lines, size: sizeOf(one) + then.size + otherwise.size };
}

/**
 * A run of assignments as a loop over the lanes. A variable that carries its lanes in memory is an
 * ordinary one inside: it is loaded at the start of an iteration, and stored at its end.
 */
function laneLoop(to: Emission, run: readonly Assign[]): Text {
  // It is called for four elements only, so it has to be longer than a loop to be a function.
  return separate(to, run, 4 * to.sizes.functions, () => to.names.within(() => {
    const { pointers, lines: starts } = pointersOf(to, run, '$lane');
    const own: Emission = { ...to, carried: new Map(), pointers };
    const placeOf = (variable: Expr): string | undefined => {
      const place = to.carried.get(variable as Variable);
      return place === undefined ? undefined : carriedText(variable as Variable, place, '$lane');
    };
    const loads: string[] = [];
    const stores = new Map<Expr, string>();
    const lines = run.map((one) => {
      for (const part of partsOf(one)) {
        const place = placeOf(part);
        if (place === undefined || to.names.has(part)) continue;
        loads.push(`let ${to.names.of(part as Variable)} = ${place};`);
      }
      const text = textOf(one.values[0], '$lane', own);
      const declares = isDeclaration(own, one.target) ? 'let ' : '';
      const target = textOf(one.target, '$lane', own, 'write');
      const place = placeOf(one.target);
      if (place !== undefined) stores.set(one.target, `${place} = ${target};`);
      return `${declares}${target} = ${text};`;
    });
    const inside = indented([...starts, ...loads, ...lines, ...stores.values()]);
    return {
      lines: ['for (let $lane = 0; $lane < 4; $lane += 1) {', ...inside, '}'],
      size: run.reduce((sum, one) => sum + sizeOf(one), 0),
    };
  }));
}

/** The text of statements; if its size is `least` or more, as the call of a function. */
function separate(
  to: Emission, body: readonly Statement[], least: number, make: () => Text,
): Text {
  const text = make();
  if (text.size < least) return text;
  const taken = outsideOf(to, body);
  if (taken === undefined) return text;
  const name = `${to.kernel}$${to.functions.length + 1}`;
  const names = taken.map((one) => to.names.of(one));
  const conversions = taken.map((one, i) => (
    'node' in one && one.type === 'f32' ? `${names[i]} = fround(${names[i]});` : `${names[i]} |= 0;`
  ));
  to.functions.push(functionText(name, names, [...conversions, ...text.lines]));
  return { lines: [`${name}(${names.join(', ')});`], size: 1 };
}

/** A function, with declarations of what its expressions hold. */
export function functionText(
  name: string, parameters: readonly string[], lines: readonly string[],
): string {
  const held = [...new Set(lines.join().match(/\$held\d+/g) ?? [])];
  const declarations = held.length > 0 ? [`let ${held.join(', ')};`] : [];
  const inside = indented([...declarations, ...lines]);
  return [`function ${name}(${parameters.join(', ')}) {`, ...inside, '}'].join('\n');
}

/**
 * The single values and buffers from outside of some statements that these use; undefined if they
 * use vectors from outside, or set something there, which a function could not.
 */
function outsideOf(to: Emission, body: readonly Statement[]): (Variable | Buffer)[] | undefined {
  const { names, carried } = to;
  const used = new Set<Variable | Buffer>();
  const set = new Set<Expr>();
  const visit = (one: Statement): void => {
    for (const part of partsOf(one)) {
      if (part.node === 'load' && part.buffer.at === undefined) used.add(part.buffer);
      if (part.node === 'variable' && !carried.has(part)) used.add(part);
    }
    if (one.statement === 'assign' && !carried.has(one.target as Variable)) set.add(one.target);
    one.bodies.forEach((inside) => inside.forEach(visit));
  };
  body.forEach(visit);
  const isOutside = (one: object): boolean => names.has(one);
  if ([...set].some(isOutside)) return undefined;
  const taken = [...used].filter(isOutside);
  return taken.some((one) => 'node' in one && isVector(one)) ? undefined : taken;
}

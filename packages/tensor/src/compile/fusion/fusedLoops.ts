/**
 * From a group to a kernel: loops over the rows, and in each row the passes of the group. Axes that
 * all arrays walk evenly are one axis, so that plain elementwise work is a single long row:
 *
 *     for i0 in 0..B
 *       for i1 in 0..L                          rows
 *         for j in 0..D step 4                  a pass, four elements at a time
 *
 * Which loops there are, what each pass computes and where sums are kept is planned in loopPlan.ts;
 * here the plan is written out, from the outermost loop to the single element.
 */
import * as k from '@mambagrad/kernel';
import type { Index } from '../../core/lowering.ts';
import type { Value } from '../trace/trace.ts';
import { type Bound, boundKernel, bufferOf, readingLeaf } from './buffers.ts';
import type { Group, Member } from './fusionGroup.ts';
import { planRows, reductionOf, type RowPlan, type Sweep } from './loopPlan.ts';

/** What the code of a round refers to. */
interface Context {
  readonly plan: RowPlan;
  readonly round: k.Expr;
  /** What the round goes through of the axes that are cut. */
  readonly ranges: ReadonlyMap<number, k.Range>;
  /** The values loaded so far. */
  readonly reads: Set<Value>;
  /** The registers that hold what belongs to the row. */
  readonly rowRegisters: Map<Value, k.Variable>;
}

/** The kernel of a group, of whose values some are needed by others. */
export function rowKernel(group: Group, needed: ReadonlySet<Value>): Bound {
  const plan = planRows(group, needed);
  const { axes, pieces } = plan.partition;
  const reads = new Set<Value>();
  const body = k.parallel('round', pieces.chunks, (round) => {
    const [before, ...cut] = pieces.rangesOf(round);
    const ranges = new Map(axes.map((axis, i) => [axis, cut[i]]));
    const context = { plan, round, ranges, reads, rowRegisters: new Map() };
    return [before, clearSums(context), rowLoops(context, 0, [group.domain.map(() => 0)])];
  });
  return boundKernel(group.name, reads, plan.stored, [body, addUpRounds(plan)]);
}

/** Sets all sums to what they are of no terms. */
function clearSums(context: Context): k.Statements {
  return Array.from(context.plan.sums, ([one, { reduction: { identity }, short }]) => {
    const { buffer, start = 0, rests } = placeOfSum(context, one);
    const { length } = bufferOf(one.value);
    const fill = (to: k.Buffer, from: k.Operand, value: number): k.Statements =>
      k.vectorized('z', length, (z) => k.store(to, k.add(z, from), value));
    return [
      fill(buffer, start, identity),
      rests === undefined ? [] : fill(buffer, k.add(rests, start), 0),
      short ? fill(short, 0, identity) : [],
    ];
  });
}

/** Adds up what the rounds have left. */
function addUpRounds({ sums, partition: { pieces } }: RowPlan): k.Statements {
  return Array.from(sums, ([one, { reduction, parts }]) => {
    if (parts === undefined) return [];
    const { buffer, room, rests } = parts;
    const to = bufferOf(one.value);
    const size = { count: pieces.chunks, length: to.length, stride: room };
    return k.reducePartials({ buffer, ...size, compensationAt: rests }, reduction, to);
  });
}

/** The loops over rows, from an axis on; `rows` are the indices so far, of rows side by side. */
function rowLoops(context: Context, axis: number, rows: readonly Index[]): k.Statements {
  const { plan: { domain: { extents, inner }, sums, abreast }, ranges } = context;
  if (axis === extents.length) return sweepRows(context, rows);
  if (axis === inner || extents[axis] === 1) return rowLoops(context, axis + 1, rows);
  const range = ranges.get(axis) ?? extents[axis];
  if (![...sums.values()].some(({ short }) => short)) return rowLoop(context, axis, range, rows);
  // So many rows are a short sum of their columns.
  const few = k.SHORT_SUM * abreast;
  const { from, to } = k.intervalOf(range);
  return k.loop('few', { from, to, step: few }, (first) => [
    rowLoop(context, axis, { from: first, to: k.min(k.add(first, few), to) }, rows),
    addShortSums(context),
  ]);
}

/** The loop over one axis: one index at a time, or four side by side and the rest one by one. */
function rowLoop(
  context: Context, axis: number, range: k.Range, rows: readonly Index[],
): k.Statements {
  const next = (...indices: readonly k.Expr[]): k.Statements =>
    rowLoops(context, axis + 1, indices.flatMap((i) => rows.map((row) => row.with(axis, i))));
  if (context.plan.abreast === 1) return k.loop('i', range, (i) => next(i));
  const { wide, tail } = k.split('rows', range);
  return [
    k.loop('i', wide, (i) => next(...[0, 1, 2, 3].map((n) => k.add(i, n)))),
    k.loop('i', tail, (i) => next(i)),
  ];
}

/** Adds the sums of a few rows to what is kept, and begins them anew. */
function addShortSums(context: Context): k.Statements {
  return Array.from(context.plan.sums, ([one, { short, reduction }]) =>
    short === undefined ? [] : k.vectorized('z', short.length, (z) => [
      accumulate(context, one, z, k.load(short, z)),
      k.store(short, z, reduction.identity),
    ]),
  );
}

/** All passes through a row, or through several side by side. */
function sweepRows(context: Context, rows: readonly Index[]): k.Statements {
  const { first, sweeps } = context.plan;
  return [
    computeForRow(context, first, rows[0]),
    sweeps.map((sweep) => sweepOnce(context, sweep, rows)),
  ];
}

function sweepOnce(context: Context, sweep: Sweep, rows: readonly Index[]): k.Statements {
  const { plan: { domain: { extents, inner } }, ranges, rowRegisters } = context;
  const { folded, last } = sweep;
  const totals = folded.map((one) => (
    { into: registerFor(one, false), reduction: reductionOf(one) }
  ));
  folded.forEach(({ value }, n) => rowRegisters.set(value, totals[n].into));
  const range = ranges.get(inner) ?? (inner < 0 ? 1 : extents[inner]);
  return [
    k.reduceAll('j', range, totals, (j, combine) => {
      const places = rows.map((row) => (inner < 0 ? row : row.with(inner, j)));
      return computeElements(context, sweep, places, j.type === 'i32x4', combine);
    }),
    folded.map((one, n) => store(context, one, rows[0], totals[n].into)),
    computeForRow(context, last, rows[0]),
  ];
}

/** Computes what belongs to a row. */
function computeForRow(context: Context, members: readonly Member[], row: Index): k.Statements {
  return members.map((one) => {
    const register = registerFor(one, false);
    const value = valueOf(context, one, row, new Map());
    context.rowRegisters.set(one.value, register);
    return [k.set(register, value), store(context, one, row, register)];
  });
}

/** Computes a pass's members of an element, or of elements of rows side by side. */
function computeElements(
  context: Context, { members, folded }: Sweep, places: readonly Index[], isWide: boolean,
  combine: (number: number, term: k.Expr) => k.Statements,
): k.Statements {
  const sets: k.Statements[] = [];
  /** The registers of each member that is not folded, one for each row. */
  const terms = new Map<Member, k.Variable[]>(members.map((one) => [one, []]));
  for (const at of places) {
    const registers = new Map<Value, k.Variable>();
    for (const one of members) {
      const value = valueOf(context, one, at, registers);
      if (folded.includes(one)) {
        sets.push(combine(folded.indexOf(one), value));
      } else {
        const register = registerFor(one, isWide);
        sets.push(k.set(register, value));
        registers.set(one.value, register);
        terms.get(one)?.push(register);
      }
    }
  }
  return [sets, Array.from(terms, ([one, found]) => storeAll(context, one, places, found))];
}

function registerFor({ value }: Member, isWide: boolean): k.Variable {
  const { kind } = bufferOf(value);
  return k.variable('v', isWide ? `${kind}x4` : kind);
}

function valueOf(
  { plan: { group }, reads, rowRegisters }: Context, member: Member, at: Index,
  registers: ReadonlyMap<Value, k.Variable>,
): k.Expr {
  return group.operand(member, at, readingLeaf(reads, registers, rowRegisters));
}

/** Stores what there is of a member in some rows; of a sum that is first added up. */
function storeAll(
  context: Context, one: Member, places: readonly Index[], found: readonly k.Expr[],
): k.Statements {
  const isSum = one.form === 'fold' && found.length > 1;
  if (!isSum) return found.map((value, n) => store(context, one, places[n], value));
  const { combine } = reductionOf(one);
  const [a, b, c, d] = found;
  return store(context, one, places[0], combine(combine(a, b), combine(c, d)));
}

/** Puts a member in its place, if it has one; a fold over rows is combined with what is there. */
function store(context: Context, member: Member, at: Index, value: k.Expr): k.Statements {
  const { group, stored, sums } = context.plan;
  if (!stored.has(member.value)) return [];
  const place = group.placeOf(member, at);
  const sum = sums.get(member);
  if (sum === undefined) return k.store(bufferOf(member.value), place, value);
  const { short, reduction } = sum;
  if (short) return k.accumulateAt({ buffer: short, at: place }, value, reduction);
  return accumulate(context, member, place, value);
}

/** Combines what is at a place of a member's sums with a value. */
function accumulate(
  context: Context, one: Member, place: k.Operand, value: k.Expr,
): k.Statements {
  const { buffer, start, rests } = placeOfSum(context, one);
  const at = start === undefined ? place : k.add(start, place);
  const rest = rests === undefined ? undefined : { buffer, at: k.add(rests, at) };
  return k.accumulateAt({ buffer, at }, value, reductionOf(one), rest);
}

/** Where the round keeps a sum: in its part, or where the result is. */
function placeOfSum(
  { plan: { sums }, round }: Context, one: Member,
): { buffer: k.Buffer; start?: k.Expr; rests?: number | undefined } {
  const parts = sums.get(one)?.parts;
  if (parts === undefined) return { buffer: bufferOf(one.value) };
  const { buffer, room, rests } = parts;
  return { buffer, rests, start: k.mul(round, room) };
}

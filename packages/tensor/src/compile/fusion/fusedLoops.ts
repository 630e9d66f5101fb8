/**
 * From a fusion group to a kernel: loops over the rows, and in each row the sweeps of the group.
 * Axes that all arrays walk evenly are one axis, so that elementwise work is a single long row:
 *
 *     for i0 in 0..B
 *       for i1 in 0..L                          rows
 *         for j in 0..D step 4                  a sweep, vectorised
 *
 * Which loops there are, what each sweep computes and where sums are kept is planned in
 * loopPlan.ts; here the plan is written out, from the outermost loop to the single element.
 */
import * as k from '@mambagrad/kernel';
import type { Index } from '../../core/lowering.ts';
import type { Value } from '../trace/trace.ts';
import { type BoundKernel, boundKernel, bufferOf, loaderFrom } from './buffers.ts';
import { type FusedOp, type FusionGroup, nameOf, operandOf, positionOf } from './fusionGroup.ts';
import { type LoopPlan, planLoops, reductionOf, type Sweep } from './loopPlan.ts';

/** What the code of a chunk refers to. */
interface Context {
  readonly plan: LoopPlan;
  readonly chunk: k.Expr;
  /** The chunk's range of each axis that is partitioned. */
  readonly ranges: ReadonlyMap<number, k.Range>;
  /** The values loaded so far. */
  readonly reads: Set<Value>;
  /** The registers that hold what belongs to the row. */
  readonly rowRegisters: Map<Value, k.Variable>;
}

/** Emits the kernel of a group without an anchor; values that others need are left in memory. */
export function emitFusedLoops(group: FusionGroup, needed: ReadonlySet<Value>): BoundKernel {
  const plan = planLoops(group, needed);
  const { axes, chunks, rangesOf } = plan.partition;
  const reads = new Set<Value>();
  const body = k.parallel('chunk', chunks, (chunk) => {
    const [setup, ...own] = rangesOf(chunk);
    const ranges = new Map(axes.map((axis, i) => [axis, own[i]]));
    const context = { plan, chunk, ranges, reads, rowRegisters: new Map() };
    return [setup, clearSums(context), rowLoops(context, 0, [group.domain.map(() => 0)])];
  });
  return boundKernel(nameOf(group), reads, plan.stored, [body, reduceChunkSums(plan)]);
}

/** Sets all accumulators to the identity of their reduction. */
function clearSums(context: Context): k.Statements {
  return Array.from(context.plan.sums, ([one, { reduction: { identity }, shortSum }]) => {
    const { buffer, start = 0, compensationAt } = accumulatorOf(context, one);
    const { length } = bufferOf(one.value);
    const fill = (to: k.Buffer, from: k.Operand, value: number): k.Statements =>
      k.vectorized('z', length, (z) => k.store(to, k.add(z, from), value));
    return [
      fill(buffer, start, identity),
      compensationAt === undefined ? [] : fill(buffer, k.add(compensationAt, start), 0),
      shortSum ? fill(shortSum, 0, identity) : [],
    ];
  });
}

/** Reduces the partial results of the chunks. */
function reduceChunkSums({ sums, partition: { chunks } }: LoopPlan): k.Statements {
  return Array.from(sums, ([one, { reduction, partials }]) => {
    if (partials === undefined) return [];
    const { buffer, stride, compensationAt } = partials;
    const to = bufferOf(one.value);
    const size = { count: chunks, length: to.length, stride };
    return k.reducePartials({ buffer, ...size, compensationAt }, reduction, to);
  });
}

/** The loops over rows, from an axis on; `rows` are the indices so far, of all unrolled rows. */
function rowLoops(context: Context, axis: number, rows: readonly Index[]): k.Statements {
  const { plan: { domain: { extents, inner }, sums, unrolledRows }, ranges } = context;
  if (axis === extents.length) return sweepRows(context, rows);
  if (axis === inner || extents[axis] === 1) return rowLoops(context, axis + 1, rows);
  const range = ranges.get(axis) ?? extents[axis];
  const hasShortSums = [...sums.values()].some(({ shortSum }) => shortSum);
  if (!hasShortSums) return rowLoop(context, axis, range, rows);
  // The rows of which a short sum of a column is made.
  const few = k.SHORT_SUM * unrolledRows;
  const { from, to } = k.intervalOf(range);
  return k.loop('few', { from, to, step: few }, (first) => [
    rowLoop(context, axis, { from: first, to: k.min(k.add(first, few), to) }, rows),
    addShortSums(context),
  ]);
}

/**
 * The loop over one axis; where rows are unrolled, four indices at a time and a tail one by one.
 */
function rowLoop(
  context: Context, axis: number, range: k.Range, rows: readonly Index[],
): k.Statements {
  const next = (...indices: readonly k.Expr[]): k.Statements =>
    rowLoops(context, axis + 1, indices.flatMap((i) => rows.map((row) => row.with(axis, i))));
  if (context.plan.unrolledRows === 1) return k.loop('i', range, (i) => next(i));
  const { wide, tail } = k.split('rows', range);
  return [
    k.loop('i', wide, (i) => next(...[0, 1, 2, 3].map((n) => k.add(i, n)))),
    k.loop('i', tail, (i) => next(i)),
  ];
}

/** Adds the short sums to the accumulators, and clears them. */
function addShortSums(context: Context): k.Statements {
  return Array.from(context.plan.sums, ([one, { shortSum, reduction }]) =>
    shortSum === undefined ? [] : k.vectorized('z', shortSum.length, (z) => [
      accumulate(context, one, z, k.load(shortSum, z)),
      k.store(shortSum, z, reduction.identity),
    ]),
  );
}

/** All sweeps of a row, or of unrolled rows together. */
function sweepRows(context: Context, rows: readonly Index[]): k.Statements {
  const { first, sweeps } = context.plan;
  return [
    computeForRow(context, first, rows[0]),
    sweeps.map((sweep) => sweepOnce(context, sweep, rows)),
  ];
}

function sweepOnce(context: Context, sweep: Sweep, rows: readonly Index[]): k.Statements {
  const { plan: { domain: { extents, inner } }, ranges, rowRegisters } = context;
  const { reduced, last } = sweep;
  const totals = reduced.map((one) => (
    { into: registerFor(one, false), reduction: reductionOf(one) }
  ));
  reduced.forEach(({ value }, n) => rowRegisters.set(value, totals[n].into));
  const range = ranges.get(inner) ?? (inner < 0 ? 1 : extents[inner]);
  return [
    k.reduceAll('j', range, totals, (j, combine) => {
      const indices = rows.map((row) => (inner < 0 ? row : row.with(inner, j)));
      return computeElements(context, sweep, indices, k.isVector(j), combine);
    }),
    reduced.map((one, n) => store(context, one, rows[0], totals[n].into)),
    computeForRow(context, last, rows[0]),
  ];
}

/** Computes the ops of which there is one value for each row. */
function computeForRow(context: Context, ops: readonly FusedOp[], row: Index): k.Statements {
  return ops.map((one) => {
    const register = registerFor(one, false);
    const value = valueOf(context, one, row, new Map());
    context.rowRegisters.set(one.value, register);
    return [k.set(register, value), store(context, one, row, register)];
  });
}

/** Computes a sweep's ops for an element, or for one element in each of the unrolled rows. */
function computeElements(
  context: Context, { ops, reduced }: Sweep, indices: readonly Index[], isWide: boolean,
  combine: (number: number, term: k.Expr) => k.Statements,
): k.Statements {
  const sets: k.Statements[] = [];
  /** The registers of each op that is not reduced, one for each row. */
  const terms = new Map<FusedOp, k.Variable[]>(ops.map((one) => [one, []]));
  for (const at of indices) {
    const registers = new Map<Value, k.Variable>();
    for (const one of ops) {
      const value = valueOf(context, one, at, registers);
      if (reduced.includes(one)) {
        sets.push(combine(reduced.indexOf(one), value));
      } else {
        const register = registerFor(one, isWide);
        sets.push(k.set(register, value));
        registers.set(one.value, register);
        terms.get(one)?.push(register);
      }
    }
  }
  return [sets, Array.from(terms, ([one, found]) => storeAll(context, one, indices, found))];
}

function registerFor({ value }: FusedOp, isWide: boolean): k.Variable {
  const { kind } = bufferOf(value);
  return k.variable('v', isWide ? `${kind}x4` : kind);
}

function valueOf(
  { plan: { group }, reads, rowRegisters }: Context, op: FusedOp, at: Index,
  registers: ReadonlyMap<Value, k.Variable>,
): k.Expr {
  return operandOf(group, op, at, loaderFrom(reads, registers, rowRegisters));
}

/** Stores an op's elements in the unrolled rows; terms of a sum are added up first. */
function storeAll(
  context: Context, one: FusedOp, indices: readonly Index[], found: readonly k.Expr[],
): k.Statements {
  const isSum = one.form === 'reduction' && found.length > 1;
  if (!isSum) return found.map((value, n) => store(context, one, indices[n], value));
  const { combine } = reductionOf(one);
  const [a, b, c, d] = found;
  return store(context, one, indices[0], combine(combine(a, b), combine(c, d)));
}

/** Stores an op's element, if it is stored; that of a reduction is accumulated. */
function store(context: Context, op: FusedOp, at: Index, value: k.Expr): k.Statements {
  const { group, stored, sums } = context.plan;
  if (!stored.has(op.value)) return [];
  const position = positionOf(group, op, at);
  const sum = sums.get(op);
  if (sum === undefined) return k.store(bufferOf(op.value), position, value);
  const { shortSum, reduction } = sum;
  if (shortSum) return k.accumulateAt({ buffer: shortSum, at: position }, value, reduction);
  return accumulate(context, op, position, value);
}

/** Adds a value to the accumulator of a reduction. */
function accumulate(
  context: Context, one: FusedOp, position: k.Operand, value: k.Expr,
): k.Statements {
  const { buffer, start, compensationAt } = accumulatorOf(context, one);
  const at = start === undefined ? position : k.add(start, position);
  const compensation =
    compensationAt === undefined ? undefined : { buffer, at: k.add(compensationAt, at) };
  return k.accumulateAt({ buffer, at }, value, reductionOf(one), compensation);
}

/** Where a chunk accumulates a reduction: in its partial results, or in the result. */
function accumulatorOf(
  { plan: { sums }, chunk }: Context, one: FusedOp,
): { buffer: k.Buffer; start?: k.Expr; compensationAt?: number | undefined } {
  const partials = sums.get(one)?.partials;
  if (partials === undefined) return { buffer: bufferOf(one.value) };
  const { buffer, stride, compensationAt } = partials;
  return { buffer, compensationAt, start: k.mul(chunk, stride) };
}

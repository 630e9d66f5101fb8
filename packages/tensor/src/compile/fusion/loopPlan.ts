/**
 * How the kernel of a fusion group computes it, before any code is made: a plan, which
 * fusedLoops.ts emits.
 *
 *     domain        the axes of the loops, and which of them is a row
 *     sweeps        the loops along a row, and what each of them computes
 *     partition     the chunks of the loops, which threads share
 *     storage       which ops are stored, and where reductions are accumulated
 */
import * as k from '@mambagrad/kernel';
import { numelOf } from '../../core/shape.ts';
import type { Value } from '../trace/trace.ts';
import { bufferOf } from './buffers.ts';
import { type FusedOp, type FusionGroup, positionOf } from './fusionGroup.ts';

/**
 * How many rows are unrolled (unroll and jam) if a group has elements and sums of columns alone:
 * their terms of a sum are added up first, so that the sum is loaded and stored once for all.
 */
const UNROLLED_ROWS = 4;
/** They are unrolled if there are no more ops and loads than this: each row takes registers. */
const MOST_UNROLLED = 8;

/** How the kernel of a group computes it. */
export interface LoopPlan {
  readonly group: FusionGroup;
  /** The axes of its loops. */
  readonly domain: Domain;
  /** The ops that are computed for each row before its elements. */
  readonly first: readonly FusedOp[];
  /** The loops along a row, in order. */
  readonly sweeps: readonly Sweep[];
  /** The chunks of the loops. */
  readonly partition: Partition;
  /** How many rows are computed together: 1 or 4. */
  readonly unrolledRows: number;
  /** The values that are stored. */
  readonly stored: ReadonlySet<Value>;
  /** Reductions over several rows, and where they are accumulated. */
  readonly sums: ReadonlyMap<FusedOp, Sum>;
}

/** The axes that are looped over. */
export interface Domain {
  /** The extents of all axes, in which an axis that is merged into another has become 1. */
  readonly extents: readonly number[];
  /** The axis along which a row lies; −1 if there are no axes. */
  readonly inner: number;
  /** The axes of the loops over rows, from the outermost. */
  readonly loops: readonly number[];
  /** Whether something is computed for each row. */
  readonly isByRow: boolean;
}

/** One loop along a row. */
export interface Sweep {
  /** The ops computed for each element, in order. */
  readonly ops: readonly FusedOp[];
  /** Those of them that reduce a row in a register. */
  readonly reduced: readonly FusedOp[];
  /** The ops that are computed for each row after its elements. */
  readonly last: readonly FusedOp[];
}

/** The chunks of the loops, and the axes that are partitioned into them. */
export interface Partition extends k.Partition {
  readonly axes: readonly number[];
}

/** Where a reduction over several rows is accumulated. */
export interface Sum {
  /** How its terms are combined. */
  readonly reduction: k.Reduction;
  /** The partial results of the chunks; undefined if there is one, which is the result. */
  readonly partials: Pick<k.Partials, 'buffer' | 'stride' | 'compensationAt'> | undefined;
  /** The sum of a few rows, before it is added to the others. */
  readonly shortSum: k.Buffer | undefined;
}

/**
 * Plans the loops of a group. Ops are stored if others need them, if they are reductions over
 * several rows, or if they have elements that a later sweep reads; the others stay in registers.
 */
export function planLoops(group: FusionGroup, needed: ReadonlySet<Value>): LoopPlan {
  const { ops } = group;
  const isStored = ({ value, form, sweep }: FusedOp): boolean =>
    form === 'reduction' || needed.has(value) || (
      form === 'pointwise' &&
      group.accesses.some((access) => access.base === value && access.sweep > sweep)
    );
  const domain = domainOf(group);
  const partition = partitionOf(group, domain);
  const unrolledRows = canUnrollRows(group, domain) ? UNROLLED_ROWS : 1;
  return {
    group,
    domain,
    first: opsPerRow(group, -1),
    sweeps: sweepsOf(group, domain),
    partition,
    unrolledRows,
    stored: new Set(ops.filter(isStored).map(({ value }) => value)),
    sums: new Map(
      reductionsIn(group).map((op) => [op, sumOf(op, domain, partition, unrolledRows)]),
    ),
  };
}

function domainOf(group: FusionGroup): Domain {
  const isByRow = group.ops.some(({ form }) => form === 'perRow' || form === 'rowReduction');
  const extents = mergedExtents(group, isByRow);
  const widest = extents.findLastIndex((extent) => extent !== 1);
  const inner = isByRow || widest < 0 ? extents.length - 1 : widest;
  const loops = extents.flatMap((extent, axis) => (axis !== inner && extent !== 1 ? [axis] : []));
  return { extents, inner, loops, isByRow };
}

/**
 * The extents of the axes, in which an axis that could be merged into the next has become 1; the
 * last stays as it is if there is something for each row (`isByRow`).
 */
function mergedExtents(group: FusionGroup, isByRow: boolean): number[] {
  const { domain, accesses, counters, ops } = group;
  const extents = [...domain];
  const last = domain.length - 1;
  const stores = ops.map(
    (op) => k.load(bufferOf(op.value), positionOf(group, op, counters)).index,
  );
  const indices = [...accesses.map(({ index }) => index), ...stores];
  // Counters that are used in other ways than as a term of an index stay what they are.
  const odd = countersOf([
    ...ops.map(({ computed }) => computed),
    ...indices.flatMap(({ terms }) =>
      terms.map(({ of }) => of).filter(({ node }) => node !== 'variable'),
    ),
  ]);
  const timesOf = (index: k.Load['index'], counter: k.Variable): number =>
    index.terms.find(({ of }) => of === counter)?.times ?? 0;
  for (let axis = 0; axis < last; axis++) {
    // An axis of size 1 is part of no index, so it can go to either side.
    const next = extents.findIndex((extent, other) => other > axis && extent !== 1);
    if (extents[axis] === 1 || next < 0 || (next === last && isByRow)) continue;
    const [own, inner] = [counters[axis], counters[next]];
    const isEven = indices.every(
      (index) => timesOf(index, own) === timesOf(index, inner) * extents[next],
    );
    if (!isEven || odd.has(own) || odd.has(inner)) continue;
    extents[next] *= extents[axis];
    extents[axis] = 1;
  }
  return extents;
}

/** The counters that values are computed from, but for those by which they load. */
function countersOf(values: Iterable<k.Expr>): Set<k.Expr> {
  // The loop goes on over what is added on the way.
  const seen = new Set(values);
  for (const value of seen) {
    if (value.node === 'operation') for (const input of value.inputs) seen.add(input);
  }
  return seen;
}

function sweepsOf(group: FusionGroup, domain: Domain): Sweep[] {
  const count = Math.max(...group.ops.map(({ sweep }) => sweep)) + 1;
  return Array.from({ length: count }, (_, number) => {
    const ops = group.ops.filter(({ sweep, form }) => sweep === number && form !== 'perRow');
    const reduced = ops.filter((one) => isReducedByRow(one, domain));
    return { ops, reduced, last: opsPerRow(group, number) };
  });
}

/** The ops that are computed for each row, after the sweep of this number. */
function opsPerRow({ ops }: FusionGroup, number: number): FusedOp[] {
  return ops.filter(({ form, sweep }) => form === 'perRow' && sweep === number);
}

/** The reductions over several rows. */
function reductionsIn({ ops }: FusionGroup): FusedOp[] {
  return ops.filter(({ form }) => form === 'reduction');
}

/** Whether an op reduces a row in a register, before that is accumulated. */
function isReducedByRow({ form, lowering: { axes = [] } }: FusedOp, { inner }: Domain): boolean {
  return form === 'rowReduction' || (form === 'reduction' && axes.includes(inner));
}

/** How many terms a sum has; if rows are reduced first, how many rows. */
function termsOf(one: FusedOp, domain: Domain): number {
  const { extents, inner } = domain;
  const all = numelOf(extents) / bufferOf(one.value).length;
  return isReducedByRow(one, domain) ? all / extents[inner] : all;
}

/** How the terms of a reduction are combined; throws if the op is another. */
export function reductionOf({ step, lowering: { fold } }: FusedOp): k.Reduction {
  if (fold) return fold;
  throw new Error(`emitFusedLoops: ${step.primitive.name} is not a reduction`);
}

/** Threads share the rows; of a single long row its elements, if all ops are pointwise. */
function partitionOf(group: FusionGroup, { extents, inner, loops, isByRow }: Domain): Partition {
  const { ops } = group;
  const sums = reductionsIn(group);
  const isLongRow = loops.length === 0 && inner >= 0 && !isByRow && sums.length === 0;
  const axes = isLongRow ? [inner] : loops.slice(0, 2);
  const shared = axes.map((axis) => extents[axis]);
  const elements = numelOf(extents);
  // The partial results of chunks must be little beside the elements that they go through.
  const added = sums.reduce((total, { value }) => total + bufferOf(value).length, 0);
  const work = (elements / numelOf(shared)) * ops.length;
  const isWorthIt = axes.length > 0 && added * 8 <= elements / 2;
  const chunks = k.partition(shared, isWorthIt ? work : 0, {
    multipleOf: isLongRow ? k.LINE_ELEMENTS : 1,
    overhead: added * 8 * ops.length,
  });
  return { ...chunks, axes };
}

/** Whether a group has nothing but elements and sums of columns. */
function canUnrollRows(group: FusionGroup, domain: Domain): boolean {
  const { ops, accesses } = group;
  const { loops, extents } = domain;
  const isColumnSum = (one: FusedOp): boolean =>
    one.form === 'reduction' && !isReducedByRow(one, domain) &&
    termsOf(one, domain) === extents[loops[0]] && reductionOf(one).roundingError !== undefined;
  return (
    loops.length === 1 && reductionsIn(group).length > 0 &&
    ops.length + accesses.length <= MOST_UNROLLED &&
    ops.every((one) => one.form === 'pointwise' || isColumnSum(one))
  );
}

function sumOf(
  one: FusedOp, domain: Domain, { chunks, largest }: Partition, unrolledRows: number,
): Sum {
  const { kind, length } = bufferOf(one.value);
  const reduction = reductionOf(one);
  const isOneLoop = domain.loops.length === 1;
  // Partial results are reduced at the end; until then a sum has the terms of one chunk.
  const all = termsOf(one, domain);
  const terms = isOneLoop ? Math.min(all, largest) : all;
  const isLong = k.isLongSum(reduction, kind, terms / unrolledRows);
  if (chunks === 1 && !isLong) return { reduction, partials: undefined, shortSum: undefined };
  const padded = Math.ceil(length / k.LINE_ELEMENTS) * k.LINE_ELEMENTS;
  const [compensationAt, stride] = isLong ? [padded, 2 * padded] : [undefined, padded];
  const buffer = k.scratch('sums', kind, stride * chunks);
  const shortSum = isOneLoop && isLong ? k.scratch('shortSum', kind, length) : undefined;
  return { reduction, partials: { buffer, stride, compensationAt }, shortSum };
}

/**
 * How the kernel of a group computes it, before any code is made: a plan, which fusedLoops.ts
 * writes out.
 *
 *     domain        the axes that loops go through, and which of them is a row
 *     sweeps        the times through a row, and what each of them computes
 *     partition     the rounds that the loops are cut into, which threads share
 *     storage       which members are stored, and where sums are kept until they are complete
 */
import * as k from '@mambagrad/kernel';
import { numelOf } from '../../core/shape.ts';
import type { Value } from '../trace/trace.ts';
import { bufferOf } from './buffers.ts';
import type { Group, Member } from './fusionGroup.ts';

/**
 * So many rows are gone through side by side, if all that comes of them is elements and sums of
 * columns: what they add to a sum is added up first, so that it is loaded and stored once for all.
 */
const ABREAST = 4;
/** And if there are no more members and loads than this: a row takes as many registers. */
const MOST_ABREAST = 8;

/** What the kernel of a group does, as a value. */
export interface RowPlan {
  readonly group: Group;
  /** What its loops go through. */
  readonly domain: Domain;
  /** The values of a row that are computed before its elements. */
  readonly first: readonly Member[];
  /** The times through a row, in order. */
  readonly sweeps: readonly Sweep[];
  /** How the loops are cut into rounds. */
  readonly partition: Partition;
  /** How many rows are gone through side by side. */
  readonly abreast: number;
  /** The values that are stored. */
  readonly stored: ReadonlySet<Value>;
  /** Folds over several rows, and where they are kept. */
  readonly sums: ReadonlyMap<Member, Sum>;
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

/** One time through a row: the members of one pass. */
export interface Sweep {
  /** The members computed for each element, in order. */
  readonly members: readonly Member[];
  /** Those of them that add up a row in a register. */
  readonly folded: readonly Member[];
  /** The values of a row that are computed after its elements. */
  readonly last: readonly Member[];
}

/** Loops cut into rounds, which threads share. */
export interface Partition {
  /** The axes that are cut. */
  readonly axes: readonly number[];
  /** What each round goes through of them. */
  readonly pieces: k.Partition;
}

/** Where a fold over several rows is kept until it is complete. */
export interface Sum {
  /** How its terms are combined. */
  readonly reduction: k.Reduction;
  /** Where each round keeps its part; undefined if it goes straight to the result. */
  readonly parts: Parts | undefined;
  /** The sum of a few rows, which is added to what is kept only then. */
  readonly short: k.Buffer | undefined;
}

/** Each round's part is `room` numbers long; what it has lost is `rests` numbers further on. */
export interface Parts {
  readonly buffer: k.Buffer;
  readonly room: number;
  readonly rests: number | undefined;
}

/**
 * Of the members of a group those are stored that are needed, folds over several rows, and elements
 * that are read again in a later pass; the others stay in registers.
 */
export function planRows(group: Group, needed: ReadonlySet<Value>): RowPlan {
  const { members } = group;
  const isStored = ({ value, form, pass }: Member): boolean =>
    form === 'fold' || needed.has(value) || (
      form === 'element' &&
      group.accesses.some((access) => access.storage === value && access.pass > pass)
    );
  const domain = domainOf(group);
  const partition = partitionOf(group, domain);
  const abreast = canBeAbreast(group, domain) ? ABREAST : 1;
  return {
    group,
    domain,
    first: rowMembers(group, -1),
    sweeps: sweepsOf(group, domain),
    partition,
    abreast,
    stored: new Set(members.filter(isStored).map(({ value }) => value)),
    sums: new Map(sumsIn(group).map((one) => [one, sumOf(one, domain, partition, abreast)])),
  };
}

function domainOf(group: Group): Domain {
  const isByRow = group.members.some(({ form }) => form === 'row' || form === 'rowFold');
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
function mergedExtents(group: Group, isByRow: boolean): number[] {
  const { domain, accesses, counters, members } = group;
  const extents = [...domain];
  const last = domain.length - 1;
  const stores = members.map(
    (member) => k.load(bufferOf(member.value), group.placeOf(member, counters)).index,
  );
  const indices = [...accesses.map(({ index }) => index), ...stores];
  // Counters that are used in other ways than as a term of an index stay what they are.
  const odd = countersOf([
    ...members.map(({ computed }) => computed),
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

function sweepsOf(group: Group, domain: Domain): Sweep[] {
  const count = Math.max(...group.members.map(({ pass }) => pass)) + 1;
  return Array.from({ length: count }, (_, number) => {
    const members = group.members.filter(({ pass, form }) => pass === number && form !== 'row');
    const folded = members.filter((one) => isFoldedByRow(one, domain));
    return { members, folded, last: rowMembers(group, number) };
  });
}

/** What there is one of for each row, computed after a pass. */
function rowMembers({ members }: Group, number: number): Member[] {
  return members.filter(({ form, pass }) => form === 'row' && pass === number);
}

/** The folds over several rows. */
function sumsIn({ members }: Group): Member[] {
  return members.filter(({ form }) => form === 'fold');
}

/** Whether a fold adds up a row in a register, and not each element where it belongs. */
function isFoldedByRow({ form, lowering: { axes = [] } }: Member, { inner }: Domain): boolean {
  return form === 'rowFold' || (form === 'fold' && axes.includes(inner));
}

/** How many terms a sum has; of what is folded by row, how many rows. */
function termsOf(one: Member, domain: Domain): number {
  const { extents, inner } = domain;
  const all = numelOf(extents) / bufferOf(one.value).length;
  return isFoldedByRow(one, domain) ? all / extents[inner] : all;
}

/** How the terms of a fold are combined; throws if the member is none. */
export function reductionOf({ step, lowering: { fold } }: Member): k.Reduction {
  if (fold) return fold;
  throw new Error(`rowKernel: ${step.primitive.name} is no fold`);
}

/**
 * Threads share the rows; of a single long one its elements, if nothing is there but elements.
 */
function partitionOf(group: Group, { extents, inner, loops, isByRow }: Domain): Partition {
  const { members } = group;
  const sums = sumsIn(group);
  const isLongRow = loops.length === 0 && inner >= 0 && !isByRow && sums.length === 0;
  const axes = isLongRow ? [inner] : loops.slice(0, 2);
  const cutExtents = axes.map((axis) => extents[axis]);
  const elements = numelOf(extents);
  // What rounds add up for themselves must be little beside what they go through.
  const added = sums.reduce((total, { value }) => total + bufferOf(value).length, 0);
  const work = (elements / numelOf(cutExtents)) * members.length;
  const isWorthIt = axes.length > 0 && added * 8 <= elements / 2;
  const pieces = k.partition(cutExtents, isWorthIt ? work : 0, {
    multipleOf: isLongRow ? 16 : 1,
    overhead: added * 8 * members.length,
  });
  return { axes, pieces };
}

/** Whether nothing comes of several rows but elements and sums of columns. */
function canBeAbreast(group: Group, domain: Domain): boolean {
  const { members, accesses } = group;
  const { loops, extents } = domain;
  const isColumnSum = (one: Member): boolean =>
    one.form === 'fold' && !isFoldedByRow(one, domain) &&
    termsOf(one, domain) === extents[loops[0]] && reductionOf(one).roundingError !== undefined;
  return (
    loops.length === 1 && sumsIn(group).length > 0 &&
    members.length + accesses.length <= MOST_ABREAST &&
    members.every((one) => one.form === 'element' || isColumnSum(one))
  );
}

function sumOf(
  one: Member, domain: Domain, { pieces: { chunks, largest } }: Partition, abreast: number,
): Sum {
  const { kind, length } = bufferOf(one.value);
  const reduction = reductionOf(one);
  const isOneLoop = domain.loops.length === 1;
  // What rounds leave is added up at the end; until then a sum has the terms of one.
  const all = termsOf(one, domain);
  const terms = isOneLoop ? Math.min(all, largest) : all;
  const isLong = k.isLongSum(reduction, kind, terms / abreast);
  if (chunks === 1 && !isLong) return { reduction, parts: undefined, short: undefined };
  const rests = isLong ? Math.ceil(length / 16) * 16 : undefined;
  const room = Math.ceil(length / 16) * (isLong ? 32 : 16);
  const buffer = k.scratch('sums', kind, room * chunks);
  const short = isOneLoop && isLong ? k.scratch('short', kind, length) : undefined;
  return { reduction, parts: { buffer, room, rests }, short };
}

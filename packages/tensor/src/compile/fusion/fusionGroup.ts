/**
 * A fusion group: ops that are computed in one kernel, by loops over the same elements (the
 * domain). The loops go row by row (a row is the last axis), and sweep each row once or several
 * times:
 *
 *     y = softmax(x):   for each row     m = max of x[j]                       one sweep
 *                                        e[j] = exp(x[j] − m),  s = Σ e[j]     a second
 *                                        y[j] = e[j] / s                       a third
 *
 * Within a row, what belongs to an element or to the row stays in a register. An op can be fused if
 * it reads the values of the group at the very element or row that is being computed, and all else
 * that it reads is in memory before. No op is known here by its name: softmax, norms, losses and
 * the updates of optimizers become groups because of what they read.
 *
 * An op with a kernel is the anchor of a group. If the kernel passes on its elements one by one, as
 * matmul's does, ops are fused that need an element when it is ready: they are its epilogue.
 */
import * as k from '@mambagrad/kernel';
import { flatIndex, type Index, isReshape, reshapedIndex } from '../../core/lowering.ts';
import { numelOf, sameShape, type Shape } from '../../core/shape.ts';
import type { Step, Value } from '../trace/trace.ts';
import { bufferOf } from './buffers.ts';
import { computedElements, elementsOf, type LoadElement } from './elements.ts';
import { type AnyLowering, type Materialization, readsOf } from './materialization.ts';

/** The values that are computed in one kernel, in order. */
export interface FusionGroup {
  readonly materialization: Materialization;
  /** The shape of what the loops go through. */
  readonly domain: Shape;
  /**
   * A counter for each axis; only to compare indices, as kernels have loop counters of their own.
   */
  readonly counters: readonly k.Variable[];
  /** The index of the element, and that of the row, which these counters stand for. */
  readonly aligned: { readonly element: k.Load['index']; readonly row: k.Load['index'] };
  /** The op whose kernel the other ops are the epilogue of. */
  readonly anchor: Step | undefined;
  readonly ops: readonly FusedOp[];
  /** The op for each value that the group makes. */
  readonly byValue: ReadonlyMap<Value, FusedOp>;
  /** Everything that ops read, in the order of evaluation, at indices made of the counters. */
  readonly accesses: readonly Access[];
  /** The values that the anchor reads. */
  readonly readByAnchor: ReadonlySet<Value>;
  /** All values that the group reads, its own among them. */
  readonly reads: ReadonlySet<Value>;
}

/**
 * How many elements an op has: one for each element of the domain (`pointwise`); one for each row;
 * one for each row, of all its elements (`rowReduction`); or one for several rows (`reduction`),
 * which is complete only when all loops are over.
 */
type Form = 'pointwise' | 'perRow' | 'rowReduction' | 'reduction';

/** An op in a group, or one that could be. */
interface Candidate {
  readonly step: Step;
  readonly value: Value;
  readonly lowering: AnyLowering;
  readonly form: Form;
}

/** An op in a group. */
export interface FusedOp extends Candidate {
  /** The sweep in which it is computed, from 0; if `perRow`, after it (−1: before the first). */
  readonly sweep: number;
  /** The expression that computes it at the element that the counters stand for. */
  readonly computed: k.Expr;
}

/** How a value is read: at which index, and in which sweep. */
export interface Access {
  readonly base: Value;
  readonly index: k.Load['index'];
  readonly sweep: number;
}

/** An op that can be fused with a group, and what it reads. */
interface Fusion {
  readonly op: FusedOp;
  readonly accesses: readonly Access[];
}

/**
 * An epilogue may read one more array of the domain's size, such as a residual: its blocks of rows
 * are too short to stream several arrays, which takes longer than a separate kernel.
 */
const MOST_STREAMED = 1;

/** A group of one op, which has a lowering. */
export function startGroup(materialization: Materialization, first: Step): FusionGroup {
  const { outputs: [value], inputs, primitive } = first;
  const lowering = materialization.lowerings.get(value) ?? {};
  const domain = lowering.fold ? inputs[0].shape : value.shape;
  const counters = domain.map((_, axis) => k.variable(`c${axis}`, 'i32'));
  const indexIn = (shape: Shape): k.Load['index'] =>
    k.load(k.buffer('x', 'f32', 0), flatIndex(counters, shape)).index;
  const aligned = { element: indexIn(domain), row: indexIn([...domain.slice(0, -1), 1]) };
  const readByAnchor = lowering.kernel ? readsOf(materialization, first) : new Set<Value>();
  const group: FusionGroup = {
    materialization, domain, counters, aligned, anchor: lowering.kernel && first,
    ops: [], byValue: new Map(), accesses: [], readByAnchor, reads: readByAnchor,
  };
  if (!lowering.kernel) {
    const fusion = canFuse(group, first);
    if (fusion === undefined) throw new Error(`startGroup: ${primitive.name} has no loops`);
    return fuse(group, fusion);
  }
  const computed = k.load(bufferOf(value), flatIndex(counters, value.shape));
  const op: FusedOp = { step: first, value, lowering, form: 'pointwise', sweep: 0, computed };
  return fuse(group, { op, accesses: [] });
}

/** The group with one op more. */
export function fuse(group: FusionGroup, { op, accesses }: Fusion): FusionGroup {
  return {
    ...group,
    ops: [...group.ops, op],
    byValue: new Map(group.byValue).set(op.value, op),
    accesses: [...group.accesses, ...accesses],
    reads: new Set([...group.reads, ...accesses.map(({ base }) => base)]),
  };
}

/**
 * Whether an op can be computed in a group, and how; undefined if it cannot. What it reads of the
 * group must belong to the element or row that is computed. All else must be in memory.
 */
export function canFuse(group: FusionGroup, step: Step): Fusion | undefined {
  const [value] = step.outputs;
  const lowering = group.materialization.lowerings.get(value);
  const form = lowering && !lowering.kernel && formOf(group, step, lowering);
  if (!form) return undefined;
  const candidate: Candidate = { step, value, lowering, form };
  const read: Omit<Access, 'sweep'>[] = [];
  const computed = operandOf(group, candidate, group.counters, (base, position) => {
    const load = k.load(bufferOf(base), position);
    read.push({ base, index: load.index });
    return load;
  });
  let sweep = form === 'perRow' ? -1 : 0;
  for (const { base, index } of read) {
    const op = group.byValue.get(base);
    if (op === undefined) continue;
    const isIncomplete =
      op.form === 'reduction' || (form === 'perRow' && op.form === 'pointwise');
    if (isIncomplete || !isAligned(group, index, op.form)) return undefined;
    const isNext = op.form !== 'pointwise' && form !== 'perRow';
    sweep = Math.max(sweep, op.sweep + (isNext ? 1 : 0));
  }
  const accesses = read.map((one) => ({ ...one, sweep }));
  if (group.anchor && streamedBy(group, accesses) > MOST_STREAMED) return undefined;
  return { op: { ...candidate, sweep, computed }, accesses };
}

/** The form that an op has by its shape alone; undefined if it has none in this group. */
function formOf(
  { domain, anchor, materialization }: FusionGroup, { inputs, outputs: [{ shape }] }: Step,
  { fold, axes = [] }: AnyLowering,
): Form | undefined {
  if (anchor) {
    const [made] = anchor.outputs;
    const supportsEpilogue = materialization.lowerings.get(made)?.supportsEpilogue && !fold;
    // If others read the anchor's value, it is stored, and may as well be read for this op.
    const isOnlyUse = materialization.useCounts.get(made) === 1;
    return supportsEpilogue && isOnlyUse && isReshape(shape, domain) ? 'pointwise' : undefined;
  }
  const last = domain.length - 1;
  if (fold) {
    if (!sameShape(inputs[0].shape, domain)) return undefined;
    return axes.length === 1 && axes[0] === last ? 'rowReduction' : 'reduction';
  }
  if (sameShape(shape, domain)) return 'pointwise';
  if (last < 0) return undefined;
  const isPerRow = [domain.with(last, 1), domain.slice(0, -1)].some((row) => sameShape(row, shape));
  return isPerRow ? 'perRow' : undefined;
}

/** How many arrays of the domain's size or more are read that the group does not make. */
function streamedBy(group: FusionGroup, added: readonly Access[]): number {
  const streamed = [...group.accesses, ...added].flatMap(({ base }) => {
    const isLarge = bufferOf(base).length >= numelOf(group.domain);
    return isLarge && !group.byValue.has(base) ? [base] : [];
  });
  return new Set(streamed).size;
}

/** Whether an index is that of the element, or else of the row, that is being computed. */
function isAligned(
  { aligned }: FusionGroup, { terms, constant }: k.Load['index'], form: Form,
): boolean {
  const own = form === 'pointwise' ? aligned.element : aligned.row;
  return constant === own.constant && terms.length === own.terms.length && own.terms.every(
    ({ of, times }) => terms.some((term) => term.of === of && term.times === times),
  );
}

/** Whether a value is read only at the element that is being computed. */
export function isReadInPlace(group: FusionGroup, base: Value): boolean {
  return !group.readByAnchor.has(base) && group.accesses.every(
    (access) => access.base !== base || isAligned(group, access.index, 'pointwise'),
  );
}

/** Whether the group reads some of these values anyway, or is next to no work. */
export function isNear(group: FusionGroup, values: ReadonlySet<Value>): boolean {
  const { domain, anchor, reads, byValue } = group;
  if (numelOf(domain) <= 1 && !anchor) return true;
  for (const value of values) {
    if (byValue.has(value) || (!anchor && reads.has(value))) return true;
  }
  return false;
}

/** The values that the group reads and does not make. */
export function inputsOf({ reads, byValue }: FusionGroup): Set<Value> {
  return new Set([...reads].filter((value) => !byValue.has(value)));
}

/** The names of the group's ops. */
export function nameOf({ ops }: FusionGroup): string {
  return [...new Set(ops.map(({ step }) => step.primitive.name))].join('_');
}

/** The index of an op's element or row, given the index of an element of the domain. */
function indexOf(
  { domain }: FusionGroup, { value, form, lowering: { axes = [] } }: Candidate, at: Index,
): Index {
  const isKept = value.shape.length === at.length;
  if (form === 'pointwise') return reshapedIndex(at, domain, value.shape);
  if (form === 'rowReduction') return at;
  if (form === 'perRow') return isKept ? at.with(-1, 0) : at.slice(0, -1);
  return isKept
    ? at.map((i, axis) => (axes.includes(axis) ? 0 : i))
    : at.filter((_, axis) => !axes.includes(axis));
}

/** The position of that element or row in the op's buffer. */
export function positionOf(group: FusionGroup, op: FusedOp, at: Index): k.Operand {
  return flatIndex(indexOf(group, op, at), op.value.shape);
}

/** The expression of an op's element; of a reduction, that of an element that it combines. */
export function operandOf(
  group: FusionGroup, op: Candidate, at: Index, load: LoadElement,
): k.Expr {
  const { step, value, lowering } = op;
  const { materialization } = group;
  if (lowering.fold) return elementsOf(materialization, step.inputs[0], load).at(at);
  return computedElements(materialization, value, load).at(indexOf(group, op, at));
}

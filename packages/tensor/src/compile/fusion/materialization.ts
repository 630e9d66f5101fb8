/**
 * Materialization: which values of a program are stored as a whole, and which are computed wherever
 * one of their elements is needed. The lowering of an op says what an element of its result is in
 * terms of elements of its inputs, so a value need not be in memory:
 *
 *     y = exp(x).mul(2)        y[i] = exp(x[i]) * 2, and exp(x) is never materialised
 *
 * We materialise a value if it is a result, new state, or the input of a reference loop; if it
 * comes from a reduction or a kernel; or if it would be computed more than once. Even then it may
 * stay in a register, if all that reads it is fused with it (fusionGroup.ts).
 *
 * A materialised value that is another shape of a value, or a part of it in one piece, is an alias:
 * it takes no memory, and is read from the buffer of its base.
 */
import type * as k from '@mambagrad/kernel';
import { type CheckedLowering, checkLowerings } from '../../core/checkLowering.ts';
import { numelOf } from '../../core/shape.ts';
import { eliminateDeadCode } from '../passes/deadCode.ts';
import { rootsOf, type Program, type Step, type Value } from '../trace/trace.ts';

/** The type of a member, in those types of a union that have it. */
type Part<T, Name> = T extends unknown ? (Name extends keyof T ? T[Name] : never) : never;
type NameIn<T> = T extends unknown ? keyof T : never;

/** A lowering of any kind; what only others have is undefined. */
export type AnyLowering = {
  readonly [Name in NameIn<CheckedLowering>]?: Part<CheckedLowering, Name> | undefined;
};

/** The steps of a program, and how each is said in the loop language. */
interface LoweredProgram {
  /** Of an op whose results are computed each by itself there is a step for each that is used. */
  readonly steps: readonly Step[];
  /** The step that makes each value. */
  readonly producers: ReadonlyMap<Value, Step>;
  /** The lowering of each result; an op without one runs its reference loop. */
  readonly lowerings: ReadonlyMap<Value, AnyLowering>;
}

/** A part of a buffer. */
interface Alias {
  /** The value in whose memory it lies, which is not an alias itself. */
  readonly base: Value;
  /** The number of its first element there. */
  readonly offset: number;
}

/** How a program's values are computed: which are materialised, and which of these are aliases. */
export interface Materialization extends LoweredProgram {
  /** Numbers that are known, and need no memory. */
  readonly constants: ReadonlyMap<Value, k.Expr>;
  /** The results of steps that are materialised. */
  readonly materialized: ReadonlySet<Value>;
  /** Those of them that are aliases. */
  readonly aliases: ReadonlyMap<Value, Alias>;
  /** How many materialised steps, results and new states read a base. */
  readonly useCounts: ReadonlyMap<Value, number>;
  /** What steps read, as far as it was asked for (`readsOf`). */
  readonly reads: Map<Step, ReadonlySet<Value>>;
}

/** An expression of more ops and loads than this is materialised, and others start from there. */
const LONGEST = 32;

/** The most values that a kernel reads: a function has up to 1000 parameters. */
const MOST_READ = 500;

/** Decides what is materialised; without inlining (`isInlining`) everything is. */
export function materialize(
  program: Program, constants: ReadonlyMap<Value, k.Expr>, isInlining: boolean,
): Materialization {
  const lowered = lowerSteps(program);
  const materialized = new Set<Value>();
  const add = (value: Value): void => {
    materialized.add(value);
    const [producer, offset] = [lowered.producers.get(value), offsetInInput(lowered, value)];
    if (producer && offset !== undefined) add(producer.inputs[0]);
  };
  for (const value of rootsOf(program)) add(value);
  if (!isInlining) for (const { outputs } of lowered.steps) outputs.forEach(add);
  addReused(lowered, materialized, add);
  addLong(lowered, materialized, add);
  const aliases = aliasesIn(lowered, materialized);
  const useCounts = new Map<Value, number>();
  const reads = new Map<Step, ReadonlySet<Value>>();
  const materialization = { ...lowered, constants, materialized, aliases, useCounts, reads };
  countUses(program, materialization, useCounts);
  return materialization;
}

/** Asks each op for its lowering, and splits those whose results are computed each by itself. */
function lowerSteps(program: Program): LoweredProgram {
  const lowerings = new Map<Value, AnyLowering>();
  const split = program.steps.flatMap((step): Step[] => {
    const { primitive, attributes, inputs, outputs } = step;
    const isLowerable =
      inputs.length <= MOST_READ && [...inputs, ...outputs].every(({ dtype }) => dtype !== 'f64');
    const given = isLowerable ? primitive.lower?.(inputs, attributes, outputs) : undefined;
    if (given === undefined) return [step];
    const checked = checkLowerings(primitive.name, inputs, outputs, given);
    outputs.forEach((output, i) => lowerings.set(output, checked[i]));
    const isSplit = outputs.length > 1 && Array.isArray(given);
    return isSplit ? outputs.map((output) => ({ ...step, outputs: [output] })) : [step];
  });
  const { steps } = eliminateDeadCode({ ...program, steps: split });
  const producers = new Map(
    steps.flatMap((step) => step.outputs.map((output) => [output, step])),
  );
  return { steps, producers, lowerings };
}

/**
 * Materialises what would be computed more than once, and what cannot be computed element by
 * element. Goes from the last step to the first, so that all steps that use a value have said how
 * often they would compute each of its elements.
 */
function addReused(
  lowered: LoweredProgram, materialized: ReadonlySet<Value>, add: (value: Value) => void,
): void {
  const uses = new Map<Value, number>();
  for (const { outputs, inputs } of lowered.steps.toReversed()) {
    // Several results come from one kernel or reference loop: all of them are materialised.
    const [output] = outputs;
    const lowering = lowered.lowerings.get(output);
    const isFree = lowering?.move || (lowering?.isCheap && isLoaded(lowered, inputs[0]));
    const isPointwise = isFree || lowering?.map || lowering?.element;
    const own = uses.get(output) ?? 0;
    if (!isPointwise || (!isFree && own > 1)) outputs.forEach(add);
    const isStored = materialized.has(output);
    const isAlias = isStored && offsetInInput(lowered, output) !== undefined;
    if (lowering === undefined || isAlias) {
      inputs.forEach(add);
      continue;
    }
    const times = isStored ? 1 : own;
    for (const input of new Set(inputs)) {
      // An element that is read in several places counts as used more than once.
      const isRepeated = numelOf(input.shape) < numelOf(output.shape);
      const isAnywhere = lowering.kernel || (lowering.element && !isFree);
      count(uses, input, isRepeated || isAnywhere ? Math.max(times, 2) : times);
    }
  }
}

/** Materialises what would take too many ops and loads to be computed where it is needed. */
function addLong(
  { steps }: LoweredProgram, materialized: ReadonlySet<Value>, add: (value: Value) => void,
): void {
  const sizes = new Map<Value, number>();
  for (const { inputs, outputs } of steps) {
    const size = inputs.reduce((sum, input) => sum + (sizes.get(input) ?? 1), 1);
    if (size > MOST_READ) inputs.forEach(add);
    for (const output of outputs) {
      if (size > LONGEST) add(output);
      sizes.set(output, materialized.has(output) ? 1 : size);
    }
  }
}

/** Whether all there is to an element is to load it, given that moves cost nothing. */
function isLoaded({ producers, lowerings }: LoweredProgram, value: Value): boolean {
  for (let source = value; ;) {
    const [producer, lowering] = [producers.get(source), lowerings.get(source)];
    if (!producer || !lowering?.move) return !(lowering?.map || lowering?.element);
    source = producer.inputs[0];
  }
}

/** Where a value lies in its producer's input, if it is that under another shape, or a part. */
function offsetInInput(
  { producers, lowerings }: LoweredProgram, value: Value,
): number | undefined {
  const lowering = lowerings.get(value);
  if (lowering?.move) return lowering.offset;
  return producers.get(value)?.primitive.sharesData ? 0 : undefined;
}

function aliasesIn(
  lowered: LoweredProgram, materialized: ReadonlySet<Value>,
): Map<Value, Alias> {
  const aliases = new Map<Value, Alias>();
  for (const { inputs: [input], outputs: [output] } of lowered.steps) {
    const offset = materialized.has(output) ? offsetInInput(lowered, output) : undefined;
    if (offset === undefined) continue;
    const { base, offset: start } = aliases.get(input) ?? { base: input, offset: 0 };
    aliases.set(output, { base, offset: start + offset });
  }
  return aliases;
}

function countUses(
  program: Program, materialization: Materialization, counts: Map<Value, number>,
): void {
  for (const value of rootsOf(program)) count(counts, baseOf(materialization, value), 1);
  for (const step of materialization.steps) {
    if (!isComputed(materialization, step)) continue;
    for (const value of readsOf(materialization, step)) count(counts, value, 1);
  }
}

function count(counts: Map<Value, number>, value: Value, times: number): void {
  counts.set(value, (counts.get(value) ?? 0) + times);
}

/** Whether a value is in memory as a whole, as all are that no step makes. */
export function isMaterialized({ materialized }: Materialization, value: Value): boolean {
  return value.from !== 'step' || materialized.has(value);
}

/** Whether a step makes values that have memory of their own. */
export function isComputed(
  { materialized, aliases }: Materialization, { outputs: [output] }: Step,
): boolean {
  return materialized.has(output) && !aliases.has(output);
}

/** The value in whose buffer a materialised value lies: itself, unless it is an alias. */
export function baseOf({ aliases }: Materialization, value: Value): Value {
  return aliases.get(value)?.base ?? value;
}

/** The number of a value's first element in the buffer of its base. */
export function offsetOf({ aliases }: Materialization, value: Value): number {
  return aliases.get(value)?.offset ?? 0;
}

/** A step, and before it those whose results are not materialised, and are computed on the way. */
export function stepsFor(
  materialization: Materialization, step: Step, found: Set<Step> = new Set(),
): Set<Step> {
  for (const input of step.inputs) {
    const isInline = !isMaterialized(materialization, input);
    const producer = isInline ? materialization.producers.get(input) : undefined;
    if (producer) stepsFor(materialization, producer, found);
  }
  return found.add(step);
}

/** The bases that a step reads, itself or through what is computed on the way. */
export function readsOf(materialization: Materialization, step: Step): ReadonlySet<Value> {
  const { reads } = materialization;
  const known = reads.get(step) ?? findReads(materialization, step);
  reads.set(step, known);
  return known;
}

function findReads(materialization: Materialization, step: Step): Set<Value> {
  const found = new Set<Value>();
  for (const { inputs } of stepsFor(materialization, step)) {
    for (const input of inputs) {
      const isInline = !isMaterialized(materialization, input);
      if (isInline || materialization.constants.has(input)) continue;
      found.add(baseOf(materialization, input));
    }
  }
  return found;
}

/** The value that a value was moved from. */
export function withoutMoves(materialization: Materialization, value: Value): Value {
  const { producers, lowerings } = materialization;
  const producer = producers.get(value);
  const isMoved = !isMaterialized(materialization, value) && lowerings.get(value)?.move;
  return producer && isMoved ? withoutMoves(materialization, producer.inputs[0]) : value;
}

/**
 * Where every value of a program lives. A value is alive from the step that makes it to the last
 * that reads it; two that are never alive together can have the same place. So all of memory is
 * decided ahead: one arena, an offset for each value, and nothing to allocate when it runs.
 */
import { describe, numelOf, type Spec } from '../shape.ts';
import type { Program, Step, Value } from './trace.ts';

/** Places start at multiples of this many bytes, a cache line. */
const ALIGNMENT = 64;

export interface Plan {
  /** Where each value that a step makes starts, in bytes. */
  readonly offsets: ReadonlyMap<Value, number>;
  /** The size of the arena in bytes. */
  readonly bytes: number;
}

/** The value whose memory a value uses: its own, or its input's where an op shares that. */
export function storageOf(value: Value, makers: ReadonlyMap<Value, Step>): Value {
  let storage = value;
  for (let maker = makers.get(storage); maker?.primitive.sharesData; maker = makers.get(storage)) {
    storage = maker.inputs[0];
  }
  return storage;
}

export function makersOf(program: Program): Map<Value, Step> {
  return new Map(program.steps.map((step) => [step.output, step]));
}

function bytesOf({ shape, dtype }: Spec): number {
  return numelOf(shape) * (dtype === 'f64' ? 8 : 4);
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Places every value, in the smallest gap that holds it at the time it is made. */
export function planMemory(program: Program): Plan {
  const makers = makersOf(program);
  const lastRead = lastReads(program, makers);
  const offsets = new Map<Value, number>();
  let gaps: Range[] = [{ start: 0, end: Infinity }];
  let bytes = 0;
  const dying = new Map<number, Value[]>();
  for (const [storage, step] of lastRead) dying.set(step, [...(dying.get(step) ?? []), storage]);
  program.steps.forEach(({ primitive, output }, i) => {
    if (!primitive.sharesData) {
      const size = roundUp(bytesOf(output));
      const fitting = gaps.filter(({ start, end }) => end - start >= size);
      const gap = fitting.reduce((best, other) =>
        other.end - other.start < best.end - best.start ? other : best,
      );
      offsets.set(output, gap.start);
      bytes = Math.max(bytes, gap.start + size);
      gaps = gaps
        .map((other) => (other === gap ? { start: gap.start + size, end: gap.end } : other))
        .filter(({ start, end }) => end > start);
    }
    for (const storage of dying.get(i) ?? []) {
      const start = offsets.get(storage);
      if (start === undefined) continue;
      gaps = joined([...gaps, { start, end: start + roundUp(bytesOf(storage)) }]);
    }
  });
  return { offsets, bytes };
}

function roundUp(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT;
}

/** Free ranges in order, neighbours made one. */
function joined(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last?.end === range.start) {
      result[result.length - 1] = { start: last.start, end: range.end };
    } else if (range.end > range.start) {
      result.push(range);
    }
  }
  return result;
}

/** For each piece of memory that a step makes, the last step that reads it; results are kept. */
function lastReads(program: Program, makers: ReadonlyMap<Value, Step>): Map<Value, number> {
  const last = new Map<Value, number>();
  program.steps.forEach((step, i) => {
    for (const value of [...step.inputs, step.output]) last.set(storageOf(value, makers), i);
  });
  for (const value of [...program.results, ...program.writes.map((write) => write.value)]) {
    last.set(storageOf(value, makers), program.steps.length);
  }
  return last;
}

/**
 * Throws unless the plan is sound: every read follows the write, and no value is made where another
 * lies that is still to be read. It works from the program alone, step by step, and shares nothing
 * with the planner but the rule of which op shares memory.
 */
export function checkPlan(program: Program, plan: Plan): void {
  const makers = makersOf(program);
  const final = program.steps.length;
  const reads = program.steps.flatMap((step, i) => step.inputs.map((value) => ({ value, i })));
  for (const value of [...program.results, ...program.writes.map((write) => write.value)]) {
    reads.push({ value, i: final });
  }
  const made = new Map(program.steps.map(({ output }, i) => [output, i]));
  for (const { value, i } of reads) {
    if (value.from !== 'step') continue;
    const at = made.get(value);
    if (at === undefined || at >= i) throw new Error(`plan: ${describe(value)} is read unmade`);
    const storage = storageOf(value, makers);
    const start = plan.offsets.get(storage);
    if (storage.from !== 'step') continue;
    if (start === undefined || start % ALIGNMENT !== 0 || start + bytesOf(storage) > plan.bytes) {
      throw new Error(`plan: ${describe(storage)} has no place in the arena`);
    }
    const from = made.get(storage) ?? at;
    for (let other = from + 1; other <= Math.min(i, final - 1); other++) {
      const { output } = program.steps[other];
      const otherStart = plan.offsets.get(output);
      if (otherStart === undefined) continue;
      const end = Math.min(start + bytesOf(storage), otherStart + bytesOf(output));
      if (Math.max(start, otherStart) < end) {
        throw new Error(`plan: ${describe(output)} overwrites ${describe(storage)}, still needed`);
      }
    }
  }
}

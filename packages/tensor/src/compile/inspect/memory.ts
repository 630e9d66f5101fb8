/**
 * The memory plan of a program: each value that has a place in memory, where that is, and from
 * which kernel to which the value is alive there. No two values that are alive at the same time
 * overlap, but for one that a kernel writes in place of another as it reads that.
 */
import { sizeOf } from '../../core/dtype.ts';
import { describe } from '../../core/shape.ts';
import { baseOf, offsetOf } from '../fusion/materialization.ts';
import { bytesOf, type Lifetime, type Plan, sharedBytes } from '../memory/plan.ts';
import type { Schedule } from '../schedule/schedule.ts';
import type { Program, Value } from '../trace/trace.ts';
import { type ValueReport, valueReporter } from './kernels.ts';
import { formatTable, requireReports } from './table.ts';

/** A value in memory, or the scratch memory of a kernel. */
export interface AllocationReport {
  /** The value; undefined for scratch memory, which is that of the kernel `from`. */
  readonly value: ValueReport | undefined;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Where it starts in the arena, in bytes; undefined if it lies in the memory of a tensor. */
  readonly offset: number | undefined;
  /** The number of the kernel that makes it; undefined if it is there from the start. */
  readonly from: number | undefined;
  /** The number of the last kernel that reads it; undefined if it is needed at the end. */
  readonly to: number | undefined;
  /**
   * How it came by its place: it is in a range of its `own`; `inPlace` of another value, which the
   * kernel reads element by element just before it writes; `donated`, in the memory of the captured
   * tensor whose new value it is; an `alias`, another shape of a value or a part of it, which takes
   * no memory; or `scratch`, in use while one kernel runs.
   */
  readonly kind: 'own' | 'inPlace' | 'donated' | 'alias' | 'scratch';
  /** The value in whose place it is, or whose alias it is. */
  readonly of: ValueReport | undefined;
}

/** Reports on everything that the plan addresses, and on aliases, in the order of the kernels. */
export function memoryReports(
  program: Program, { calls, materialization }: Schedule, plan: Plan,
): AllocationReport[] {
  const reportOf = valueReporter(program);
  const place = (value: Value, base: Value): Omit<AllocationReport, 'kind' | 'of'> => {
    const start = plan.offsets.get(base);
    const first = offsetOf(materialization, value);
    const { from, to } = plan.lifetimes.get(base) ?? NEVER;
    return {
      value: reportOf(value),
      bytes: bytesOf(value),
      offset: start === undefined ? undefined : start + first * sizeOf(value.dtype),
      from: from < 0 ? undefined : from,
      to: to === calls.length ? undefined : to,
    };
  };
  const placed = [...plan.lifetimes.keys()].filter(
    // Captured tensors have memory of their own.
    (value) => plan.offsets.has(value) || plan.donated.has(value),
  );
  const values = placed.map((value): AllocationReport => {
    const [donor, replaced] = [plan.donated.get(value), plan.inPlace.get(value)];
    const kind = donor ? 'donated' : replaced ? 'inPlace' : 'own';
    const of = donor ?? replaced;
    return { ...place(value, value), kind, of: of && reportOf(of) };
  });
  const made = program.steps.flatMap(({ outputs }) => outputs);
  const aliases = made.flatMap((output): AllocationReport[] => {
    const base = baseOf(materialization, output);
    // The kernels that make the value and read it may keep it in registers.
    if (base === output || !plan.lifetimes.has(base)) return [];
    return [{ ...place(output, base), kind: 'alias', of: reportOf(base) }];
  });
  const scratch = calls.flatMap((call, i): AllocationReport[] => {
    const [bytes, offset] = [sharedBytes(call, plan), plan.scratch.get(call)];
    if (bytes === 0) return [];
    return [{ value: undefined, bytes, offset, from: i, to: i, kind: 'scratch', of: undefined }];
  });
  return [...values, ...scratch, ...aliases].sort((a, b) => (a.from ?? -1) - (b.from ?? -1));
}

const NEVER: Lifetime = { from: -1, to: -1 };

/**
 * Values in memory as a table: bytes, offset, the first and the last kernel that need the value,
 * the value, and what it is in place of.
 */
export function formatMemory(reports: readonly AllocationReport[]): string {
  requireReports('formatMemory', reports);
  const words = {
    own: '', scratch: '', inPlace: 'in place of ', donated: 'in place of ', alias: 'alias of ',
  };
  const rows = reports.map(({ value, bytes, offset, from, to, kind, of }) => [
    `${bytes} bytes`,
    offset === undefined ? 'in state' : `at ${offset}`,
    `${from ?? 'start'}–${to ?? 'end'}`,
    value ? `${value.name} ${describe(value)}` : 'scratch memory',
    of ? `${words[kind]}${of.name}` : '',
  ]);
  return formatTable(rows, 3).join('\n');
}

/** All that can be looked at in a compiled program, as values and as text. */
import type { Executable } from '../run/run.ts';
import { formatKernels, type KernelReport, kernelReports } from './kernels.ts';
import { formatProgram } from './listing.ts';
import { type AllocationReport, memoryReports } from './memory.ts';
import { type StageReport, stageReports } from './stages.ts';

/** A compiled program, open to inspection. */
export interface Inspection {
  /** The ops of the program, one a line. */
  listing(): string;
  /** Its kernels in order; `formatKernels` prints them. */
  kernels(): KernelReport[];
  /** The values that have a place in memory, and where; `formatMemory` prints them. */
  memory(): AllocationReport[];
  /** Which kernels can run at the same time, and in how many chunks; `formatStages` prints them. */
  stages(): StageReport[];
  /** Its kernels as a table: what each does, and how much, and the size of the arena. */
  explain(): string;
  /** Its kernels in WebAssembly's text format. */
  wat(): string;
  /** The bytes that hold all its values that are not state. */
  arenaBytes(): number;
}

/** Looks into a program; `times` gives the milliseconds of each kernel, if they were measured. */
export function inspectionOf(
  executable: Executable, times: () => readonly number[] | undefined,
): Inspection {
  const { program, schedule, plan } = executable;
  const kernels = (): KernelReport[] => kernelReports(program, schedule.calls, times());
  return {
    listing: () => formatProgram(program),
    kernels,
    memory: () => memoryReports(program, schedule, plan),
    stages: () => stageReports(executable.stages(), schedule.calls),
    explain: () => `${formatKernels(kernels())}, an arena of ${plan.bytes} bytes`,
    wat: executable.wat,
    arenaBytes: () => plan.bytes,
  };
}

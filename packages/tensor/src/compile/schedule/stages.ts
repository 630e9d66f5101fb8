/**
 * Stages: kernel calls that can run at the same time. Threads share the chunks of a parallel loop;
 * small calls have one chunk each, and by themselves would keep all threads but one waiting. So
 * neighbours that touch nothing the others write become chunks of one loop: the update of all
 * parameters is one stage.
 *
 *     w₁ ← w₁ − lr·g₁,  w₂ ← w₂ − lr·g₂,  …        a chunk each, or several if it is large
 */
import type * as k from '@mambagrad/kernel';
import type { KernelCall } from './schedule.ts';

/** An address in memory, or in the arena. */
export interface Address {
  readonly isInArena: boolean;
  readonly offset: number;
}

/** A region of a call's kernel. */
export interface Task extends Pick<k.Region, 'iterations'> {
  /** The number of the call. */
  readonly call: number;
  readonly kernel: k.Kernel;
  readonly region: number;
  readonly addresses: readonly Address[];
}

/** What runs before the next stage begins. */
export interface Stage {
  /** What is done, in any order or at the same time. */
  readonly tasks: readonly Task[];
  /** Whether threads share it. */
  readonly isShared: boolean;
  /** A fence: the call of this number is over, and the host is called before anything else runs. */
  readonly fence?: number;
}

/** The bytes of a parameter. */
interface Span {
  readonly isInArena: boolean;
  readonly start: number;
  readonly end: number;
  readonly isWritten: boolean;
}

/** To share less than this is not worth the microseconds that threads take to come together. */
const MIN_SHARED_BYTES = 2 ** 18;

function spansOf(kernel: k.Kernel, addresses: readonly Address[]): Span[] {
  return addresses.map(({ isInArena, offset: start }, i) => {
    const parameter = kernel.parameters[i];
    // Behind the parameters comes scratch memory.
    const buffer = parameter !== undefined && 'length' in parameter ? parameter : undefined;
    const end = start + (buffer ? 4 * buffer.length : kernel.scratchBytes);
    return { isInArena, start, end, isWritten: !buffer || kernel.writes.has(buffer) };
  });
}

function areIndependent(a: readonly Span[], b: readonly Span[]): boolean {
  return a.every((x) => b.every((y) => {
    const isElsewhere = x.isInArena !== y.isInArena || x.end <= y.start || y.end <= x.start;
    return isElsewhere || !(x.isWritten || y.isWritten);
  }));
}

function isWorthSharing(tasks: readonly Task[], spans: readonly Span[]): boolean {
  const bytes = spans.reduce((sum, { start, end }) => sum + end - start, 0);
  const isLarge = tasks.length > 1 && bytes >= MIN_SHARED_BYTES;
  return isLarge || tasks.some(({ iterations }) => iterations);
}

/** The stages of calls, in order; if somebody watches (`isWatched`) there is a fence after each. */
export function stagesOf(
  calls: readonly KernelCall[], addressesOf: (call: KernelCall) => readonly Address[],
  isWatched: boolean,
): Stage[] {
  const stages: { tasks: Task[]; spans: Span[]; fence?: number }[] = [];
  calls.forEach((call, number) => {
    const { kernel, checks } = call;
    const addresses = addressesOf(call);
    const tasks = !kernel ? [] : kernel.regions.map(({ iterations }, region) =>
      ({ call: number, kernel, region, iterations, addresses }),
    );
    const hasFence = isWatched || !kernel || checks !== undefined;
    const spans = kernel && !hasFence && tasks.length === 1 ? spansOf(kernel, addresses) : [];
    const last = stages.at(-1);
    if (spans.length > 0 && last && last.spans.length > 0 && areIndependent(last.spans, spans)) {
      last.tasks.push(...tasks);
      last.spans.push(...spans);
      return;
    }
    for (const task of tasks) stages.push({ tasks: [task], spans });
    if (hasFence) stages.push({ tasks: [], spans: [], fence: number });
  });
  return stages.map(({ spans, ...stage }) => (
    { ...stage, isShared: isWorthSharing(stage.tasks, spans) }
  ));
}

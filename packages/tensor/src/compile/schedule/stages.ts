/**
 * Stages: kernel calls that can run at the same time. Threads share the chunks of a parallel loop;
 * small calls have one chunk each, and by themselves would keep all threads but one waiting. So
 * neighbours that touch nothing the others write become chunks of one loop: the update of all
 * parameters is one stage.
 *
 *     w₁ ← w₁ − lr·g₁,  w₂ ← w₂ − lr·g₂,  …        a chunk each, or several if it is large
 */
import type * as k from '@mambagrad/kernel';
import { type Address, rangesOf } from './address.ts';
import { canFail, type KernelCall } from './kernelCall.ts';

/** A region of a call's kernel. */
export interface Task extends Pick<k.Region, 'iterations'> {
  /** The number of the call. */
  readonly call: number;
  readonly kernel: k.Kernel;
  readonly region: number;
  readonly addresses: readonly Address[];
}

/** Bytes that are copied from one address to another. */
export interface Copy {
  readonly from: Address;
  readonly to: Address;
  readonly bytes: number;
}

/** The calls of a loop's body, and their addresses. */
export interface AddressedBody {
  readonly calls: readonly KernelCall[];
  /** The addresses of the parameters of a call's kernel, in order. */
  readonly addressesOf: (call: KernelCall) => readonly Address[];
  /** The body of a call that is a loop. */
  readonly bodyOf: (call: KernelCall) => AddressedLoop;
}

/** A loop, with the addresses of what is in it. */
export interface AddressedLoop extends AddressedBody {
  /** How many loops are around it. */
  readonly depth: number;
  /** The number of its iterations. */
  readonly length: number;
  /** The copies that are made before the first iteration, and after the last. */
  readonly before: readonly Copy[];
  readonly after: readonly Copy[];
}

/** A loop of stages. */
export interface StageLoop
  extends Pick<AddressedLoop, 'depth' | 'length' | 'before' | 'after' | 'calls'> {
  /** The number of the call. */
  readonly call: number;
  /** The stages of an iteration. */
  readonly stages: readonly Stage[];
}

/** What runs before the next stage begins. */
export interface Stage {
  /** They run in any order, or at the same time. */
  readonly tasks: readonly Task[];
  /** Whether threads share it. */
  readonly isShared: boolean;
  /** A loop that runs by itself, without tasks. */
  readonly loop?: StageLoop;
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
  return addresses.flatMap((address, i) => {
    const parameter = kernel.parameters[i];
    // Behind the parameters comes scratch memory.
    const buffer = parameter !== undefined && 'length' in parameter ? parameter : undefined;
    const isWritten = !buffer || kernel.writes.has(buffer);
    const bytes = buffer ? 4 * buffer.length : kernel.scratchBytes;
    return rangesOf(address, bytes).map((range) => ({ ...range, isWritten }));
  });
}

function areIndependent(a: readonly Span[], b: readonly Span[]): boolean {
  for (const x of a) {
    for (const y of b) {
      const isElsewhere = x.isInArena !== y.isInArena || x.end <= y.start || y.end <= x.start;
      if (!isElsewhere && (x.isWritten || y.isWritten)) return false;
    }
  }
  return true;
}

function isWorthSharing(tasks: readonly Task[], spans: readonly Span[]): boolean {
  const bytes = spans.reduce((sum, { start, end }) => sum + end - start, 0);
  const isLarge = tasks.length > 1 && bytes >= MIN_SHARED_BYTES;
  return isLarge || tasks.some(({ iterations }) => iterations);
}

/** A stage that may still grow. */
interface Draft extends Omit<Stage, 'isShared' | 'tasks'> {
  readonly tasks: Task[];
  readonly spans: Span[];
}

/** The stages of calls, in order; with a watcher (`isWatched`) there is a fence after each call. */
export function stagesOf(
  { calls, addressesOf, bodyOf }: AddressedBody, isWatched: boolean,
): Stage[] {
  const stages: Draft[] = [];
  calls.forEach((call, number) => {
    const { kernel, loop } = call;
    if (loop) {
      const body = bodyOf(call);
      stages.push({
        tasks: [], spans: [], ...(isWatched && { fence: number }),
        loop: { ...body, call: number, stages: stagesOf(body, false) },
      });
      return;
    }
    const addresses = addressesOf(call);
    const tasks = !kernel ? [] : kernel.regions.map(({ iterations }, region) =>
      ({ call: number, kernel, region, iterations, addresses }),
    );
    const hasFence = isWatched || canFail(call);
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

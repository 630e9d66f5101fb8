/**
 * Jobs that can run at the same time. What threads share is the rounds of one loop; small jobs have
 * one round each, and by themselves would keep all threads but one waiting. Neighbours that touch
 * nothing the others write are rounds of one loop, and so the update of all parameters is one pass:
 *
 *     w₁ ← w₁ − lr·g₁,  w₂ ← w₂ − lr·g₂,  …        each a round, or several if it is large
 */
import type * as k from '@mambagrad/kernel';
import type { Job } from './schedule.ts';

/** A place in memory, or in the arena. */
export interface Place {
  readonly isInArena: boolean;
  readonly offset: number;
}

/** A region of a job's kernel. */
export interface Work extends Pick<k.Region, 'iterations'> {
  /** The number of the job. */
  readonly job: number;
  readonly kernel: k.Kernel;
  readonly region: number;
  readonly places: readonly Place[];
}

export interface Stage {
  /** What is done here, in any order or at the same time. */
  readonly works: readonly Work[];
  /** Whether threads share it. */
  readonly isShared: boolean;
  /** The job of this number ends here, and that is to be told. */
  readonly ends?: number;
}

/** What a job touches, in bytes. */
interface Span {
  readonly isInArena: boolean;
  readonly start: number;
  readonly end: number;
  readonly isWritten: boolean;
}

/** To go over less is not worth sharing out, as to come together takes some microseconds. */
const LEAST_BYTES = 2 ** 18;

function spansOf(kernel: k.Kernel, places: readonly Place[]): Span[] {
  return places.map(({ isInArena, offset: start }, i) => {
    const one = kernel.parameters[i];
    const buffer = one !== undefined && 'length' in one ? one : undefined;
    const end = start + (buffer ? 4 * buffer.length : kernel.scratchBytes);
    return { isInArena, start, end, isWritten: !buffer || kernel.writes.has(buffer) };
  });
}

function areApart(a: readonly Span[], b: readonly Span[]): boolean {
  return a.every((x) => b.every((y) => {
    const isElsewhere = x.isInArena !== y.isInArena || x.end <= y.start || y.end <= x.start;
    return isElsewhere || !(x.isWritten || y.isWritten);
  }));
}

function isWorthIt(works: readonly Work[], spans: readonly Span[]): boolean {
  const bytes = spans.reduce((sum, { start, end }) => sum + end - start, 0);
  return works.some(({ iterations }) => iterations) || (works.length > 1 && bytes >= LEAST_BYTES);
}

/** What the jobs do, in order; none at the same time if the end of each `isTold`. */
export function stagesOf(
  jobs: readonly Job[], placesOf: (job: Job) => readonly Place[], isTold: boolean,
): Stage[] {
  const stages: { works: Work[]; spans: Span[]; ends?: number }[] = [];
  jobs.forEach((job, number) => {
    const { kernel, checks } = job;
    const places = placesOf(job);
    const works = !kernel ? [] : kernel.regions.map(({ iterations }, region) =>
      ({ job: number, kernel, region, iterations, places }),
    );
    const hasEnd = isTold || !kernel || checks !== undefined;
    const spans = kernel && !hasEnd && works.length === 1 ? spansOf(kernel, places) : [];
    const last = stages.at(-1);
    if (spans.length > 0 && last && last.spans.length > 0 && areApart(last.spans, spans)) {
      last.works.push(...works);
      last.spans.push(...spans);
      return;
    }
    for (const work of works) stages.push({ works: [work], spans });
    if (hasEnd) stages.push({ works: [], spans: [], ends: number });
  });
  return stages.map(({ spans, ...stage }) => (
    { ...stage, isShared: isWorthIt(stage.works, spans) }
  ));
}

/** The figures of `npm run bench browser` as text. */
import type { StepSizes } from '../models.ts';
import { align, ratioText, withPrefix } from '../table.ts';
import type { Busy } from './busy.ts';
import { formatSite, type SiteBytes } from './site.ts';

/** The least time of a step for somebody who trained. */
export interface Time {
  /** Engine and versions. */
  readonly name: string;
  readonly threads: number;
  readonly milliseconds: number;
}

export interface Figures {
  /** Those of Node first, then Chromium on one thread and on two. */
  readonly times: readonly Time[];
  readonly busy: readonly Busy[];
  readonly site: SiteBytes | undefined;
}

/** All figures, a table each. */
export function format(sizes: StepSizes, { times, busy, site }: Figures): string {
  const { batch, length, layers, hidden } = sizes;
  return [
    `A training step of ${batch} × ${length} tokens, ${layers} layers of ${hidden}, least time`,
    ...formatTimes(times),
    '',
    'A page beside which a worker trains: how long its main thread is held up',
    ...formatBusy(busy),
    '',
    ...(site ? formatSite(site) : ['There is no book/: `npm run book -- --build` makes it.']),
  ].join('\n');
}

function formatTimes(times: readonly Time[]): string[] {
  const bases = times.slice(0, -1);
  const header = bases.map(({ name }) => `of ${name.split(',')[0]}`);
  const rows = times.map(({ name, threads, milliseconds }, i) => [
    `${name}, ${threadsText(threads)}`,
    withPrefix(milliseconds / 1000, 's'),
    ...bases.map((base, j) => (j < i ? ratioText(milliseconds / base.milliseconds) : '')),
  ]);
  return align([['', 'time', ...header], ...rows]);
}

function formatBusy(busy: readonly Busy[]): string[] {
  const rows = busy.map(({ threads, longestTask, longestGap, steps }) => [
    threads === 0 ? 'nothing runs' : threadsText(threads),
    String(steps),
    longestTask === 0 ? 'under 50 ms' : withPrefix(longestTask / 1000, 's'),
    withPrefix(longestGap / 1000, 's'),
  ]);
  return align([['', 'steps', 'longest task', 'longest gap of a timer'], ...rows]);
}

const threadsText = (threads: number): string => `${threads} thread${threads > 1 ? 's' : ''}`;

/**
 * How far a long job has come: on a terminal one line that is drawn over and over, with a bar, the
 * numbers that matter and the time left; elsewhere (a file, a pipe) a plain line now and then.
 */

import {
  callable, checkArgument, number, objectWith, type Read, readOptions, type Table,
} from '@mambagrad/tensor/options';
import { now } from '@mambagrad/tensor/host';

/** Where progress is shown; `process.stdout` is one. */
export interface ProgressOutput {
  /** Writes text as it is; what it returns is ignored. */
  write(text: string): unknown;
  /** Whether it is a terminal, on which a line can be drawn again. Default false. */
  readonly isTTY?: boolean | undefined;
  /** The width of the terminal. Default 80. */
  readonly columns?: number | undefined;
}

/** Options of `Progress`: how long the job is, where it is shown, and by which clock. */
export interface ProgressOptions {
  /** The number of steps of the whole job, from 0; Infinity if it has no end. */
  readonly total: number;
  /** Where it is shown. */
  readonly output: ProgressOutput;
  /** A clock in milliseconds that is never set back. Default `performance.now`. */
  readonly now?: (() => number) | undefined;
}

const progressOptions = {
  total: number({ from: 0, to: Infinity }).required(),
  output: objectWith<ProgressOutput>('an object with a method write', 'write').required(),
  now: callable<() => number>().orElse(now),
} satisfies Table<ProgressOptions>;

/**
 * What is shown beside the step, by name. Numbers are smoothed, and a terminal shows how the first
 * has changed; strings are shown as they are.
 */
export type Metrics = Readonly<Record<string, number | string>>;

/** A terminal's line is drawn again after this many milliseconds, plain lines come less often. */
const REDRAW_AFTER = 100;
const PLAIN_LINES = 20;
/** The bar is as long as the terminal's width allows, between these; below, there is none. */
const BAR_WIDTH = { least: 4, most: 20 };
const CURVE_WIDTH = 8;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const HEIGHTS = '▁▂▃▄▅▆▇█';
/** How much of what is shown is the latest number; the rest is what was shown before. */
const LATEST = 0.1;

/** Shows the progress of one job: `update` after every step, `end` when it is over. */
export class Progress {
  readonly #options: Read<typeof progressOptions>;
  /** The first update: what came before says nothing about the rate. */
  #start: { readonly step: number; readonly time: number } | undefined;
  readonly #means = new Map<string, number>();
  /** The mean of the first number, update by update. */
  readonly #curve: number[] = [];
  #drawnAt = -Infinity;
  #plainAt = 0;
  #isOpen = false;

  constructor(options: ProgressOptions) {
    this.#options = readOptions('Progress', options, progressOptions);
  }

  /** Shows that `step` steps are done, unless it was shown a moment ago; the last always is. */
  update(step: number, metrics: Metrics = {}): void {
    checkArgument('Progress.update', 'step', step, number({ from: 0 }));
    const { total, output } = this.#options;
    const now = this.#options.now();
    this.#start ??= { step, time: now };
    for (const [name, value] of Object.entries(metrics)) {
      if (typeof value === 'string') continue;
      const before = this.#means.get(name) ?? value;
      this.#means.set(name, before + LATEST * (value - before));
    }
    const [first] = this.#means.values();
    if (first !== undefined) this.#curve.push(first);
    const isLast = step >= total;
    if (output.isTTY) {
      if (!isLast && now - this.#drawnAt < REDRAW_AFTER) return;
      this.#drawnAt = now;
      const text = this.#describe(step, metrics, now);
      // The last column stays free: a full line would wrap.
      const room = (output.columns ?? 80) - 1;
      const width = Math.min(BAR_WIDTH.most, room - text.length - 3);
      const line = width < BAR_WIDTH.least ? text : `${bar(step / total, width)} ${text}`;
      output.write(`\r${line.slice(0, room)}\u001b[K`);
      this.#isOpen = true;
    } else if (isLast || step >= this.#plainAt) {
      this.#plainAt = step + total / PLAIN_LINES;
      output.write(`${this.#describe(step, metrics, now)}\n`);
    }
  }

  /** Leaves the line as it is and goes to the next; call it when the job ends, however it does. */
  end(): void {
    if (this.#isOpen) this.#options.output.write('\n');
    this.#isOpen = false;
  }

  #describe(step: number, metrics: Metrics, now: number): string {
    const { total, output } = this.#options;
    const { step: from, time } = this.#start ?? { step, time: now };
    const pace = (now - time) / (step - from);
    const [first] = this.#means.keys();
    const curve = output.isTTY ? ` ${sparkline(this.#curve, CURVE_WIDTH)}` : '';
    const parts = Object.entries(metrics).map(([name, value]) => {
      const mean = this.#means.get(name);
      return `${name} ${mean === undefined ? value : short(mean)}${name === first ? curve : ''}`;
    });
    if (pace > 0) parts.push(`${short(1000 / pace)}/s`);
    const left = formatTime(step < total ? pace * (total - step) : 0);
    return [`step ${step}/${total}`, ...parts, `${left} left`].join('  ');
  }
}

/** Three digits, and all those before the point. */
const short = (value: number): string =>
  Math.abs(value) < 999.5 ? value.toPrecision(3) : Math.round(value).toLocaleString('en');

/** Some numbers as a row of bars, at most so many, from the lowest ▁ to the highest █. */
export function sparkline(values: readonly number[], width: number): string {
  const count = Math.min(values.length, width);
  const last = (i: number): number => values[Math.floor((i * values.length) / count) - 1];
  const shown = Array.from({ length: count }, (_, i) => last(i + 1));
  const [least, most] = [Math.min(...shown), Math.max(...shown)];
  const scale = 7 / (most - least || 1);
  return shown.map((value) => HEIGHTS[Math.round(scale * (value - least))]).join('');
}

/** A bar of eighths of characters, filled to a fraction from 0 to 1. */
function bar(fraction: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(fraction, 0), 1) * width * 8);
  const filled = '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
  return `▕${filled.padEnd(width)}▏`;
}

/** Milliseconds as minutes and seconds, or hours and minutes: `1:05`, `2 h 03 min`. */
export function formatTime(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return '–:––';
  const seconds = Math.round(milliseconds / 1000);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${two((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
}

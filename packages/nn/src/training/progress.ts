/**
 * The progress of a long job. On a terminal it is one line that is redrawn in place, with a bar,
 * smoothed metrics and the time left; elsewhere (a file, a pipe) a plain line now and then: twenty
 * for the whole job, and more where it is slow, so that there is one every half minute.
 */

import {
  anyNumber, callable, checkArgument, listOf, number, objectWith, type Read, readOptions,
  type Table, whole,
} from '@mambagrad/tensor/options';
import { now } from '@mambagrad/tensor/host';

/** The terminal, file or pipe in which progress is shown, such as `process.stdout`. */
export interface ProgressOutput {
  /** Writes text as it is; its result is ignored. */
  write(text: string): unknown;
  /** Whether it is a terminal, on which a line can be redrawn. Default false. */
  readonly isTTY?: boolean | undefined;
  /** The width of the terminal. Default 80. */
  readonly columns?: number | undefined;
}

/** Options of `Progress`: the length of the job, the output, and the clock. */
export interface ProgressOptions {
  /** The number of steps of the whole job, from 0; Infinity if it has no end. */
  readonly total: number;
  /** The output to which the lines are written. */
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
 * The values that are shown beside the step, by name. Numbers are smoothed by an exponential moving
 * average, and a terminal shows the curve of the first; strings are shown as they are.
 */
export type Metrics = Readonly<Record<string, number | string>>;

/** A terminal's line is redrawn at most once in this many milliseconds. */
const REDRAW_AFTER = 100;
/** The number of plain lines for the whole job, as far as they do not come too rarely. */
const PLAIN_LINES = 20;
/** A plain line is written at the first update after this many milliseconds without one. */
const PLAIN_AFTER = 30_000;
/** The limits of the bar's width; where the terminal leaves less room, there is no bar. */
const BAR_WIDTH = { min: 4, max: 20 };
const CURVE_WIDTH = 8;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const HEIGHTS = '▁▂▃▄▅▆▇█';
/** The weight of the latest number in the moving average. */
const SMOOTHING = 0.1;

/** Shows the progress of one job: `update` after every step, `end` when it is over. */
export class Progress {
  readonly #options: Read<typeof progressOptions>;
  /** The first update, from which the rate is measured: what came before it took its own time. */
  #start: { readonly step: number; readonly time: number } | undefined;
  readonly #means = new Map<string, number>();
  /** The moving average of the first number at each update. */
  readonly #curve: number[] = [];
  #drawnAt = -Infinity;
  #nextPlainStep = 0;
  /** Draws the latest update, if that was not done yet. */
  #undrawn: (() => void) | undefined;
  /** Whether the cursor is on a line that may be redrawn. */
  #isOpen = false;

  constructor(options: ProgressOptions) {
    this.#options = readOptions('Progress', options, progressOptions);
  }

  /** Shows that `step` steps are done, unless a line was drawn just before; the last always is. */
  update(step: number, metrics: Metrics = {}): void {
    checkArgument('Progress.update', 'step', step, number({ from: 0 }));
    const { total, output } = this.#options;
    const now = this.#options.now();
    this.#start ??= { step, time: now };
    for (const [name, value] of Object.entries(metrics)) {
      if (typeof value === 'string') continue;
      const before = this.#means.get(name) ?? value;
      this.#means.set(name, before + SMOOTHING * (value - before));
    }
    const [first] = this.#means.values();
    if (first !== undefined) this.#curve.push(first);
    const isDue = now - this.#drawnAt >= (output.isTTY ? REDRAW_AFTER : PLAIN_AFTER)
      || (!output.isTTY && step >= this.#nextPlainStep);
    this.#undrawn = () => this.#draw(step, metrics, now);
    if (isDue || step >= total) this.#drawLatest();
  }

  /**
   * Shows the latest step, and ends the line that is redrawn. Call it when the job ends, in success
   * or failure, or before other text is written.
   */
  end(): void {
    this.#drawLatest();
    if (this.#isOpen) this.#options.output.write('\n');
    this.#isOpen = false;
  }

  #drawLatest(): void {
    this.#undrawn?.();
    this.#undrawn = undefined;
  }

  #draw(step: number, metrics: Metrics, now: number): void {
    const { total, output } = this.#options;
    const text = this.#describe(step, metrics, now);
    this.#drawnAt = now;
    if (!output.isTTY) {
      // Without an end, the lines become rarer.
      this.#nextPlainStep = step + (total === Infinity ? step : total) / PLAIN_LINES;
      output.write(`${text}\n`);
      return;
    }
    // The last column stays free: a full line would wrap.
    const room = (output.columns ?? 80) - 1;
    const width = Math.min(BAR_WIDTH.max, room - text.length - 3);
    const hasBar = width >= BAR_WIDTH.min && total < Infinity;
    const line = hasBar ? `${bar(step / total, width)} ${text}` : text;
    output.write(`\r${line.slice(0, room)}\u001b[K`);
    this.#isOpen = true;
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
    if (total === Infinity) return [`step ${step}`, ...parts].join('  ');
    const left = formatTime(step < total ? pace * (total - step) : 0);
    return [`step ${step}/${total}`, ...parts, `${left} left`].join('  ');
  }
}

/** A number with three significant digits, or as a whole number if it is larger. */
const short = (value: number): string =>
  Math.abs(value) < 999.5 ? value.toPrecision(3) : Math.round(value).toLocaleString('en');

/** A curve of at most `width` characters, from ▁ for the lowest value to █ for the highest. */
export function sparkline(values: readonly number[], width: number): string {
  checkArgument('sparkline', 'values', values, listOf(anyNumber));
  checkArgument('sparkline', 'width', width, whole());
  const count = Math.min(values.length, width);
  const last = (i: number): number => values[Math.floor((i * values.length) / count) - 1];
  const shown = Array.from({ length: count }, (_, i) => last(i + 1));
  const [min, max] = [Math.min(...shown), Math.max(...shown)];
  const scale = 7 / (max - min || 1);
  return shown.map((value) => HEIGHTS[Math.round(scale * (value - min))]).join('');
}

/** A bar that is filled to a fraction from 0 to 1, in steps of an eighth of a character. */
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

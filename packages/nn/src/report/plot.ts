/**
 * Charts in a terminal, as text: curves of Braille dots between axes with numbers.
 *
 *     loss
 *       3 ┤⢇
 *       1 ┤ ⠑⠢⣀
 *     0.3 ┤    ⠉⠒⠤⣀o
 *         └─┬───────┬
 *          100     200
 *     ⠤⠒ training, smoothed   o validation
 */
import {
  boolean, checkArgument, Kind, listOf, number, type Read, readOptions, string, type Table, whole,
} from '@mambagrad/tensor/options';
import { TensorError } from '@mambagrad/tensor';
import { type Axis, createAxis, type Tick } from './axis.ts';
import { Canvas } from './braille.ts';
import {
  canBeLog, type Chart, chartsOf, isBetterLog, onlyPositive, OTHER_CHARTS, type Series,
} from './charts.ts';
import { type Points, pointsToDraw, rangeOf } from './curve.ts';
import { type Run, runOf } from './run.ts';

/** Options of `plot`: what is drawn, and how large. */
export interface PlotOptions {
  /** The width of the text in characters, from 20. Default 80. */
  readonly width?: number | undefined;
  /** The number of rows of a chart, from 2, without its title and axis. Default 14. */
  readonly height?: number | undefined;
  /** Whether the values are on a logarithmic axis. Default where a curve ends near 0. */
  readonly log?: boolean | undefined;
  /**
   * The charts of a run to draw, by title: 'loss', a metric, 'learning rate', 'gradient norm',
   * 'steps per second'. Default the loss and all metrics.
   */
  readonly charts?: readonly string[] | undefined;
  /** How strongly noisy curves of a run are smoothed, see `ReportOptions`; 0 for not at all. */
  readonly smoothing?: number | undefined;
}

const plotOptions = {
  width: whole(20).orElse(80),
  height: whole(2).orElse(14),
  log: boolean.optional(),
  charts: listOf(string).optional(),
  smoothing: number({ from: 0 }).optional(),
} satisfies Table<PlotOptions>;

/** Numbers to plot: a curve, several by name, or the log of a run. */
export type PlotData =
  readonly number[] | Readonly<Record<string, readonly number[]>> | Run | string | Iterable<string>;

/** The signs of marked curves, and of all curves but the first. */
const SIGNS = 'ox+*#@';
/** There is a number on an axis for about as many columns and rows. */
const SPACING = { columns: 12, rows: 4 };

type Settings = Read<typeof plotOptions>;

/**
 * Curves as text, for a terminal. `data` is an array of numbers; an object of arrays by name, which
 * share a chart; or the log of a run, of which the loss and each metric have a chart. Numbers that
 * are not finite are gaps.
 */
export function plot(data: PlotData, options: PlotOptions = {}): string {
  const settings = readOptions('plot', options, plotOptions);
  const curves = curvesIn(data);
  const charts = curves ? [chartOf(curves)] : chartsToPlot(data as Run | string, settings);
  return charts.map((chart) => drawChart(chart, settings)).join('\n\n');
}

const arrays = listOf(new Kind<number>('a number', (x) => typeof x === 'number'));

/** The numbers of curves by name; undefined if the data is a log. */
function curvesIn(data: PlotData): [name: string, values: readonly number[]][] | undefined {
  if (arrays.accepts(data)) return [['', data as readonly number[]]];
  if (typeof data !== 'object' || data === null || Symbol.iterator in data) return undefined;
  const entries = Object.entries(data as Readonly<Record<string, unknown>>);
  if ('replacedSteps' in data && typeof data.replacedSteps === 'number') return undefined;
  return entries.map(([name, values]) => {
    checkArgument('plot', `data.${name}`, values, arrays);
    return [name, values as readonly number[]];
  });
}

/** Some curves over the numbers of their values, from 0, in one chart. */
function chartOf(curves: readonly (readonly [string, readonly number[]])[]): Chart {
  const series = curves.map(([name, y]): Series => ({ name, points: { x: [...y.keys()], y } }));
  return { title: '', series };
}

/** The charts of a run that the options name. */
function chartsToPlot(log: Run | string | Iterable<string>, settings: Settings): Chart[] {
  const all = chartsOf(runOf('plot', log), settings.smoothing);
  const isNamed = ({ title }: Chart): boolean => settings.charts?.includes(title) ?? false;
  const missing = settings.charts?.filter((name) => !all.some(({ title }) => title === name)) ?? [];
  if (missing.length > 0) {
    const names = all.map(({ title }) => `'${title}'`).join(', ');
    throw new TensorError(
      `plot: charts: the run has no '${missing[0]}'; it has ${names === '' ? 'none' : names}`,
    );
  }
  const isMetric = ({ title }: Chart): boolean => !OTHER_CHARTS.includes(title);
  const shown = all.filter(settings.charts ? isNamed : isMetric);
  return shown.length > 0 ? shown : [{ title: 'loss', series: [] }];
}

/** A chart as text: its title, rows with the values' axis, the steps' axis, and a legend. */
function drawChart(whole: Chart, { width, height, log }: Settings): string {
  // Of more curves than there are signs, the rest is left out.
  const chart = { title: whole.title, series: whole.series.slice(0, SIGNS.length) };
  const isLog = canBeLog(chart) && (log ?? isBetterLog(chart));
  const series = chart.series.map((each) => (isLog ? onlyPositive(each) : each));
  const curves = series.map(({ points, smoothed = points }) => smoothed);
  const [least, greatest] = rangeOf(curves.map(({ y }) => y));
  const title = chart.title === '' ? [] : [printable(chart.title).slice(0, width)];
  if (Number.isNaN(least)) return [...title, 'There is no finite value to draw.'].join('\n');
  const values = createAxis(least, greatest, Math.max(2, height / SPACING.rows), { isLog });
  const labels = Math.max(...values.ticks.map(({ label }) => label.length));
  const columns = width - labels - 2;
  const [first, last] = rangeOf(curves.map(({ x }) => x));
  const steps = createAxis(first, last, columns / SPACING.columns, { isPadded: false });
  const canvas = new Canvas(columns, height);
  const signs = signsOf(series);
  curves.forEach((curve, i) => drawCurve(canvas, curve, signs[i], steps, values));
  const rows = rowsWithAxis(canvas, values, labels);
  const isNamed = series.length === 1 && series[0].name === chart.title;
  const legend = isNamed ? [] : legendOf(series, width);
  return [...title, ...rows, ...axisBelow(steps, labels, columns), ...legend].join('\n');
}

/** The sign of each curve; undefined for the first, which is drawn in dots unless it is marked. */
function signsOf(series: readonly Series[]): (string | undefined)[] {
  const dotted = series[0]?.isMarked ? 0 : 1;
  return series.map((_, i) => (i < dotted ? undefined : SIGNS[(i - dotted) % SIGNS.length]));
}

function drawCurve(
  canvas: Canvas, points: Points, sign: string | undefined, steps: Axis, values: Axis,
): void {
  const { width, height } = canvas;
  for (const part of pointsToDraw(points, sign === undefined ? width : width / 2)) {
    const dots = part.map((i) => [
      Math.round(steps.place(points.x[i]) * (width - 1)),
      Math.round((1 - values.place(points.y[i])) * (height - 1)),
    ]);
    dots.forEach(([x, y], i) => {
      const [beforeX, beforeY] = dots[Math.max(0, i - 1)];
      if (sign === undefined) canvas.line(beforeX, beforeY, x, y);
      else canvas.sign(x, y, sign);
    });
  }
}

function rowsWithAxis(canvas: Canvas, values: Axis, width: number): string[] {
  const labels = new Map<number, Tick>();
  for (const tick of values.ticks) {
    const dot = Math.round((1 - values.place(tick.value)) * (canvas.height - 1));
    labels.set(Math.floor(dot / 4), tick);
  }
  return canvas.rows().map((row, i) => {
    const tick = labels.get(i);
    return `${(tick?.label ?? '').padStart(width)} ${tick ? '┤' : '│'}${row}`.trimEnd();
  });
}

/** The axis of steps: a line with a mark at each number, and the numbers. */
function axisBelow({ ticks, place }: Axis, labels: number, columns: number): string[] {
  const line = new Array<string>(columns).fill('─');
  let numbers = '';
  for (const { value, label } of ticks.filter((tick) => Number.isInteger(tick.value))) {
    const column = Math.floor(Math.round(place(value) * (2 * columns - 1)) / 2);
    const room = columns - label.length;
    const start = labels + 2 + Math.min(column - Math.floor(label.length / 2), room);
    // A number that would touch the one before it is left out.
    if (numbers !== '' && start <= numbers.length) continue;
    line[column] = '┬';
    numbers = numbers.padEnd(start) + label;
  }
  return [`${' '.repeat(labels + 1)}└${line.join('')}`, numbers];
}

/** The names of the curves, as many as fit into each line. */
function legendOf(series: readonly Series[], width: number): string[] {
  const signs = signsOf(series);
  const names = series.map((each, i) => {
    const name = printable(each.name) + (each.smoothed ? ', smoothed' : '');
    return name === '' ? '' : `${signs[i] ?? '⠤⠒'} ${name}`.slice(0, width);
  }).filter((name) => name !== '');
  const lines: string[] = [];
  for (const name of names) {
    const longer = `${lines.at(-1)}   ${name}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(name);
  }
  return lines;
}

/** A name without control characters, which a terminal would obey. */
function printable(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '\ufffd');
}
